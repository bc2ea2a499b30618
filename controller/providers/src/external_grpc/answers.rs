//! What a server says, made into our values. What cannot be true is left out with a reason; nothing here can panic.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    failure::speaks_of_quota,
    protocol::externalgrpc::{self as said, NodeGroup, NodeGroupNodesResponse},
};
use crate::{
    Bounds, FailureKind, Group, Instance, InstanceFailure, InstanceState, Inventory, Oddity, OfferingId,
    ProviderError, error::shortened,
};

/// The protocol's number for «there is no more of this».
const OUT_OF_RESOURCES: i32 = 1;

/// The groups by id, with their bounds. One whose bounds make no sense is `Err`.
pub(super) fn groups(
    said: Vec<NodeGroup>,
    oddities: &mut Vec<Oddity>,
) -> BTreeMap<OfferingId, Result<Bounds, ProviderError>> {
    let mut groups = BTreeMap::new();
    for NodeGroup { id, min_size, max_size, .. } in said {
        if id.is_empty() {
            oddities.push(Oddity::NamelessGroup);
            continue;
        }
        let id = OfferingId(id);
        if groups.contains_key(&id) {
            oddities.push(Oddity::GroupTwice(id));
            continue;
        }
        let bounds = match (u32::try_from(min_size), u32::try_from(max_size)) {
            (Ok(min), Ok(max)) if min <= max => Ok(Bounds { min, max }),
            _ => Err(bad_size(&id, format!("from {min_size} to {max_size} nodes"), oddities)),
        };
        groups.insert(id, bounds);
    }
    groups
}

/// A size that was said.
pub(super) fn target(id: &OfferingId, said: i32) -> Result<u32, ProviderError> {
    u32::try_from(said).map_err(|_| ProviderError::Nonsense(format!("the size of {id} is {said}")))
}

fn bad_size(offering: &OfferingId, said: String, oddities: &mut Vec<Oddity>) -> ProviderError {
    let error = ProviderError::Nonsense(format!("the size of {offering} is {said}"));
    oddities.push(Oddity::BadSize { offering: offering.clone(), said });
    error
}

/// A group with its instances, sorted by id.
pub(super) fn group(
    id: &OfferingId,
    bounds: Bounds,
    said_target: i32,
    said: NodeGroupNodesResponse,
    oddities: &mut Vec<Oddity>,
) -> Result<Group, ProviderError> {
    let Ok(target) = u32::try_from(said_target) else {
        return Err(bad_size(id, said_target.to_string(), oddities));
    };
    let mut instances: BTreeMap<String, Instance> = BTreeMap::new();
    for said in said.instances {
        if said.id.is_empty() {
            oddities.push(Oddity::NamelessInstance(id.clone()));
        } else if instances.contains_key(&said.id) {
            oddities.push(Oddity::InstanceTwice { offering: id.clone(), id: said.id });
        } else {
            instances.insert(said.id.clone(), instance(id, said, oddities));
        }
    }
    Ok(Group { target, bounds, instances: instances.into_values().collect() })
}

fn instance(offering: &OfferingId, said: said::Instance, oddities: &mut Vec<Oddity>) -> Instance {
    let status = said.status.unwrap_or_default();
    let state = match status.instance_state {
        // 0: the server says nothing, which the cluster-autoscaler takes for a node that is there.
        0 | 1 => InstanceState::Running,
        2 => InstanceState::Creating,
        3 => InstanceState::Deleting,
        state => {
            oddities.push(Oddity::UnknownState { id: said.id.clone(), state });
            InstanceState::Running
        }
    };
    let failure = status.error_info.filter(|info| !info.error_code.is_empty()).map(|info| InstanceFailure {
        kind: if speaks_of_quota(&info.error_code) || speaks_of_quota(&info.error_message) {
            FailureKind::Quota
        } else if info.instance_error_class == OUT_OF_RESOURCES {
            FailureKind::OutOfCapacity
        } else {
            FailureKind::Other
        },
        code: shortened(info.error_code),
        message: shortened(info.error_message),
    });
    Instance { id: said.id, node_name: None, state, failure, offering: offering.clone(), order: None }
}

