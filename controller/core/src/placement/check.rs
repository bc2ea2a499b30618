//! All rules together, for one class on one node.

use super::class::{Class, ClassId};
use super::packing::{NodeIx, Packing};
use super::tally::{DomainId, TallyId};
use super::{host_ports, pod_affinity, spread, volumes};
use crate::cluster::Name;
use crate::placement::Refusal;

/// Which tallies are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    All,
    /// Those with domains of several nodes.
    Wide,
    /// Those to which each node is a domain of its own.
    Host,
}

impl Packing {
    /// Why a node refuses one more pod of a class, if it does.
    pub fn refusal(&self, class: ClassId, node: NodeIx) -> Option<Refusal> {
        let of = self.class(class);
        let state = &self.nodes[node as usize];
        if !state.present || !state.open {
            return Some(Refusal::NoSuchNode);
        }
        self.tables
            .refuses(of.need, &state.facts)
            .or_else(|| host_ports::refuses(self, of, node))
            .or_else(|| state.free.lacks(&of.ask, &self.tables.extended).map(Refusal::Lacks))
            .or_else(|| volumes::refuses(self, of, node))
            .or_else(|| self.social_refusal(class, node, Look::All))
    }

    /// Why what runs beside it or elsewhere forbids it, if something does.
    pub(crate) fn social_refusal(&self, class: ClassId, node: NodeIx, look: Look) -> Option<Refusal> {
        let of = self.class(class);
        let looks_at = |tally| match look {
            Look::All => true,
            Look::Wide => !self.is_by_host(tally),
            Look::Host => self.is_by_host(tally),
        };
        spread::refuses(self, of, node, looks_at)
            .or_else(|| pod_affinity::refuses(self, class, node, looks_at))
    }

    /// How many pods of a class can be put on a node at once as far as anything but resources goes, at most; 0 where it
    /// refuses one. What runs elsewhere may allow more after that.
    pub(crate) fn allowance(&self, class: ClassId, node: NodeIx, look: Look) -> u32 {
        let of = self.class(class);
        if of.is_choosy()
            && (host_ports::refuses(self, of, node).is_some() || volumes::refuses(self, of, node).is_some())
        {
            return 0;
        }
        let kept_off = &self.tables.kept_off[class as usize];
        if !of.is_social() && kept_off.is_empty() {
            return if of.is_choosy() { 1 } else { u32::MAX };
        }
        if self.social_refusal(class, node, look).is_some() {
            return 0;
        }
        let counted = &self.tables.counted[class as usize];
        let looks_at = |tally: &&TallyId| look != Look::Host || self.is_by_host(**tally);
        let forbids_itself = of.anti.iter().filter(looks_at).any(|tally| counted.contains(tally))
            || of.holds.iter().filter(looks_at).any(|tally| kept_off.contains(tally));
        if of.is_choosy() || forbids_itself {
            return 1;
        }
        let spread = of.spread.iter().filter(|spread| spread.counts_itself && looks_at(&&spread.tally));
        let slack = spread.map(|spread| spread::slack(self, spread, node)).min();
        slack.map_or(u32::MAX, |slack| u32::try_from(slack.max(0)).unwrap_or(u32::MAX))
    }

    /// Whether every node that is there has a pod on it that keeps a class off, or that it keeps off: as many hosts have one
    /// as there are.
    pub(crate) fn has_a_foe_on_each_host(&self, class: ClassId) -> bool {
        let foes = self.class(class).anti.iter().chain(&self.tables.kept_off[class as usize]);
        let mut by_host = foes.filter(|tally| self.is_by_host(**tally));
        by_host.any(|tally| self.tallies[*tally as usize].occupied() >= self.hosts)
    }

    pub(crate) fn class(&self, class: ClassId) -> &Class {
        &self.tables.classes[class as usize]
    }

    /// The domain of a node in which a tally counts.
    pub(crate) fn domain_of(&self, tally: TallyId, node: NodeIx) -> DomainId {
        let key = self.tables.tallies.value(tally).key();
        self.nodes[node as usize].domains[key as usize]
    }

    /// What a tally counts in the domain of a node.
    pub(crate) fn tallied(&self, tally: TallyId, node: NodeIx) -> u32 {
        self.tallies[tally as usize].count(self.domain_of(tally, node))
    }

    pub(crate) fn key_name(&self, tally: TallyId) -> Name {
        self.tables.key_name(self.tables.tallies.value(tally).key()).clone()
    }
}
