//! Small clusters for tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{
    Balance, Capacity, CapacityType, DRAINING, Effect, Expander, Labels, Limits, Name, Node, NodeBudget,
    NodeTemplate, Offering, OfferingKey, Operator, Owner, OwnerKind, Pod, PodShape, PodState, PodTerm,
    Policy, Pool, Readiness, Record, Requirement, Resources, ScaleDown, Selector, Spread, Taint,
    WhenUnsatisfiable,
};
use crate::time::{Span, Timestamp};

/// What a node of type `m` has.
pub(crate) fn four_cores() -> Resources {
    Resources { cpu: 4000, memory: 16 << 30, pods: 110, ..Resources::default() }
}

/// What an offering is called.
pub(crate) fn key(instance_type: &str, zone: &str) -> OfferingKey {
    OfferingKey {
        instance_type: instance_type.into(),
        zone: zone.into(),
        capacity_type: CapacityType::OnDemand,
    }
}

/// The labels of a node of an offering.
pub(crate) fn labels(key: &OfferingKey) -> Labels {
    let label = |name: &str, value: String| (Name::from(name), Name::from(value.as_str()));
    Labels::from([
        label(crate::cluster::ZONE, key.zone.to_string()),
        label(crate::cluster::INSTANCE_TYPE, key.instance_type.to_string()),
        label(crate::cluster::CAPACITY_TYPE, key.capacity_type.to_string()),
        label(crate::cluster::CAPACITY_POOL, "p".to_owned()),
    ])
}

/// A ready node of type `m` of pool `p`, old enough for everything.
pub(crate) fn node(name: &str, zone: &str) -> Node {
    let mut labels = labels(&key("m", zone));
    labels.insert(crate::cluster::HOSTNAME.into(), name.into());
    Node {
        name: name.into(),
        uid: format!("uid-{name}").into(),
        labels,
        allocatable: four_cores(),
        taints: Vec::new(),
        unschedulable: false,
        readiness: Readiness::Ready,
        created: Timestamp::default(),
        attach_limits: BTreeMap::new(),
        pool: Some("p".into()),
        order: Some(format!("order-{name}").into()),
        scale_down_disabled: false,
        do_not_disrupt: None,
        interrupted: false,
        ordered: None,
        record: Record::Kept,
        given_back: None,
    }
}

/// An offering of pool `p`.
pub(crate) fn offering(instance_type: &str, zone: &str, cores: i64, price: i64) -> Offering {
    let key = key(instance_type, zone);
    Offering {
        labels: labels(&key),
        key,
        price,
        allocatable: Resources { cpu: cores * 1000, memory: cores << 32, pods: 110, ..Resources::default() },
        taints: Vec::new(),
        attach_limits: BTreeMap::new(),
        capacity: Capacity::Unknown,
    }
}

/// Pool `p`: type `m` with four cores at 0.2 in zones a, b and c.
pub(crate) fn pool() -> Pool {
    Pool {
        name: "p".into(),
        weight: 0,
        offerings: ["a", "b", "c"].map(|zone| offering("m", zone, 4, 200_000)).to_vec(),
        template: NodeTemplate::default(),
        limits: Limits::default(),
        expander: Expander::default(),
        balance: Balance::default(),
        scale_down: ScaleDown::default(),
        headroom: Vec::new(),
        priority_cutoff: -10,
    }
}

/// A ready pod of namespace `shop` with a tenth of a core, of the `ReplicaSet` web.
pub(crate) fn pod(name: &str, node: &str) -> Pod {
    Pod {
        uid: format!("uid-{name}").into(),
        name: name.into(),
        shape: Arc::new(PodShape {
            namespace: "shop".into(),
            requests: Resources { cpu: 100, memory: 1 << 27, pods: 1, ..Resources::default() },
            ..PodShape::default()
        }),
        state: PodState::Bound { node: node.into(), ready: true },
        owner: Some(owner(OwnerKind::ReplicaSet, "web")),
        created: Timestamp::default(),
        unplannable: None,
        eviction: crate::cluster::Eviction::default(),
    }
}

/// A pod of an app, in a state.
pub(crate) fn of_app(name: &str, app: &str, state: PodState) -> Pod {
    let mut pod = Pod { state, ..pod(name, "none") };
    Arc::make_mut(&mut pod.shape).labels = Labels::from([("app".into(), app.into())]);
    pod
}

/// A controller of this name.
pub(crate) fn owner(kind: OwnerKind, name: &str) -> Owner {
    Owner { kind, name: name.into(), uid: format!("uid-{name}").into() }
}

/// Marks a node as one that is being drained.
pub(crate) fn drain(node: &mut Node) {
    node.taints.push(Taint { key: DRAINING.into(), value: "".into(), effect: Effect::NoSchedule });
}

/// A node that is being drained.
pub(crate) fn draining(name: &str, zone: &str) -> Node {
    let mut node = node(name, zone);
    drain(&mut node);
    node
}

/// Pool `p`, whose nodes go as soon as they are not needed and as many at a time as there are.
pub(crate) fn eager_pool() -> Pool {
    let mut pool = pool();
    pool.scale_down.unneeded_for = Span::ZERO;
    pool.scale_down.delay_after_add = Span::ZERO;
    pool.scale_down.budgets = vec![NodeBudget { share: Some(1000), ..NodeBudget::default() }];
    pool
}

/// A selector of one label.
pub(crate) fn labelled(key: &str, value: &str) -> Selector {
    Selector(vec![Requirement {
        key: key.into(),
        operator: Operator::In(BTreeSet::from([Name::from(value)])),
    }])
}

/// The pods of an app of namespace `shop`, in the domain of a label.
pub(crate) fn term(topology_key: &str, app: &str) -> PodTerm {
    PodTerm {
        selector: Some(labelled("app", app)),
        namespaces: ["shop".into()].into(),
        namespace_selector: None,
        topology_key: topology_key.into(),
    }
}

/// Evenly with the pods of an app over domains of a label, one more in one than in another at the most.
pub(crate) fn evenly(topology_key: &str, app: &str) -> Spread {
    Spread {
        max_skew: 1,
        topology_key: topology_key.into(),
        selector: Some(labelled("app", app)),
        min_domains: None,
        node_affinity: Policy::Honor,
        node_taints: Policy::Ignore,
        when: WhenUnsatisfiable::DoNotSchedule,
    }
}
