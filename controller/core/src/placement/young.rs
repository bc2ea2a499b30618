//! What holds of a node at first only: taints that go by themselves, before pods may run there or a moment after it is ready.

use std::collections::BTreeMap;

use super::tables::Facts;
use super::view::View;
use crate::cluster::{Effect, Name, Node, Pool, Readiness, Taint};

/// Taints that a node loses when it is ready, a moment later.
const NOT_READY: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
/// Taints that every node has until it is ready.
const STARTING: [&str; 4] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/network-unavailable",
    "node.cloudprovider.kubernetes.io/uninitialized",
    "node.kubernetes.io/unreachable",
];

/// Whether a node of a pool takes now what is planned for it: it is ready, and has none of the taints that keep pods off
/// until it has started.
pub fn takes_pods(node: &Node, pool: Option<&Pool>) -> bool {
    let keeps_off = |taint: &Taint| {
        taint.effect != Effect::PreferNoSchedule
            && (is_starting(taint) || pool.is_some_and(|pool| is_startup(taint, pool)))
    };
    node.readiness == Readiness::Ready && !node.taints.iter().any(keeps_off)
}

impl View {
    /// Whether a node takes now what is planned for it; see [`takes_pods`].
    pub fn takes_pods(&self, node: &Node) -> bool {
        takes_pods(node, node.pool.as_ref().and_then(|pool| self.pool(pool)))
    }
}

/// What a node is planned as: one that is starting will lose the taints that it starts with, and one that has just become
/// ready those that say that it is not. What takes the startup taints of a pool away often runs on nodes that are ready.
pub(super) fn planned_as(node: &Node, pools: &BTreeMap<Name, Pool>) -> Facts {
    let mut taints = node.taints.clone();
    if node.readiness == Readiness::Ready {
        taints.retain(|taint| !NOT_READY.contains(&&*taint.key));
    }
    if let Some(pool) = node.pool.as_ref().and_then(|pool| pools.get(pool)) {
        let starts = node.readiness == Readiness::Starting;
        taints.retain(|taint| !(is_startup(taint, pool) || (starts && is_starting(taint))));
    }
    Facts { name: node.name.clone(), labels: node.labels.clone(), taints, unschedulable: node.unschedulable }
}

/// Whether a taint is one that every node has until it is ready.
fn is_starting(taint: &Taint) -> bool {
    STARTING.contains(&&*taint.key)
}

fn is_startup(taint: &Taint, pool: &Pool) -> bool {
    pool.template.startup_taints.iter().any(|of| of.key == taint.key && of.effect == taint.effect)
}
