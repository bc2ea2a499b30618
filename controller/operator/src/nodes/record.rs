//! A `NodeOrder`, as the core wants to know it, and what the core says of it, as a status.

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use plimsoll_api::{
    NodeOrder,
    v1alpha1::{self as api, NodeOrderStatus, OrderPhase},
};
use plimsoll_core::{
    cluster::{Name, OfferingKey, Order, Readiness},
    orders::{
        Answer, Instance, InstanceFault, NodePhase, OrderNode, OrderState, OrderStep, Phase, Registered,
        Seen, Why,
    },
    time::{Span, Timestamp},
};
use plimsoll_observe::{from_core_time, observe_time};
use plimsoll_providers::{FailureKind, InstanceState, Inventory, OfferingId, OrderKey};

use super::{keys::offering_key, world::World};

/// What the record of an order says.
pub(crate) fn state(order: &NodeOrder) -> OrderState {
    let status = order.status.clone().unwrap_or_default();
    let refused = status.phase == Some(OrderPhase::Failed) && status.accepted.is_none();
    let answer = match status.accepted {
        Some(accepted) => Some(Answer::Accepted(u32::try_from(accepted).unwrap_or(0))),
        None if refused => Some(Answer::Refused(status.message.clone().unwrap_or_default().into())),
        None => None,
    };
    OrderState {
        count: count(order),
        deleted: order.metadata.deletion_timestamp.is_some(),
        asked: status.asked_at.as_ref().map(observe_time),
        answer,
        surplus: number(status.surplus),
        taken_back: number(status.taken_back),
        nodes: status.nodes.iter().map(node).collect(),
    }
}

/// A number of a status; 0 where it is left out.
fn number(said: Option<i32>) -> u32 {
    said.and_then(|said| u32::try_from(said).ok()).unwrap_or(0)
}

/// How many nodes were ordered.
pub(crate) fn count(order: &NodeOrder) -> u32 {
    u32::try_from(order.spec.count).unwrap_or(0)
}

/// What was ordered.
pub(crate) fn offering(order: &NodeOrder) -> OfferingKey {
    let ordered = &order.spec.offering;
    offering_key(&ordered.instance_type, &ordered.zone, ordered.capacity_type)
}

/// When a provider was asked for an order of which it is not known what became; None for any other.
pub(crate) fn unanswered_since(order: &NodeOrder) -> Option<Timestamp> {
    let status = order.status.as_ref()?;
    let is_answered = status.accepted.is_some() || status.phase == Some(OrderPhase::Failed);
    status.asked_at.as_ref().filter(|_| !is_answered).map(observe_time)
}

/// The nodes of an order that are still to come, as the planner wants to know them; None when there are none. What has no
/// instance `provision` after the asking does not come. `nodes_there` are those that carry its mark. `is_unmarked` says
/// whether a Node is there and carries none yet: until it does no pod of the pool may go there, so it is still to come.
pub(crate) fn missing(
    order: &NodeOrder,
    nodes_there: u32,
    provision: Span,
    now: Timestamp,
    is_unmarked: impl Fn(&str) -> bool,
) -> Option<Order> {
    let state = state(order);
    // What its provider deletes will not join.
    let is_over = |phase: NodePhase| phase.is_over() || phase == NodePhase::Deleting;
    let over = state.nodes.iter().filter(|node| node.name.is_none() && is_over(node.phase)).count();
    // What the provider made too much is given back, and is over like what failed.
    let (wanted, expected) = match state.answer {
        Some(Answer::Accepted(accepted)) => (accepted, state.expected()),
        Some(Answer::Refused(_)) => (0, 0),
        None => (state.count, state.count),
    };
    let known = u32::try_from(state.nodes.len()).unwrap_or(u32::MAX);
    let expected = if state.is_late(provision, now) { expected.min(known) } else { expected };
    let joined = state.nodes.iter().filter_map(|node| node.name.as_deref());
    let joined = joined.filter(|name| !is_unmarked(name)).count();
    let came = u32::try_from(joined).unwrap_or(u32::MAX).max(nodes_there);
    let missing = expected
        .saturating_sub(came)
        .saturating_sub(u32::try_from(over).unwrap_or(u32::MAX))
        .min(wanted.saturating_sub(came));
    let created = order.creation_timestamp().as_ref().map(observe_time).unwrap_or_default();
    (missing > 0 && !state.deleted).then(|| Order {
        name: order.name_any().into(),
        pool: order.spec.pool.as_str().into(),
        offering: offering(order),
        missing,
        asked: state.asked.unwrap_or(created),
    })
}

