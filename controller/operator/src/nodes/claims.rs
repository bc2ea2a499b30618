//! Which instances are of which order, where the provider does not say: the records and the inventory, as
//! [`plimsoll_core::orders::claims`] takes them.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;
use plimsoll_api::NodeOrder;
use plimsoll_core::{
    cluster::Name,
    orders::{self, Claimant, Unclaimed},
    time::{Span, Timestamp},
};
use plimsoll_observe::observe_time;
use plimsoll_providers::{Group, InstanceState, OfferingId};

use super::{record, world::World};

/// Of a pool that is gone.
const DEFAULT_PROVISION_SECONDS: i32 = 900;
/// As many instances of others as the record of an order may name.
const MOST_OF_OTHERS: usize = 1000;

/// What each order claims of what no record names yet, by the name of the order.
pub(crate) fn claims(world: &World, now: Timestamp) -> BTreeMap<Name, Vec<Name>> {
    let mut claimed = BTreeMap::new();
    let mut groups: BTreeMap<(&str, &str), Vec<&NodeOrder>> = BTreeMap::new();
    for order in world.orders.values() {
        if let Some(group) = order.spec.offering.node_group.as_deref()
            && record::state(order).may_claim() > 0
        {
            groups.entry((&order.spec.pool, group)).or_default().push(order);
        }
    }
    if groups.is_empty() {
        return claimed;
    }
    let recorded = recorded(world);
    let joined: BTreeSet<&Name> = world.provider_ids.values().collect();
    for ((pool, group), orders) in groups {
        let Some(group) = group_of(world, pool, &OfferingId(group.to_owned())) else { continue };
        let unclaimed: Vec<Unclaimed> =
            nameless(group, &recorded).map(|id| Unclaimed { joined: joined.contains(&id), id }).collect();
        if !unclaimed.is_empty() {
            let provision = provision_time(world, pool);
            let claimants: Vec<Claimant> =
                orders.into_iter().map(|order| claimant(order, provision, now)).collect();
            claimed.extend(orders::claims(&claimants, &unclaimed));
        }
    }
    claimed
}

/// From the asking until a node of a pool has to have joined.
pub(crate) fn provision_time(world: &World, pool: &str) -> Span {
    let pool = world.pools.get(pool).and_then(|pool| pool.as_ref().as_ref().ok());
    Span::from_secs(pool.map_or(DEFAULT_PROVISION_SECONDS, |pool| pool.spec.provision_timeout_seconds).into())
}

fn claimant(order: &NodeOrder, provision: Span, now: Timestamp) -> Claimant {
    let status = order.status.as_ref();
    let asked = status.and_then(|status| status.asked_at.as_ref()).map(observe_time).unwrap_or_default();
    let state = record::state(order);
    let room = state.awaits().min(state.may_claim());
    // What comes later than that, somebody else has made.
    let may_be_late = now.since(asked) < provision;
    Claimant {
        order: order.name_any().into(),
        asked,
        room,
        late: if may_be_late { state.may_claim() - room } else { 0 },
        not_ours: status
            .iter()
            .flat_map(|status| &status.not_ours)
            .map(|id| Name::from(id.as_str()))
            .collect(),
    }
}

/// Instances that a group has and that are of no order, as they are written down before the group is asked for more.
///
/// # Errors
/// Why what came could not be told from what others have asked for, in words.
pub(crate) fn before(
    world: &World,
    pool: &str,
    offering: &OfferingId,
    now: Timestamp,
) -> Result<Vec<String>, String> {
    let Some(group) = group_of(world, pool, offering) else {
        return Err(format!("the node group {offering} cannot be read"));
    };
    let ours = waiting(world, pool, offering, None, now);
    let others = group.unfulfilled().saturating_sub(ours);
    if others > 0 {
        return Err(format!(
            "the node group {offering} waits for {others} instances that Plimsoll did not ask for, and what came could \
             not be told from them"
        ));
    }
    let claimed: BTreeSet<Name> = claims(world, now).into_values().flatten().collect();
    let not_ours: Vec<String> = nameless(group, &recorded(world))
        .filter(|id| !claimed.contains(id))
        .map(|id| id.to_string())
        .collect();
    if not_ours.len() > MOST_OF_OTHERS {
        return Err(format!(
            "the node group {offering} has {} instances that Plimsoll did not order, more than can be written down: give \
             the pool a node group of its own",
            not_ours.len()
        ));
    }
    Ok(not_ours)
}

