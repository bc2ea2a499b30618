//! Nodes with what runs on them, as counts: the state that pods are tried on.
//!
//! A copy is cheap, and what was done to one can be undone step by step, so that a plan can be tried without harm.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::amounts::Amounts;
use super::class::{ClassId, is_about_single_nodes};
use super::intern::id;
use super::tables::{Facts, KindId, Tables};
use super::tally::{DomainId, NO_DOMAIN, Tally, TallyDef, TallyId, UNCOUNTED};
use crate::cluster::Name;

/// The number of a node within a [`Packing`] and its copies.
pub type NodeIx = u32;

/// A moment in the history of a packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(usize);

/// A node as the packing sees it.
#[derive(Clone, Debug)]
pub(crate) struct NodeState {
    pub(crate) free: Amounts,
    pub(crate) facts: Arc<Facts>,
    pub(crate) kind: KindId,
    /// By key.
    pub(crate) domains: Arc<[DomainId]>,
    /// Classes of its pods, with how many, in the order of the classes.
    pub(crate) residents: Arc<Vec<(ClassId, u32)>>,
    /// The most volumes that may be attached, by driver.
    pub(crate) attach_limits: Arc<Vec<(Name, i64)>>,
    /// Whether it is there at all; otherwise it takes no pods and makes no domain.
    pub(crate) present: bool,
    /// Whether it takes pods.
    pub(crate) open: bool,
    /// Whether it stands in for nodes that may come: a domain of its own in which nothing is counted.
    pub(crate) stand_in: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Put { node: NodeIx, class: ClassId, count: i64 },
    Came(NodeIx),
    Went(NodeIx),
    Back(NodeIx),
    Opened { node: NodeIx, was: bool },
    Resized { node: NodeIx, by: Amounts },
}

/// Nodes and the pods on them.
#[derive(Clone, Debug, Default)]
pub struct Packing {
    pub(crate) tables: Arc<Tables>,
    pub(crate) nodes: Vec<NodeState>,
    pub(crate) tallies: Vec<Arc<Tally>>,
    /// Per class, how many of its pods are on nodes.
    pub(crate) population: Vec<u32>,
    /// Per need and kind: 0 not known yet, 1 may, 2 may not.
    pub(super) verdicts: Vec<Arc<Vec<u8>>>,
    /// Per tally and kind: 0 not known yet, 1 in scope, 2 not.
    pub(super) scopes: Vec<Arc<Vec<u8>>>,
    /// Domains that only nodes to come have, per key.
    pub(super) fresh: Vec<u32>,
    /// How many nodes are there, stand-ins left out.
    pub(super) hosts: u32,
    /// Tallies that pods which look for room are judged by, or will be once they run.
    watched: Arc<BTreeSet<TallyId>>,
    log: Vec<Step>,
}

impl AsRef<Self> for Packing {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Packing {
    /// Now, to come back to.
    pub fn mark(&self) -> Mark {
        Mark(self.log.len())
    }

    /// Takes back everything that was done since `mark`. Numbers of nodes that have come since are void.
    pub fn undo(&mut self, mark: Mark) {
        while self.log.len() > mark.0 {
            let Some(step) = self.log.pop() else { break };
            match step {
                Step::Put { node, class, count } => self.shift(node, class, -count),
                Step::Came(node) => {
                    self.leave_domains(node);
                    self.nodes.truncate(node as usize);
                }
                Step::Went(node) => self.join_domains(node),
                Step::Back(node) => self.leave_domains(node),
                Step::Opened { node, was } => self.nodes[node as usize].open = was,
                Step::Resized { node, by } => self.nodes[node as usize].free.add(&by, -1),
            }
        }
    }

    /// Forgets how to undo, and what was done stays.
    pub(crate) fn settle(&mut self) {
        self.log.clear();
    }

    /// Says which classes look for room. What was judged by in the past and is no more does not influence a plan.
    pub fn watch(&mut self, classes: impl IntoIterator<Item = ClassId>) {
        let mut watched = BTreeSet::new();
        for class in classes {
            let of = self.class(class);
            watched.extend(of.spread.iter().chain(&of.soft_spread).map(|spread| spread.tally));
            watched.extend(&of.holds);
        }
        self.watched = Arc::new(watched);
    }

    pub(crate) fn is_watched(&self, tally: TallyId) -> bool {
        self.watched.contains(&tally)
    }

    /// The tallies of pods that keep a class off, now or once pods run that look for room.
    pub(crate) fn keeping_off(&self, class: ClassId) -> impl Iterator<Item = TallyId> {
        let kept_off = self.tables.kept_off[class as usize].iter().copied();
        kept_off.filter(|tally| self.is_watched(*tally) || self.tallies[*tally as usize].total() > 0)
    }

    /// Puts `count` pods of a class on a node, whether they fit or not.
    pub fn put(&mut self, node: NodeIx, class: ClassId, count: u32) {
        self.shift(node, class, i64::from(count));
        self.log.push(Step::Put { node, class, count: i64::from(count) });
    }

    /// Takes `count` pods of a class from a node that has them.
    pub fn take(&mut self, node: NodeIx, class: ClassId, count: u32) {
        self.shift(node, class, -i64::from(count));
        self.log.push(Step::Put { node, class, count: -i64::from(count) });
    }

    /// Lets a node take pods, or no more of them.
    pub fn set_open(&mut self, node: NodeIx, open: bool) {
        let was = std::mem::replace(&mut self.nodes[node as usize].open, open);
        self.log.push(Step::Opened { node, was });
    }

