//! Finds room for classes: on what is there, on what is ordered, on what this plan orders already, and on more of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::choose::{Offer, Rank, price_per_pod};
use super::demand::Demand;
use super::limits::Bounds;
use super::menu::{Alternative, Family, Menu};
use super::{Entry, Journal};
use crate::cluster::{Balance, Expander};
use crate::placement::Placed;
use crate::placement::View;
use crate::placement::amounts::Amounts;
use crate::placement::check::Look;
use crate::placement::class::{Class, ClassId};
use crate::placement::packing::{NodeIx, Packing};

/// How many nodes of the plan are looked at for the cheapest to enlarge.
const LOOKS: usize = 8;

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
    /// Whether it was made fit for pods that are still to be put there.
    reserved: bool,
}

/// A plan in the making.
pub(crate) struct Solver<'a> {
    pub(crate) packing: &'a mut Packing,
    pub(crate) menu: Menu,
    pub(crate) bounds: Bounds,
    pub(crate) new: Vec<NewNode>,
    /// Nodes of the plan, as the packing knows them.
    opened: Vec<NodeIx>,
    /// Per family, which of `new` are of it.
    by_family: Vec<Vec<usize>>,
    /// Per family, where the search for a node to enlarge goes on.
    cursor: Vec<usize>,
    /// Per family, how its pool chooses.
    ways: Vec<(Expander, Balance)>,
    /// Which of `new` are reserved.
    reserved: Vec<usize>,
}