/// What the provider and the cluster show of an order. `claimed` are instances that are its although no record says so
/// yet. A Node of one of its instances is its too, before it is marked.
pub(crate) fn seen(order: &NodeOrder, world: &World, claimed: &[Name], now: Timestamp) -> Seen {
    let name = order.name_any();
    let said = world.said.get(&order.spec.pool);
    let as_of = said.map(|said| said.asked).unwrap_or_default();
    let inventory = said.and_then(|said| said.inventory.as_ref()?.as_ref().ok());
    let instances = inventory.and_then(|all| instances(order, all, claimed));
    let mut ids: BTreeSet<&str> = claimed.iter().map(|id| &**id).collect();
    let recorded = order.status.iter().flat_map(|status| &status.nodes);
    ids.extend(recorded.filter_map(|node| node.provider_id.as_deref()));
    ids.remove("");
    let nodes = world.view.nodes().filter(|node| match node.order.as_deref() {
        Some(of) => of == name,
        None => world.provider_ids.get(&node.name).is_some_and(|id| ids.contains(&**id)),
    });
    // What devices a node lacks is not known before its provider was heard.
    let is_heard = !world.unheard.contains_key(&order.spec.pool);
    // A node that is not marked yet does not say what it is.
    let (pool, ordered) = (Name::from(order.spec.pool.as_str()), offering(order));
    let nodes = nodes.map(|node| Registered {
        name: node.name.clone(),
        id: world.provider_ids.get(&node.name).cloned().unwrap_or_default(),
        ready: node.readiness == Readiness::Ready,
        takes_pods: is_heard && world.view.takes_pods_as(node, Some(&pool), Some(&ordered), now),
        draining: node.is_draining(),
    });
    let pool_is_gone = !world.pools.contains_key(&order.spec.pool);
    Seen { instances, as_of, nodes: nodes.collect(), unclaimed: 0, pool_is_gone }
}

/// The instances of an order; None when its offering could not be read. Where the provider does not say of which order an
/// instance is, those that are recorded or claimed count.
fn instances(order: &NodeOrder, all: &Inventory, claimed: &[Name]) -> Option<Vec<Instance>> {
    let offering = OfferingId(order.spec.offering.node_group.clone()?);
    let Ok(group) = all.groups.get(&offering)? else { return None };
    let key: Option<OrderKey> = order.name_any().parse().ok();
    let recorded =
        order.status.iter().flat_map(|status| &status.nodes).filter_map(|node| node.provider_id.as_ref());
    let recorded: Vec<&String> = recorded.collect();
    let is_ours = |instance: &&plimsoll_providers::Instance| match &instance.order {
        Some(of) => Some(of) == key.as_ref(),
        None => recorded.contains(&&instance.id) || claimed.iter().any(|id| **id == *instance.id),
    };
    let ours = group.instances.iter().filter(is_ours).map(|instance| Instance {
        id: instance.id.as_str().into(),
        deleting: instance.state == InstanceState::Deleting,
        fault: instance.failure.as_ref().map(|failure| match failure.kind {
            FailureKind::OutOfCapacity => InstanceFault::OutOfCapacity,
            FailureKind::Quota => InstanceFault::Quota,
            FailureKind::Other => InstanceFault::Other(failure.to_string().into()),
        }),
    });
    Some(ours.collect())
}

/// The status in which nothing lies in the future any more, as after a clock that was set back; None where nothing does.
pub(crate) fn up_to(order: &NodeOrder, now: Timestamp) -> Option<NodeOrderStatus> {
    let old = order.status.as_ref()?;
    let mut status = old.clone();
    let missing = status.nodes.iter_mut().filter_map(|node| node.missing_since.as_mut());
    for time in status.asked_at.iter_mut().chain(missing) {
        if observe_time(time) > now {
            *time = from_core_time(now);
        }
    }
    (status != *old).then_some(status)
}

/// The status that says what an order has come to.
pub(crate) fn status(order: &NodeOrder, step: &OrderStep, now: Timestamp) -> NodeOrderStatus {
    let old = order.status.clone().unwrap_or_default();
    let phase = phase(step.phase);
    let pool_was_gone = old.reason.as_deref() == Some(Why::PoolGone.word());
    let (reason, message) = match &step.why {
        Some(why) => (Some(why.word().to_owned()), Some(why.to_string())),
        // What was wrong once stays said until the order is as it should be.
        None if phase == OrderPhase::Ready || pool_was_gone => (None, None),
        None => (old.reason.clone(), old.message.clone()),
    };
    let is_ready = phase == OrderPhase::Ready;
    // What others had matters only as long as something may be claimed.
    let may_claim = OrderState { nodes: step.nodes.clone(), ..state(order) }.may_claim() > 0;
    NodeOrderStatus {
        not_ours: if may_claim { old.not_ours.clone() } else { Vec::new() },
        phase: Some(phase),
        reason,
        message,
        ready_at: old.ready_at.clone().or_else(|| is_ready.then(|| from_core_time(now))),
        nodes: step.nodes.iter().map(ordered_node).collect(),
        ..old
    }
}