    /// Adds a node.
    pub(crate) fn come(&mut self, state: NodeState) -> NodeIx {
        let node = id(self.nodes.len());
        self.nodes.push(state);
        self.nodes[node as usize].present = false;
        self.join_domains(node);
        self.log.push(Step::Came(node));
        node
    }

    /// Adds a node in the place of one that is gone, where there is one. This cannot be undone.
    pub(crate) fn come_at(&mut self, state: NodeState, vacant: Option<NodeIx>) -> NodeIx {
        let Some(node) = vacant else { return self.come(state) };
        self.nodes[node as usize] = state;
        self.join_domains(node);
        node
    }

    /// Takes a node away. What runs on it should have been taken first; what is left there is counted nowhere.
    pub fn remove_node(&mut self, node: NodeIx) {
        if self.nodes[node as usize].present {
            self.leave_domains(node);
            self.log.push(Step::Went(node));
        }
    }

    /// Brings a node back that was taken away.
    pub fn return_node(&mut self, node: NodeIx) {
        if !self.nodes[node as usize].present {
            self.join_domains(node);
            self.log.push(Step::Back(node));
        }
    }

    /// Changes what a node has.
    pub(crate) fn resize(&mut self, node: NodeIx, by: Amounts) {
        self.nodes[node as usize].free.add(&by, 1);
        self.log.push(Step::Resized { node, by });
    }

    /// Classes of the pods on a node, with how many.
    pub fn residents(&self, node: NodeIx) -> &[(ClassId, u32)] {
        &self.nodes[node as usize].residents
    }

    fn shift(&mut self, node: NodeIx, class: ClassId, count: i64) {
        let state = &mut self.nodes[node as usize];
        let of = &self.tables.classes[class as usize];
        state.free.add(&of.ask, -count);
        let residents = Arc::make_mut(&mut state.residents);
        match residents.binary_search_by_key(&class, |(class, _)| *class) {
            Ok(at) => {
                let left = (i64::from(residents[at].1) + count).max(0);
                if left == 0 {
                    residents.remove(at);
                } else {
                    residents[at].1 = u32::try_from(left).unwrap_or(u32::MAX);
                }
            }
            Err(at) => residents.insert(at, (class, u32::try_from(count.max(0)).unwrap_or(u32::MAX))),
        }
        if (self.nodes[node as usize]).present {
            self.count(node, class, count);
        }
    }

    fn count(&mut self, node: NodeIx, class: ClassId, count: i64) {
        let population = &mut self.population[class as usize];
        *population = population.saturating_add_signed(i32::try_from(count).unwrap_or(i32::MAX));
        let tables = self.tables.clone();
        let state = &self.nodes[node as usize];
        let (kind, domains) = (state.kind, state.domains.clone());
        let counted = &tables.counted[class as usize];
        for tally in counted.iter().chain(&tables.classes[class as usize].holds) {
            let def = tables.tallies.value(*tally);
            let domain = domains[def.key() as usize];
            if domain < UNCOUNTED && self.scoped(*tally, def, kind, node) {
                Arc::make_mut(&mut self.tallies[*tally as usize]).add(domain, count);
            }
        }
    }

    /// Whether a tally counts on a node.
    pub(super) fn scoped(&mut self, tally: TallyId, def: &TallyDef, kind: KindId, node: NodeIx) -> bool {
        let TallyDef::Spread { scope, .. } = def else { return true };
        let state = &self.nodes[node as usize];
        if scope.keys.iter().any(|key| state.domains[*key as usize] == NO_DOMAIN) {
            return false;
        }
        let affinity = scope.affinity.as_ref();
        if affinity.is_some_and(|(selector, terms)| is_about_single_nodes(selector, terms.iter().flatten())) {
            return Tables::in_scope(scope, &state.facts);
        }
        let known = &self.scopes[tally as usize];
        match known.get(kind as usize) {
            Some(1) => true,
            Some(2) => false,
            _ => {
                let counts = Tables::in_scope(scope, &state.facts);
                remember(&mut self.scopes[tally as usize], kind, counts);
                counts
            }
        }
    }

    fn join_domains(&mut self, node: NodeIx) {
        self.nodes[node as usize].present = true;
        self.hosts += u32::from(!self.nodes[node as usize].stand_in);
        self.move_domains(node, 1);
        for (class, count) in self.nodes[node as usize].residents.clone().iter() {
            self.count(node, *class, i64::from(*count));
        }
    }

    fn leave_domains(&mut self, node: NodeIx) {
        for (class, count) in self.nodes[node as usize].residents.clone().iter() {
            self.count(node, *class, -i64::from(*count));
        }
        self.move_domains(node, -1);
        self.hosts -= u32::from(!self.nodes[node as usize].stand_in);
        self.nodes[node as usize].present = false;
    }

    fn move_domains(&mut self, node: NodeIx, by: i32) {
        let tables = self.tables.clone();
        for tally in 0..tables.tallies.len() {
            let def = tables.tallies.value(id(tally));
            if let TallyDef::Spread { key, .. } = def {
                let state = &self.nodes[node as usize];
                let (kind, domain) = (state.kind, state.domains[*key as usize]);
                if domain < UNCOUNTED && self.scoped(id(tally), def, kind, node) {
                    let tally = Arc::make_mut(&mut self.tallies[tally]);
                    if by > 0 { tally.node_came(domain) } else { tally.node_went(domain) }
                }
            }
        }
    }
}

pub(super) fn remember(known: &mut Arc<Vec<u8>>, kind: KindId, yes: bool) {
    let known = Arc::make_mut(known);
    if known.len() <= kind as usize {
        known.resize(kind as usize + 1, 0);
    }
    known[kind as usize] = if yes { 1 } else { 2 };
}

#[cfg(test)]
mod tests;
