//! Calls to providers that take an order a step further.
//!
//! A call is begun only if it would end while the lease is ours, and only if nothing else changes the same offering. It runs
//! beside the planner; what came of it is recorded, and the planner looks again.

mod outcome;

use std::{collections::BTreeMap, sync::Arc};

use kube::ResourceExt as _;
use plimsoll_api::NodeOrder;
use plimsoll_core::{
    cluster::Name,
    orders::Action,
    time::{Span, Timestamp},
};
use plimsoll_observe::observe_time;
use plimsoll_providers::{CreateRequest, InstanceRef, OfferingId, OrderKey, Provider, ProviderError};

use self::outcome::{Ending, Outcome};
use super::{claims, order::request, planner::Planner, record, world::Call};
use crate::{leadership::Leadership, targets::WRITE_TIME};

/// For how long an order is asked for again whose group has changed each time between the look and the call.
const SIZE_MAY_CHANGE_FOR: Span = Span::from_secs(60);

impl Planner {
    /// Starts the call that an action needs. Until it has ended nothing else is done about the order.
    pub(super) async fn call(
        &mut self,
        order: &NodeOrder,
        action: &Action,
        provider: &Arc<dyn Provider>,
        now: Timestamp,
    ) {
        let (name, pool) = (order.name_any(), order.spec.pool.clone());
        if self.world.calls.contains_key(&name)
            || self.world.rests(&name)
            || !self.leadership.outlives(provider.time_out() + WRITE_TIME)
        {
            return;
        }
        let Some(offering) = order.spec.offering.node_group.clone().map(OfferingId) else { return };
        let grows = matches!(action, Action::Ask | Action::Settle);
        let keeps_orders_apart = grows && provider.capabilities().idempotent_create;
        if !keeps_orders_apart && self.world.is_changing(&pool, &offering, &name) {
            return;
        }
        match action {
            Action::Ask => self.ask(order, offering, provider, now).await,
            Action::Settle if self.unasked.has(order) => {
                tracing::info!(
                    order = name,
                    "an order is asked for whose record said so before anybody was asked"
                );
                self.write(order, &record::unasked(order)).await;
            }
            Action::Settle => {
                let size = order.status.as_ref().and_then(|status| status.size_before).unwrap_or(0);
                let Some(request) = self.request(order, u32::try_from(size).unwrap_or(0)) else { return };
                let (client, order) = (self.client.clone(), order.clone());
                let provider = Arc::clone(provider);
                self.spawn(name, Call { pool, offering, grows }, async move {
                    settle(&client, &order, &request, &*provider).await
                });
            }
            Action::DeleteInstances(ids) => {
                let refs = self.references(&offering, ids);
                let provider = Arc::clone(provider);
                self.spawn_deletion(name, pool, offering, provider, refs);
            }
            Action::TakeBack(by) => self.take_back(order, offering, *by, provider, now).await,
            Action::Drain(_) | Action::ForgetNodes(_) | Action::Finish => {}
        }
    }

    /// Records that the provider is asked, with what there was before, then asks it.
    async fn ask(
        &mut self,
        order: &NodeOrder,
        offering: OfferingId,
        provider: &Arc<dyn Provider>,
        now: Timestamp,
    ) {
        let (name, pool) = (order.name_any(), order.spec.pool.clone());
        let said = self.world.said.get(&pool).and_then(|said| said.inventory.clone());
        let size = match said {
            None => {
                self.stirred.insert(pool);
                return;
            }
            Some(Ok(inventory)) => match inventory.groups.get(&offering) {
                Some(Ok(group)) => group.target,
                None => 0,
                Some(Err(error)) => {
                    self.refuse(order, "ProviderUnavailable", error.to_string(), now).await;
                    return;
                }
            },
            Some(Err(error)) => {
                self.refuse(order, "ProviderUnavailable", error.to_string(), now).await;
                return;
            }
        };
        let not_ours = if provider.capabilities().idempotent_create {
            Vec::new()
        } else {
            match claims::before(&self.world, &pool, &offering, now) {
                Ok(not_ours) => not_ours,
                Err(why) => {
                    self.refuse(order, "NotTellable", why, now).await;
                    return;
                }
            }
        };
        let asked = record::asked(order, size, not_ours, now);
        let order = match self.try_write(order, &asked).await {
            Ok(order) => order,
            Err(failed) => {
                if failed.may_be_done {
                    self.unasked.note(&name, &asked);
                }
                return;
            }
        };
        self.unasked.forget(&name);
        let Some(request) = self.request(&order, size) else { return };
        let created = order.creation_timestamp().as_ref().map_or(now, observe_time);
        let may_ask_again = now.since(created) < SIZE_MAY_CHANGE_FOR;
        let (client, provider) = (self.client.clone(), Arc::clone(provider));
        self.spawn(name, Call { pool, offering, grows: true }, async move {
            create(&client, &order, &request, &*provider, may_ask_again).await
        });
    }

    /// Takes requests back that have no instance, but none that others wait for.
    async fn take_back(
        &mut self,
        order: &NodeOrder,
        offering: OfferingId,
        by: u32,
        provider: &Arc<dyn Provider>,
        now: Timestamp,
    ) {
        let Some(possible) = claims::may_take_back(&self.world, order, &offering, now) else { return };
        if possible == 0 {
            // Nothing waits any more.
            self.write(order, &record::taken_back(order, by)).await;
            return;
        }
        let (by, name, pool) = (by.min(possible), order.name_any(), order.spec.pool.clone());
        let (client, order, provider) = (self.client.clone(), order.clone(), Arc::clone(provider));
        let call = Call { pool, offering: offering.clone(), grows: false };
        self.spawn(name, call, async move {
            match provider.decrease_target(&offering, by).await {
                Ok(()) => {
                    tracing::info!(order = %order.name_any(), by, "requests to which nothing came were taken back");
                    Outcome::of(&client, &order, &record::taken_back(&order, by)).await
                }
                Err(error) => {
                    tracing::warn!(order = %order.name_any(), %error, by, "requests were not taken back, and will be later");
                    Outcome::failed()
                }
            }
        });
    }

