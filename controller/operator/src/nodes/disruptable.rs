//! Whether nodes of a pool may be removed or replaced, as its condition `Disruptable` tells it.

use std::collections::BTreeMap;

use plimsoll_core::nodes::breaker::{Tripped, pool_is_broken, zones_are_silent};

use super::planner::Planner;

/// Why nothing of a pool is removed, by the names of the pools of which that is so.
pub(super) type Held = BTreeMap<String, Tripped>;

/// Whether they may, the reason of the condition, and its message.
pub(super) fn disruptable(held: Option<&Tripped>) -> (bool, &'static str, String) {
    let reason = |tripped: &Tripped| match tripped {
        Tripped::NotReady { .. } => "TooManyNotReady",
        Tripped::Silent { .. } => "ZonesSilent",
    };
    match held {
        Some(tripped) => (false, reason(tripped), format!("nothing is removed or replaced: {tripped}")),
        None => (true, "NothingSuspicious", "nodes may be removed and replaced".to_owned()),
    }
}

impl Planner {
    /// Of all pools; each looks at every node, and zones fall silent for all pools alike.
    pub(super) fn held(&self) -> Held {
        let nodes = || self.world.view.nodes();
        let silent = zones_are_silent(nodes());
        let of_pool = |name: &String| {
            let broken = self.world.view.pool(name).and_then(|pool| pool_is_broken(pool, nodes()));
            Some((name.clone(), broken.or_else(|| silent.clone())?))
        };
        self.world.pools.keys().filter_map(of_pool).collect()
    }
}
