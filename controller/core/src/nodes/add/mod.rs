//! Which nodes to order, and where pods go.
//!
//! Room that is there is used first, then nodes that were ordered and have not come, then new nodes. Classes are served one
//! after the other, the more important first, then those that are hard to place, then the large ones; each by counting, so
//! that the cost grows with classes and offerings and hardly with pods.
//!
//! A new node is not of a type until the plan is made: it belongs to a family of offerings that differ only in size and
//! price, and is always the cheapest that holds what is on it. So pods that come later fill what earlier ones left, then
//! enlarge a node or open one, whichever costs less per pod, a node less being worth a little. This is first-fit decreasing
//! on bins of variable size.

mod choose;
pub(crate) mod demand;
mod enlarge;
mod explain;
pub(crate) mod headroom;
mod least;
pub(crate) mod limits;
pub(crate) mod menu;
mod named;
mod offer;
mod opened;
mod outcome;
mod replay;
pub(crate) mod solve;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::demand::Demand;
use self::headroom::Served;
use self::limits::Bounds;
use self::menu::Menu;
use self::solve::Solver;
use crate::cluster::{Name, Node};
use crate::nodes::NodePlan;
use crate::placement::packing::{NodeIx, Packing};
use crate::placement::{Placed, View};
use crate::time::Timestamp;

/// What does not belong to a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The most nodes of the cluster, those included that are ordered or not ours. None for no bound.
    pub most_nodes: Option<u32>,
}

/// A node that was ordered and has not come: the order, and which of its nodes.
#[derive(Clone, Debug)]
pub(crate) struct Coming {
    pub(crate) node: NodeIx,
    pub(crate) order: Name,
    pub(crate) number: u32,
}

/// Pods of a class that were given a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) demand: usize,
    pub(crate) node: NodeIx,
    pub(crate) count: u32,
}

/// Who was given which place, in the order in which that is allowed.
pub(crate) type Journal = Vec<Entry>;

/// Plans which nodes to order for the pods that look for room, and for headroom and least sizes of zones.
pub fn plan(view: &View, settings: &Settings, now: Timestamp) -> NodePlan {
    plan_without(view, settings, now, None)
}

/// As [`plan`], as if a zone were lost: its nodes, what is on order there and what is offered there. The pods of its nodes
/// look for room elsewhere.
pub(crate) fn plan_without(view: &View, settings: &Settings, now: Timestamp, lost: Option<&str>) -> NodePlan {
    let mut packing = view.packing_at(now);
    close_what_goes(view, &mut packing, lost);
    let others = demand::others(view, &mut packing, now, lost);
    let demands = demand::demands(view, &mut packing, &others);
    let room = headroom::classes(view, &mut packing, now);
    packing.watch(demands.iter().map(|demand| demand.class).chain(room.iter().map(|(_, class)| *class)));
    let existing = existing(view, &packing);
    let mut journal = Journal::new();
    let mut left: Vec<u32> = demands.iter().map(|demand| demand.count).collect();
    again_while_it_helps(&demands, &mut left, &mut packing, |packing, demand, count, _| {
        let mut placed = Placed::new();
        let class = demands[demand].class;
        let on = named::narrowed(view, packing, class, &existing);
        let left = packing.place(class, count, &on, &mut placed);
        note(&mut journal, demand, &placed);
        left
    });

    let first = journal.len();
    let daemons = menu::daemons(view, &mut packing);
    let coming = coming(view, &mut packing, &daemons, lost);
    let on_order: Vec<NodeIx> = coming.iter().map(|coming| coming.node).collect();
    let elsewhere: Vec<NodeIx> = existing.iter().chain(&on_order).copied().collect();
    let asks = demands.iter().map(|demand| demand.class).chain(room.iter().map(|(_, class)| *class));
    let menu = Menu::of(view, &mut packing, &daemons, asks, now, lost);
    let bounds = Bounds::of(view, settings.most_nodes, now);
    let mut solver = Solver::new(view, &mut packing, menu, bounds);
    least::keep_least_sizes(view, &mut solver);
    loop {
        let before = journal.len();
        again_while_it_helps(&demands, &mut left, &mut solver, |solver, demand, count, is_first| {
            let mut placed = Placed::new();
            // What is there was tried, but for pods that look at each other a node on order may be what it waited for.
            let is_social = solver.packing.class(demands[demand].class).is_social();
            let on = if is_first && !is_social { &on_order } else { &elsewhere };
            let class = demands[demand].class;
            let on = named::narrowed(view, solver.packing, class, on);
            let left = solver.packing.place(class, count, &on, &mut placed);
            let left = solver.serve(&demands[demand], left, &elsewhere, &mut placed);
            note(&mut journal, demand, &placed);
            left
        });
        // What nodes turn out not to need may be within the limits for others.
        solver.shrink(&used(&journal, &[]));
        if journal.len() == before || left.iter().all(|left| *left == 0) {
            break;
        }
    }
    solver.take_back_what_would_be_refused(&demands, &mut journal, first, &mut left);
    // With the domains that there will be, and no more, some may do after all.
    again_while_it_helps(&demands, &mut left, &mut solver, |solver, demand, count, _| {
        let mut placed = Placed::new();
        let class = demands[demand].class;
        let on = named::narrowed(view, solver.packing, class, &elsewhere);
        let left = solver.packing.place(class, count, &on, &mut placed);
        let left = solver.on_opened(class, left, &mut placed);
        note(&mut journal, demand, &placed);
        left
    });
    solver.shrink(&used(&journal, &[]));
    let refused = explain::refused(view, &mut solver, &demands, &left, &on_order, &others);
    // Pods that exist come first: room is kept free beside all of them, and by nothing that counts against one of them.
    let new = solver.new.len();
    let mut spare = solver.with_stand_ins(|solver| headroom::serve(solver, &elsewhere, room));
    solver.shrink(&used(&journal, &spare));
    // A zone in which they can have nothing, say.
    if solver.new.len() > new && !solver.still_holds(&demands, &journal[first..]) {
        headroom::give_back(&mut solver, &mut spare, &used(&journal, &[]));
        solver.shrink(&used(&journal, &spare));
    }
    let spare = explain::kept_free(view, &mut solver, spare, &on_order);
    outcome::plan(view, &solver, &demands, &journal, spare, &coming, &others, refused)
}

