//! Finds room for classes: on what is there, on what is ordered, on what this plan orders already, and on more of it.

use std::sync::Arc;

use super::choose::{self, Offer, Rank};
use super::demand::Demand;
use super::enlarge;
use super::limits::Bounds;
use super::menu::{Alternative, Menu};
use crate::cluster::{Balance, Expander};
use crate::placement::Placed;
use crate::placement::Refusal;
use crate::placement::View;
use crate::placement::amounts::Amounts;
use crate::placement::class::{Class, ClassId};
use crate::placement::ladder::Ladder;
use crate::placement::packing::{NodeIx, Packing};
use crate::placement::tally::KeyId;

/// A node that the plan orders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewNode {
    pub(crate) node: NodeIx,
    pub(crate) family: usize,
    pub(crate) alternative: usize,
    /// Whether it comes whether there are pods for it or not.
    pub(crate) kept: bool,
    /// Whether it was given back.
    pub(crate) gone: bool,
    /// For how many pods it was made fit that are still to be put there, all of the class that is being served.
    pub(super) reserved: u32,
}

/// A plan in the making.
pub(crate) struct Solver<'a> {
    pub(crate) packing: &'a mut Packing,
    pub(crate) menu: Menu,
    pub(crate) bounds: Bounds,
    pub(crate) new: Vec<NewNode>,
    /// Per family, the nodes of the plan with what is free on them.
    pub(super) ladders: Vec<Ladder>,
    /// Per family, which of `new` are of it.
    pub(super) by_family: Vec<Vec<usize>>,
    /// Per family, where the search for a node to enlarge goes on.
    pub(super) cursor: Vec<usize>,
    /// Per family, how its pool chooses.
    pub(super) ways: Vec<(Expander, Balance)>,
    /// Which of `new` are reserved.
    reserved: Vec<usize>,
}

impl AsRef<Packing> for Solver<'_> {
    fn as_ref(&self) -> &Packing {
        self.packing
    }
}

impl<'a> Solver<'a> {
    pub(crate) fn new(view: &View, packing: &'a mut Packing, mut menu: Menu, bounds: Bounds) -> Self {
        let ways = menu.families.iter().map(|family| {
            let pool = view.pool(&family.pool);
            pool.map(|pool| (pool.expander, pool.balance)).unwrap_or_default()
        });
        let ways = ways.collect();
        for family in &mut menu.families {
            let mut state = family.state.clone();
            state.free = Amounts::endless(&packing.tables.extended);
            family.stand_in = packing.come(state);
            packing.set_open(family.stand_in, false);
        }
        let families = menu.families.len();
        Self {
            packing,
            menu,
            bounds,
            new: Vec::new(),
            ladders: vec![Ladder::default(); families],
            by_family: vec![Vec::new(); families],
            cursor: vec![0; families],
            ways,
            reserved: Vec::new(),
        }
    }

    /// Finds room for up to `count` pods of a class on nodes of this plan; says how many are left. `elsewhere` are nodes
    /// that were tried before, and may do where there are fewer domains than there could be.
    pub(crate) fn serve(
        &mut self,
        demand: &Demand,
        count: u32,
        elsewhere: &[NodeIx],
        placed: &mut Placed,
    ) -> u32 {
        let class = demand.class;
        let mut left = self.on_opened(class, count, placed);
        if left == 0 || !demand.may_order {
            return left;
        }
        let is_spread = !self.packing.class(class).spread.is_empty();
        let mut useless = Vec::new();
        let mut hosts = Vec::new();
        let mut may_enlarge = true;
        while left > 0 {
            let before = left;
            let known = useless.len();
            let families = 0..self.menu.families.len();
            let usable: Vec<usize> = families.filter(|family| self.is_usable(*family, class)).collect();
            if is_spread {
                // A domain that no node can come to, as far as this class goes, would hold it up for good.
                self.leave_out(&usable, &mut useless);
            }
            // Nodes that were full of a spread may take more of it once other domains have theirs.
            let there = if is_spread { elsewhere } else { &[] };
            hosts.clear();
            hosts.extend_from_slice(there);
            for (families, share) in self.shares(class, left, &usable, may_enlarge, there) {
                self.make_room(class, share, &families, &mut hosts);
            }
            left = self.on_hosts(class, left, &hosts, placed);
            if left == before && known == useless.len() {
                // The emptiest domain may have nodes that cannot be enlarged, and another may get new ones.
                if !std::mem::take(&mut may_enlarge) {
                    break;
                }
            }
        }
        if !useless.is_empty() {
            left = self.packing.place(class, left, elsewhere, placed);
            left = self.on_opened(class, left, placed);
            for node in useless {
                self.packing.return_node(node);
            }
        }
        left
    }

