//! What all steps of one plan share: what was seen, what was decided, and the gates that every node passes.

use std::collections::{BTreeMap, BTreeSet};

use super::buy::Shop;
use super::memory::{LET_BE_FOR, Memory};
use super::plan::{Move, Removal, RemovalPlan, Stays, WhyRemoved};
use super::pools::PoolState;
use super::room::{Left, Moved, Room};
use super::survey::Surveyed;
use super::{Input, WhyStays};
use crate::cluster::{Name, Pod, Readiness};
use crate::nodes::Place;
use crate::nodes::breaker;
use crate::nodes::budget::Budgets;
use crate::nodes::drainability::{self, NodeBlocker};
use crate::nodes::pdb::Ledger;
use crate::nodes::words::full_name;
use crate::placement::{ClassId, NodeIx};
use crate::time::Timestamp;

/// What becomes of a node.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// Nothing was decided yet.
    Open,
    /// It stays.
    Stays(WhyStays),
    /// It is not needed, but may not go yet. Nothing is moved to it.
    Aside(WhyStays),
    /// It goes, or is on its way.
    Goes,
}

pub(super) struct Planner<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) now: Timestamp,
    pub(super) old: &'a Memory,
    pub(super) memory: Memory,
    /// In the order of names.
    pub(super) nodes: Vec<Surveyed<'a>>,
    pub(super) fates: Vec<Fate>,
    /// Why nodes of which nothing was decided seem to be needed.
    pub(super) doubts: Vec<Option<WhyStays>>,
    /// Pods that were moved to each node.
    pub(super) carried: Vec<Vec<&'a Pod>>,
    /// Where the plan for new nodes has placed pods, as far as that is not new itself.
    pub(super) promised: BTreeMap<Name, Place>,
    /// Classes of pods that were promised room, and the node that has it, where others decide on that.
    pub(super) held: Vec<(ClassId, NodeIx)>,
    /// Headroom, as pods that nobody sees.
    spare: &'a [Pod],
    /// Where each pod was moved last.
    pub(super) moved: BTreeMap<&'a Name, NodeIx>,
    /// Nodes that could be replaced, and may not yet.
    pub(super) candidates: BTreeSet<usize>,
    pub(super) pools: BTreeMap<Name, PoolState<'a>>,
    pub(super) ledger: Ledger<'a>,
    pub(super) room: Room<'a>,
    /// Names of nodes by their number in the packing, and places of those that are ordered by this plan.
    pub(super) places: BTreeMap<NodeIx, Place>,
    /// Owners that get one replica more.
    pub(super) surging: BTreeSet<Name>,
    pub(super) shop: Option<Shop>,
    /// The soonest time at which something not told of any node changes.
    wakes: Option<Timestamp>,
    pub(super) plan: RemovalPlan,
}

impl<'a> Planner<'a> {
    /// Looks at everything once.
    pub(super) fn new(
        input: &'a Input<'a>,
        old: &'a Memory,
        spare: &'a [Pod],
        kept: &BTreeMap<Name, WhyStays>,
    ) -> Self {
        let (view, now) = (input.view, input.now);
        let ledger = Ledger::new(view.budgets());
        let room = Room::new(view);
        let mut nodes = Vec::new();
        let mut places = BTreeMap::new();
        for node in view.nodes() {
            let Some(at) = room.node(&node.name) else { continue };
            places.insert(at, Place::Node(node.name.clone()));
            nodes.push(Surveyed::of(view, node, at, &ledger, now));
        }
        let mut memory = old.clone();
        let uids = nodes.iter().map(|surveyed| &surveyed.node.uid).collect();
        memory.forget(now, &uids, &view.pools().map(|pool| &pool.name).collect());
        let fates = vec![Fate::Open; nodes.len()];
        let mut planner = Self {
            input,
            now,
            old,
            memory,
            nodes,
            doubts: vec![None; fates.len()],
            carried: vec![Vec::new(); fates.len()],
            promised: BTreeMap::new(),
            held: Vec::new(),
            spare,
            moved: BTreeMap::new(),
            candidates: BTreeSet::new(),
            shop: None,
            wakes: None,
            fates,
            pools: BTreeMap::new(),
            ledger,
            room,
            places,
            surging: BTreeSet::new(),
            plan: RemovalPlan::default(),
        };
        planner.read_pools();
        planner.hold_promises();
        planner.judge_nodes(kept);
        planner.choose_targets();
        planner.keep_spare();
        planner
    }

