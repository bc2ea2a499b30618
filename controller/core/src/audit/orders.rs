//! What is ordered: whether it can be had, within limits, and is worth its price.

use std::collections::{BTreeMap, BTreeSet};

use super::books::Books;
use super::coming::offering;
use super::removals::of_pool;
use super::spot::has;
use super::{Audited, Breach, Invariant};
use crate::cluster::{Capacity, Name, Node, OfferingKey, Pool, Resources};
use crate::nodes::NewNodes;
use crate::nodes::remove::{Removal, WhyRemoved};

fn all<'p>(plan: &Audited<'p>) -> impl Iterator<Item = &'p NewNodes> {
    plan.adding.add.iter().chain(&plan.removing.add)
}

/// Everything is offered by its pool at the price of the plan, and there are as many left.
pub(super) fn can_be_had(books: &Books, plan: &Audited<'_>) -> Result<(), Breach> {
    let mut ordered: BTreeMap<(&Name, &OfferingKey), u64> = BTreeMap::new();
    for new in all(plan) {
        let refuse = |why: &str| {
            let what = format!("{} of pool {} {why}", new.offering, new.pool);
            Err(Breach::new(Invariant::Offered, what))
        };
        let found = books.pools.get(&new.pool).and_then(|pool| offering(pool, &new.offering));
        let Some(offered) = found else { return refuse("is not offered") };
        if offered.price != new.price || new.price < 0 {
            return refuse("has another price");
        }
        let count = ordered.entry((&new.pool, &new.offering)).or_default();
        *count += u64::from(new.count);
        match offered.capacity {
            Capacity::Left(left) if *count > u64::from(left) => return refuse("has not as many left"),
            Capacity::AvoidedUntil(until) if until > plan.now => return refuse("failed lately"),
            _ => {}
        }
    }
    Ok(())
}

/// What is there, ordered and to be ordered stays within the limits of every pool that gets more, and of the cluster.
pub(super) fn limits_are_kept(books: &Books, plan: &Audited<'_>) -> Result<(), Breach> {
    let added: u64 = all(plan).map(|new| u64::from(new.count)).sum();
    let ordered: u64 = books.orders.values().map(|order| u64::from(order.missing)).sum();
    let total = books.nodes.len() as u64 + ordered + added;
    if let Some(most) = plan.most_nodes.filter(|most| added > 0 && total > u64::from(*most)) {
        return Err(Breach::new(Invariant::Limits, format!("{total} nodes in total, not {most}")));
    }
    let pools: BTreeSet<&Name> = all(plan).map(|new| &new.pool).collect();
    for pool in pools.into_iter().filter_map(|pool| books.pools.get(pool)) {
        pool_is_within_limits(books, plan, pool)?;
    }
    Ok(())
}

fn pool_is_within_limits(books: &Books, plan: &Audited<'_>, pool: &Pool) -> Result<(), Breach> {
    let mut nodes = 0_u64;
    let mut zones: BTreeMap<Name, (u64, Resources)> = BTreeMap::new();
    let mut resources = Resources::default();
    let mut count = |zone: Option<&Name>, allocatable: &Resources, times: u32| {
        nodes += u64::from(times);
        if let Some(zone) = zone {
            let (nodes, resources) = zones.entry(zone.clone()).or_default();
            *nodes += u64::from(times);
            resources.add(&allocatable.times(i64::from(times)));
        }
        resources.add(&allocatable.times(i64::from(times)));
    };
    for node in of_pool(books, pool) {
        count(node.zone(), &has(books, node, plan.now), 1);
    }
    let nothing = Resources::default();
    let mut with_key = |key: &OfferingKey, times: u32| {
        let offered = offering(pool, key);
        count(Some(&key.zone), offered.map_or(&nothing, |offered| &offered.allocatable), times);
    };
    for order in books.orders.values().filter(|order| order.pool == pool.name) {
        with_key(&order.offering, order.missing);
    }
    for new in all(plan).filter(|new| new.pool == pool.name) {
        with_key(&new.offering, new.count);
    }
    let refuse = |what: String| Err(Breach::new(Invariant::Limits, format!("pool {}: {what}", pool.name)));
    let limits = &pool.limits;
    if let Some(most) = limits.nodes.filter(|most| nodes > u64::from(*most)) {
        return refuse(format!("{nodes} nodes, not {most}"));
    }
    let grows: BTreeSet<&Name> = all(plan)
        .filter(|new| new.pool == pool.name && new.count > 0)
        .map(|new| &new.offering.zone)
        .collect();
    for (zone, most) in limits.nodes_per_zone.iter().filter(|(zone, _)| grows.contains(zone)) {
        let nodes = zones.get(zone).map_or(0, |(nodes, _)| *nodes);
        if nodes > u64::from(*most) {
            return refuse(format!("{nodes} nodes in {zone}, not {most}"));
        }
    }
    for (resource, most) in &limits.resources {
        let amount = resources.named(resource);
        if amount > *most {
            return refuse(format!("{amount} {resource}, not {most}"));
        }
    }
    for (zone, bounds) in limits.resources_per_zone.iter().filter(|(zone, _)| grows.contains(zone)) {
        let Some((_, resources)) = zones.get(zone) else { continue };
        for (resource, most) in bounds {
            let amount = resources.named(resource);
            if amount > *most {
                return refuse(format!("{amount} {resource} in {zone}, not {most}"));
            }
        }
    }
    Ok(())
}