    /// Does something while each family stands for a node that could come, as it does until the plan is gone through again.
    pub(crate) fn with_stand_ins<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let stand_ins: Vec<NodeIx> = self.menu.families.iter().map(|family| family.stand_in).collect();
        for node in &stand_ins {
            self.packing.return_node(*node);
        }
        let done = act(self);
        for node in &stand_ins {
            self.packing.remove_node(*node);
        }
        done
    }

    /// Takes the stand-ins away of all families but these, and notes which.
    fn leave_out(&mut self, usable: &[usize], useless: &mut Vec<NodeIx>) {
        for family in (0..self.menu.families.len()).filter(|family| !usable.contains(family)) {
            let stand_in = self.menu.families[family].stand_in;
            if self.packing.nodes[stand_in as usize].present {
                self.packing.remove_node(stand_in);
                useless.push(stand_in);
            }
        }
    }

    /// Whether pods of a class may have nodes of a family and can run on them, were they alone there, and there are or may be
    /// such nodes.
    fn is_usable(&mut self, family: usize, class: ClassId) -> bool {
        let of = &self.menu.families[family];
        let stand_in = of.stand_in;
        let Class { ask, shape, .. } = self.packing.class(class);
        if shape.priority < of.cut_off {
            return false;
        }
        let may_come = |alternative: &Alternative| {
            let forbids = || self.bounds.forbids(&of.pool, &of.zone, &alternative.allocatable);
            alternative.left != Some(0) && alternative.room.holds(ask) && forbids().is_none()
        };
        (!self.by_family[family].is_empty() || of.alternatives.iter().any(may_come))
            && self.packing.suits(class, stand_in)
            && self.kept_off_by_daemons(family, class).is_none()
    }

    /// Why no node of a family ever takes a pod of a class, however many come: what its daemons have or forbid.
    pub(super) fn kept_off_by_daemons(&self, family: usize, class: ClassId) -> Option<Refusal> {
        let of = &self.menu.families[family];
        of.daemons.iter().find_map(|daemon| self.packing.refuses_beside(class, *daemon, of.stand_in))
    }

    /// How many of a class nodes of this plan should take in each domain, with the families that they can come from there.
    /// What nodes that are `there` can take is left to them.
    fn shares(
        &mut self,
        class: ClassId,
        count: u32,
        usable: &[usize],
        may_enlarge: bool,
        there: &[NodeIx],
    ) -> Vec<(Vec<usize>, u32)> {
        let balance = self.packing.balanced_by(class);
        let (wide, _) = self.packing.wide_keys(class, &balance);
        if wide.is_empty() {
            return vec![(usable.to_vec(), count)];
        }
        // Which domain is next is decided by the same counting as on real nodes, on stand-ins with room for everything.
        let mut ranked: Vec<(Rank, usize)> = Vec::new();
        for &family in usable {
            if let Some(offer) = self.best_new(class, count, &[family]) {
                ranked.push((offer.rank, family));
            }
        }
        choose::sort(&mut ranked);
        // Where nothing more may be ordered there may be nodes of this plan to enlarge.
        let rest = usable.iter().filter(|family| !ranked.iter().any(|(_, of)| of == *family));
        let rest: Vec<usize> =
            rest.copied().filter(|family| may_enlarge && !self.by_family[*family].is_empty()).collect();
        let order: Vec<usize> = ranked.into_iter().map(|(_, family)| family).chain(rest).collect();
        let stand_ins: Vec<NodeIx> =
            order.iter().map(|family| self.menu.families[*family].stand_in).collect();
        let mark = self.packing.mark();
        for node in &stand_ins {
            self.packing.set_open(*node, true);
        }
        let on: Vec<NodeIx> = there.iter().chain(&stand_ins).copied().collect();
        let mut placed = Placed::new();
        self.packing.place(class, count, &on, &mut placed);
        self.packing.undo(mark);
        let mut shares: Vec<(Vec<usize>, u32)> = Vec::new();
        for (at, family) in order.iter().enumerate() {
            let share: u32 =
                placed.iter().filter(|(node, _)| *node == stand_ins[at]).map(|(_, pods)| *pods).sum();
            if share > 0 {
                let same = |other: &&usize| self.is_same_place(**other, *family, &wide);
                shares.push((order.iter().filter(same).copied().collect(), share));
            }
        }
        shares
    }

    /// Whether nodes of two families are in the same domains of these labels.
    fn is_same_place(&self, one: usize, other: usize, keys: &[KeyId]) -> bool {
        // Of the stand-in: it follows labels that classes have brought since the menu was made.
        let stand_in = |family: usize| &self.packing.nodes[self.menu.families[family].stand_in as usize];
        let domain = |family: usize, key: &KeyId| stand_in(family).domains[*key as usize];
        keys.iter().all(|key| domain(one, key) == domain(other, key))
    }

    /// Enlarges nodes of this plan and opens more, until `count` pods of a class would fit; the nodes are added to `hosts`.
    fn make_room(&mut self, class: ClassId, count: u32, families: &[usize], hosts: &mut Vec<NodeIx>) {
        let mut need = count;
        while need > 0 {
            let offer = self.best_new(class, need, families);
            let growth = self.best_growth(class, need, families);
            let grows = match (&growth, &offer) {
                (Some(growth), Some(offer)) => growth.is_worth_a_node(&offer.rank),
                (growth, _) => growth.is_some(),
            };
            if grows && let Some(growth) = growth {
                self.turn_into(growth.new, growth.alternative);
                self.reserve(growth.new, growth.pods, hosts);
                need = need.saturating_sub(growth.pods);
            } else if let Some(offer) = offer {
                need = self.open_many(class, need, &offer, families, hosts);
            } else {
                break;
            }
        }
        for node in self.reserved.drain(..) {
            self.new[node].reserved = 0;
        }
    }

    fn reserve(&mut self, new: usize, pods: u32, hosts: &mut Vec<NodeIx>) {
        if self.new[new].reserved == 0 {
            self.reserved.push(new);
            hosts.push(self.new[new].node);
        }
        self.new[new].reserved += pods;
    }

    /// Opens nodes like the offered one for as long as each is filled, taking turns among offers that are as good. Says how
    /// many pods are left.
    fn open_many(
        &mut self,
        class: ClassId,
        count: u32,
        offer: &Offer,
        families: &[usize],
        hosts: &mut Vec<NodeIx>,
    ) -> u32 {
        let mut need = count;
        let mut equals = self.equals(class, offer, families);
        loop {
            equals.retain(|offer| {
                let family = &self.menu.families[offer.family];
                let offered = &family.alternatives[offer.alternative];
                offered.left != Some(0)
                    && self.bounds.forbids(&family.pool, &family.zone, &offered.allocatable).is_none()
            });
            for equal in &mut equals {
                let family = &self.menu.families[equal.family];
                equal.rank.set_nodes_in_zone(self.bounds.in_zone(&family.pool, &family.zone));
            }
            let Some(next) = equals.iter().min_by(|one, other| one.rank.cmp(&other.rank)) else { break };
            let (family, alternative) = (next.family, next.alternative);
            self.open(family, alternative);
            self.reserve(self.new.len() - 1, offer.pods, hosts);
            need = need.saturating_sub(offer.pods);
            if need < offer.pods {
                break;
            }
        }
        need
    }

    /// Orders one more node.
    pub(crate) fn open(&mut self, family: usize, alternative: usize) -> NodeIx {
        let of = &mut self.menu.families[family];
        let offered = &mut of.alternatives[alternative];
        enlarge::take(&mut offered.left);
        self.bounds.add(&of.pool, &of.zone, &offered.allocatable);
        let facts = of.state.facts.clone();
        let state =
            self.packing.state(facts, offered.gross.clone(), Arc::clone(&of.state.attach_limits), false);
        let node = self.packing.come(state);
        for class in &of.daemons {
            self.packing.put(node, *class, 1);
        }
        self.ladders[family].push(node, &self.packing.nodes[node as usize].free);
        self.by_family[family].push(self.new.len());
        self.new.push(NewNode { node, family, alternative, kept: false, gone: false, reserved: 0 });
        node
    }
}
