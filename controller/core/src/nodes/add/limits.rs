//! Bounds on pools and on the cluster, kept while a plan grows.

use std::collections::BTreeMap;

use crate::cluster::{Name, Pool, Resources};
use crate::nodes::reason::Limit;
use crate::placement::View;
use crate::time::Timestamp;

/// What a pool has, orders and new nodes included.
#[derive(Clone, Debug, Default)]
struct Used {
    all: Sum,
    by_zone: BTreeMap<Name, Sum>,
}

/// Nodes, and what they have.
#[derive(Clone, Debug, Default)]
struct Sum {
    nodes: u32,
    resources: Resources,
}

impl Sum {
    fn add(&mut self, nodes: i64, resources: &Resources) {
        self.nodes = u32::try_from((i64::from(self.nodes) + nodes).max(0)).unwrap_or(u32::MAX);
        self.resources.add(resources);
    }

    /// The first limit that would be passed with `more` in place of `less`.
    fn passes<'l>(
        &self,
        limits: &'l BTreeMap<Name, i64>,
        more: &Resources,
        less: Option<&Resources>,
    ) -> Option<(&'l Name, i64)> {
        if limits.is_empty() {
            return None;
        }
        let mut after = self.resources.clone();
        after.add(more);
        if let Some(less) = less {
            after.subtract(less);
        }
        limits.iter().find(|(name, limit)| after.named(name) > **limit).map(|(name, limit)| (name, *limit))
    }
}

/// Keeps count against the limits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    used: BTreeMap<Name, Used>,
    limits: BTreeMap<Name, crate::cluster::Limits>,
    total: u32,
    most: Option<u32>,
}

impl Bounds {
    /// What is there and ordered, against the limits of the pools and `most` nodes in total.
    pub(crate) fn of(view: &View, most: Option<u32>, now: Timestamp) -> Self {
        let mut bounds = Self { most, ..Self::default() };
        for pool in view.pools() {
            bounds.limits.insert(pool.name.clone(), pool.limits.clone());
            bounds.used.insert(pool.name.clone(), Used::default());
        }
        for node in view.nodes() {
            bounds.total += 1;
            if let Some(pool) = &node.pool {
                bounds.count(pool, node.zone(), &view.allocatable(node, now), 1);
            }
        }
        for order in view.orders() {
            bounds.total = bounds.total.saturating_add(order.missing);
            let offering = view.pool(&order.pool).and_then(|pool| find(pool, &order.offering));
            let allocatable = offering.map_or_else(Resources::default, |of| of.allocatable.clone());
            let times = i64::from(order.missing);
            bounds.count(&order.pool, Some(&order.offering.zone), &allocatable, times);
        }
        bounds
    }

    fn count(&mut self, pool: &Name, zone: Option<&Name>, allocatable: &Resources, times: i64) {
        let used = self.used.entry(pool.clone()).or_default();
        let all = allocatable.times(times);
        used.all.add(times, &all);
        if let Some(zone) = zone {
            used.by_zone.entry(zone.clone()).or_default().add(times, &all);
        }
    }

    /// Which limit forbids one more node, if one does.
    pub(crate) fn forbids(&self, pool: &Name, zone: &Name, allocatable: &Resources) -> Option<Limit> {
        if let Some(most) = self.most.filter(|most| self.total >= *most) {
            return Some(Limit::TotalNodes(most));
        }
        let limits = self.limits.get(pool)?;
        let used = self.used.get(pool)?;
        if let Some(nodes) = limits.nodes.filter(|nodes| used.all.nodes >= *nodes) {
            return Some(Limit::Nodes(nodes));
        }
        if let Some(nodes) = limits.nodes_per_zone.get(zone)
            && self.in_zone(pool, zone) >= *nodes
        {
            return Some(Limit::NodesInZone(zone.clone(), *nodes));
        }
        self.forbids_resources(pool, zone, allocatable, None)
    }

    /// Which limit forbids a pool to have `more` in a zone in place of `less`, if one does.
    pub(crate) fn forbids_resources(
        &self,
        pool: &Name,
        zone: &Name,
        more: &Resources,
        less: Option<&Resources>,
    ) -> Option<Limit> {
        let limits = self.limits.get(pool)?;
        let used = self.used.get(pool)?;
        if let Some((name, limit)) = used.all.passes(&limits.resources, more, less) {
            return Some(Limit::Resource(name.clone(), limit));
        }
        let of_zone = limits.resources_per_zone.get(zone)?;
        let nothing = Sum::default();
        let in_zone = used.by_zone.get(zone).unwrap_or(&nothing);
        let (name, limit) = in_zone.passes(of_zone, more, less)?;
        Some(Limit::ResourceInZone(zone.clone(), name.clone(), limit))
    }

    /// Takes note of a node more.
    pub(crate) fn add(&mut self, pool: &Name, zone: &Name, allocatable: &Resources) {
        self.total += 1;
        self.count(pool, Some(zone), allocatable, 1);
    }

    /// Takes note of a node less.
    pub(crate) fn remove(&mut self, pool: &Name, zone: &Name, allocatable: &Resources) {
        self.total = self.total.saturating_sub(1);
        self.count(pool, Some(zone), allocatable, -1);
    }

    /// Takes note of a node that has become another.
    pub(crate) fn change(&mut self, pool: &Name, zone: &Name, to: &Resources, from: &Resources) {
        let Some(used) = self.used.get_mut(pool) else { return };
        let mut by = to.clone();
        by.subtract(from);
        used.all.add(0, &by);
        used.by_zone.entry(zone.clone()).or_default().add(0, &by);
    }

    /// How many nodes a pool has in a zone.
    pub(crate) fn in_zone(&self, pool: &Name, zone: &Name) -> u32 {
        self.used.get(pool).and_then(|used| used.by_zone.get(zone)).map_or(0, |used| used.nodes)
    }
}

/// An offering of a pool by its key.
pub(crate) fn find<'a>(
    pool: &'a Pool,
    key: &crate::cluster::OfferingKey,
) -> Option<&'a crate::cluster::Offering> {
    pool.offerings.iter().find(|offering| offering.key == *key)
}
