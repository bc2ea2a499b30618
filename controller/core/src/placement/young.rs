//! What holds of a node at first only: taints that go by themselves, before pods may run there or a moment after it is ready,
//! and devices that their plugins have not reported yet.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::packing::Packing;
use super::tables::Facts;
use super::view::View;
use crate::cluster::{Effect, Name, Node, OfferingKey, Pool, Readiness, Resources, Taint};
use crate::time::{Span, Timestamp};

/// Taints that a node loses when it is ready, a moment later.
const NOT_READY: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
/// Taints that every node has until it is ready.
const STARTING: [&str; 4] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/network-unavailable",
    "node.cloudprovider.kubernetes.io/uninitialized",
    "node.kubernetes.io/unreachable",
];
/// How long after its creation a node may take to report the devices that it was ordered with.
const REPORTS_WITHIN: Span = Span::from_secs(15 * 60);

/// Whether a node takes now what is planned for it: it is ready, has none of the taints that keep pods off until it has
/// started, and has reported its devices or had its time to. `pool` is the pool that it is of, and `ordered` what was ordered
/// with it.
pub fn takes_pods(node: &Node, pool: Option<&Pool>, ordered: Option<&OfferingKey>, now: Timestamp) -> bool {
    let keeps_off = |taint: &Taint| {
        taint.effect != Effect::PreferNoSchedule
            && (is_starting_taint(taint) || pool.is_some_and(|pool| is_startup_taint(taint, pool)))
    };
    node.readiness == Readiness::Ready
        && !node.taints.iter().any(keeps_off)
        && !(is_young(node, now) && awaited(node, pool, ordered).is_some())
}

impl View {
    /// Whether a node takes now what is planned for it; see [`takes_pods`].
    pub fn takes_pods(&self, node: &Node, now: Timestamp) -> bool {
        takes_pods(node, self.pool_of(node), node.offering().as_ref(), now)
    }

    /// What pods may have of a node, with the devices that it was ordered with and may still report.
    pub fn allocatable<'n>(&self, node: &'n Node, now: Timestamp) -> Cow<'n, Resources> {
        let Some(awaited) = self.awaited(node, now) else { return Cow::Borrowed(&node.allocatable) };
        let mut allocatable = node.allocatable.clone();
        allocatable.add(&awaited);
        Cow::Owned(allocatable)
    }

    /// A copy of the counted state to plan on, in which nodes have the devices that they may still report.
    pub(crate) fn packing_at(&self, now: Timestamp) -> Packing {
        let mut packing = self.packing();
        for node in self.nodes() {
            if let Some(awaited) = self.awaited(node, now)
                && let Some(at) = self.dense().node(&node.name)
            {
                let awaited = packing.amounts(&awaited);
                packing.resize(at, awaited);
            }
        }
        packing.settle();
        packing
    }

    fn awaited(&self, node: &Node, now: Timestamp) -> Option<Resources> {
        if !is_young(node, now) {
            return None;
        }
        awaited(node, self.pool_of(node), node.offering().as_ref())
    }

    fn pool_of(&self, node: &Node) -> Option<&Pool> {
        node.pool.as_ref().and_then(|pool| self.pool(pool))
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
        taints.retain(|taint| !(is_startup_taint(taint, pool) || (starts && is_starting_taint(taint))));
    }
    Facts { name: node.name.clone(), labels: node.labels.clone(), taints, unschedulable: node.unschedulable }
}

/// Whether a taint is one that every node has until it is ready.
pub(crate) fn is_starting_taint(taint: &Taint) -> bool {
    STARTING.contains(&&*taint.key)
}

fn is_startup_taint(taint: &Taint, pool: &Pool) -> bool {
    pool.template.startup_taints.iter().any(|of| of.key == taint.key && of.effect == taint.effect)
}

fn is_young(node: &Node, now: Timestamp) -> bool {
    now < node.created + REPORTS_WITHIN
}

/// Devices of what was ordered with a node, as its pool offers it, of which it reports none; None where there are no such.
fn awaited(node: &Node, pool: Option<&Pool>, ordered: Option<&OfferingKey>) -> Option<Resources> {
    let (pool, key) = (pool?, ordered?);
    let offering = pool.offerings.iter().find(|offering| offering.key == *key)?;
    let is_missing = |(name, amount): &(&Name, &i64)| **amount > 0 && node.allocatable.named(name) == 0;
    let missing = offering.allocatable.extended.iter().filter(is_missing);
    let extended: BTreeMap<Name, i64> = missing.map(|(name, amount)| (name.clone(), *amount)).collect();
    (!extended.is_empty()).then(|| Resources { extended, ..Resources::default() })
}
