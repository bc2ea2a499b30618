//! What is where when the plan has been carried out.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::books::Books;
use super::node_rules::{selected, untolerated};
use super::{Audited, Breach, Invariant};
use crate::cluster::{
    CAPACITY_POOL, CAPACITY_TYPE, HOSTNAME, INSTANCE_TYPE, Labels, Name, Node, Offering, OfferingKey,
    OwnerKind, Pod, PodShape, PodState, Pool, Readiness, Resources, Taint, ZONE,
};
use crate::nodes::{NewNodes, Place};

/// Pods that get a place.
#[derive(Clone, Debug)]
pub(super) struct Arrival<'a> {
    /// Namespace and name, or the key of an announcement.
    pub(super) name: String,
    pub(super) shape: &'a Arc<PodShape>,
    pub(super) count: u32,
    /// Whether it goes there at once: a node to come makes no domain before it is there.
    pub(super) at_once: bool,
}

/// A node as the plan leaves it, there or to come.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) name: Name,
    pub(super) labels: Labels,
    pub(super) taints: Vec<Taint>,
    pub(super) unschedulable: bool,
    pub(super) free: Resources,
    pub(super) attach_limits: BTreeMap<Name, i64>,
    pub(super) is_new: bool,
}

/// The cluster after the plan.
#[derive(Clone, Debug, Default)]
pub(super) struct After<'a> {
    /// Nodes that get pods, with these.
    pub(super) by_spot: Vec<(Spot, Vec<Arrival<'a>>)>,
    /// Nodes to come that get none. They make domains.
    pub(super) idle: Vec<Spot>,
    /// Names of nodes that go.
    pub(super) going: BTreeSet<&'a Name>,
    /// Those of them that are going already.
    pub(super) going_already: BTreeSet<&'a Name>,
    /// Uids of the pods that are gone from where they were.
    left: BTreeSet<&'a Name>,
}

/// From which plan a place is: both number their own new nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Adding,
    Removing,
}

impl<'a> After<'a> {
    /// Follows the plan; the places of pods are checked on the way.
    pub(super) fn of(books: &'a Books, plan: &Audited<'a>) -> Result<Self, Breach> {
        let mut after = Self::default();
        for node in books.nodes.values().filter(|node| node.is_draining() || node.interrupted) {
            after.going.insert(&node.name);
        }
        after.going_already.clone_from(&after.going);
        after.going.extend(plan.removing.remove.iter().map(|removal| &removal.node));
        for node in &after.going {
            after.left.extend(books.pods_on(node).filter(|pod| is_bound(pod)).map(|pod| &pod.uid));
        }
        let mut arrivals: BTreeMap<(Of, Place), Vec<Arrival<'a>>> = BTreeMap::new();
        let mut placed: BTreeMap<&Name, u32> = BTreeMap::new();
        for placement in &plan.adding.placements {
            let seen = placed.entry(&placement.pod).or_default();
            *seen = seen.saturating_add(placement.count);
            let mut arrival = after.placement(books, &placement.pod, placement.count, *seen)?;
            arrival.at_once = matches!(placement.place, Place::Node(_));
            arrivals
                .entry((of(&placement.place, Of::Adding), placement.place.clone()))
                .or_default()
                .push(arrival);
        }
        for removal in &plan.removing.remove {
            let mut moved = BTreeSet::new();
            for one in &removal.moves {
                let pod = books.pods.get(&one.pod).filter(|pod| pod.state.node() == Some(&removal.node));
                let Some(pod) = pod.filter(|_| moved.insert(&one.pod)) else {
                    let what = format!("{} is moved from {} and is not there", one.pod, removal.node);
                    return Err(Breach::new(Invariant::Placed, what));
                };
                // The plan for new nodes has placed the pods of nodes that are taken away.
                if placed.contains_key(&pod.uid) {
                    continue;
                }
                if matches!(&one.to, Place::New(entry, _) if !removal.needs.contains(entry)) {
                    let what = format!("{} does not wait for the node of {}", removal.node, full_name(pod));
                    return Err(Breach::new(Invariant::Placed, what));
                }
                let arrival = Arrival { name: full_name(pod), shape: &pod.shape, count: 1, at_once: false };
                arrivals.entry((of(&one.to, Of::Removing), one.to.clone())).or_default().push(arrival);
            }
            let is_homeless = |pod: &&Pod| needs_a_place(pod) && !moved.contains(&pod.uid);
            let provider_takes_it = books.nodes.get(&removal.node).is_some_and(|node| node.interrupted);
            if let Some(pod) = books.pods_on(&removal.node).find(is_homeless).filter(|_| !provider_takes_it) {
                let what = format!("{} of {} has no place", full_name(pod), removal.node);
                return Err(Breach::new(Invariant::Placed, what));
            }
        }
        for ((plan_of, place), arrivals) in arrivals {
            let spot = after.spot(books, plan, plan_of, &place)?;
            after.by_spot.push((spot, together(arrivals)));
        }
        after.add_idle(books, plan);
        Ok(after)
    }

