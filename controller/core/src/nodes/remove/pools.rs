//! What holds for a pool while a plan is made.

use std::collections::BTreeMap;

use super::WhyStays;
use crate::cluster::{Name, Pool};
use crate::nodes::breaker::Tripped;
use crate::nodes::budget::Budgets;
use crate::time::Timestamp;

/// A pool, and what the plan has taken of it so far.
#[derive(Clone, Debug)]
pub(super) struct PoolState<'a> {
    pub(super) pool: &'a Pool,
    pub(super) budgets: Budgets,
    /// Why nothing of it goes.
    pub(super) tripped: Option<Tripped>,
    /// Until when nothing goes since it has grown.
    pub(super) cooling_until: Option<Timestamp>,
    /// Nodes that stay, by zone; those that are set aside do not.
    pub(super) zones: BTreeMap<Name, u32>,
    /// Nodes that are still to come, by zone.
    pub(super) coming: BTreeMap<Name, u32>,
}

impl PoolState<'_> {
    /// How many nodes of a zone stay.
    pub(super) fn in_zone(&self, zone: &Name) -> u32 {
        self.zones.get(zone).copied().unwrap_or(0)
    }

    /// How many nodes a zone will have once all that was ordered is there.
    pub(super) fn will_be_in_zone(&self, zone: &Name) -> u32 {
        self.in_zone(zone).saturating_add(self.coming.get(zone).copied().unwrap_or(0))
    }

    /// Counts a node of a zone out, and says whether it was there.
    pub(super) fn leave(&mut self, zone: &Name) {
        if let Some(count) = self.zones.get_mut(zone) {
            *count = count.saturating_sub(1);
        }
    }

    /// Counts a node of a zone in.
    pub(super) fn join(&mut self, zone: &Name) {
        *self.zones.entry(zone.clone()).or_default() += 1;
    }

    /// Whether the zone can do with a node less.
    pub(super) fn minimum(&self, zone: &Name) -> Result<(), WhyStays> {
        let min = self.pool.limits.min_per_zone.get(zone).copied().unwrap_or(0);
        if self.in_zone(zone) <= min {
            return Err(WhyStays::Minimum { zone: zone.clone(), min });
        }
        Ok(())
    }
}