/// Takes each instance that several groups claim out of all but the first, and says which those are.
pub(super) fn settle_claims(inventory: &mut Inventory) -> BTreeSet<String> {
    let mut owner: BTreeMap<String, OfferingId> = BTreeMap::new();
    let mut contested = BTreeSet::new();
    for (id, group) in &mut inventory.groups {
        let Ok(group) = group else { continue };
        group.instances.retain(|instance| match owner.get(&instance.id) {
            None => {
                owner.insert(instance.id.clone(), id.clone());
                true
            }
            Some(first) => {
                let (first, second) = (first.clone(), id.clone());
                inventory.oddities.push(Oddity::ClaimedTwice { id: instance.id.clone(), first, second });
                contested.insert(instance.id.clone());
                false
            }
        });
    }
    contested
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::external_grpc::protocol::externalgrpc::{InstanceErrorInfo, InstanceStatus};

    fn listed(id: &str, state: i32, error: Option<(&str, i32)>) -> said::Instance {
        let error_info = error.map(|(code, class)| InstanceErrorInfo {
            error_code: code.to_owned(),
            error_message: "sorry".to_owned(),
            instance_error_class: class,
        });
        said::Instance {
            id: id.to_owned(),
            status: Some(InstanceStatus { instance_state: state, error_info }),
        }
    }

    fn read(target: i32, instances: Vec<said::Instance>) -> (Result<Group, ProviderError>, Vec<Oddity>) {
        let mut oddities = Vec::new();
        let said = NodeGroupNodesResponse { instances };
        let group = group(&"g".into(), Bounds::default(), target, said, &mut oddities);
        (group, oddities)
    }

    #[test]
    fn states_and_failures_are_those_of_the_protocol() {
        let (group, oddities) = read(
            6,
            vec![
                listed("a", 1, None),
                listed("b", 2, Some(("Ice", 1))),
                listed("c", 3, Some(("", 1))),
                listed("d", 2, Some(("Broken", 99))),
                listed("e", 2, Some(("QuotaExceeded", 1))),
                said::Instance { id: "f".to_owned(), status: None },
            ],
        );
        let seen: Vec<_> = group
            .unwrap()
            .instances
            .into_iter()
            .map(|instance| (instance.state, instance.failure.map(|failure| failure.kind)))
            .collect();
        assert_eq!(
            seen,
            [
                (InstanceState::Running, None),
                (InstanceState::Creating, Some(FailureKind::OutOfCapacity)),
                (InstanceState::Deleting, None),
                (InstanceState::Creating, Some(FailureKind::Other)),
                (InstanceState::Creating, Some(FailureKind::Quota)),
                (InstanceState::Running, None),
            ]
        );
        assert_eq!(oddities, []);
    }

    #[test]
    fn what_cannot_be_true_is_left_out_with_a_reason() {
        let (group, oddities) = read(
            1,
            vec![listed("a", 1, None), listed("a", 2, None), listed("", 1, None), listed("b", 77, None)],
        );
        let ids: Vec<_> = group.unwrap().instances.into_iter().map(|instance| instance.id).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(
            oddities,
            [
                Oddity::InstanceTwice { offering: "g".into(), id: "a".to_owned() },
                Oddity::NamelessInstance("g".into()),
                Oddity::UnknownState { id: "b".to_owned(), state: 77 },
            ]
        );
        let (group, oddities) = read(-1, vec![]);
        assert!(matches!(group, Err(ProviderError::Nonsense(_))), "{group:?}");
        assert_eq!(oddities, [Oddity::BadSize { offering: "g".into(), said: "-1".to_owned() }]);
    }

    #[test]
    fn groups_need_an_id_of_their_own_and_bounds_in_order() {
        let of = |id: &str, min_size, max_size| NodeGroup {
            id: id.to_owned(),
            min_size,
            max_size,
            ..NodeGroup::default()
        };
        let mut oddities = Vec::new();
        let found = groups(
            vec![of("a", 0, 3), of("a", 0, 9), of("", 0, 1), of("b", 4, 3), of("c", -1, 3)],
            &mut oddities,
        );
        assert_eq!(found[&"a".into()], Ok(Bounds { min: 0, max: 3 }));
        assert!(found[&"b".into()].is_err() && found[&"c".into()].is_err());
        assert_eq!((found.len(), oddities.len()), (3, 4));
    }

    #[test]
    fn an_instance_that_two_groups_claim_counts_once_and_is_contested() {
        let of = |id: &str| {
            let said = NodeGroupNodesResponse { instances: vec![listed("x", 1, None), listed(id, 1, None)] };
            group(&id.into(), Bounds::default(), 2, said, &mut Vec::new())
        };
        let mut inventory =
            Inventory { groups: [("a".into(), of("a")), ("b".into(), of("b"))].into(), oddities: Vec::new() };
        assert_eq!(settle_claims(&mut inventory), ["x".to_owned()].into());
        let ids: Vec<_> = inventory.instances().map(|instance| instance.id.as_str()).collect();
        assert_eq!(ids, ["a", "x", "b"]);
        assert_eq!(inventory.oddities.len(), 1);
    }
}
