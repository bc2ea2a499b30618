//! Bounds on pools and on the cluster, kept while a plan grows.

use std::collections::BTreeMap;

use crate::cluster::{Name, Pool, Resource, Resources};
use crate::nodes::reason::Limit;
use crate::placement::View;

/// What a pool has, orders and new nodes included.
#[derive(Clone, Debug, Default)]
struct Used {
    nodes: u32,
    by_zone: BTreeMap<Name, u32>,
    resources: Resources,
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
    pub(crate) fn of(view: &View, most: Option<u32>) -> Self {
        let mut bounds = Self { most, ..Self::default() };
        for pool in view.pools() {
            bounds.limits.insert(pool.name.clone(), pool.limits.clone());
            bounds.used.insert(pool.name.clone(), Used::default());
        }
        for node in view.nodes() {
            bounds.total += 1;
            if let Some(pool) = &node.pool {
                bounds.count(pool, node.zone(), &node.allocatable, 1);
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
        let add = |to: &mut u32| *to = u32::try_from((i64::from(*to) + times).max(0)).unwrap_or(u32::MAX);
        add(&mut used.nodes);
        if let Some(zone) = zone {
            add(used.by_zone.entry(zone.clone()).or_default());
        }
        used.resources.add(&allocatable.times(times));
    }

    /// Which limit forbids one more node, if one does.
    pub(crate) fn forbids(&self, pool: &Name, zone: &Name, allocatable: &Resources) -> Option<Limit> {
        if let Some(most) = self.most.filter(|most| self.total >= *most) {
            return Some(Limit::TotalNodes(most));
        }
        let limits = self.limits.get(pool)?;
        let used = self.used.get(pool)?;
        if let Some(nodes) = limits.nodes.filter(|nodes| used.nodes >= *nodes) {
            return Some(Limit::Nodes(nodes));
        }
        if let Some(nodes) = limits.nodes_per_zone.get(zone)
            && self.in_zone(pool, zone) >= *nodes
        {
            return Some(Limit::NodesInZone(zone.clone(), *nodes));
        }
        self.forbids_resources(pool, allocatable, None)
    }

    /// Which limit forbids a pool to have `more` in place of `less`, if one does.
    pub(crate) fn forbids_resources(
        &self,
        pool: &Name,
        more: &Resources,
        less: Option<&Resources>,
    ) -> Option<Limit> {
        let limits = &self.limits.get(pool)?.resources;
        if limits.is_empty() {
            return None;
        }
        let mut after = self.used.get(pool)?.resources.clone();
        after.add(more);
        if let Some(less) = less {
            after.subtract(less);
        }
        let over = limits.iter().find(|(name, limit)| amount(&after, name) > **limit);
        over.map(|(name, limit)| Limit::Resource(name.clone(), *limit))
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
    pub(crate) fn change(&mut self, pool: &Name, to: &Resources, from: &Resources) {
        if let Some(used) = self.used.get_mut(pool) {
            used.resources.add(to);
            used.resources.subtract(from);
        }
    }

    /// How many nodes a pool has in a zone.
    pub(crate) fn in_zone(&self, pool: &Name, zone: &Name) -> u32 {
        self.used.get(pool).and_then(|used| used.by_zone.get(zone)).copied().unwrap_or(0)
    }
}

/// An offering of a pool by its key.
pub(crate) fn find<'a>(
    pool: &'a Pool,
    key: &crate::cluster::OfferingKey,
) -> Option<&'a crate::cluster::Offering> {
    pool.offerings.iter().find(|offering| offering.key == *key)
}

fn amount(resources: &Resources, name: &Name) -> i64 {
    let fixed = [
        (Resource::Cpu, resources.cpu),
        (Resource::Memory, resources.memory),
        (Resource::EphemeralStorage, resources.ephemeral_storage),
        (Resource::Pods, resources.pods),
    ];
    let fixed = fixed.into_iter().find(|(resource, _)| resource.to_string() == **name);
    fixed.map_or_else(|| resources.extended.get(name).copied().unwrap_or(0), |(_, amount)| amount)
}
