//! Nodes of a plan become larger, and in the end as small as they can be.

use std::collections::BTreeSet;

use super::choose::{Rank, costs_at_least, price_per_pod};
use super::menu::Family;
use super::solve::{NewNode, Solver};
use crate::placement::ClassId;
use crate::placement::amounts::Amounts;
use crate::placement::check::Look;
use crate::placement::packing::NodeIx;

/// How many nodes of the plan are looked at for the cheapest to enlarge.
const LOOKS: usize = 8;
/// A node less is worth one part of so many of the price per pod: each node has to boot, to be watched and to be kept.
const WORTH_OF_A_NODE: i64 = 32;

/// A node of the plan that becomes a larger one.
pub(super) struct Growth {
    pub(super) new: usize,
    pub(super) alternative: usize,
    pub(super) pods: u32,
    pub(super) price_per_pod: i64,
}

impl Growth {
    /// Whether it is taken in place of a new node.
    pub(super) fn is_worth_a_node(&self, new: &Rank) -> bool {
        let price = new.price_per_pod;
        self.price_per_pod <= price.saturating_add(price / WORTH_OF_A_NODE)
    }
}

impl Solver<'_> {
    /// The cheapest of some nodes of this plan to enlarge for up to `need` pods of a class.
    ///
    /// Of those that were made fit for others of the class it is the last in each family: those before it were filled.
    pub(super) fn best_growth(&mut self, class: ClassId, need: u32, families: &[usize]) -> Option<Growth> {
        let mut best: Option<Growth> = None;
        for &family in families {
            let nodes = self.by_family[family].len();
            if let Some(&last) = self.by_family[family].last()
                && self.new[last].reserved > 0
            {
                self.look_at(last, class, need, &mut best);
            }
            let mut looks = 0;
            for step in 0..nodes {
                let at = (self.cursor[family] + step) % nodes;
                let new = self.by_family[family][at];
                if self.new[new].reserved > 0 || !self.look_at(new, class, need, &mut best) {
                    continue;
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

    /// Whether up to `need` pods of a class may be put on a node of this plan, resources aside; if so, what it costs to
    /// enlarge it for them is compared with the `best`.
    fn look_at(&self, new: usize, class: ClassId, need: u32, best: &mut Option<Growth>) -> bool {
        let NewNode { node, reserved, .. } = self.new[new];
        let allowed = self.packing.allowance(class, node, Look::Host).saturating_sub(reserved).min(need);
        if allowed == 0 || !self.packing.nodes[node as usize].open {
            return false;
        }
        let below = best.as_ref().map(|best| best.price_per_pod);
        if let Some(better) = self.growth(new, &self.packing.class(class).ask, allowed, below) {
            *best = Some(better);
        }
        true
    }

    /// What it costs per pod to enlarge a node for as many pods as pays best, up to `most`, where that is `below` a price.
    fn growth(&self, new: usize, ask: &Amounts, most: u32, below: Option<i64>) -> Option<Growth> {
        let is = &self.new[new];
        let family = &self.menu.families[is.family];
        let now = &family.alternatives[is.alternative];
        let mut used = self.used_of(new);
        used.add(ask, i64::from(is.reserved));
        let mut best: Option<Growth> = None;
        let mut below = below.unwrap_or(i64::MAX);
        for (alternative, offered) in family.alternatives.iter().enumerate().skip(is.alternative) {
            // What comes now costs no less and takes no more.
            if costs_at_least(offered.price - now.price, most, below) {
                break;
            }
            let pods = offered.room.room_beside(&used, ask).min(most);
            if pods == 0 {
                continue;
            }
            let price_per_pod = price_per_pod(offered.price - now.price, pods);
            if price_per_pod < below && self.may_become(family, is.alternative, alternative, &used) {
                best = Some(Growth { new, alternative, pods, price_per_pod });
                below = price_per_pod;
                if pods == most {
                    break;
                }
            }
        }
        best
    }

    /// Whether a node may become another offering, as far as that holds what is on it and can be had.
    fn may_become(&self, family: &Family, from: usize, to: usize, used: &Amounts) -> bool {
        let (now, offered) = (&family.alternatives[from], &family.alternatives[to]);
        let forbids = || {
            self.bounds.forbids_resources(
                &family.pool,
                &family.zone,
                &offered.allocatable,
                Some(&now.allocatable),
            )
        };
        from == to || (offered.room.holds(used) && offered.left != Some(0) && forbids().is_none())
    }

    pub(super) fn turn_into(&mut self, new: usize, alternative: usize) {
        let NewNode { node, family: at, alternative: from, .. } = self.new[new];
        if from == alternative {
            return;
        }
        let family = &mut self.menu.families[at];
        let mut by = family.alternatives[alternative].gross.clone();
        by.add(&family.alternatives[from].gross, -1);
        self.packing.resize(node, by);
        self.ladders[at].note(node, &self.packing.nodes[node as usize].free);
        let (to, was) = (&family.alternatives[alternative], &family.alternatives[from]);
        self.bounds.change(&family.pool, &family.zone, &to.allocatable, &was.allocatable);
        give(&mut family.alternatives[from].left);
        take(&mut family.alternatives[alternative].left);
        self.new[new].alternative = alternative;
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
                self.ladders[at].close(node);
                self.new[new].gone = true;
                continue;
            }
            let family = &self.menu.families[at];
            let holds = self.used_of(new);
            // One that costs no more may be larger, and pass a limit.
            let cheaper = (0..from).find(|alternative| self.may_become(family, from, *alternative, &holds));
            if let Some(alternative) = cheaper {
                self.turn_into(new, alternative);
            }
        }
        let new = &self.new;
        self.by_family.iter_mut().for_each(|family| family.retain(|at| !new[*at].gone));
    }

    /// What is on a node of this plan besides daemons.
    pub(super) fn used_of(&self, new: usize) -> Amounts {
        let NewNode { node, family, alternative, .. } = &self.new[new];
        let mut used = self.menu.families[*family].alternatives[*alternative].room.clone();
        used.add(&self.packing.nodes[*node as usize].free, -1);
        used
    }
}

pub(super) fn take(left: &mut Option<u32>) {
    *left = left.map(|left| left.saturating_sub(1));
}

pub(super) fn give(left: &mut Option<u32>) {
    *left = left.map(|left| left.saturating_add(1));
}
