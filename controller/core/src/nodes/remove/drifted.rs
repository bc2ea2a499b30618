//! Nodes whose order somebody deleted, and those that no longer are what their pool says. Their pods go where there is room,
//! or to new nodes that are ordered first. That a pool has grown lately holds none of them back: a change of the pool is
//! somebody's will, and so is the end of an order.

use std::cmp::Reverse;

use super::WhyStays;
use super::buy::{Lacks, Wish};
use super::plan::WhyRemoved;
use super::planner::{Fate, Planner};
use super::survey::Surveyed;
use crate::cluster::Record;
use crate::nodes::drift::drift;
use crate::nodes::words::full_name;

impl Planner<'_> {
    pub(super) fn replace_drifted(&mut self) {
        let pools: Vec<_> = self.pools.keys().cloned().collect();
        for pool in pools {
            let mut drifted: Vec<_> = self
                .open(&pool)
                .into_iter()
                .filter_map(|index| {
                    let Surveyed { node, pool, .. } = &self.nodes[index];
                    let deleted = node.order.clone().filter(|_| node.record == Record::Deleted);
                    let why = deleted.map(WhyRemoved::OrderDeleted);
                    Some((index, why.or_else(|| drift(node, (*pool)?).map(WhyRemoved::Drifted))?))
                })
                .collect();
            drifted.sort_by_key(|(index, why)| {
                let in_zone = self.pools[&pool].in_zone(&self.nodes[*index].zone());
                (matches!(why, WhyRemoved::Drifted(_)), !self.was_unneeded(*index), Reverse(in_zone), *index)
            });
            for (index, why) in drifted {
                if let Err(why) = self.replace_one(index, why) {
                    self.fates[index] = Fate::Stays(why);
                    self.candidates.insert(index);
                }
            }
        }
    }

    fn replace_one(&mut self, index: usize, why: WhyRemoved) -> Result<(), WhyStays> {
        self.passes(index, &why)?;
        let Some(pool) = self.nodes[index].pool else { return Ok(()) };
        let zone = self.nodes[index].zone();
        let one_in = self.needs_one(index);
        let mark = self.room.mark();
        let left = self.take_out(&[index]);
        let mut moved = Vec::new();
        let left = self.room.place(left, &mut moved);
        let wish = Wish { pool, allows: &|_| true, one_in };
        match self.buy(left, &wish) {
            Ok(bought) => {
                moved.extend(bought.moved.iter().copied());
                let needs = self.order(bought);
                if let Some(pool) = self.pool_of(index) {
                    pool.leave(&zone);
                }
                self.carry(&moved);
                self.goes(index, why, needs);
                Ok(())
            }
            Err(Lacks::Room(group)) => {
                let refusals = self.room.refusals(group.class);
                self.room.undo(mark);
                Err(WhyStays::NoRoom { pod: full_name(group.pods[0]), refusals })
            }
            Err(Lacks::Offering) => {
                self.room.undo(mark);
                self.minimum(index)
            }
        }
    }
}