    fn read_pools(&mut self) {
        let (view, now) = (self.input.view, self.now);
        let silent = breaker::zones_are_silent(view.nodes());
        for pool in view.pools() {
            let of_pool = || view.nodes().filter(|node| node.pool.as_ref() == Some(&pool.name));
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let going = count(of_pool().filter(|node| node.is_draining()).count());
            let size = count(of_pool().count());
            let mut zones = BTreeMap::new();
            for zone in of_pool().filter(|node| !node.is_draining()).filter_map(|node| node.zone()) {
                *zones.entry(zone.clone()).or_default() += 1;
            }
            let orders = view.orders().filter(|order| order.pool == pool.name).map(|order| order.asked);
            let grows = self.input.adding.add.iter().any(|new| new.pool == pool.name).then_some(now);
            let came = of_pool().filter(|node| !node.is_draining()).map(|node| node.created);
            let grew = came.chain(orders).chain(grows).max().map(|grew| grew.min(now));
            let cooling_until =
                grew.map(|grew| grew + pool.scale_down.delay_after_add).filter(|until| *until > now);
            let state = PoolState {
                pool,
                budgets: Budgets::of(&pool.name, &pool.scale_down.budgets, size, going, now),
                tripped: breaker::pool_is_broken(pool, of_pool()).or_else(|| silent.clone()),
                cooling_until,
                zones,
            };
            self.pools.insert(pool.name.clone(), state);
        }
    }

    /// What can be said of a node without trying anything.
    fn judge_nodes(&mut self, kept: &BTreeMap<Name, WhyStays>) {
        for index in 0..self.nodes.len() {
            let surveyed = &self.nodes[index];
            let node = surveyed.node;
            // The plan for new nodes has found room for their pods.
            if node.is_draining() || node.interrupted {
                self.room.packing.remove_node(surveyed.at);
            }
            if node.is_draining() {
                self.fates[index] = Fate::Goes;
                let pods: Vec<&Pod> = surveyed.movers.iter().chain(&surveyed.expendable).copied().collect();
                self.ledger.reserve(pods);
                continue;
            }
            if let Some(why) = self.judge(surveyed).or_else(|| kept.get(&node.name).cloned()) {
                self.fates[index] = Fate::Stays(why);
            }
        }
    }

    fn judge(&self, surveyed: &Surveyed<'a>) -> Option<WhyStays> {
        let node = surveyed.node;
        if let Some(blocker) = drainability::of_node(node, surveyed.pool, self.now) {
            return Some(WhyStays::Node(blocker));
        }
        if node.interrupted {
            return None;
        }
        let pool = surveyed.pool.and_then(|pool| self.pools.get(&pool.name))?;
        if let Some(tripped) = &pool.tripped {
            return Some(WhyStays::Breaker(tripped.clone()));
        }
        if let Some(given_up) = self.memory.given_up.get(&node.uid) {
            let until = given_up.at + LET_BE_FOR;
            return Some(WhyStays::GivenUp { until, why: given_up.why.clone() });
        }
        if surveyed.promised > 0 {
            return Some(WhyStays::Promised { pods: surveyed.promised });
        }
        if let Some((pod, why)) = &surveyed.blocked {
            return Some(WhyStays::Pod { pod: full_name(pod), why: why.clone() });
        }
        let is_silent = matches!(node.readiness, Readiness::NotReady { .. } | Readiness::Unknown { .. });
        (is_silent && surveyed.evictions() > 0).then_some(WhyStays::Node(NodeBlocker::NotReady))
    }

