//! Room on the nodes of a plan.

use super::solve::Solver;
use crate::placement::Placed;
use crate::placement::class::ClassId;
use crate::placement::groups::{Group, Nodes};
use crate::placement::ladder::Ladder;
use crate::placement::packing::NodeIx;
use crate::placement::place::Way;
use crate::placement::preference::{self, Liking};
use crate::placement::tally::DomainId;

/// Nodes of families in the same domains that a class likes alike.
struct Alike<'l> {
    first: NodeIx,
    liking: Liking,
    domains: Vec<DomainId>,
    ladders: Vec<&'l Ladder>,
}

impl Solver<'_> {
    /// Finds room on the nodes of this plan as they are, the first that were opened first; says how many are left.
    pub(crate) fn on_opened(&mut self, class: ClassId, count: u32, placed: &mut Placed) -> u32 {
        if count == 0 || self.packing.has_a_foe_on_each_host(class) {
            return count;
        }
        let way = self.packing.way(class);
        let ladders = std::mem::take(&mut self.ladders);
        let groups = self.groups(class, &way, &ladders);
        let known = placed.len();
        let left = self.packing.place_in(class, count, groups, &way, placed);
        self.ladders = ladders;
        self.note_room(&placed[known.saturating_sub(1)..]);
        left
    }

    /// As [`Solver::on_opened`], on some nodes: of this plan, or there before.
    pub(super) fn on_hosts(
        &mut self,
        class: ClassId,
        count: u32,
        hosts: &[NodeIx],
        placed: &mut Placed,
    ) -> u32 {
        let known = placed.len();
        let left = self.packing.place(class, count, hosts, placed);
        self.note_room(&placed[known.saturating_sub(1)..]);
        left
    }

    /// Takes note of what is free on all nodes of this plan.
    pub(super) fn note_all_room(&mut self) {
        let all: Placed = self.new.iter().filter(|new| !new.gone).map(|new| (new.node, 0)).collect();
        self.note_room(&all);
    }

    fn note_room(&mut self, on: &[(NodeIx, u32)]) {
        for (node, _) in on {
            if let Ok(at) = self.new.binary_search_by_key(node, |new| new.node) {
                self.ladders[self.new[at].family].note(*node, &self.packing.nodes[*node as usize].free);
            }
        }
    }

    fn groups<'l>(&mut self, class: ClassId, way: &Way, ladders: &'l [Ladder]) -> Vec<Group<'l>> {
        let of = self.packing.tables.classes[class as usize].clone();
        let mut found: Vec<Alike<'l>> = Vec::new();
        for (family, ladder) in self.menu.families.iter().zip(ladders) {
            let Some(first) = ladder.next(0, &of.ask) else { continue };
            if of.shape.priority < family.cut_off || !self.packing.suits(class, family.stand_in) {
                continue;
            }
            let state = &self.packing.nodes[family.stand_in as usize];
            let domains = || way.keys.iter().map(|key| state.domains[*key as usize]);
            let liking =
                if way.taste.nodes { preference::fixed(&of.shape, &state.facts) } else { Liking::default() };
            let same = |of: &&mut Alike<'_>| of.liking == liking && domains().eq(of.domains.iter().copied());
            if let Some(alike) = found.iter_mut().find(same) {
                alike.first = alike.first.min(first);
                alike.ladders.push(ladder);
            } else {
                found.push(Alike { first, liking, domains: domains().collect(), ladders: vec![ladder] });
            }
        }
        found.sort_by_key(|alike| alike.first);
        found.into_iter().map(|alike| Group::new(Nodes::Ladders(alike.ladders), alike.liking)).collect()
    }
}
