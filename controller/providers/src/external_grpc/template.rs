//! What a new node of a group would look like.

use std::collections::BTreeMap;

use plimsoll_core::quantity::Quantity;
use prost::Message as _;

use super::protocol::{
    externalgrpc::ExternalGrpcNode,
    kubernetes::{self, Node},
};
use crate::{Bounds, Offering, OfferingId, Resources, Taint, labels};

/// The zone, in the order of preference.
const ZONES: [&str; 2] = [labels::ZONE, "failure-domain.beta.kubernetes.io/zone"];
/// The instance type, in the order of preference.
const TYPES: [&str; 2] = [labels::INSTANCE_TYPE, "beta.kubernetes.io/instance-type"];
/// What begins the protobuf form of an object where it stands alone. The protocol does not want it; some send it.
const ENVELOPE: &[u8] = b"k8s\0";

/// The offering whose nodes look like this, and what to ask its price by. Price and bounds are not known yet.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn offering(id: &OfferingId, bytes: &[u8]) -> Result<(Offering, ExternalGrpcNode), String> {
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    if bytes.starts_with(ENVELOPE) {
        return Err(
            "it is a serialised runtime.Unknown, not a v1.Node: send what Node.Marshal gives".to_owned()
        );
    }
    let node = Node::decode(bytes).map_err(|error| format!("it is not a v1.Node: {error}"))?;
    let metadata = node.metadata.unwrap_or_default();
    let spec = node.spec.unwrap_or_default();
    let status = node.status.unwrap_or_default();
    let mut its_labels = metadata.labels;
    // Each node has its own.
    its_labels.remove(labels::HOSTNAME);
    let capacity = resources(status.capacity)?;
    let allocatable =
        if status.allocatable.is_empty() { capacity.clone() } else { resources(status.allocatable)? };
    for needed in ["cpu", "memory", "pods"] {
        if allocatable.get(needed).is_none_or(|amount| amount.nano() <= 0) {
            return Err(format!("allocatable.{needed} must be above 0"));
        }
    }
    let first = |keys: [&str; 2]| keys.into_iter().find_map(|key| its_labels.get(key).cloned());
    let offering = Offering {
        id: id.clone(),
        instance_type: first(TYPES).unwrap_or_else(|| id.0.clone()),
        zone: first(ZONES),
        capacity_type: labels::capacity_type(&its_labels),
        price: None,
        capacity,
        allocatable,
        taints: spec.taints.into_iter().map(taint).collect::<Result<_, _>>()?,
        labels: its_labels.clone(),
        available: !spec.unschedulable,
        bounds: Bounds::default(),
    };
    let node = ExternalGrpcNode {
        provider_id: spec.provider_id,
        name: metadata.name,
        labels: its_labels,
        annotations: metadata.annotations,
    };
    Ok((offering, node))
}

fn resources(said: BTreeMap<String, kubernetes::Quantity>) -> Result<Resources, String> {
    let amount = |(resource, said): (String, kubernetes::Quantity)| match Quantity::parse(&said.string) {
        Ok(amount) if amount.nano() >= 0 => Ok((resource, amount)),
        Ok(_) => Err(format!("{resource} is below 0")),
        Err(error) => Err(format!("{resource}: {:?} is not an amount: {error}", said.string)),
    };
    said.into_iter().map(amount).collect()
}

fn taint(said: kubernetes::Taint) -> Result<Taint, String> {
    let kubernetes::Taint { key, value, effect } = said;
    if key.is_empty() || !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect.as_str()) {
        return Err(format!("the taint {key:?} has the effect {effect:?}, which there is not"));
    }
    Ok(Taint { key, value, effect })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::{
        CapacityType,
        external_grpc::protocol::kubernetes::{NodeSpec, NodeStatus, ObjectMeta},
    };

    fn bytes(change: impl FnOnce(&mut Node)) -> Vec<u8> {
        let amounts = [("cpu", "4"), ("memory", "16Gi"), ("pods", "110")];
        let mut node = Node {
            metadata: Some(ObjectMeta {
                labels: [
                    ("topology.kubernetes.io/zone", "zone-a"),
                    ("node.kubernetes.io/instance-type", "s-4x"),
                    ("eks.amazonaws.com/capacityType", "SPOT"),
                    ("kubernetes.io/hostname", "template"),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
                ..ObjectMeta::default()
            }),
            spec: Some(NodeSpec::default()),
            status: Some(NodeStatus {
                capacity: amounts
                    .map(|(key, text)| (key.to_owned(), kubernetes::Quantity { string: text.to_owned() }))
                    .into(),
                ..NodeStatus::default()
            }),
        };
        change(&mut node);
        node.encode_to_vec()
    }

    #[test]
    fn a_template_is_an_offering() {
        let (offering, node) = offering(&"g".into(), &bytes(|_| {})).unwrap();
        assert_eq!(offering.instance_type, "s-4x");
        assert_eq!(offering.zone.as_deref(), Some("zone-a"));
        assert_eq!(offering.capacity_type, CapacityType::Spot);
        assert_eq!(offering.allocatable["memory"].to_string(), "16Gi", "capacity, where nothing is reserved");
        assert!(
            !offering.labels.contains_key("kubernetes.io/hostname")
                && !node.labels.contains_key("kubernetes.io/hostname")
        );
    }

    #[test]
    fn a_template_that_makes_no_sense_says_why() {
        let amount = |node: &mut Node, text: &str| {
            node.status
                .as_mut()
                .unwrap()
                .capacity
                .insert("cpu".to_owned(), kubernetes::Quantity { string: text.to_owned() });
        };
        for (bytes, says) in [
            (Vec::new(), "empty"),
            (b"k8s\0\n".to_vec(), "runtime.Unknown"),
            (vec![0xff; 40], "not a v1.Node"),
            (bytes(|node| node.status = None), "allocatable.cpu"),
            (bytes(|node| amount(node, "0")), "allocatable.cpu"),
            (bytes(|node| amount(node, "-1")), "cpu is below 0"),
            (bytes(|node| amount(node, "many")), "\"many\" is not an amount"),
            (
                bytes(|node| {
                    let taint = kubernetes::Taint {
                        key: "a".to_owned(),
                        effect: "Never".to_owned(),
                        ..Default::default()
                    };
                    node.spec.as_mut().unwrap().taints.push(taint);
                }),
                "\"Never\"",
            ),
        ] {
            let error = offering(&"g".into(), &bytes).unwrap_err();
            assert!(error.contains(says), "{error} does not say {says}");
        }
    }
}
