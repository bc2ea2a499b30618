//! Which nodes may go, and how many.

use std::collections::{BTreeMap, BTreeSet};

use super::books::Books;
use super::{Audited, Breach, Invariant};
use crate::cluster::{Breaker, Name, Node, NodeBudget, Pool, Readiness, Record, ScaleDownMode};
use crate::nodes::remove::{Removal, WhyRemoved};
use crate::time::{Span, Timestamp};
use crate::window::{Cron, time_zone};

/// Whether the provider takes the node away, so that most of what is said of nodes that we choose does not hold.
pub(super) fn is_taken_away(books: &Books, removal: &Removal) -> bool {
    books.nodes.get(&removal.node).is_some_and(|node| node.interrupted)
        && removal.why == WhyRemoved::Interrupted
}

/// Only nodes with the mark of an order, of a pool that lets them go, and each once.
pub(super) fn nodes_are_ours(books: &Books, plan: &Audited<'_>) -> Result<(), Breach> {
    let mut seen = BTreeSet::new();
    for removal in &plan.removing.remove {
        let name = &removal.node;
        let refuse = |why: &str| Err(Breach::new(Invariant::OnlyOurs, format!("{name} {why}")));
        let Some(node) = books.nodes.get(name) else { return refuse("is not there") };
        if node.order.is_none() {
            return refuse("was not made for an order of ours");
        }
        if node.record == Record::Gone {
            return refuse("is of an order that is on no record");
        }
        if let WhyRemoved::OrderDeleted(order) = &removal.why
            && (node.record != Record::Deleted || node.order.as_ref() != Some(order))
        {
            return refuse("is of an order that nobody has deleted");
        }
        let pool = node.pool.as_ref().and_then(|pool| books.pools.get(pool));
        let Some(pool) = pool.filter(|pool| pool.name == removal.pool) else {
            return refuse("is not of the pool that the plan says");
        };
        if !seen.insert(name) || node.is_draining() {
            return refuse("is removed twice");
        }
        if is_taken_away(books, removal) {
            continue;
        }
        if removal.why == WhyRemoved::Interrupted {
            return refuse("is not taken away by its provider");
        }
        if pool.scale_down.mode == ScaleDownMode::Never {
            return refuse("is of a pool that keeps its nodes");
        }
        if node.scale_down_disabled {
            return refuse("has scale-down disabled");
        }
        if protected(node.do_not_disrupt, node.created, plan.now) {
            return refuse("may not be disrupted");
        }
        if node.readiness == Readiness::Starting {
            return refuse("has not been ready yet");
        }
    }
    Ok(())
}

/// Whether this long after a creation something is still forbidden.
pub(super) fn protected(span: Option<Span>, created: Timestamp, now: Timestamp) -> bool {
    span.is_some_and(|span| span == Span::from_millis(i64::MAX) || created + span > now)
}

/// Not too much of the pool is not ready, and no zones fell silent together.
pub(super) fn nothing_goes_in_a_partition(books: &Books, plan: &Audited<'_>) -> Result<(), Breach> {
    let chosen: BTreeSet<&Name> = plan
        .removing
        .remove
        .iter()
        .filter(|removal| !is_taken_away(books, removal))
        .map(|removal| &removal.pool)
        .collect();
    if chosen.is_empty() {
        return Ok(());
    }
    for name in chosen {
        let Some(pool) = books.pools.get(name) else { continue };
        let nodes = of_pool(books, pool).filter(|node| counts_as_there(node));
        let (mut all, mut bad) = (0_i128, 0_i128);
        for node in nodes {
            all += 1;
            bad += i128::from(node.readiness != Readiness::Ready);
        }
        let is_too_much = match pool.scale_down.breaker {
            Breaker::Nodes(most) => bad > i128::from(most),
            Breaker::Share(most) => bad * 1000 > i128::from(most.max(0)) * all,
        };
        if is_too_much {
            let what = format!("{bad} of {all} nodes of pool {name} are not ready");
            return Err(Breach::new(Invariant::NoPartition, what));
        }
    }
    match silent_together(books) {
        Some(zones) => {
            Err(Breach::new(Invariant::NoPartition, format!("{zones} zones fell silent together")))
        }
        None => Ok(()),
    }
}

/// Neither one that never was ready nor one that its provider was asked to take tells a partition.
fn counts_as_there(node: &Node) -> bool {
    node.readiness != Readiness::Starting && node.given_back.is_none()
}