    fn request(&self, order: &NodeOrder, size_before: u32) -> Option<CreateRequest> {
        let pool = self.world.pools.get(&order.spec.pool)?;
        request(order, &pool.as_ref().as_ref().ok()?.spec, size_before)
    }

    fn references(&self, offering: &OfferingId, ids: &[Name]) -> Vec<InstanceRef> {
        let names: BTreeMap<&Name, &Name> =
            self.world.provider_ids.iter().map(|(name, id)| (id, name)).collect();
        let reference = |id: &Name| InstanceRef {
            id: id.to_string(),
            offering: offering.clone(),
            node_name: names.get(id).map(ToString::to_string),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        };
        ids.iter().map(reference).collect()
    }

    /// Has instances deleted at the provider, for an order or for a node.
    pub(super) fn spawn_deletion(
        &mut self,
        key: String,
        pool: String,
        offering: OfferingId,
        provider: Arc<dyn Provider>,
        instances: Vec<InstanceRef>,
    ) {
        let (leadership, about) = (self.leadership.clone(), key.clone());
        self.spawn(key, Call { pool, offering, grows: false }, async move {
            match delete(&*provider, &leadership, &instances).await {
                Ok(()) => Outcome::default(),
                Err(error) => {
                    tracing::warn!(about, %error, "instances were not given back, and will be later");
                    Outcome::failed()
                }
            }
        });
    }

    fn spawn(&mut self, key: String, call: Call, work: impl Future<Output = Outcome> + Send + 'static) {
        let ending = Ending::new(key.clone(), call.pool.clone(), self.changes.clone());
        self.world.calls.insert(key, call);
        tokio::spawn(ending.of(work));
    }
}

/// What a deletion for a drain is noted as.
pub(super) fn of_node(name: &str) -> String {
    format!("{NODE}{name}")
}

const NODE: &str = "node/";

async fn create(
    client: &kube::Client,
    order: &NodeOrder,
    request: &CreateRequest,
    provider: &dyn Provider,
    may_ask_again: bool,
) -> Outcome {
    let name = order.name_any();
    match provider.create(request).await {
        Ok(created) => {
            let accepted = created.found + created.accepted;
            tracing::info!(order = name, accepted, surplus = created.surplus, "nodes were ordered");
            Outcome::of(client, order, &record::accepted(order, accepted, created.surplus)).await
        }
        Err(error @ ProviderError::SizeChanged { .. }) if may_ask_again => {
            tracing::info!(order = name, %error, "an order is asked for anew");
            Outcome { is_to_rest: true, ..Outcome::of(client, order, &record::unasked(order)).await }
        }
        Err(error) if error.nothing_done() => {
            tracing::warn!(order = name, %error, "an order was refused");
            let refused = record::refused(order, word(&error), error.to_string());
            Outcome::of(client, order, &refused).await.refused(order, error)
        }
        Err(error) => {
            tracing::warn!(order = name, %error, "what became of an order is to be found out");
            Outcome::default().refused(order, error)
        }
    }
}

async fn settle(
    client: &kube::Client,
    order: &NodeOrder,
    request: &CreateRequest,
    provider: &dyn Provider,
) -> Outcome {
    let name = order.name_any();
    match provider.settle(request).await {
        Ok(settled) => {
            tracing::info!(
                order = name,
                done = settled.done,
                surplus = settled.surplus,
                "it was found out what became of an order"
            );
            Outcome::of(client, order, &record::settled(order, settled.done, settled.surplus)).await
        }
        Err(error) => {
            tracing::warn!(order = name, %error, "it cannot be found out now what became of an order");
            Outcome::unsettled(order, error)
        }
    }
}

/// Deletes instances; one by one where all together are refused, so that one that is not there keeps no other.
async fn delete(
    provider: &dyn Provider,
    leadership: &Leadership,
    instances: &[InstanceRef],
) -> Result<(), ProviderError> {
    let all = provider.delete(instances).await;
    let Err(error) = all else { return Ok(()) };
    let is_away = matches!(
        error,
        ProviderError::TimedOut { .. } | ProviderError::Unavailable(_) | ProviderError::Unreachable(_)
    );
    if is_away || instances.len() < 2 {
        return Err(error);
    }
    let mut last = Ok(());
    for instance in instances {
        if !leadership.outlives(provider.time_out()) {
            return Err(error);
        }
        if let Err(error) = provider.delete(std::slice::from_ref(instance)).await {
            tracing::warn!(instance = instance.id, %error, "an instance was not given back");
            last = Err(error);
        }
    }
    last
}

/// A failure as a word.
pub(super) fn word(error: &ProviderError) -> &'static str {
    match error {
        ProviderError::OutOfCapacity { .. } => "OutOfCapacity",
        ProviderError::Quota { .. } => "QuotaReached",
        ProviderError::Unauthorized(_) => "Unauthorized",
        ProviderError::Unreachable(_) | ProviderError::Unavailable(_) | ProviderError::TimedOut { .. } => {
            "ProviderUnavailable"
        }
        _ => "ProviderFailed",
    }
}

/// A key of an order, from its name.
pub(super) fn key(order: &NodeOrder) -> Option<OrderKey> {
    order.name_any().parse().ok()
}

#[cfg(test)]
mod tests;
