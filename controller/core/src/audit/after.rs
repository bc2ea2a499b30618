//! What is where when the plan has been carried out.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::books::Books;
use super::coming::{Of, Offered, new_name};
use super::spot::Spot;
use super::{Audited, Breach, Invariant};
use crate::cluster::{Name, OwnerKind, Pod, PodShape, PodState, Resources};
use crate::lookup::Lookup;
use crate::nodes::Place;
use crate::time::Timestamp;

/// Pods that get a place.
#[derive(Clone, Debug)]
pub(super) struct Arrival<'a> {
    /// Its name, or the key of the announcement.
    name: &'a Name,
    is_announced: bool,
    pub(super) shape: &'a Arc<PodShape>,
    pub(super) count: u32,
    /// Whether it goes there at once: a node to come makes no domain before it is there.
    pub(super) at_once: bool,
}

impl Arrival<'_> {
    /// Namespace and name, or the key of an announcement.
    pub(super) fn name(&self) -> String {
        if self.is_announced {
            self.name.to_string()
        } else {
            format!("{}/{}", self.shape.namespace, self.name)
        }
    }
}

/// Which node of the plan a place is, by the plan that numbers it.
#[derive(Default)]
struct Spots<'p> {
    known: Lookup<(Of, &'p Place), usize>,
    /// Plans tell one after the other what goes to a node.
    last: Option<((Of, &'p Place), usize)>,
}

impl<'p> Spots<'p> {
    /// The number of a place, which is this one where it had none.
    fn number(&mut self, place: (Of, &'p Place), next: usize) -> usize {
        if let Some((_, number)) = self.last.filter(|(last, _)| *last == place) {
            return number;
        }
        let number = *self.known.get_or_insert(place, next);
        self.last = Some((place, number));
        number
    }
}

/// The cluster after the plan.
#[derive(Clone, Debug, Default)]
pub(super) struct After<'a> {
    /// Nodes that get pods, with these; pods of one shape are one arrival.
    pub(super) by_spot: Vec<(Spot, Vec<Arrival<'a>>)>,
    /// All that get a place, in the order of the plan, with which of these nodes that is.
    pub(super) turns: Vec<(usize, Arrival<'a>)>,
    /// Nodes to come that get none. They make domains.
    pub(super) idle: Vec<Spot>,
    /// Names of nodes that go.
    pub(super) going: BTreeSet<&'a Name>,
    /// Those of them that are going already.
    pub(super) going_already: BTreeSet<&'a Name>,
    /// Uids of the pods that are gone from where they were.
    left: BTreeSet<&'a Name>,
    /// The moment of the plan.
    now: Timestamp,
}

impl<'a> After<'a> {
    /// Follows the plan; the places of pods are checked on the way.
    pub(super) fn of(books: &'a Books, plan: &Audited<'a>) -> Result<Self, Breach> {
        let placements = plan.adding.placements.len();
        let turns = Vec::with_capacity(placements);
        let mut after = Self { turns, now: plan.now, ..Self::default() };
        for node in books.nodes.values().filter(|node| node.is_draining() || node.interrupted) {
            after.going.insert(&node.name);
        }
        after.going_already.clone_from(&after.going);
        after.going.extend(plan.removing.remove.iter().map(|removal| &removal.node));
        for node in &after.going {
            after.left.extend(books.pods_on(node).filter(|pod| is_bound(pod)).map(|pod| &pod.uid));
        }
        let offered = Offered::of(books, plan);
        let mut spots = Spots::default();
        let mut placed: Lookup<&Name, u32> = Lookup::with_capacity(placements);
        for placement in &plan.adding.placements {
            let seen = placed.get_or_insert(&placement.pod, 0);
            *seen = seen.saturating_add(placement.count);
            let mut arrival = after.placement(books, &placement.pod, placement.count, *seen)?;
            arrival.at_once = matches!(placement.place, Place::Node(_));
            after.arrive(
                books,
                &offered,
                &mut spots,
                (of(&placement.place, Of::Adding), &placement.place),
                arrival,
            )?;
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
                let arrival = Arrival {
                    name: &pod.name,
                    is_announced: false,
                    shape: &pod.shape,
                    count: 1,
                    at_once: false,
                };
                after.arrive(books, &offered, &mut spots, (of(&one.to, Of::Removing), &one.to), arrival)?;
            }
            let is_homeless = |pod: &&Pod| needs_a_place(books, pod) && !moved.contains(&pod.uid);
            let provider_takes_it = books.nodes.get(&removal.node).is_some_and(|node| node.interrupted);
            if let Some(pod) = books.pods_on(&removal.node).find(is_homeless).filter(|_| !provider_takes_it) {
                let what = format!("{} of {} has no place", full_name(pod), removal.node);
                return Err(Breach::new(Invariant::Placed, what));
            }
        }
        after.add_idle(&offered, &spots);
        Ok(after)
    }

    fn arrive<'p>(
        &mut self,
        books: &Books,
        offered: &Offered<'_>,
        spots: &mut Spots<'p>,
        place: (Of, &'p Place),
        arrival: Arrival<'a>,
    ) -> Result<(), Breach> {
        let next = self.by_spot.len();
        let at = spots.number(place, next);
        if at == next {
            let spot = self.spot(books, offered, place.0, place.1)?;
            self.by_spot.push((spot, Vec::new()));
        }
        let (spot, arrivals) = &mut self.by_spot[at];
        spot.is_worth_having_for(&arrival)?;
        let alike = |known: &&mut Arrival<'_>| {
            Arc::ptr_eq(known.shape, arrival.shape) && known.at_once == arrival.at_once
        };
        match arrivals.iter_mut().rev().find(alike) {
            Some(known) => known.count += arrival.count,
            None => arrivals.push(arrival.clone()),
        }
        self.turns.push((at, arrival));
        Ok(())
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
            return Ok(Arrival {
                name: &announced.key,
                is_announced: true,
                shape: &announced.shape,
                count,
                at_once: false,
            });
        }
        let found = books.pods.get(pod).filter(|pod| seen == 1 && (!is_bound(pod) || self.leaves(&pod.uid)));
        found
            .map(|pod| Arrival {
                name: &pod.name,
                is_announced: false,
                shape: &pod.shape,
                count,
                at_once: false,
            })
            .ok_or_else(|| {
                let what = format!("{pod} is placed, and does not look for a place, or has two");
                Breach::new(Invariant::Placed, what)
            })
    }

    fn spot(&self, books: &Books, offered: &Offered<'_>, of: Of, place: &Place) -> Result<Spot, Breach> {
        let misplaced = |what: String| Breach::new(Invariant::Placed, what);
        match place {
            Place::Node(name) => {
                let node = books.nodes.get(name).filter(|_| !self.going.contains(name));
                let node = node.ok_or_else(|| misplaced(format!("{name} is not there, or goes itself")))?;
                Ok(Spot::there(books, node, self.now))
            }
            Place::Order(name, number) => {
                let found = offered.ordered.get(name).filter(|(_, missing)| number < missing);
                let (kind, _) =
                    found.ok_or_else(|| misplaced(format!("node {number} of order {name} will not come")))?;
                Ok(kind.named(format!("{name}/{number}").into()))
            }
            Place::New(entry, number) => {
                let found = offered.entries(of).get(*entry as usize);
                let found = found.and_then(Option::as_ref).filter(|(_, count)| number < count);
                let (kind, _) = found
                    .ok_or_else(|| misplaced(format!("node {number} of entry {entry} is not ordered")))?;
                Ok(kind.named(new_name(of, *entry, *number)))
            }
        }
    }

    /// Nodes to come on which no pod was placed.
    fn add_idle(&mut self, offered: &Offered<'_>, spots: &Spots<'_>) {
        for (order, (kind, missing)) in &offered.ordered {
            for number in 0..*missing {
                if !spots.known.contains_key(&(Of::Adding, &Place::Order(Name::clone(order), number))) {
                    self.idle.push(kind.named(format!("{order}/{number}").into()));
                }
            }
        }
        for of in [Of::Adding, Of::Removing] {
            for (entry, new) in (0..).zip(offered.entries(of)) {
                let Some((kind, count)) = new else { continue };
                for number in 0..*count {
                    if !spots.known.contains_key(&(of, &Place::New(entry, number))) {
                        self.idle.push(kind.named(new_name(of, entry, number)));
                    }
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

/// Places that no plan numbers are the same in both.
fn of(place: &Place, plan: Of) -> Of {
    if matches!(place, Place::New(..)) { plan } else { Of::Adding }
}

/// Whether a pod is on its node, and not only promised to it.
pub(super) fn is_bound(pod: &Pod) -> bool {
    matches!(pod.state, PodState::Bound { .. } | PodState::Terminating { .. })
}

/// Whether a pod may be lost: it is less important than its node's pool cares for.
pub(super) fn is_expendable(books: &Books, pod: &Pod) -> bool {
    let node = pod.state.node().and_then(|node| books.nodes.get(node));
    let pool = node.and_then(|node| books.pools.get(node.pool.as_ref()?));
    pool.is_some_and(|pool| pool.priority_cutoff > pod.shape.priority) && pod.unplannable.is_none()
}

/// Whether a pod will look for a node when its own goes.
pub(super) fn needs_a_place(books: &Books, pod: &Pod) -> bool {
    let goes_with_node =
        pod.owner.as_ref().is_some_and(|owner| matches!(owner.kind, OwnerKind::DaemonSet | OwnerKind::Node));
    matches!(pod.state, PodState::Bound { .. }) && !goes_with_node && !is_expendable(books, pod)
}

/// Namespace and name.
pub(super) fn full_name(pod: &Pod) -> String {
    format!("{}/{}", pod.shape.namespace, pod.name)
}