/// A node of the plan that becomes a larger one.
struct Growth {
    new: usize,
    alternative: usize,
    pods: u32,
    price_per_pod: i64,
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
            pool.map_or((Expander::default(), Balance::default()), |pool| (pool.expander, pool.balance))
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
            opened: Vec::new(),
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
            hosts.clear();
            for (families, share) in self.shares(class, left, &usable, may_enlarge) {
                self.make_room(class, share, &families, &mut hosts);
            }
            left = self.packing.place(class, left, &hosts, placed);
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
            useless.iter().for_each(|node| self.packing.return_node(*node));
        }
        left
    }

    /// Finds room on the nodes of this plan as they are; says how many are left.
    pub(crate) fn on_opened(&mut self, class: ClassId, count: u32, placed: &mut Placed) -> u32 {
        let opened = std::mem::take(&mut self.opened);
        let left = self.packing.place(class, count, &opened, placed);
        self.opened = opened;
        left
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

    /// Whether pods of a class can run on nodes of a family, were they alone on it, and there are or may be such nodes.
    fn is_usable(&mut self, family: usize, class: ClassId) -> bool {
        let of = &self.menu.families[family];
        let stand_in = of.stand_in;
        let ask = &self.packing.class(class).ask;
        let may_come = |alternative: &Alternative| {
            let forbids = || self.bounds.forbids(&of.pool, &of.zone, &alternative.allocatable);
            alternative.left != Some(0) && alternative.room.holds(ask) && forbids().is_none()
        };
        (!self.by_family[family].is_empty() || of.alternatives.iter().any(may_come))
            && self.packing.suits(class, stand_in)
    }

    /// How many of a class each domain should take, with the families that nodes can come from there.
    fn shares(
        &mut self,
        class: ClassId,
        count: u32,
        usable: &[usize],
        may_enlarge: bool,
    ) -> Vec<(Vec<usize>, u32)> {
        let of = self.packing.class(class);
        let is_plain = !of.is_social()
            && self.packing.keeping_off(class).next().is_none()
            && self.packing.balanced_by(class).is_empty();
        if is_plain {
            return vec![(usable.to_vec(), count)];
        }
        // Which domain is next is decided by the same counting as on real nodes, on stand-ins with room for everything.
        let mut ranked: Vec<(Rank, usize)> = Vec::new();
        for &family in usable {
            if let Some(offer) = self.best_new(class, count, &[family]) {
                ranked.push((offer.rank, family));
            }
        }
        ranked.sort();
        // Where nothing more may be ordered there may be nodes of this plan to enlarge.
        let rest = usable.iter().filter(|family| !ranked.iter().any(|(_, of)| of == *family));
        let rest: Vec<usize> =
            rest.copied().filter(|family| may_enlarge && !self.by_family[*family].is_empty()).collect();
        let order: Vec<usize> = ranked.into_iter().map(|(_, family)| family).chain(rest).collect();
        let stand_ins: Vec<NodeIx> =
            order.iter().map(|family| self.menu.families[*family].stand_in).collect();
        let mark = self.packing.mark();
        stand_ins.iter().for_each(|node| self.packing.set_open(*node, true));
        let mut placed = Placed::new();
        self.packing.place(class, count, &stand_ins, &mut placed);
        self.packing.undo(mark);
        let mut shares: Vec<(Vec<usize>, u32)> = Vec::new();
        for (at, family) in order.iter().enumerate() {
            let share: u32 =
                placed.iter().filter(|(node, _)| *node == stand_ins[at]).map(|(_, pods)| *pods).sum();
            if share > 0 {
                let same = |other: &&usize| self.is_same_place(**other, *family);
                shares.push((order.iter().filter(same).copied().collect(), share));
            }
        }
        shares
    }

    fn is_same_place(&self, one: usize, other: usize) -> bool {
        self.menu.families[one].state.domains == self.menu.families[other].state.domains
    }

    /// Enlarges nodes of this plan and opens more, until `count` pods of a class would fit; the nodes are added to `hosts`.
    fn make_room(&mut self, class: ClassId, count: u32, families: &[usize], hosts: &mut Vec<NodeIx>) {
        let mut need = count;
        while need > 0 {
            let offer = self.best_new(class, need, families);
            let growth = self.best_growth(class, need, families);
            let grows = match (&growth, &offer) {
                (Some(growth), Some(offer)) => growth.price_per_pod <= offer.rank.price_per_pod,
                (growth, _) => growth.is_some(),
            };
            if grows && let Some(growth) = growth {
                self.turn_into(growth.new, growth.alternative);
                self.reserve(growth.new, hosts);
                need = need.saturating_sub(growth.pods);
            } else if let Some(offer) = offer {
                need = self.open_many(class, need, &offer, families, hosts);
            } else {
                break;
            }
        }
        for node in self.reserved.drain(..) {
            self.new[node].reserved = false;
        }
    }

    fn reserve(&mut self, new: usize, hosts: &mut Vec<NodeIx>) {
        self.new[new].reserved = true;
        self.reserved.push(new);
        hosts.push(self.new[new].node);
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
            self.reserve(self.new.len() - 1, hosts);
            need = need.saturating_sub(offer.pods);
            if need < offer.pods {
                break;
            }
        }
        need
    }

    /// The offer, and those of other families that differ from it in no more than their place.
    fn equals(&self, class: ClassId, offer: &Offer, families: &[usize]) -> Vec<Offer> {
        let ask = &self.packing.class(class).ask;
        let others = families.iter().filter(|family| **family != offer.family).filter_map(|&at| {
            let family = &self.menu.families[at];
            let price = self.menu.families[offer.family].alternatives[offer.alternative].price;
            let mut offered = family.alternatives.iter().enumerate();
            let (alternative, of) = offered
                .find(|(_, of)| of.price == price && of.room.room(ask).min(offer.pods) == offer.pods)?;
            let way = self.ways[at];
            let in_zone = self.bounds.in_zone(&family.pool, &family.zone);
            let rank = Rank::of(family, of, offer.pods, ask, way, in_zone);
            rank.is_as_good(&offer.rank).then_some(Offer { family: at, alternative, pods: offer.pods, rank })
        });
        std::iter::once(offer.clone()).chain(others).collect()
    }

    /// The best new node for up to `need` pods of a class out of these families.
    pub(crate) fn best_new(&self, class: ClassId, need: u32, families: &[usize]) -> Option<Offer> {
        let of = self.packing.class(class);
        let mut best: Option<Offer> = None;
        for &at in families {
            let family = &self.menu.families[at];
            let by_price = self.ways[at].0 == Expander::Price;
            let most = self.most_per_node(class, of, family.stand_in).min(need);
            let nodes_in_zone = self.bounds.in_zone(&family.pool, &family.zone);
            for (alternative, offered) in family.alternatives.iter().enumerate() {
                let pods = offered.room.room(&of.ask).min(most);
                if pods == 0 || offered.left == Some(0) {
                    continue;
                }
                let price = price_per_pod(offered.price, pods);
                let is_worse = best.as_ref().is_some_and(|best| {
                    by_price && self.ways[best.family].0 == Expander::Price && best.rank.price_per_pod < price
                });
                let forbids = || self.bounds.forbids(&family.pool, &family.zone, &offered.allocatable);
                let is_allowed = is_worse || forbids().is_none();
                if is_allowed && !is_worse {
                    let rank = Rank::of(family, offered, pods, &of.ask, self.ways[at], nodes_in_zone);
                    if best.as_ref().is_none_or(|best| rank < best.rank) {
                        best = Some(Offer { family: at, alternative, pods, rank });
                    }
                }
                // What comes now costs no less and takes no more.
                let next_costs_more =
                    family.alternatives.get(alternative + 1).is_none_or(|next| next.price > offered.price);
                if by_price && is_allowed && pods == most && next_costs_more {
                    break;
                }
            }
        }
        best
    }

    /// How many pods of a class may be on one new node, resources aside.
    fn most_per_node(&self, class: ClassId, of: &Class, stand_in: NodeIx) -> u32 {
        let kept_off = &self.packing.tables.kept_off[class as usize];
        let counted = &self.packing.tables.counted[class as usize];
        let forbids_itself = of.holds.iter().any(|tally| kept_off.contains(tally))
            || of.anti.iter().any(|tally| counted.contains(tally));
        if !of.shape.host_ports.is_empty() || forbids_itself {
            return 1;
        }
        let by_host = of.spread.iter().filter(|of| of.counts_itself && self.packing.is_by_host(of.tally));
        let skew = by_host.map(|of| u32::try_from(of.max_skew.max(1)).unwrap_or(1)).min();
        let limits = &self.packing.nodes[stand_in as usize].attach_limits;
        let attached = of.shape.attachments();
        let volumes = limits.iter().filter_map(|(driver, limit)| {
            let each =
                of.shape.volumes.iter().filter(|volume| volume.driver.as_ref() == Some(driver)).count();
            let each = i64::try_from(each.max(attached.get(driver).map_or(0, |_| 1))).unwrap_or(1);
            (each > 0).then(|| u32::try_from((limit / each).max(0)).unwrap_or(u32::MAX))
        });
        skew.into_iter().chain(volumes).min().unwrap_or(u32::MAX)
    }

    /// The cheapest of some nodes of this plan to enlarge for up to `need` pods of a class.
    fn best_growth(&mut self, class: ClassId, need: u32, families: &[usize]) -> Option<Growth> {
        let mut best: Option<Growth> = None;
        let of = self.packing.tables.classes[class as usize].clone();
        for &family in families {
            let nodes = self.by_family[family].len();
            let mut looks = 0;
            for step in 0..nodes {
                let at = (self.cursor[family] + step) % nodes;
                let new = self.by_family[family][at];
                let node = self.new[new].node;
                if self.new[new].reserved {
                    continue;
                }
                let allowed = self.packing.allowance(class, node, Look::Host).min(need);
                if allowed == 0 || !self.packing.nodes[node as usize].open {
                    continue;
                }
                if let Some(growth) = self.growth(new, &of.ask, allowed)
                    && best.as_ref().is_none_or(|best| growth.price_per_pod < best.price_per_pod)
                {
                    best = Some(growth);
                }
                looks += 1;
                if looks == LOOKS {
                    self.cursor[family] = at + 1;
                    break;
                }
            }
        }
        best
    }

    /// What it costs per pod to enlarge a node for as many pods as pays best, up to `most`.
    fn growth(&self, new: usize, ask: &Amounts, most: u32) -> Option<Growth> {
        let is = &self.new[new];
        let family = &self.menu.families[is.family];
        let now = &family.alternatives[is.alternative];
        let used = self.used_of(new);
        let mut best: Option<Growth> = None;
        let mut pods = most;
        while pods > 0 {
            let mut wanted = used.clone();
            wanted.add(ask, i64::from(pods));
            if let Some(alternative) = self.cheapest(family, is.alternative, &wanted) {
                let price = family.alternatives[alternative].price - now.price;
                let price_per_pod = price_per_pod(price, pods);
                if best.as_ref().is_none_or(|best| price_per_pod < best.price_per_pod) {
                    best = Some(Growth { new, alternative, pods, price_per_pod });
                }
            }
            pods /= 2;
        }
        best
    }

    /// The cheapest alternative that holds this, from one that does not on.
    fn cheapest(&self, family: &Family, from: usize, wanted: &Amounts) -> Option<usize> {
        let now = &family.alternatives[from];
        (from..family.alternatives.len()).find(|at| {
            let offered = &family.alternatives[*at];
            offered.room.holds(wanted)
                && (*at == from || offered.left != Some(0))
                && (*at == from
                    || self
                        .bounds
                        .forbids_resources(&family.pool, &offered.allocatable, Some(&now.allocatable))
                        .is_none())
        })
    }

    fn turn_into(&mut self, new: usize, alternative: usize) {
        let NewNode { node, family, alternative: from, .. } = self.new[new];
        if from == alternative {
            return;
        }
        let family = &mut self.menu.families[family];
        let mut by = family.alternatives[alternative].gross.clone();
        by.add(&family.alternatives[from].gross, -1);
        self.packing.resize(node, by);
        let (to, was) = (&family.alternatives[alternative], &family.alternatives[from]);
        self.bounds.change(&family.pool, &to.allocatable, &was.allocatable);
        give(&mut family.alternatives[from].left);
        take(&mut family.alternatives[alternative].left);
        self.new[new].alternative = alternative;
    }

    /// Orders one more node.
    pub(crate) fn open(&mut self, family: usize, alternative: usize) -> NodeIx {
        let of = &mut self.menu.families[family];
        let offered = &mut of.alternatives[alternative];
        take(&mut offered.left);
        self.bounds.add(&of.pool, &of.zone, &offered.allocatable);
        let facts = of.state.facts.clone();
        let state =
            self.packing.state(facts, offered.gross.clone(), Arc::clone(&of.state.attach_limits), false);
        let node = self.packing.come(state);
        for class in &of.daemons {
            self.packing.put(node, *class, 1);
        }
        self.by_family[family].push(self.new.len());
        self.new.push(NewNode { node, family, alternative, kept: false, gone: false, reserved: false });
        self.opened.push(node);
        node
    }

    /// Goes through the plan once more with the nodes that there will be, and takes away again what the scheduler would
    /// refuse, in `left` by class.
    ///
    /// A node that was opened for others may have brought a domain in which a class has no pods and cannot have any; then
    /// its pods are too many in the other domains. Entries of the journal before `first` were
    /// made without new nodes in mind, and will be bound before these come.
    pub(crate) fn take_back_what_would_be_refused(
        &mut self,
        demands: &[Demand],
        journal: &mut Journal,
        first: usize,
        left: &mut [u32],
    ) {
        for family in 0..self.menu.families.len() {
            self.packing.remove_node(self.menu.families[family].stand_in);
        }
        if demands.iter().all(|demand| self.packing.class(demand.class).spread.is_empty()) {
            return;
        }
        for entry in &journal[first..] {
            self.packing.take(entry.node, demands[entry.demand].class, entry.count);
        }
        for entry in &mut journal[first..] {
            let Entry { demand, node, count } = *entry;
            let class = demands[demand].class;
            let mut put = 0;
            while put < count {
                let step = self.packing.allowance(class, node, Look::All).min(count - put);
                if step == 0 {
                    break;
                }
                self.packing.put(node, class, step);
                put += step;
            }
            left[demand] += count - put;
            entry.count = put;
        }
        journal.retain(|entry| entry.count > 0);
    }

    /// Makes of each new node the cheapest that holds what is on it, and gives back those that are not `used`.
    pub(crate) fn shrink(&mut self, used: &BTreeSet<NodeIx>) {
        for new in 0..self.new.len() {
            let NewNode { node, family: at, alternative: from, kept, gone, .. } = self.new[new];
            if gone {
                continue;
            }
            if !kept && !used.contains(&node) {
                let family = &mut self.menu.families[at];
                give(&mut family.alternatives[from].left);
                self.bounds.remove(&family.pool, &family.zone, &family.alternatives[from].allocatable);
                self.packing.remove_node(node);
                self.new[new].gone = true;
                continue;
            }
            let family = &self.menu.families[at];
            let holds = self.used_of(new);
            let smaller = (0..from).find(|alternative| {
                let offered = &family.alternatives[*alternative];
                offered.left != Some(0) && offered.room.holds(&holds)
            });
            if let Some(alternative) = smaller {
                self.turn_into(new, alternative);
            }
        }
        let new = &self.new;
        self.by_family.iter_mut().for_each(|family| family.retain(|at| !new[*at].gone));
        let packing = &self.packing;
        self.opened.retain(|node| packing.nodes[*node as usize].present);
    }

    /// What is on a node of this plan besides daemons.
    fn used_of(&self, new: usize) -> Amounts {
        let NewNode { node, family, alternative, .. } = &self.new[new];
        let mut used = self.menu.families[*family].alternatives[*alternative].room.clone();
        used.add(&self.packing.nodes[*node as usize].free, -1);
        used
    }
}

fn take(left: &mut Option<u32>) {
    *left = left.map(|left| left.saturating_sub(1));
}

fn give(left: &mut Option<u32>) {
    *left = left.map(|left| left.saturating_add(1));
}