fn used(journal: &Journal, spare: &[Served]) -> BTreeSet<NodeIx> {
    let spare = spare.iter().flat_map(|served| &served.placed).map(|(node, _)| *node);
    journal.iter().map(|entry| entry.node).chain(spare).collect()
}

fn note(journal: &mut Journal, demand: usize, placed: &Placed) {
    journal.extend(placed.iter().map(|(node, count)| Entry { demand, node: *node, count: *count }));
}

/// Serves all classes, and those with pods left again for as long as that helps: what one may do can depend on where those
/// served after it went.
fn again_while_it_helps<T: AsRef<Packing>>(
    demands: &[Demand],
    left: &mut [u32],
    state: &mut T,
    mut serve: impl FnMut(&mut T, usize, u32, bool) -> u32,
) {
    let mut rest: Vec<usize> = (0..demands.len()).filter(|at| left[*at] > 0).collect();
    let mut is_first = true;
    while !rest.is_empty() {
        let before: u64 = rest.iter().map(|at| u64::from(left[*at])).sum();
        for &at in &rest {
            left[at] = serve(state, at, left[at], is_first);
        }
        let packing = state.as_ref();
        rest.retain(|at| left[*at] > 0 && packing.class(demands[*at].class).is_social());
        let after: u64 = rest.iter().map(|at| u64::from(left[*at])).sum();
        if !is_first && after >= before {
            break;
        }
        is_first = false;
    }
}

/// Nodes that are being drained or will be taken away get no more pods, and their own look for room elsewhere.
fn close_what_goes(view: &View, packing: &mut Packing, lost: Option<&str>) {
    let goes = |node: &&Node| node.interrupted || node.is_draining() || is_lost(node, lost);
    for node in view.nodes().filter(goes) {
        if let Some(at) = view.dense().node(&node.name) {
            packing.remove_node(at);
        }
    }
}

/// Whether a node is in the zone that is taken for lost.
pub(crate) fn is_lost(node: &Node, lost: Option<&str>) -> bool {
    lost.is_some_and(|lost| node.zone().is_some_and(|zone| **zone == *lost))
}

/// Nodes that are there and take pods, the fullest first, so that those with little on them stay so.
fn existing(view: &View, packing: &Packing) -> Vec<NodeIx> {
    let nodes = view.dense().nodes().map(|(_, node)| node);
    let mut nodes: Vec<NodeIx> = nodes.filter(|node| named::has_room(packing, *node)).collect();
    // The order by name is kept where room is equal.
    nodes.sort_by_key(|node| packing.nodes[*node as usize].free.base);
    nodes
}

/// Nodes that were ordered, as nodes.
fn coming(
    view: &View,
    packing: &mut Packing,
    daemons: &[crate::placement::ClassId],
    lost: Option<&str>,
) -> Vec<Coming> {
    let mut coming = Vec::new();
    for order in view.orders().filter(|order| lost.is_none_or(|lost| *order.offering.zone != *lost)) {
        let Some(pool) = view.pool(&order.pool) else { continue };
        let Some(offering) = limits::find(pool, &order.offering) else { continue };
        let (state, daemons) = menu::new_node(packing, pool, offering, daemons, false);
        for number in 0..order.missing {
            let facts = Arc::clone(&state.facts);
            let next = packing.state(facts, state.free.clone(), Arc::clone(&state.attach_limits), false);
            let node = packing.come(next);
            for class in &daemons {
                packing.put(node, *class, 1);
            }
            coming.push(Coming { node, order: order.name.clone(), number });
        }
    }
    coming
}

#[cfg(test)]
mod tests;