/// How many zones lost more than a tenth of their nodes within five minutes, where it is more than one.
fn silent_together(books: &Books) -> Option<usize> {
    let since = |node: &Node| match node.readiness {
        Readiness::Unknown { since } => Some(since),
        _ => None,
    };
    let there = books.nodes.values().filter(|node| counts_as_there(node));
    let starts: BTreeSet<Timestamp> = there.filter_map(since).collect();
    for start in starts {
        let mut zones: BTreeMap<&Name, (u64, u64)> = BTreeMap::new();
        for node in books.nodes.values().filter(|node| counts_as_there(node)) {
            let Some(zone) = node.zone() else { continue };
            let (all, silent) = zones.entry(zone).or_default();
            *all += 1;
            let within = |at: Timestamp| at >= start && at.since(start) <= Span::from_secs(300);
            *silent += u64::from(since(node).is_some_and(within));
        }
        let lost = zones.values().filter(|(all, silent)| silent * 10 > *all).count();
        if lost >= 2 {
            return Some(lost);
        }
    }
    None
}

/// Zones keep their least size, what replaces nodes included.
pub(super) fn zones_keep_their_least_size(books: &Books, plan: &Audited<'_>) -> Result<(), Breach> {
    let mut leave: BTreeMap<(&Name, &Name), i64> = BTreeMap::new();
    for removal in plan.removing.remove.iter().filter(|removal| !is_taken_away(books, removal)) {
        if let Some(zone) = books.nodes.get(&removal.node).and_then(Node::zone) {
            *leave.entry((&removal.pool, zone)).or_default() += 1;
        }
    }
    for ((pool, zone), leave) in leave {
        let Some(pool) = books.pools.get(pool) else { continue };
        let min = pool.limits.min_per_zone.get(zone).copied().unwrap_or(0);
        let taken_away = |node: &&Node| {
            node.interrupted && plan.removing.remove.iter().any(|removal| removal.node == node.name)
        };
        let there = of_pool(books, pool).filter(|node| node.zone() == Some(zone) && !node.is_draining());
        let there = i64::try_from(there.filter(|node| !taken_away(node)).count()).unwrap_or(i64::MAX);
        let come = plan.removing.add.iter().filter(|new| new.pool == pool.name && new.offering.zone == *zone);
        let come: i64 = come.map(|new| i64::from(new.count)).sum();
        // One that has too few already may lose as many as it gets.
        if leave > come && there + come - leave < i64::from(min) {
            let what = format!("zone {zone} of pool {} has to keep {min} nodes", pool.name);
            return Err(Breach::new(Invariant::LeastSize, what));
        }
    }
    Ok(())
}

/// Nodes that are going, and each that follows, fit into every budget for its reason.
pub(super) fn budgets_of_pools_are_kept(books: &Books, plan: &Audited<'_>) -> Result<(), Breach> {
    let mut going: BTreeMap<&Name, u64> = BTreeMap::new();
    for removal in &plan.removing.remove {
        let Some(reason) = removal.why.budget_reason() else { continue };
        let Some(pool) = books.pools.get(&removal.pool) else { continue };
        let size = of_pool(books, pool).count() as u64;
        let used = going
            .entry(&removal.pool)
            .or_insert_with(|| of_pool(books, pool).filter(|node| node.is_draining()).count() as u64);
        *used += 1;
        let applies = |budget: &&NodeBudget| {
            (budget.reasons.is_empty() || budget.reasons.contains(&reason)) && is_open(budget, plan.now)
        };
        let budgets = pool.scale_down.budgets.iter().filter(applies);
        let most = budgets.map(|budget| allowed(budget, size)).min();
        if *used > most.unwrap_or_else(|| allowed(&NodeBudget::default(), size)) {
            let what = format!("{used} nodes of pool {} would go at once", pool.name);
            return Err(Breach::new(Invariant::NodeBudget, what));
        }
    }
    Ok(())
}

fn is_open(budget: &NodeBudget, now: Timestamp) -> bool {
    let Some(schedule) = &budget.schedule else { return true };
    let zone = time_zone(budget.time_zone.as_deref().unwrap_or("UTC"));
    let cron = zone.and_then(|zone| Cron::parse(schedule, &zone));
    cron.map_or(true, |cron| cron.open_for(budget.duration, now).open)
}

fn allowed(budget: &NodeBudget, size: u64) -> u64 {
    let is_understood = budget.schedule.as_ref().is_none_or(|schedule| {
        let zone = time_zone(budget.time_zone.as_deref().unwrap_or("UTC"));
        zone.and_then(|zone| Cron::parse(schedule, &zone)).is_ok()
    });
    let share = budget.share.map(|share| {
        let share = u64::try_from(share.clamp(0, 1000)).unwrap_or(0);
        (size * share).div_ceil(1000)
    });
    let most = budget.nodes.map(u64::from).into_iter().chain(share).min().unwrap_or(0);
    if is_understood { most } else { 0 }
}

pub(super) fn of_pool<'b>(books: &'b Books, pool: &'b Pool) -> impl Iterator<Item = &'b Node> {
    books.nodes.values().filter(|node| node.pool.as_ref() == Some(&pool.name))
}
