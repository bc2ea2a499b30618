//! Whether nodes of a pool may be removed or replaced, as its condition `Disruptable` tells it.

use plimsoll_core::nodes::breaker::{Tripped, pool_is_broken, zones_are_silent};

use super::planner::Planner;

impl Planner {
    /// Whether they may, the reason of the condition, and its message.
    pub(super) fn disruptable(&self, pool: &str) -> (bool, &'static str, String) {
        let reason = |tripped: &Tripped| match tripped {
            Tripped::NotReady { .. } => "TooManyNotReady",
            Tripped::Silent { .. } => "ZonesSilent",
        };
        match self.held(pool) {
            Some(tripped) => (false, reason(&tripped), format!("nothing is removed or replaced: {tripped}")),
            None => (true, "NothingSuspicious", "nodes may be removed and replaced".to_owned()),
        }
    }

    /// Why nothing of a pool is removed, if so.
    pub(super) fn held(&self, pool: &str) -> Option<Tripped> {
        let nodes = || self.world.view.nodes();
        let broken = self.world.view.pool(pool).and_then(|pool| pool_is_broken(pool, nodes()));
        broken.or_else(|| zones_are_silent(nodes()))
    }
}