/// Nodes that share new nodes are judged together: what they cost, and what comes in their place.
pub(super) fn replacements_are_cheaper(books: &Books, plan: &Audited<'_>) -> Result<(), Breach> {
    let entries = plan.removing.add.len();
    let mut needed = vec![false; entries];
    for removal in &plan.removing.remove {
        for need in &removal.replaced_by {
            let Some(needed) = needed.get_mut(*need as usize) else {
                let what = format!("{} is replaced by what is not ordered", removal.node);
                return Err(Breach::new(Invariant::Savings, what));
            };
            *needed = true;
        }
    }
    for (members, needs) in groups(&plan.removing.remove) {
        group_is_worth_it(books, plan, &members, &needs)?;
    }
    if let Some(entry) = needed.iter().position(|needed| !needed) {
        let what = format!("entry {entry} is ordered in place of nothing");
        return Err(Breach::new(Invariant::Savings, what));
    }
    Ok(())
}

/// Removals that need new nodes, put together where they share some.
fn groups(remove: &[Removal]) -> Vec<(Vec<&Removal>, BTreeSet<u32>)> {
    let mut groups: Vec<(Vec<&Removal>, BTreeSet<u32>)> = Vec::new();
    for removal in remove {
        // Drift and the end of an order are paid for whatever they cost, and moving to what is there costs nothing.
        let is_will = matches!(removal.why, WhyRemoved::Drifted(_) | WhyRemoved::OrderDeleted(_));
        if is_will || removal.replaced_by.is_empty() {
            continue;
        }
        let set: BTreeSet<u32> = removal.replaced_by.iter().copied().collect();
        let (mut members, mut needs) = (vec![removal], set);
        groups.retain(|(others, other_needs)| {
            let apart = other_needs.is_disjoint(&needs);
            if !apart {
                members.extend(others);
                needs.extend(other_needs);
            }
            apart
        });
        groups.push((members, needs));
    }
    groups
}

fn group_is_worth_it(
    books: &Books,
    plan: &Audited<'_>,
    members: &[&Removal],
    needs: &BTreeSet<u32>,
) -> Result<(), Breach> {
    let Some(pool) = books.pools.get(&members[0].pool) else { return Ok(()) };
    let price = |node: &Node| Some(i128::from(offering(pool, &node.offering()?)?.price));
    let old: i128 =
        members.iter().map(|removal| books.nodes.get(&removal.node).and_then(price).unwrap_or(0)).sum();
    let entry = |need: &u32| plan.removing.add.get(*need as usize);
    let new: i128 =
        needs.iter().filter_map(entry).map(|new| i128::from(new.price) * i128::from(new.count)).sum();
    let refuse = |what: String| Err(Breach::new(Invariant::Savings, what));
    let name = &members[0].node;
    if members.iter().any(|removal| matches!(removal.why, WhyRemoved::Unbalanced { .. })) {
        return if new > old { refuse(format!("what balances {name} costs more")) } else { Ok(()) };
    }
    let saves = old - new;
    // What is set free without an order is judged by what takes its pods, which the plan alone does not say.
    if !needs.is_empty() && (saves <= 0 || saves * 1000 < i128::from(pool.scale_down.savings_at_least) * old)
    {
        return refuse(format!("what replaces {name} saves {saves} of {old}"));
    }
    let evictions: usize = members.iter().map(|removal| removal.moves.len()).sum();
    let worth = i128::from(pool.scale_down.savings_per_eviction) * i128::try_from(evictions).unwrap_or(0);
    if saves < worth {
        return refuse(format!("{evictions} evictions for {name} and others save {saves}"));
    }
    Ok(())
}
