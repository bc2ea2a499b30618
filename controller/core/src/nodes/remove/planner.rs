//! What all steps of one plan share: what was seen, what was decided, and the gates that every node passes.

use std::collections::{BTreeMap, BTreeSet};

use super::buy::Shop;
use super::memory::Memory;
use super::plan::{Removal, RemovalPlan, WhyRemoved};
use super::pools::PoolState;
use super::room::{Left, Moved, Room};
use super::survey::Surveyed;
use super::{Input, WhyStays};
use crate::cluster::{Name, Pod};
use crate::nodes::Place;
use crate::nodes::pdb::Ledger;
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
    pub(super) wakes: Option<Timestamp>,
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
        let room = Room::new(view, now);
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
}
