//! A plan is gone through once more before it is written down.

use super::demand::Demand;
use super::solve::Solver;
use super::{Entry, Journal};
use crate::placement::check::Look;

impl Solver<'_> {
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
        if !self.is_any_spread(demands) {
            return;
        }
        self.lift(demands, &journal[first..]);
        for entry in &mut journal[first..] {
            let put = self.put_back(demands, *entry);
            left[entry.demand] += entry.count - put;
            entry.count = put;
        }
        journal.retain(|entry| entry.count > 0);
        self.note_all_room();
    }

    /// Whether the scheduler would bind all of a plan, with the nodes that there are now.
    pub(crate) fn still_holds(&mut self, demands: &[Demand], journal: &[Entry]) -> bool {
        if !self.is_any_spread(demands) {
            return true;
        }
        let mark = self.packing.mark();
        self.lift(demands, journal);
        let holds = journal.iter().all(|entry| self.put_back(demands, *entry) == entry.count);
        self.packing.undo(mark);
        holds
    }

    fn is_any_spread(&self, demands: &[Demand]) -> bool {
        demands.iter().any(|demand| !self.packing.class(demand.class).spread.is_empty())
    }

    /// Takes all pods from where they were put.
    fn lift(&mut self, demands: &[Demand], journal: &[Entry]) {
        for entry in journal {
            self.packing.take(entry.node, demands[entry.demand].class, entry.count);
        }
    }

    /// Puts pods of an entry where they were, as long as that is allowed; says how many.
    fn put_back(&mut self, demands: &[Demand], Entry { demand, node, count }: Entry) -> u32 {
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
        put
    }
}
