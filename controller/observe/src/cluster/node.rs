//! A node, as the planner wants to know it.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    core::v1::{Node as ApiNode, Taint as ApiTaint},
    storage::v1::CSINode,
};
use plimsoll_core::{
    cluster::{CAPACITY_POOL, NODE_ORDER, Name, Node, Readiness, Record, Taint},
    time::Span,
};

use super::{affinity::observe_effect, requests::observe_resources, requirement::observe_labels};
use crate::observe_time;

/// Nodes with this annotation stay: the cluster-autoscaler's.
const SCALE_DOWN_DISABLED: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
/// Nodes and pods with this annotation stay, or stay for a while: Karpenter's.
const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";
/// What a condition says that changed later than this after the node came, it did not say first.
const FIRST_WORD: Span = Span::from_secs(10);
/// A node that was not ready by then is not starting any more: the cluster-autoscaler's `MaxNodeStartupTime`.
const STARTS_WITHIN: Span = Span::from_secs(15 * 60);
/// The taint that says that the provider takes the node away soon.
pub const INTERRUPTED: &str = "plimsoll.dev/interrupted";

/// A node; `attached` is what its CSI drivers say of it. That the record of its order is kept is not seen here.
pub fn observe_node(node: &ApiNode, attached: Option<&CSINode>) -> Node {
    let (metadata, spec, status) = (&node.metadata, node.spec.as_ref(), node.status.as_ref());
    let labels = observe_labels(metadata.labels.as_ref());
    let annotations = metadata.annotations.as_ref();
    let taints = observe_taints(node);
    Node {
        name: name(metadata.name.as_ref()),
        uid: name(metadata.uid.as_ref()),
        allocatable: observe_resources(status.and_then(|status| status.allocatable.as_ref())),
        unschedulable: spec.and_then(|spec| spec.unschedulable) == Some(true),
        readiness: readiness(node),
        created: metadata.creation_timestamp.as_ref().map(observe_time).unwrap_or_default(),
        attach_limits: attached.map(attach_limits).unwrap_or_default(),
        pool: labels.get(CAPACITY_POOL).cloned(),
        order: labels.get(NODE_ORDER).cloned(),
        // Whoever knows the records says it.
        ordered: None,
        scale_down_disabled: annotations
            .is_some_and(|all| all.get(SCALE_DOWN_DISABLED).is_some_and(|value| value == "true")),
        do_not_disrupt: do_not_disrupt(annotations),
        interrupted: taints.iter().any(|taint| &*taint.key == INTERRUPTED),
        record: Record::Kept,
        given_back: None,
        taints,
        labels,
    }
}

/// The taints of a node.
pub fn observe_taints(node: &ApiNode) -> Vec<Taint> {
    node.spec.as_ref().and_then(|spec| spec.taints.as_ref()).into_iter().flatten().filter_map(taint).collect()
}

/// A taint; None for an effect that nobody knows.
pub(super) fn taint(taint: &ApiTaint) -> Option<Taint> {
    Some(Taint {
        key: taint.key.as_str().into(),
        value: taint.value.as_deref().unwrap_or_default().into(),
        effect: observe_effect(&taint.effect)?,
    })
}

pub(super) fn name(name: Option<&String>) -> Name {
    Name::from(name.map(String::as_str).unwrap_or_default())
}

/// How long after its creation an object must not be disrupted: `true` for good, or a duration.
pub(super) fn do_not_disrupt(annotations: Option<&BTreeMap<String, String>>) -> Option<Span> {
    match annotations?.get(DO_NOT_DISRUPT)?.as_str() {
        "true" => Some(Span::from_millis(i64::MAX)),
        "false" => None,
        duration => go_duration(duration),
    }
}

/// A duration in Go's form, such as `1h30m`. What does not parse forbids nothing, as for Karpenter.
fn go_duration(text: &str) -> Option<Span> {
    let signed: jiff::SignedDuration = text.parse().ok()?;
    i64::try_from(signed.as_millis()).ok().map(Span::from_millis).filter(|span| *span > Span::default())
}