    /// Whether a pod is gone from where it was.
    pub(super) fn leaves(&self, uid: &Name) -> bool {
        self.left.contains(uid)
    }

    /// All spots that are there or to come, but those of nodes that nothing happens to.
    pub(super) fn new_spots(&self) -> impl Iterator<Item = &Spot> {
        self.by_spot.iter().map(|(spot, _)| spot).chain(&self.idle).filter(|spot| spot.is_new)
    }

    fn placement(&self, books: &'a Books, pod: &Name, count: u32, seen: u32) -> Result<Arrival<'a>, Breach> {
        if let Some(announced) = books.announced.get(pod) {
            if seen > announced.count {
                let what = format!("{seen} pods of {pod} are placed, {} announced", announced.count);
                return Err(Breach::new(Invariant::Placed, what));
            }
            return Ok(Arrival { name: pod.to_string(), shape: &announced.shape, count, at_once: false });
        }
        let found = books.pods.get(pod).filter(|pod| seen == 1 && (!is_bound(pod) || self.leaves(&pod.uid)));
        found
            .map(|pod| Arrival { name: full_name(pod), shape: &pod.shape, count, at_once: false })
            .ok_or_else(|| {
                let what = format!("{pod} is placed, and does not look for a place, or has two");
                Breach::new(Invariant::Placed, what)
            })
    }

    fn spot(&self, books: &Books, plan: &Audited<'_>, of: Of, place: &Place) -> Result<Spot, Breach> {
        let misplaced = |what: String| Breach::new(Invariant::Placed, what);
        match place {
            Place::Node(name) => {
                let node = books.nodes.get(name).filter(|_| !self.going.contains(name));
                let node = node.ok_or_else(|| misplaced(format!("{name} is not there, or goes itself")))?;
                Ok(Self::existing(books, node))
            }
            Place::Order(name, number) => {
                let order = books.orders.get(name).filter(|order| *number < order.missing);
                let found = order.and_then(|order| {
                    let pool = books.pools.get(&order.pool)?;
                    Some((pool, offering(pool, &order.offering)?))
                });
                let (pool, offering) =
                    found.ok_or_else(|| misplaced(format!("node {number} of order {name} will not come")))?;
                Ok(coming(books, pool, offering, format!("{name}/{number}").into()))
            }
            Place::New(entry, number) => {
                let new = entries(plan, of).get(*entry as usize).filter(|new| *number < new.count);
                let found = new.and_then(|new| {
                    let pool = books.pools.get(&new.pool)?;
                    Some((pool, offering(pool, &new.offering)?))
                });
                let (pool, offering) = found
                    .ok_or_else(|| misplaced(format!("node {number} of entry {entry} is not ordered")))?;
                Ok(coming(books, pool, offering, format!("{of:?}/{entry}/{number}").into()))
            }
        }
    }

    /// A node that is there and stays.
    fn existing(books: &Books, node: &Node) -> Spot {
        let mut free = node.allocatable.clone();
        if let Some(sum) = books.sums.get(&node.name) {
            free.subtract(&sum.used);
        }
        let is_starting = node.readiness == Readiness::Starting;
        let pool = node.pool.as_ref().and_then(|pool| books.pools.get(pool));
        let passes = |taint: &&Taint| {
            let startup = pool.is_some_and(|pool| {
                pool.template.startup_taints.iter().any(|of| of.key == taint.key && of.effect == taint.effect)
            });
            // A node loses these a moment after it has become ready.
            let is_late = node.readiness == Readiness::Ready
                && matches!(&*taint.key, "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable");
            !(startup || is_late || (is_starting && pool.is_some() && taint.key.starts_with("node.")))
        };
        Spot {
            name: node.name.clone(),
            labels: node.labels.clone(),
            taints: node.taints.iter().filter(passes).cloned().collect(),
            unschedulable: node.unschedulable,
            free,
            attach_limits: node.attach_limits.clone(),
            is_new: false,
        }
    }

    /// Nodes to come on which no pod was placed.
    fn add_idle(&mut self, books: &Books, plan: &Audited<'_>) {
        let taken: BTreeSet<Name> = self.by_spot.iter().map(|(spot, _)| spot.name.clone()).collect();
        let mut add = |name: Name, pool: &Name, key: &OfferingKey| {
            let pool = books.pools.get(pool);
            if let Some((pool, offering)) = pool.and_then(|pool| Some((pool, offering(pool, key)?)))
                && !taken.contains(&name)
            {
                self.idle.push(coming(books, pool, offering, name));
            }
        };
        for order in books.orders.values() {
            for number in 0..order.missing {
                add(format!("{}/{number}", order.name).into(), &order.pool, &order.offering);
            }
        }
        for of in [Of::Adding, Of::Removing] {
            for (entry, new) in entries(plan, of).iter().enumerate() {
                for number in 0..new.count {
                    add(format!("{of:?}/{entry}/{number}").into(), &new.pool, &new.offering);
                }
            }
        }
    }

    /// No node gets more than it has left. Nothing is said of one that was too full before and gets nothing.
    pub(super) fn nothing_is_overcommitted(&self) -> Result<(), Breach> {
        for (spot, arrivals) in &self.by_spot {
            let mut asked = Resources::default();
            for arrival in arrivals {
                asked.add(&arrival.shape.requests.times(i64::from(arrival.count)));
            }
            if let Some(resource) = spot.free.lacks(&asked) {
                let pods: u32 = arrivals.iter().map(|arrival| arrival.count).sum();
                let what = format!("{} lacks {resource} for {pods} more pods", spot.name);
                return Err(Breach::new(Invariant::Overcommitted, what));
            }
        }
        Ok(())
    }
}

/// Pods of one shape as one arrival.
fn together(arrivals: Vec<Arrival<'_>>) -> Vec<Arrival<'_>> {
    let mut together: Vec<Arrival<'_>> = Vec::new();
    let mut known: BTreeMap<(usize, bool), usize> = BTreeMap::new();
    for arrival in arrivals {
        match known.entry((Arc::as_ptr(arrival.shape).addr(), arrival.at_once)) {
            Entry::Occupied(at) => together[*at.get()].count += arrival.count,
            Entry::Vacant(at) => {
                at.insert(together.len());
                together.push(arrival);
            }
        }
    }
    together
}

/// Places that no plan numbers are the same in both.
fn of(place: &Place, plan: Of) -> Of {
    if matches!(place, Place::New(..)) { plan } else { Of::Adding }
}

fn entries<'p>(plan: &Audited<'p>, of: Of) -> &'p [NewNodes] {
    match of {
        Of::Adding => &plan.adding.add,
        Of::Removing => &plan.removing.add,
    }
}

