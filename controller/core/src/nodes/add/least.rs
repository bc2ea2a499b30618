//! Nodes that a zone keeps whether they are needed or not.

use super::solve::Solver;
use crate::cluster::{Name, Node};
use crate::placement::View;

/// Orders the cheapest nodes until each zone has as many as it keeps at least.
pub(crate) fn keep_least_sizes(view: &View, solver: &mut Solver<'_>) {
    for pool in view.pools() {
        for (zone, least) in &pool.limits.min_per_zone {
            // A node that is on its way out does not count: what comes in its place can boot meanwhile.
            let goes = |node: &&Node| node.pool.as_ref() == Some(&pool.name) && node.zone() == Some(zone);
            let going =
                view.nodes().filter(|node| node.interrupted || node.is_draining()).filter(goes).count();
            let going = u32::try_from(going).unwrap_or(u32::MAX);
            while solver.bounds.in_zone(&pool.name, zone).saturating_sub(going) < *least {
                let Some((family, alternative)) = cheapest(solver, &pool.name, zone) else { break };
                solver.open(family, alternative);
                if let Some(new) = solver.new.last_mut() {
                    new.kept = true;
                }
            }
        }
    }
}

fn cheapest(solver: &Solver<'_>, pool: &Name, zone: &Name) -> Option<(usize, usize)> {
    let families = solver.menu.families.iter().enumerate();
    let here = families.filter(|(_, family)| family.pool == *pool && family.zone == *zone);
    let offered = here.flat_map(|(at, family)| {
        family.alternatives.iter().enumerate().map(move |(alternative, of)| (at, alternative, of))
    });
    let can = offered.filter(|(_, _, of)| {
        of.left != Some(0) && solver.bounds.forbids(pool, zone, &of.allocatable).is_none()
    });
    let best = can.min_by(|(_, _, one), (_, _, other)| (one.price, &one.key).cmp(&(other.price, &other.key)));
    best.map(|(family, alternative, _)| (family, alternative))
}