/// The status with which a provider is about to be asked.
pub(crate) fn asked(
    order: &NodeOrder,
    size_before: u32,
    not_ours: Vec<String>,
    now: Timestamp,
) -> NodeOrderStatus {
    let old = order.status.clone().unwrap_or_default();
    NodeOrderStatus {
        phase: Some(OrderPhase::Asked),
        not_ours,
        size_before: i32::try_from(size_before).ok(),
        asked_at: Some(from_core_time(now)),
        ..old
    }
}

/// The status with which a provider that surely did nothing is asked anew.
pub(crate) fn unasked(order: &NodeOrder) -> NodeOrderStatus {
    let old = order.status.clone().unwrap_or_default();
    NodeOrderStatus {
        phase: Some(OrderPhase::Recorded),
        asked_at: None,
        size_before: None,
        not_ours: Vec::new(),
        ..old
    }
}

/// The status once it is known how many nodes come, and how many more than were ordered.
pub(crate) fn accepted(order: &NodeOrder, accepted: u32, surplus: u32) -> NodeOrderStatus {
    let old = order.status.clone().unwrap_or_default();
    NodeOrderStatus {
        phase: Some(OrderPhase::Creating),
        accepted: i32::try_from(accepted).ok(),
        surplus: i32::try_from(surplus).ok().filter(|surplus| *surplus > 0),
        ..old
    }
}

/// Why an order has no nodes to which its provider gave no answer, until the next look at it.
const NO_ANSWER: &str = "NoAnswer";

/// The status once it was found out what became of an order to which the provider gave no answer.
pub(crate) fn settled(order: &NodeOrder, done: u32, surplus: u32) -> NodeOrderStatus {
    let status = accepted(order, done, surplus);
    if done > 0 {
        return status;
    }
    let message = "the provider gave no answer, and did nothing of it".to_owned();
    NodeOrderStatus { reason: Some(NO_ANSWER.to_owned()), message: Some(message), ..status }
}

/// Whether the provider gave no answer to an order and did nothing of it, as [`settled`] has it.
pub(crate) fn was_lost(order: &NodeOrder) -> bool {
    order.status.as_ref().is_some_and(|status| status.reason.as_deref() == Some(NO_ANSWER))
}

/// The status once it is known that nothing was done.
pub(crate) fn refused(order: &NodeOrder, reason: &str, message: String) -> NodeOrderStatus {
    let old = order.status.clone().unwrap_or_default();
    NodeOrderStatus {
        phase: Some(OrderPhase::Failed),
        reason: Some(reason.to_owned()),
        message: Some(message),
        not_ours: Vec::new(),
        ..old
    }
}

/// The status once so many requests more were taken back.
pub(crate) fn taken_back(order: &NodeOrder, by: u32) -> NodeOrderStatus {
    let old = order.status.clone().unwrap_or_default();
    let all = number(old.taken_back).saturating_add(by);
    NodeOrderStatus { taken_back: i32::try_from(all).ok(), ..old }
}

fn node(node: &api::OrderedNode) -> OrderNode {
    OrderNode {
        id: node.provider_id.as_deref().unwrap_or_default().into(),
        name: node.name.as_deref().map(Name::from),
        missing: node.missing_since.as_ref().map(observe_time),
        phase: match node.phase {
            OrderPhase::Recorded | OrderPhase::Asked | OrderPhase::Creating => NodePhase::Creating,
            OrderPhase::Registered => NodePhase::Registered,
            OrderPhase::Ready => NodePhase::Ready,
            OrderPhase::Draining => NodePhase::Draining,
            OrderPhase::Deleting => NodePhase::Deleting,
            OrderPhase::GivenBack => NodePhase::GivenBack,
            OrderPhase::Failed => NodePhase::Failed,
        },
    }
}

fn ordered_node(node: &OrderNode) -> api::OrderedNode {
    api::OrderedNode {
        name: node.name.as_deref().map(str::to_owned),
        provider_id: Some(node.id.to_string()),
        phase: phase(Phase::Under(node.phase)),
        missing_since: node.missing.map(from_core_time),
    }
}

fn phase(phase: Phase) -> OrderPhase {
    match phase {
        Phase::Recorded => OrderPhase::Recorded,
        Phase::Asked => OrderPhase::Asked,
        Phase::Under(NodePhase::Creating) => OrderPhase::Creating,
        Phase::Under(NodePhase::Registered) => OrderPhase::Registered,
        Phase::Under(NodePhase::Ready) => OrderPhase::Ready,
        Phase::Under(NodePhase::Draining) => OrderPhase::Draining,
        Phase::Under(NodePhase::Deleting) => OrderPhase::Deleting,
        Phase::Under(NodePhase::GivenBack) | Phase::Done => OrderPhase::GivenBack,
        Phase::Under(NodePhase::Failed) | Phase::Failed => OrderPhase::Failed,
    }
}
