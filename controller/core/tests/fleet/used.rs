//! 2,000 equal nodes in three zones with 80,000 pods of 50 kinds: what is there to be removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use plimsoll_core::cluster::{
    DisruptionBudget, Name, NodeBudget, Owner, OwnerKind, Pod, PodShape, Pool, ScaleDown, UnhealthyPods,
};
use plimsoll_core::placement::Change;
use plimsoll_core::time::{Span, Timestamp};

use super::{ZONES, bound, in_zones, node, pod, pool, selects, shape};

pub const NODES: usize = 2000;
pub const PODS_PER_NODE: usize = 40;
const KINDS: usize = 50;

fn budget(kind: usize) -> DisruptionBudget {
    let app = format!("app-{kind}");
    DisruptionBudget {
        namespace: "shop".into(),
        name: app.as_str().into(),
        selector: Some(selects(&[("app", &app)])),
        allowed: 2000,
        healthy: 1600,
        desired: 1,
        unhealthy: UnhealthyPods::IfHealthyBudget,
        disrupted: BTreeSet::new(),
    }
}

/// Every node of 16 cores, with 40 pods of `share` of it in thousandths together.
pub fn changes(share: i64) -> Vec<Change> {
    let types = [
        ("c4", 4, 16, 200_000),
        ("c8", 8, 32, 400_000),
        ("c16", 16, 64, 800_000),
        ("c32", 32, 128, 1_600_000),
    ];
    let offerings = in_zones(&ZONES, &types);
    let of_16_cores: Vec<_> =
        offerings.iter().filter(|of| &*of.key.instance_type == "c16").cloned().collect();
    let scale_down = ScaleDown {
        unneeded_for: Span::ZERO,
        delay_after_add: Span::ZERO,
        budgets: vec![NodeBudget { share: Some(1000), ..NodeBudget::default() }],
        ..ScaleDown::default()
    };
    let pool = Pool { scale_down, ..pool("p", offerings) };
    let shapes: Vec<Arc<PodShape>> = (0..KINDS)
        .map(|kind| {
            let percent = 60 + i64::try_from(kind % 9).unwrap_or(0) * 10;
            let cpu = 16 * share / i64::try_from(PODS_PER_NODE).unwrap_or(1) * percent / 100;
            Arc::new(shape(cpu, cpu, &[("app", &format!("app-{kind}"))]))
        })
        .collect();
    let mut changes = vec![Change::Pool(pool)];
    changes.extend((0..KINDS).map(|kind| Change::Budget(budget(kind))));
    for index in 0..NODES {
        let name = format!("n{index:05}");
        for number in 0..PODS_PER_NODE {
            let kind = (index * 7 + number * 3) % KINDS;
            let owner = Name::from(format!("app-{kind}").as_str());
            let owner = Owner { kind: OwnerKind::ReplicaSet, name: owner.clone(), uid: owner };
            let pod = Pod {
                owner: Some(owner),
                created: Timestamp::default(),
                ..pod(&format!("{name}-{number}"), &shapes[kind])
            };
            changes.push(Change::Pod(bound(pod, &name)));
        }
        let mut node = node(&name, "p", &of_16_cores[index % ZONES.len()]);
        node.created = Timestamp::default();
        changes.push(Change::Node(node));
    }
    changes
}