/// A kubelet that registers its node says at once whether it is ready, and mostly it is not: the network comes later. As
/// long as it has said nothing else it starts, and pods are planned for it; but not for longer than the cluster-autoscaler
/// waits. It says so itself: every five minutes at least it repeats what it said.
fn readiness(node: &ApiNode) -> Readiness {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let Some(ready) = conditions.iter().find(|condition| condition.type_ == "Ready") else {
        return Readiness::Starting;
    };
    let since = ready.last_transition_time.as_ref().map(observe_time).unwrap_or_default();
    match ready.status.as_str() {
        "True" => Readiness::Ready,
        "False" => {
            let created = node.metadata.creation_timestamp.as_ref().map(observe_time).unwrap_or_default();
            let said = ready.last_heartbeat_time.as_ref().map_or(since, observe_time);
            let is_first = ready.last_transition_time.is_some() && since <= created + FIRST_WORD;
            let is_starting = is_first && said < created + STARTS_WITHIN;
            if is_starting { Readiness::Starting } else { Readiness::NotReady { since } }
        }
        _ => Readiness::Unknown { since },
    }
}

/// The most volumes that each CSI driver may attach to a node.
pub fn attach_limits(node: &CSINode) -> BTreeMap<Name, i64> {
    let limit = |driver: &k8s_openapi::api::storage::v1::CSINodeDriver| {
        Some((Name::from(driver.name.as_str()), i64::from(driver.allocatable.as_ref()?.count?)))
    };
    node.spec.drivers.iter().filter_map(limit).collect()
}

#[cfg(test)]
mod tests {
    use plimsoll_core::cluster::Effect;
    use pretty_assertions::assert_eq;

    use super::*;

    fn node(yaml: &str) -> Node {
        observe_node(&serde_saphyr::from_str(yaml).unwrap(), None)
    }

    #[test]
    fn a_node_of_ours_names_its_pool_and_order() {
        let node = node(
            "
             metadata:
               name: a
               labels: { plimsoll.dev/capacity-pool: general, plimsoll.dev/node-order: general-7 }
             spec: { taints: [{ key: k, effect: NoSchedule }, { key: odd, effect: Sometimes }] }
             status:
               allocatable: { cpu: 3900m, memory: 8Gi, pods: '110', example.com/gpu: '2' }
               conditions: [{ type: Ready, status: 'True' }]",
        );
        assert_eq!((node.pool.as_deref(), node.order.as_deref()), (Some("general"), Some("general-7")));
        assert_eq!(node.taints, [Taint { key: "k".into(), value: "".into(), effect: Effect::NoSchedule }]);
        assert_eq!(
            (node.allocatable.cpu, node.allocatable.memory, node.allocatable.pods),
            (3900, 8 << 30, 110)
        );
        assert_eq!((node.allocatable.extended["example.com/gpu"], node.readiness), (2, Readiness::Ready));
    }

    #[test]
    fn a_node_that_never_reported_is_starting_and_a_silent_one_unknown() {
        assert_eq!(node("metadata: { name: a }").readiness, Readiness::Starting);
        let silent =
            node("{ metadata: { name: a }, status: { conditions: [{ type: Ready, status: Unknown }] } }");
        assert!(matches!(silent.readiness, Readiness::Unknown { .. }));
    }

    #[test]
    fn a_node_starts_until_it_says_something_else_or_has_had_its_time() {
        // Created at 12:00:00.
        let says = |since: &str, said: &str| {
            let ready = format!(
                "{{ type: Ready, status: 'False', lastTransitionTime: '2026-11-01T{since}Z',
                    lastHeartbeatTime: '2026-11-01T{said}Z' }}"
            );
            let metadata = "{ name: a, creationTimestamp: '2026-11-01T12:00:00Z' }";
            node(&format!("{{ metadata: {metadata}, status: {{ conditions: [{ready}] }} }}")).readiness
        };
        for (since, said) in [("11:59:58", "11:59:58"), ("12:00:10", "12:00:10"), ("11:59:58", "12:14:59")] {
            assert_eq!(says(since, said), Readiness::Starting, "since {since}, said at {said}");
        }
        for (since, said) in [("12:00:11", "12:00:11"), ("11:59:58", "12:15:00")] {
            assert!(matches!(says(since, said), Readiness::NotReady { .. }), "since {since}, said at {said}");
        }
    }

    #[test]
    fn do_not_disrupt_holds_for_good_or_for_a_while() {
        let of = |value: &str| {
            do_not_disrupt(Some(&BTreeMap::from([(DO_NOT_DISRUPT.to_owned(), value.to_owned())])))
        };
        assert_eq!(of("true"), Some(Span::from_millis(i64::MAX)));
        assert_eq!(of("1h30m"), Some(Span::from_secs(5400)));
        assert_eq!((of("false"), of("soon"), of("-5m")), (None, None, None));
    }
}
