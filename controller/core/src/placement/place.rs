//! Places pods of one class by counting.

use std::cmp::Reverse;

use super::check::Look;
use super::class::ClassId;
use super::groups::Group;
use super::packing::{NodeIx, Packing};
use super::preference::{Liking, Taste};
use super::tally::{KeyId, TallyDef, TallyId};

/// How many pods went to which node.
pub type Placed = Vec<(NodeIx, u32)>;

/// How pods of a class are placed.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// The tallies over domains of several nodes that should stay even.
    balance: Vec<TallyId>,
    /// The labels whose domains have to be told apart.
    pub(crate) keys: Vec<KeyId>,
    /// Whether pods go one by one, so that what is even stays so.
    one_by_one: bool,
    /// Whether all nodes are alike but for their room and what keeps off by host.
    is_plain: bool,
    pub(crate) taste: Taste,
}

impl Packing {
    /// Places up to `count` pods of a class on nodes out of `on`, those that it likes first and of these those named first,
    /// where domains allow it, and adds to `placed` where. Says how many are left.
    ///
    /// Nodes in the same domains are filled one after the other; between domains the one that has the fewest pods of those
    /// that spread constraints count together with this class is next. So a spread over zones stays even at every step,
    /// whoever asks for it, and each step is one that the scheduler would allow.
    pub fn place(&mut self, class: ClassId, count: u32, on: &[NodeIx], placed: &mut Placed) -> u32 {
        if count == 0 {
            return count;
        }
        let way = self.way(class);
        let groups = self.groups_of(class, on, &way.keys, way.taste);
        self.place_in(class, count, groups, &way, placed)
    }

    /// How pods of a class are placed.
    pub(crate) fn way(&self, class: ClassId) -> Way {
        let of = self.class(class);
        let balance = self.balanced_by(class);
        let is_kept_off = self.keeping_off(class).any(|tally| !self.is_by_host(tally));
        let taste = self.taste(class);
        let is_plain = !of.is_social() && balance.is_empty() && !is_kept_off && !taste.changes();
        let (mut keys, one_by_one) = self.wide_keys(class, &balance);
        let liked = of.liked.iter().filter(|(tally, _)| !self.is_by_host(*tally));
        keys.extend(liked.map(|(tally, _)| self.tables.tallies.value(*tally).key()));
        keys.sort_unstable();
        keys.dedup();
        Way { balance, keys, one_by_one: one_by_one || taste.changes(), is_plain, taste }
    }

    /// As [`Packing::place`], on nodes by domains.
    pub(crate) fn place_in(
        &mut self,
        class: ClassId,
        count: u32,
        mut groups: Vec<Group<'_>>,
        way: &Way,
        placed: &mut Placed,
    ) -> u32 {
        let of = self.tables.classes[class as usize].clone();
        for group in &mut groups {
            if way.taste.hosts {
                group.sort(self, class, &of.ask);
            } else {
                group.rewind(self, &of.ask);
            }
        }
        if way.is_plain {
            groups.sort_by_key(|group| Reverse(group.liking));
            return groups.iter_mut().fold(count, |left, group| self.fill(class, left, group, placed));
        }
        let mut left = count;
        loop {
            let before = left;
            left = self.pass(class, left, &mut groups, way, placed);
            // Where the emptiest domain has grown, nodes that were passed over may do now.
            if left == 0 || left == before || !of.is_social() {
                return left;
            }
            for group in &mut groups {
                group.rewind(self, &of.ask);
            }
        }
    }

    fn fill(&mut self, class: ClassId, count: u32, group: &mut Group<'_>, placed: &mut Placed) -> u32 {
        let of = self.tables.classes[class as usize].clone();
        let mut left = count;
        while let Some(node) = group.head.filter(|_| left > 0) {
            let mut room = self.nodes[node as usize].free.room(&of.ask).min(left);
            let mut step = self.allowance(class, node, Look::All).min(room);
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
            group.advance(self, &of.ask);
        }
        left
    }

    fn pass(
        &mut self,
        class: ClassId,
        count: u32,
        groups: &mut [Group<'_>],
        way: &Way,
        placed: &mut Placed,
    ) -> u32 {
        let of = self.tables.classes[class as usize].clone();
        let mut left = count;
        while left > 0 {
            let mut best: Option<((u64, Reverse<Liking>), usize)> = None;
            for (index, group) in groups.iter().enumerate() {
                let Some(node) = group.head.filter(|_| !group.blocked) else { continue };
                let load: u64 = way.balance.iter().map(|tally| u64::from(self.tallied(*tally, node))).sum();
                let liking = if way.taste.is_any() {
                    self.liking_of_company(&of, node, group.liking)
                } else {
                    Liking::default()
                };
                let rank = (load, Reverse(liking));
                if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                    best = Some((rank, index));
                }
            }
            let Some((_, index)) = best else { break };
            let group = &mut groups[index];
            let Some(node) = group.head else { break };
            let room = self.nodes[node as usize].free.room(&of.ask).min(left);
            let allowed = if room == 0 { 0 } else { self.allowance(class, node, Look::All) };
            let step = room.min(allowed).min(if way.one_by_one { 1 } else { u32::MAX });
            if step == 0 {
                if room > 0 && self.social_refusal(class, node, Look::Wide).is_some() {
                    group.blocked = true;
                } else {
                    group.advance(self, &of.ask);
                }
                continue;
            }
            self.put(node, class, step);
            note(placed, node, step);
            left -= step;
            if way.taste.hosts {
                group.sink(self, class, &of.ask);
            }
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

#[cfg(test)]
mod tests;
