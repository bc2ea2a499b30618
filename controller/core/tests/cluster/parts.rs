//! Nodes, pods and pools with nothing special about them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plimsoll_core::cluster::{
    Balance, CAPACITY_POOL, CAPACITY_TYPE, Capacity, CapacityType, DisruptionBudget, Eviction, Expander,
    HOSTNAME, INSTANCE_TYPE, Labels, Limits, Name, Node, NodeBudget, NodeTemplate, Offering, OfferingKey,
    Operator, Owner, OwnerKind, Pod, PodShape, PodState, PodTerm, Policy, Pool, Readiness, Record,
    Requirement, Resources, ScaleDown, Selector, Spread, UnhealthyPods, WhenUnsatisfiable, ZONE,
};
use plimsoll_core::time::{Span, Timestamp};

/// A type of so many cores with 4 GiB each.
pub(crate) fn offering(instance_type: &str, zone: &str, cores: i64, price: i64) -> Offering {
    let key = OfferingKey {
        instance_type: instance_type.into(),
        zone: zone.into(),
        capacity_type: CapacityType::OnDemand,
    };
    let labels = [
        (ZONE, zone.to_owned()),
        (INSTANCE_TYPE, instance_type.to_owned()),
        (CAPACITY_TYPE, "on-demand".to_owned()),
    ];
    Offering {
        key,
        price,
        allocatable: Resources { cpu: cores * 1000, memory: cores << 32, pods: 110, ..Resources::default() },
        labels: labels.into_iter().map(|(key, value)| (key.into(), value.as_str().into())).collect(),
        taints: Vec::new(),
        attach_limits: BTreeMap::new(),
        capacity: Capacity::Unknown,
    }
}

/// A pool that lets nodes go at once.
pub(crate) fn pool(name: &str, offerings: Vec<Offering>) -> Pool {
    let scale_down = ScaleDown {
        unneeded_for: Span::ZERO,
        delay_after_add: Span::ZERO,
        budgets: vec![NodeBudget { share: Some(1000), ..NodeBudget::default() }],
        ..ScaleDown::default()
    };
    Pool {
        name: name.into(),
        weight: 0,
        offerings,
        template: NodeTemplate::default(),
        limits: Limits::default(),
        expander: Expander::default(),
        balance: Balance::default(),
        scale_down,
        headroom: Vec::new(),
        priority_cutoff: -10,
    }
}

/// A ready node of an offering, old enough for everything.
pub(crate) fn node(name: &str, pool: &Pool, offering: &Offering) -> Node {
    let mut labels: Labels = offering.labels.clone();
    labels.extend(pool.template.labels.clone());
    labels.insert(CAPACITY_POOL.into(), pool.name.clone());
    labels.insert(HOSTNAME.into(), name.into());
    Node {
        name: name.into(),
        uid: format!("uid-{name}").into(),
        labels,
        allocatable: offering.allocatable.clone(),
        taints: pool.template.taints.clone(),
        unschedulable: false,
        readiness: Readiness::Ready,
        created: Timestamp::default(),
        attach_limits: BTreeMap::new(),
        pool: Some(pool.name.clone()),
        order: Some(format!("order-{name}").into()),
        scale_down_disabled: false,
        do_not_disrupt: None,
        interrupted: false,
        ordered: None,
        record: Record::Kept,
        given_back: None,
    }
}

/// The shape of pods of an app of namespace `shop`.
pub(crate) fn shape(app: &str, cpu: i64) -> PodShape {
    PodShape {
        namespace: "shop".into(),
        labels: Labels::from([("app".into(), app.into())]),
        requests: Resources { cpu, memory: cpu << 20, pods: 1, ..Resources::default() },
        ..PodShape::default()
    }
}

/// A ready pod.
pub(crate) fn pod(name: &str, app: &str, shape: &Arc<PodShape>, node: &str) -> Pod {
    Pod {
        uid: format!("uid-{name}").into(),
        name: name.into(),
        shape: Arc::clone(shape),
        state: PodState::Bound { node: node.into(), ready: true },
        owner: Some(Owner {
            kind: OwnerKind::ReplicaSet,
            name: app.into(),
            uid: format!("uid-{app}").into(),
        }),
        created: Timestamp::default(),
        unplannable: None,
        eviction: Eviction::default(),
    }
}

/// The selector of the pods of an app.
pub(crate) fn selector(app: &str) -> Selector {
    let operator = Operator::In(BTreeSet::from([Name::from(app)]));
    Selector(vec![Requirement { key: "app".into(), operator }])
}

/// A budget for the pods of an app.
pub(crate) fn budget(app: &str, allowed: i32) -> DisruptionBudget {
    DisruptionBudget {
        namespace: "shop".into(),
        name: app.into(),
        selector: Some(selector(app)),
        allowed,
        healthy: 3,
        desired: 3,
        unhealthy: UnhealthyPods::IfHealthyBudget,
        disrupted: BTreeSet::new(),
    }
}

/// The pods of an app of namespace `shop`, in the domain of a label.
pub(crate) fn term(topology_key: &str, app: &str) -> PodTerm {
    PodTerm {
        selector: Some(selector(app)),
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
        selector: Some(selector(app)),
        min_domains: None,
        node_affinity: Policy::Honor,
        node_taints: Policy::Ignore,
        when: WhenUnsatisfiable::DoNotSchedule,
    }
}