/// A node of an offering, with what the daemons that will run there leave.
fn coming(books: &Books, pool: &Pool, offering: &Offering, name: Name) -> Spot {
    let mut labels = pool.template.labels.clone();
    labels.extend(offering.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    for (key, value) in [
        (CAPACITY_POOL, pool.name.clone()),
        (CAPACITY_TYPE, offering.key.capacity_type.to_string().into()),
        (INSTANCE_TYPE, offering.key.instance_type.clone()),
        (ZONE, offering.key.zone.clone()),
        (HOSTNAME, name.clone()),
    ] {
        labels.entry(key.into()).or_insert(value);
    }
    let taints: Vec<Taint> = pool.template.taints.iter().chain(&offering.taints).cloned().collect();
    let mut free = offering.allocatable.clone();
    for daemon in books.daemons.values() {
        // No rule can know the name of a node to come.
        if untolerated(&taints, &daemon.shape.tolerations).is_none() && selected(&daemon.shape, &labels, "") {
            free.subtract(&daemon.shape.requests);
        }
    }
    let attach_limits = offering.attach_limits.clone();
    Spot { name, labels, taints, unschedulable: false, free, attach_limits, is_new: true }
}

/// An offering of a pool by its key.
pub(super) fn offering<'p>(pool: &'p Pool, key: &OfferingKey) -> Option<&'p Offering> {
    pool.offerings.iter().find(|offering| offering.key == *key)
}

/// Whether a pod is on its node, and not only promised to it.
pub(super) fn is_bound(pod: &Pod) -> bool {
    matches!(pod.state, PodState::Bound { .. } | PodState::Terminating { .. })
}

/// Whether a pod will look for a node when its own goes.
pub(super) fn needs_a_place(pod: &Pod) -> bool {
    let goes_with_node =
        pod.owner.as_ref().is_some_and(|owner| matches!(owner.kind, OwnerKind::DaemonSet | OwnerKind::Node));
    matches!(pod.state, PodState::Bound { .. })
        && !goes_with_node
        && !matches!(pod.unplannable, Some(crate::cluster::Unplannable::BelowCutOff { .. }))
}

/// Namespace and name.
pub(super) fn full_name(pod: &Pod) -> String {
    format!("{}/{}", pod.shape.namespace, pod.name)
}