    /// Nodes that take what others lose: ready ones that stay, those first that can be emptied last.
    fn choose_targets(&mut self) {
        let mut targets: Vec<(bool, std::cmp::Reverse<i64>, usize)> = Vec::new();
        for (index, surveyed) in self.nodes.iter().enumerate() {
            let takes = surveyed.node.readiness == Readiness::Ready
                && !surveyed.node.interrupted
                && !matches!(self.fates[index], Fate::Goes);
            if takes {
                let may_go = matches!(self.fates[index], Fate::Open);
                targets.push((may_go, std::cmp::Reverse(surveyed.utilization(&[])), index));
            }
        }
        targets.sort();
        self.room.targets = targets.into_iter().map(|(.., index)| self.nodes[index].at).collect();
    }

    /// Headroom, as pods that nobody sees.
    pub(super) fn spare(&self) -> &'a [Pod] {
        self.spare
    }

    /// The place of a node in [`Planner::nodes`].
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.nodes.binary_search_by(|surveyed| (*surveyed.node.name).cmp(name)).ok()
    }

    /// Nodes of a pool of which nothing was decided yet.
    pub(super) fn open(&self, pool: &Name) -> Vec<usize> {
        let of_pool = |index: &usize| self.nodes[*index].pool.is_some_and(|of| of.name == *pool);
        let is_open = |index: &usize| matches!(self.fates[*index], Fate::Open);
        (0..self.nodes.len()).filter(of_pool).filter(is_open).collect()
    }

    /// Since when a node is not needed; now, where it was needed so far.
    pub(super) fn unneeded_since(&mut self, index: usize) -> Timestamp {
        *self.memory.unneeded.entry(self.nodes[index].node.uid.clone()).or_insert(self.now)
    }

    /// Whether a node was not needed before either.
    pub(super) fn was_unneeded(&self, index: usize) -> bool {
        self.old.unneeded.contains_key(&self.nodes[index].node.uid)
    }

    /// What the plan has taken of the pool of a node.
    pub(super) fn pool_of(&mut self, index: usize) -> Option<&mut PoolState<'a>> {
        let pool = self.nodes[index].pool?;
        self.pools.get_mut(&pool.name)
    }

    /// The larger share of cpu and memory that pods of a node ask for, and those that were moved to it.
    pub(super) fn utilization(&self, index: usize) -> i64 {
        self.nodes[index].utilization(&self.carried[index])
    }

    /// Takes nodes out of the room, with everything on them.
    pub(super) fn take_out(&mut self, indexes: &[usize]) -> Left<'a> {
        let nodes: Vec<_> =
            indexes.iter().map(|index| (&self.nodes[*index], &*self.carried[*index])).collect();
        self.room.take_out(&nodes)
    }

    /// Takes note of where pods were moved.
    pub(super) fn carry(&mut self, moved: &[Moved<'a>]) {
        for (pod, to) in moved {
            if let Some(old) = self.moved.insert(&pod.uid, *to).and_then(|old| self.existing(old)) {
                self.carried[old].retain(|other| other.uid != pod.uid);
            }
            if let Some(index) = self.existing(*to) {
                self.carried[index].push(pod);
            }
        }
    }

    /// Takes what the evictions of a node cost of the budgets of its pods; says which owners get one replica more.
    pub(super) fn claim(&mut self, index: usize) -> BTreeSet<Name> {
        let surges = self.surges(index).unwrap_or_default();
        let surges_for = |pod: &&&Pod| pod.owner.as_ref().is_some_and(|owner| surges.contains(&owner.uid));
        let surveyed = &self.nodes[index];
        let evicted = surveyed.movers.iter().chain(&surveyed.expendable);
        let evicted: Vec<&Pod> = evicted.filter(|pod| !surges_for(pod)).copied().collect();
        self.ledger.reserve(evicted);
        self.surging.extend(surges.iter().cloned());
        surges
    }

    /// Lets a node go.
    pub(super) fn goes(&mut self, index: usize, why: WhyRemoved, replaced_by: Vec<u32>) {
        let surges = self.claim(index);
        let surveyed = &self.nodes[index];
        if let Some(pool) = surveyed.pool.and_then(|pool| self.pools.get_mut(&pool.name))
            && why.budget_reason().is_some()
        {
            pool.budgets.take();
        }
        self.plan.remove.push(Removal {
            node: surveyed.node.name.clone(),
            pool: surveyed.pool.map(|pool| pool.name.clone()).unwrap_or_default(),
            why,
            price: surveyed.price,
            moves: Vec::new(),
            needs: replaced_by.clone(),
            replaced_by,
            surges: surges.iter().cloned().collect(),
        });
        self.fates[index] = Fate::Goes;
    }

    /// Asks for another look at this time at the latest.
    pub(super) fn wake(&mut self, at: Timestamp) {
        self.wakes = self.wakes.into_iter().chain([at]).min();
    }

    /// Where a pod was moved last.
    pub(super) fn place_of(&self, pod: &Pod) -> Option<NodeIx> {
        self.moved.get(&pod.uid).copied()
    }

    /// Removes what is not needed and replaces sets, until neither finds more: a node that is gone can make room for a pod
    /// that was to be spread over it.
    pub(super) fn reduce(&mut self) {
        loop {
            let before = self.plan.remove.len();
            self.remove_unneeded();
            self.replace_sets();
            if self.plan.remove.len() == before {
                break;
            }
        }
    }

    /// Names a node that this plan orders.
    pub(super) fn name_new(&mut self, at: NodeIx, place: Place) {
        self.places.insert(at, place);
    }

    /// The node of a number, where it is one of the cluster.
    pub(super) fn existing(&self, at: NodeIx) -> Option<usize> {
        match self.places.get(&at)? {
            Place::Node(name) => self.index(name),
            _ => None,
        }
    }

    /// Says of each pod of nodes that go where it was moved last.
    fn tell_moves(&mut self) {
        let mut remove = std::mem::take(&mut self.plan.remove);
        for removal in &mut remove {
            let Some(index) = self.index(&removal.node) else { continue };
            let place = |pod: &Pod| self.places.get(self.moved.get(&pod.uid)?).cloned();
            let moves = self.nodes[index].movers.iter().filter_map(|pod| {
                let to = place(pod).or_else(|| self.promised.get(&pod.uid).cloned())?;
                Some(Move { pod: pod.uid.clone(), to })
            });
            removal.moves = moves.collect();
            // Pods that were moved on to a node of a later set wait for it as well.
            let later = removal.moves.iter().filter_map(|one| match one.to {
                Place::New(entry, _) => Some(entry),
                _ => None,
            });
            removal.needs.extend(later);
            removal.needs.sort_unstable();
            removal.needs.dedup();
        }
        self.plan.remove = remove;
    }

    /// The plan, with a reason for every node that stays, and what to remember.
    pub(super) fn finish(mut self) -> (RemovalPlan, Memory) {
        self.tell_moves();
        for index in 0..self.nodes.len() {
            let surveyed = &self.nodes[index];
            let is_listed = self.plan.remove.iter().any(|removal| removal.node == surveyed.node.name);
            let why = match &self.fates[index] {
                Fate::Goes if is_listed => continue,
                Fate::Goes => WhyStays::Going,
                Fate::Stays(why) | Fate::Aside(why) => why.clone(),
                Fate::Open => self.doubts[index].clone().unwrap_or_else(|| WhyStays::Used {
                    utilization: self.utilization(index),
                    below: surveyed.pool.map_or(0, |pool| pool.scale_down.utilization_below),
                }),
            };
            // What holds a node back from outside says nothing about whether it is needed.
            let is_unneeded = matches!(self.fates[index], Fate::Aside(_)) || self.candidates.contains(&index);
            let is_held =
                matches!(why, WhyStays::Breaker(_) | WhyStays::Forbidden { .. } | WhyStays::Minimum { .. });
            if !is_unneeded && !is_held {
                self.memory.unneeded.remove(&surveyed.node.uid);
            }
            self.plan.stays.push(Stays { node: surveyed.node.name.clone(), why });
        }
        let stays = self.plan.stays.iter().filter_map(|stays| stays.why.until());
        let windows = self.pools.values().filter_map(|pool| pool.budgets.until);
        self.plan.next_look = stays.chain(windows).chain(self.wakes).filter(|at| *at > self.now).min();
        (self.plan, self.memory)
    }
}
