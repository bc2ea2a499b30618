//! Nodes that were ordered or are to be: what they will be like.

use std::collections::BTreeMap;

use super::Audited;
use super::books::Books;
use super::node_rules::{selected, untolerated};
use super::spot::Spot;
use crate::cluster::{
    CAPACITY_POOL, CAPACITY_TYPE, HOSTNAME, INSTANCE_TYPE, Name, Offering, OfferingKey, Pool, Taint, ZONE,
};
use crate::nodes::NewNodes;

/// From which plan a place is: both number their own new nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    Adding,
    Removing,
}

/// A node to come, and how many of them.
type Coming = (Kind, u32);

/// All that is to come.
#[derive(Debug)]
pub(super) struct Offered<'a> {
    /// By the name of the order.
    pub(super) ordered: BTreeMap<&'a Name, Coming>,
    adding: Vec<Option<Coming>>,
    removing: Vec<Option<Coming>>,
}

impl<'a> Offered<'a> {
    pub(super) fn of(books: &'a Books, plan: &Audited<'_>) -> Self {
        let ordered = books.orders.values().filter_map(|order| {
            Some((&order.name, (Kind::of(books, &order.pool, &order.offering)?, order.missing)))
        });
        let new = |new: &NewNodes| {
            let mut kind = Kind::of(books, &new.pool, &new.offering)?;
            kind.0.cut_off = books.pools.get(&new.pool).map(|pool| pool.priority_cutoff);
            Some((kind, new.count))
        };
        Self {
            ordered: ordered.collect(),
            adding: plan.adding.add.iter().map(new).collect(),
            removing: plan.removing.add.iter().map(new).collect(),
        }
    }

    /// What each entry of a plan orders, where that is offered.
    pub(super) fn entries(&self, of: Of) -> &[Option<Coming>] {
        match of {
            Of::Adding => &self.adding,
            Of::Removing => &self.removing,
        }
    }
}

/// What one of the nodes of an entry is called here.
pub(super) fn new_name(of: Of, entry: u32, number: u32) -> Name {
    format!("{of:?}/{entry}/{number}").into()
}

/// Nodes that differ in nothing but their names.
#[derive(Debug)]
pub(super) struct Kind(Spot);

impl Kind {
    fn of(books: &Books, pool: &Name, key: &OfferingKey) -> Option<Self> {
        let pool = books.pools.get(pool)?;
        Some(Self::with_daemons(books, pool, offering(pool, key)?))
    }

    /// A node of an offering, with what the daemons that will run there leave.
    fn with_daemons(books: &Books, pool: &Pool, offering: &Offering) -> Self {
        let mut labels = pool.template.labels.clone();
        labels.extend(offering.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
        for (key, value) in [
            (CAPACITY_POOL, pool.name.clone()),
            (CAPACITY_TYPE, offering.key.capacity_type.to_string().into()),
            (INSTANCE_TYPE, offering.key.instance_type.clone()),
            (ZONE, offering.key.zone.clone()),
            // Until it has a name.
            (HOSTNAME, "".into()),
        ] {
            labels.entry(key.into()).or_insert(value);
        }
        let taints: Vec<Taint> = pool.template.taints.iter().chain(&offering.taints).cloned().collect();
        let mut free = offering.allocatable.clone();
        for daemon in books.daemons.values() {
            let (selector, terms) = (&daemon.shape.node_selector, daemon.shape.affinity.nodes.as_ref());
            // No rule can know the name of a node to come.
            if untolerated(&taints, &daemon.shape.tolerations).is_none()
                && selected(selector, terms, &labels, "")
            {
                free.subtract(&daemon.shape.requests);
            }
        }
        let attach_limits = offering.attach_limits.clone();
        Self(Spot {
            name: "".into(),
            labels,
            taints,
            unschedulable: false,
            free,
            attach_limits,
            is_new: true,
            cut_off: None,
        })
    }

    /// One of them.
    pub(super) fn named(&self, name: Name) -> Spot {
        let mut spot = self.0.clone();
        if let Some(hostname) = spot.labels.get_mut(HOSTNAME).filter(|hostname| hostname.is_empty()) {
            hostname.clone_from(&name);
        }
        spot.name = name;
        spot
    }
}

/// An offering of a pool by its key.
pub(super) fn offering<'p>(pool: &'p Pool, key: &OfferingKey) -> Option<&'p Offering> {
    pool.offerings.iter().find(|offering| offering.key == *key)
}
