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
/// How many of which devices come with an offering.
pub(crate) type Devices = BTreeMap<OfferingKey, BTreeMap<Name, i64>>;

/// How long after its creation a node may take to report the devices that it was ordered with.
const REPORTS_WITHIN: Span = Span::from_secs(15 * 60);

impl View {
    /// Whether a node takes now what is planned for it: it is ready, has none of the taints that keep pods off until it has
    /// started, and has reported its devices or had its time to.
    pub fn takes_pods(&self, node: &Node, now: Timestamp) -> bool {
        self.takes_pods_as(node, node.pool.as_ref(), node.offering().as_ref(), now)
    }

    /// The same for a node that does not say yet of which pool it is, and what was ordered with it.
    pub fn takes_pods_as(
        &self,
        node: &Node,
        pool: Option<&Name>,
        ordered: Option<&OfferingKey>,
        now: Timestamp,
    ) -> bool {
        let of = pool.and_then(|pool| self.pool(pool));
        let keeps_off = |taint: &Taint| {
            taint.effect != Effect::PreferNoSchedule
                && (is_starting_taint(taint) || of.is_some_and(|pool| is_startup_taint(taint, pool)))
        };
        node.readiness == Readiness::Ready
            && !node.taints.iter().any(keeps_off)
            && self.awaited(node, pool, || ordered.cloned(), now).is_none()
    }

    /// Whether a node may still report devices that it was ordered with.
    pub fn awaits_devices(&self, node: &Node, now: Timestamp) -> bool {
        self.awaited(node, node.pool.as_ref(), || node.offering(), now).is_some()
    }

    /// What pods may have of a node, with the devices that it was ordered with and may still report.
    pub fn allocatable<'n>(&self, node: &'n Node, now: Timestamp) -> Cow<'n, Resources> {
        let awaited = self.awaited(node, node.pool.as_ref(), || node.offering(), now);
        let Some(awaited) = awaited else { return Cow::Borrowed(&node.allocatable) };
        let mut allocatable = node.allocatable.clone();
        allocatable.add(&awaited);
        Cow::Owned(allocatable)
    }

    /// A copy of the counted state to plan on, in which nodes have the devices that they may still report.
    pub(crate) fn packing_at(&self, now: Timestamp) -> Packing {
        let mut packing = self.packing();
        for node in self.nodes() {
            let awaited = self.awaited(node, node.pool.as_ref(), || node.offering(), now);
            if let Some(awaited) = awaited
                && let Some(at) = self.dense().node(&node.name)
            {
                let awaited = packing.amounts(&awaited);
                packing.resize(at, awaited);
            }
        }
        packing.settle();
        packing
    }

    /// Devices of what was ordered with a node, as its pool offers it, of which it reports none though it may still; None
    /// where there are no such.
    fn awaited(
        &self,
        node: &Node,
        pool: Option<&Name>,
        ordered: impl FnOnce() -> Option<OfferingKey>,
        now: Timestamp,
    ) -> Option<Resources> {
        // Most pools offer none, and most nodes are not young.
        let offered = self.devices.get(pool?).filter(|_| now < node.created + REPORTS_WITHIN)?;
        let offered = offered.get(&ordered()?)?;
        let is_missing = |(name, amount): &(&Name, &i64)| **amount > 0 && node.allocatable.named(name) == 0;
        let missing = offered.iter().filter(is_missing);
        let extended: BTreeMap<Name, i64> = missing.map(|(name, amount)| (name.clone(), *amount)).collect();
        (!extended.is_empty()).then(|| Resources { extended, ..Resources::default() })
    }
}

/// Devices of what a pool offers, by offering; without those that have none.
pub(super) fn devices(pool: &Pool) -> Devices {
    let extended = pool.offerings.iter().map(|offering| (&offering.key, &offering.allocatable.extended));
    let with = extended.filter(|(_, extended)| !extended.is_empty());
    with.map(|(key, extended)| (key.clone(), extended.clone())).collect()
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
