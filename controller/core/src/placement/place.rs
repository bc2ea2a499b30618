//! Places pods of one class by counting.

use std::collections::BTreeMap;

use super::check::Look;
use super::class::ClassId;
use super::packing::{NodeIx, Packing};
use super::tally::{DomainId, KeyId, TallyDef, TallyId};

/// How many pods went to which node.
pub type Placed = Vec<(NodeIx, u32)>;

/// Nodes in the same domains of all labels that matter to a class.
struct Group {
    nodes: Vec<NodeIx>,
    at: usize,
    /// Whether its domains refuse the class until another domain has grown.
    blocked: bool,
}

impl Packing {
    /// Places up to `count` pods of a class on nodes out of `on`, those named first before others where domains allow it,
    /// and adds to `placed` where. Says how many are left.
    ///
    /// Nodes in the same domains are filled one after the other; between domains the one that has the fewest pods of those
    /// that spread constraints count together with this class is next. So a spread over zones stays even at every step,
    /// whoever asks for it, and each step is one that the scheduler would allow.
    pub fn place(&mut self, class: ClassId, count: u32, on: &[NodeIx], placed: &mut Placed) -> u32 {
        let of = self.tables.classes[class as usize].clone();
        let mut fitting = Vec::new();
        for &node in on {
            let state = &self.nodes[node as usize];
            if state.open && state.present && state.free.holds(&of.ask) && self.suits(class, node) {
                fitting.push(node);
            }
        }
        if count == 0 || fitting.is_empty() {
            return count;
        }
        let balance = self.balanced_by(class);
        let is_kept_off = self.keeping_off(class).any(|tally| !self.is_by_host(tally));
        let is_plain = !of.is_social() && balance.is_empty() && !is_kept_off;
        if is_plain {
            return self.fill(class, count, &fitting, placed);
        }
        let (wide, one_by_one) = self.wide_keys(class, &balance);
        let mut groups: BTreeMap<Vec<DomainId>, Group> = BTreeMap::new();
        let mut order: Vec<Vec<DomainId>> = Vec::new();
        for node in fitting {
            let domains: Vec<_> =
                wide.iter().map(|key| self.nodes[node as usize].domains[*key as usize]).collect();
            if !groups.contains_key(&domains) {
                order.push(domains.clone());
            }
            groups
                .entry(domains)
                .or_insert_with(|| Group { nodes: Vec::new(), at: 0, blocked: false })
                .nodes
                .push(node);
        }
        let mut groups: Vec<Group> = order.iter().filter_map(|domains| groups.remove(domains)).collect();
        let mut left = count;
        loop {
            let before = left;
            left = self.pass(class, left, &mut groups, &balance, one_by_one, placed);
            // Where the emptiest domain has grown, nodes that were passed over may do now.
            if left == 0 || left == before || !of.is_social() {
                return left;
            }
            for group in &mut groups {
                (group.at, group.blocked) = (0, false);
            }
        }
    }

    fn fill(&mut self, class: ClassId, count: u32, on: &[NodeIx], placed: &mut Placed) -> u32 {
        let of = self.tables.classes[class as usize].clone();
        let mut left = count;
        for &node in on {
            let allowed = self.allowance(class, node, Look::All);
            let mut room = self.nodes[node as usize].free.room(&of.ask).min(left);
            let mut step = allowed.min(room);
            while step > 0 {
                self.put(node, class, step);
                note(placed, node, step);
                left -= step;
                room -= step;
                step = if of.is_choosy() && room > 0 {
                    self.allowance(class, node, Look::All).min(room)
                } else {
                    0
                };
            }
            if left == 0 {
                break;
            }
        }
        left
    }

    fn pass(
        &mut self,
        class: ClassId,
        count: u32,
        groups: &mut [Group],
        balance: &[TallyId],
        one_by_one: bool,
        placed: &mut Placed,
    ) -> u32 {
        let of = self.tables.classes[class as usize].clone();
        let mut left = count;
        while left > 0 {
            let mut best: Option<(u64, usize)> = None;
            for (index, group) in groups.iter().enumerate() {
                let Some(&node) = group.nodes.get(group.at).filter(|_| !group.blocked) else { continue };
                let load: u64 = balance.iter().map(|tally| u64::from(self.tallied(*tally, node))).sum();
                if best.is_none_or(|(least, _)| load < least) {
                    best = Some((load, index));
                }
            }
            let Some((_, index)) = best else { break };
            let group = &mut groups[index];
            let node = group.nodes[group.at];
            let room = self.nodes[node as usize].free.room(&of.ask).min(left);
            let allowed = if room == 0 { 0 } else { self.allowance(class, node, Look::All) };
            let step = room.min(allowed).min(if one_by_one { 1 } else { u32::MAX });
            if step == 0 {
                let wide = room > 0 && self.social_refusal(class, node, Look::Wide).is_some();
                (group.at, group.blocked) = if wide { (group.at, true) } else { (group.at + 1, false) };
                continue;
            }
            self.put(node, class, step);
            note(placed, node, step);
            left -= step;
            for group in groups.iter_mut() {
                group.blocked = false;
            }
        }
        left
    }

    /// The tallies over domains of several nodes that should stay even as pods of a class come.
    pub(crate) fn balanced_by(&self, class: ClassId) -> Vec<TallyId> {
        let of = self.class(class);
        let counted = self.tables.counted[class as usize].iter().copied();
        let counted = counted.filter(|tally| self.is_watched(*tally));
        let spread = counted
            .filter(|tally| matches!(self.tables.tallies.value(*tally), TallyDef::Spread { .. }))
            .chain(of.spread.iter().chain(&of.soft_spread).map(|spread| spread.tally));
        let mut tallies: Vec<_> = spread.filter(|tally| !self.is_by_host(*tally)).collect();
        tallies.sort_unstable();
        tallies.dedup();
        tallies
    }

    /// Whether each node is a domain of its own to a tally.
    pub(crate) fn is_by_host(&self, tally: TallyId) -> bool {
        Some(self.tables.tallies.value(tally).key()) == self.tables.host_key
    }

    /// The labels with domains of several nodes that matter to a class, and whether its pods are placed one by one so
    /// that the domains stay even.
    pub(crate) fn wide_keys(&self, class: ClassId, balance: &[TallyId]) -> (Vec<KeyId>, bool) {
        let of = self.class(class);
        let own = of.affinity.iter().chain(&of.anti).chain(balance).copied();
        let wide = own.chain(self.keeping_off(class)).filter(|tally| !self.is_by_host(*tally));
        let mut keys: Vec<_> = wide.map(|tally| self.tables.tallies.value(tally).key()).collect();
        keys.sort_unstable();
        keys.dedup();
        let by_host = of.spread.iter().any(|spread| spread.counts_itself);
        (keys, !balance.is_empty() || by_host)
    }
}

fn note(placed: &mut Placed, node: NodeIx, count: u32) {
    match placed.last_mut() {
        Some((last, pods)) if *last == node => *pods += count,
        _ => placed.push((node, count)),
    }
}
