//! 2,000 equal nodes in three zones with 80,000 pods of 50 kinds: what is there to be removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plimsoll_core::cluster::{
    Balance, CAPACITY_POOL, CAPACITY_TYPE, Capacity, CapacityType, DisruptionBudget, Eviction, Expander,
    HOSTNAME, INSTANCE_TYPE, Labels, Limits, Name, Node, NodeTemplate, Offering, OfferingKey, Operator,
    Owner, OwnerKind, Pod, PodShape, PodState, Pool, Readiness, Requirement, Resources, ScaleDown, Selector,
    UnhealthyPods, ZONE,
};
use plimsoll_core::placement::Change;
use plimsoll_core::time::{Span, Timestamp};

pub const NODES: usize = 2000;
pub const PODS_PER_NODE: usize = 40;
const KINDS: usize = 50;

fn offering(cores: i64, zone: &str) -> Offering {
    let instance_type = format!("c{cores}");
    let key = OfferingKey {
        instance_type: instance_type.as_str().into(),
        zone: zone.into(),
        capacity_type: CapacityType::OnDemand,
    };
    let label = |key: &str, value: &str| (Name::from(key), Name::from(value));
    Offering {
        key,
        price: cores * 50_000,
        allocatable: Resources { cpu: cores * 1000, memory: cores << 32, pods: 110, ..Resources::default() },
        labels: Labels::from([
            label(ZONE, zone),
            label(INSTANCE_TYPE, &instance_type),
            label(CAPACITY_TYPE, "on-demand"),
        ]),
        taints: Vec::new(),
        attach_limits: BTreeMap::new(),
        capacity: Capacity::Unknown,
    }
}

fn pool() -> Pool {
    let zones = ["a", "b", "c"];
    Pool {
        name: "p".into(),
        weight: 0,
        offerings: zones.iter().flat_map(|zone| [4, 8, 16, 32].map(|cores| offering(cores, zone))).collect(),
        template: NodeTemplate::default(),
        limits: Limits::default(),
        expander: Expander::default(),
        balance: Balance::default(),
        scale_down: ScaleDown {
            unneeded_for: Span::ZERO,
            delay_after_add: Span::ZERO,
            budgets: Vec::new(),
            ..ScaleDown::default()
        },
        headroom: Vec::new(),
    }
}

fn budget(kind: usize) -> DisruptionBudget {
    let operator = Operator::In(BTreeSet::from([Name::from(format!("app-{kind}").as_str())]));
    DisruptionBudget {
        namespace: "shop".into(),
        name: format!("app-{kind}").into(),
        selector: Some(Selector(vec![Requirement { key: "app".into(), operator }])),
        allowed: 2000,
        healthy: 1600,
        desired: 1,
        unhealthy: UnhealthyPods::IfHealthyBudget,
        disrupted: BTreeSet::new(),
    }
}

/// Every node of 16 cores, with 40 pods of `share` of it in thousandths together.
pub fn changes(share: i64) -> Vec<Change> {
    let pool = pool();
    let shapes: Vec<Arc<PodShape>> = (0..KINDS)
        .map(|kind| {
            let percent = 60 + i64::try_from(kind % 9).unwrap_or(0) * 10;
            let cpu = 16 * share / i64::try_from(PODS_PER_NODE).unwrap_or(1) * percent / 100;
            Arc::new(PodShape {
                namespace: "shop".into(),
                labels: Labels::from([("app".into(), format!("app-{kind}").as_str().into())]),
                requests: Resources { cpu, memory: cpu << 20, pods: 1, ..Resources::default() },
                ..PodShape::default()
            })
        })
        .collect();
    let mut changes = vec![Change::Pool(pool.clone())];
    changes.extend((0..KINDS).map(|kind| Change::Budget(budget(kind))));
    for index in 0..NODES {
        let name: Name = format!("n{index:05}").into();
        let zone = ["a", "b", "c"][index % 3];
        let offering = pool
            .offerings
            .iter()
            .find(|of| &*of.key.instance_type == "c16" && &*of.key.zone == zone)
            .unwrap();
        let mut labels = offering.labels.clone();
        labels.insert(HOSTNAME.into(), name.clone());
        labels.insert(CAPACITY_POOL.into(), "p".into());
        for number in 0..PODS_PER_NODE {
            let kind = (index * 7 + number * 3) % KINDS;
            changes.push(Change::Pod(Pod {
                uid: format!("{name}-{number}").into(),
                name: format!("{name}-{number}").into(),
                shape: Arc::clone(&shapes[kind]),
                state: PodState::Bound { node: name.clone(), ready: true },
                owner: Some(Owner {
                    kind: OwnerKind::ReplicaSet,
                    name: format!("app-{kind}").into(),
                    uid: format!("rs-{kind}").into(),
                }),
                created: Timestamp::default(),
                unplannable: None,
                eviction: Eviction::default(),
            }));
        }
        changes.push(Change::Node(Node {
            uid: name.clone(),
            name,
            labels,
            allocatable: offering.allocatable.clone(),
            taints: Vec::new(),
            unschedulable: false,
            readiness: Readiness::Ready,
            created: Timestamp::default(),
            attach_limits: BTreeMap::new(),
            pool: Some("p".into()),
            order: Some("o".into()),
            scale_down_disabled: false,
            do_not_disrupt: None,
            interrupted: false,
        }));
    }
    changes
}