/// How many instances of an order's group are of no order, claimed by none, and were not there before it.
pub(crate) fn unclaimed(world: &World, order: &NodeOrder, claimed: &BTreeMap<Name, Vec<Name>>) -> u32 {
    let offering = order.spec.offering.node_group.clone().map(OfferingId);
    let Some(group) = offering.and_then(|offering| group_of(world, &order.spec.pool, &offering)) else {
        return 0;
    };
    let status = order.status.as_ref();
    let is_gone = |id: &str| !group.instances.iter().any(|instance| instance.id == id);
    let nodes = status.iter().flat_map(|status| &status.nodes).filter(|node| node.name.is_none());
    // Nobody asks otherwise.
    if !nodes.filter_map(|node| node.provider_id.as_deref()).any(is_gone) {
        return 0;
    }
    let not_ours = order.status.iter().flat_map(|status| &status.not_ours);
    let not_ours: BTreeSet<&str> = not_ours.map(String::as_str).collect();
    let claimed: BTreeSet<&Name> = claimed.values().flatten().collect();
    let recorded = recorded(world);
    let is_free = |id: &Name| !claimed.contains(id) && !not_ours.contains(&**id);
    let instances = nameless(group, &recorded).filter(is_free);
    u32::try_from(instances.count()).unwrap_or(u32::MAX)
}

/// How many requests of a group have no instance and are not those of other orders; None when that cannot be read.
pub(crate) fn may_take_back(
    world: &World,
    order: &NodeOrder,
    offering: &OfferingId,
    now: Timestamp,
) -> Option<u32> {
    let group = group_of(world, &order.spec.pool, offering)?;
    let others = waiting(world, &order.spec.pool, offering, Some(&order.name_any()), now);
    Some(group.unfulfilled().saturating_sub(others))
}

/// Nodes that orders of a group expect and know no instance of, those of one order aside.
fn waiting(world: &World, pool: &str, offering: &OfferingId, but: Option<&str>, now: Timestamp) -> u32 {
    let claimed = claims(world, now);
    let orders = world.orders.values().filter(|order| {
        order.spec.pool == pool
            && order.spec.offering.node_group.as_deref() == Some(offering.0.as_str())
            && Some(order.name_any().as_str()) != but
    });
    let waiting = orders.map(|order| {
        let state = record::state(order);
        let known = state.nodes.len() + claimed.get(order.name_any().as_str()).map_or(0, Vec::len);
        state.expected().saturating_sub(u32::try_from(known).unwrap_or(u32::MAX))
    });
    waiting.fold(0, u32::saturating_add)
}

/// A group, as its provider showed it last; None when it cannot be read.
pub(crate) fn group_of<'w>(world: &'w World, pool: &str, offering: &OfferingId) -> Option<&'w Group> {
    world.said.get(pool)?.inventory.as_ref()?.as_ref().ok()?.groups.get(offering)?.as_ref().ok()
}

/// Instances of a group that no record names and that are there to stay. Where the provider says of which order one is,
/// there is nothing to claim.
fn nameless(group: &Group, recorded: &BTreeSet<&str>) -> impl Iterator<Item = Name> {
    let instances = group.instances.iter().filter(|instance| {
        instance.order.is_none()
            && instance.state != InstanceState::Deleting
            && !recorded.contains(instance.id.as_str())
    });
    instances.map(|instance| Name::from(instance.id.as_str()))
}

/// The ids that records of orders name.
pub(crate) fn recorded(world: &World) -> BTreeSet<&str> {
    let nodes =
        world.orders.values().filter_map(|order| order.status.as_ref()).flat_map(|status| &status.nodes);
    nodes.filter_map(|node| node.provider_id.as_deref()).collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{from_value, json};

    use super::*;
    use crate::nodes::tests::{listing, orders::recorded};

    /// An order of two nodes of which the provider seemed to take one, which has joined; and a machine that no record names.
    fn taken_in_part() -> World {
        let mut order = recorded(
            "general-1",
            &json!({
                "phase": "Ready", "askedAt": "2026-11-23T10:00:00Z", "accepted": 1,
                "nodes": [{ "name": "n", "providerID": "n", "phase": "Ready" }],
            }),
        );
        order.spec.count = 2;
        let mut world = World::default();
        world.set_order(order);
        world.said.insert("general".to_owned(), listing(&[("stranger", InstanceState::Running)]));
        world
    }

    #[test]
    fn an_order_claims_what_it_seemed_not_to_get_until_its_nodes_should_have_joined() {
        let world = taken_in_part();
        let asked: Timestamp = observe_time(&from_value(json!("2026-11-23T10:00:00Z")).unwrap());
        let claimed =
            |seconds: i64| claims(&world, asked + Span::from_secs(seconds)).into_values().flatten().count();
        assert_eq!([claimed(0), claimed(899), claimed(900)], [1, 1, 0]);
    }
}
