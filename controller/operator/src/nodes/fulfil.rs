//! Takes orders a step further: what [`plimsoll_core::orders::step`] says is recorded, then done.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use plimsoll_api::{NodeOrder, v1alpha1::NodeOrderStatus};
use plimsoll_core::{
    cluster::Name,
    orders::{self, Action, Settings},
    time::{Span, Timestamp},
};
use plimsoll_observe::observe_time;
use plimsoll_providers::{CreateRequest, InstanceRef, OfferingId, OrderKey, Provider, ProviderError};
use serde_json::json;
use tokio::time::timeout;

use super::{
    order::{FINALIZER, request},
    planner::Planner,
    record,
};
use crate::targets::WRITE_TIME;

/// Between two looks at an order that waits for its provider.
const LOOK_AGAIN: Span = Span::from_secs(10);
/// How long the record of an order that is over is kept, from its creation on, for people to read.
const KEPT: Span = Span::from_secs(600);

impl Planner {
    /// A step of each order that is not busy; answers when to look again though nothing changes.
    pub(super) async fn orders(&mut self, now: Timestamp) -> Duration {
        let orders: Vec<Arc<NodeOrder>> = self.world.orders.values().cloned().collect();
        let mut pause = Duration::MAX;
        for order in orders {
            if !self.world.calls.contains(&order.name_any())
                && let Some(again) = self.step(&order, now).await
            {
                pause = pause.min(Duration::from_millis(u64::try_from(again.as_millis()).unwrap_or(0)));
            }
        }
        pause
    }

    async fn step(&mut self, order: &NodeOrder, now: Timestamp) -> Option<Span> {
        let pool = self.world.pools.get(&order.spec.pool).cloned();
        let spec = pool.as_ref().and_then(|pool| pool.as_ref().as_ref().ok()).map(|pool| &pool.spec);
        let provision = spec.map_or(900, |spec| spec.provision_timeout_seconds);
        let settings = Settings { provision: Span::from_secs(provision.into()), look_again: LOOK_AGAIN };
        let (state, seen) = (record::state(order), record::seen(order, &self.world));
        let step = orders::step(&state, &seen, &settings, now);
        let mut order = order.clone();
        if state.asked.is_some() && state.answer.is_some() {
            let status = record::status(&order, &step, now);
            if order.status.as_ref() != Some(&status) {
                self.note_failure(&order, &step, now);
                self.note_success(&order, &step);
                order = self.write(&order, &status).await?;
            }
        }
        let provider = spec.and_then(|spec| self.polls.provider(&order.spec.pool, spec).ok());
        for action in &step.actions {
            match action {
                Action::Finish => self.finish(&order, now).await,
                Action::ForgetNodes(nodes) => self.forget_nodes(nodes).await,
                // Drains are planned with everything else that goes.
                Action::Drain(_) => {}
                _ => match &provider {
                    Some(provider) => self.call(&order, action, provider, now).await,
                    None => {
                        tracing::warn!(order = %order.name_any(), pool = %order.spec.pool, "an order waits: its pool is gone or has no provider");
                    }
                },
            }
        }
        step.next_look
    }

    /// Writes the status of an order over the version that was read; None when that failed, and the next pass sees why.
    async fn write(&mut self, order: &NodeOrder, status: &NodeOrderStatus) -> Option<NodeOrder> {
        if !self.leadership.outlives(WRITE_TIME) {
            return None;
        }
        let written = over(&self.client, order, status).await?;
        self.world.set_order(written.clone());
        Some(written)
    }

    /// Starts a call to a provider. It is begun only if it would end while the lease is ours, and until it has ended
    /// nothing else is done about the order.
    async fn call(
        &mut self,
        order: &NodeOrder,
        action: &Action,
        provider: &Arc<dyn Provider>,
        now: Timestamp,
    ) {
        if !self.leadership.outlives(provider.time_out() + WRITE_TIME) {
            return;
        }
        let (name, pool) = (order.name_any(), order.spec.pool.clone());
        let Some(offering) = order.spec.offering.node_group.clone().map(OfferingId) else { return };
        match action {
            Action::Ask => {
                let Some(size) = self.size_of(&pool, &offering) else {
                    self.stirred.insert(pool);
                    return;
                };
                if !provider.capabilities().idempotent_create && self.another_is_asked(order) {
                    return;
                }
                let Some(order) = self.write(order, &record::asked(order, size, now)).await else { return };
                let Some(request) = self.request(&order, size) else { return };
                self.world.calls.insert(name.clone());
                self.spawn_create(order, request, Arc::clone(provider));
            }
            Action::Settle => {
                let size = order.status.as_ref().and_then(|status| status.size_before).unwrap_or(0);
                let Some(request) = self.request(order, u32::try_from(size).unwrap_or(0)) else { return };
                self.world.calls.insert(name.clone());
                self.spawn_settle(order.clone(), request, Arc::clone(provider));
            }
            Action::DeleteInstances(ids) => {
                let refs = self.references(&offering, ids);
                let provider = Arc::clone(provider);
                self.world.calls.insert(name.clone());
                self.spawn_call(name, pool, async move { provider.delete(&refs).await });
            }
            Action::TakeBack(by) => {
                let (provider, by) = (Arc::clone(provider), *by);
                self.world.calls.insert(name.clone());
                self.spawn_call(name, pool, async move { provider.decrease_target(&offering, by).await });
            }
            Action::Drain(_) | Action::ForgetNodes(_) | Action::Finish => {}
        }
    }

    fn size_of(&self, pool: &str, offering: &OfferingId) -> Option<u32> {
        let said = self.world.said.get(pool)?.inventory.as_ref()?;
        Some(said.as_ref().ok()?.target(offering).unwrap_or(0))
    }

    /// Whether another order for the same offering was asked for, and its answer is not known.
    fn another_is_asked(&self, order: &NodeOrder) -> bool {
        self.world.orders.values().any(|other| {
            let status = other.status.as_ref();
            let unanswered =
                status.is_some_and(|status| status.asked_at.is_some() && status.accepted.is_none());
            other.name_any() != order.name_any()
                && other.spec.pool == order.spec.pool
                && other.spec.offering.node_group == order.spec.offering.node_group
                && unanswered
                && status.and_then(|status| status.phase) != Some(plimsoll_api::v1alpha1::OrderPhase::Failed)
        })
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

    fn spawn_create(&self, order: NodeOrder, request: CreateRequest, provider: Arc<dyn Provider>) {
        let (client, changes) = (self.client.clone(), self.changes.clone());
        tokio::spawn(async move {
            let answer = provider.create(&request).await;
            let failed = answer.as_ref().err().cloned();
            let status = match &answer {
                Ok(created) => {
                    tracing::info!(order = %order.name_any(), accepted = created.found + created.accepted, "nodes were ordered");
                    Some(record::answered(&order, Ok(created.found + created.accepted)))
                }
                Err(error) if error.nothing_done() => {
                    tracing::warn!(order = %order.name_any(), %error, "an order was refused");
                    Some(record::answered(&order, Err((word(error), error.to_string()))))
                }
                Err(error) => {
                    tracing::warn!(order = %order.name_any(), %error, "what became of an order is to be found out");
                    None
                }
            };
            if let Ok(created) = &answer
                && created.surplus > 0
                && let Err(error) = provider.decrease_target(&request.offering, created.surplus).await
            {
                tracing::warn!(order = %order.name_any(), %error, surplus = created.surplus, "a surplus was not given back");
            }
            let written = match status {
                Some(status) => over(&client, &order, &status).await,
                None => None,
            };
            let _ = changes.send(Box::new(move |world| {
                world.calls.remove(&order.name_any());
                world.said.remove(&order.spec.pool);
                if let Some(error) = failed {
                    world.failures.push((order.spec.pool.clone(), record::offering(&order), error));
                }
                if let Some(written) = written {
                    world.set_order(written);
                }
            }));
        });
    }

    fn spawn_settle(&self, order: NodeOrder, request: CreateRequest, provider: Arc<dyn Provider>) {
        let (client, changes) = (self.client.clone(), self.changes.clone());
        tokio::spawn(async move {
            let settled = provider.settle(&request).await;
            let written = match settled {
                Ok(settled) => {
                    tracing::info!(order = %order.name_any(), done = settled.done, surplus = settled.surplus, "it was found out what became of an order");
                    if settled.surplus > 0
                        && let Err(error) = provider.decrease_target(&request.offering, settled.surplus).await
                    {
                        tracing::warn!(order = %order.name_any(), %error, surplus = settled.surplus, "a surplus was not given back");
                    }
                    let answer = match settled.done {
                        0 => Err((
                            "NotTaken",
                            "the provider has none of the nodes that it was asked for".to_owned(),
                        )),
                        done => Ok(done),
                    };
                    over(&client, &order, &record::answered(&order, answer)).await
                }
                Err(error) => {
                    tracing::warn!(order = %order.name_any(), %error, "it cannot be found out now what became of an order");
                    None
                }
            };
            let _ = changes.send(Box::new(move |world| {
                world.calls.remove(&order.name_any());
                if let Some(written) = written {
                    world.set_order(written);
                }
            }));
        });
    }

    pub(super) fn spawn_call(
        &self,
        order: String,
        pool: String,
        call: impl Future<Output = Result<(), ProviderError>> + Send + 'static,
    ) {
        let changes = self.changes.clone();
        tokio::spawn(async move {
            if let Err(error) = call.await {
                tracing::warn!(order, pool, %error, "nodes were not given back, and will be later");
            }
            let _ = changes.send(Box::new(move |world| {
                world.calls.remove(&order);
                world.said.remove(&pool);
            }));
        });
    }

    /// Deletes Node objects whose instances the provider has lost; only those that carry our mark, as they are now.
    async fn forget_nodes(&self, nodes: &[Name]) {
        let api: Api<k8s_openapi::api::core::v1::Node> = Api::all(self.client.clone());
        for name in nodes {
            let Some(node) = self.world.view.node(name).filter(|node| node.order.is_some()) else { continue };
            let uid = Some(node.uid.to_string());
            let params = DeleteParams::default().preconditions(Preconditions { uid, resource_version: None });
            if !self.leadership.outlives(WRITE_TIME) {
                return;
            }
            match timeout(WRITE_TIME, api.delete(name, &params)).await {
                Ok(Ok(_)) => tracing::info!(node = %name, "a node that its provider has lost was removed"),
                Ok(Err(error)) => {
                    tracing::warn!(node = %name, %error, "a node that its provider has lost was not removed");
                }
                Err(_) => {}
            }
        }
    }

    /// Lets the record of an order go once people had the time to read it.
    async fn finish(&self, order: &NodeOrder, now: Timestamp) {
        let created = order.creation_timestamp().as_ref().map(observe_time).unwrap_or_default();
        let deleted = order.metadata.deletion_timestamp.is_some();
        if (!deleted && now.since(created) < KEPT) || !self.leadership.outlives(WRITE_TIME) {
            return;
        }
        let api: Api<NodeOrder> = Api::all(self.client.clone());
        let others: Vec<&String> = order.finalizers().iter().filter(|name| *name != FINALIZER).collect();
        let patch =
            json!({ "metadata": { "resourceVersion": order.resource_version(), "finalizers": others } });
        let name = order.name_any();
        let done = timeout(WRITE_TIME, async {
            api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
            if !deleted {
                api.delete(&name, &DeleteParams::default()).await?;
            }
            Ok::<_, kube::Error>(())
        });
        if let Ok(Err(error)) = done.await {
            tracing::debug!(order = %name, %error, "the record of an order stays a little longer");
        }
    }
}

/// Writes a status over the version that was read; None when that failed.
async fn over(client: &kube::Client, order: &NodeOrder, status: &NodeOrderStatus) -> Option<NodeOrder> {
    let api: Api<NodeOrder> = Api::all(client.clone());
    let patch = json!({ "metadata": { "resourceVersion": order.resource_version() }, "status": status });
    let (name, params) = (order.name_any(), PatchParams::default());
    let patch = Patch::Merge(cleared(order.status.as_ref(), patch));
    match timeout(WRITE_TIME, api.patch_status(&name, &params, &patch)).await {
        Ok(Ok(written)) => Some(written),
        Ok(Err(error)) => {
            tracing::warn!(order = %name, %error, "the status of an order was not written: it is read and looked at again");
            None
        }
        Err(_) => {
            tracing::warn!(order = %name, "the API server did not take the status of an order in time");
            None
        }
    }
}

/// A patch that also takes away what the old status says and the new one does not.
fn cleared(old: Option<&NodeOrderStatus>, mut patch: serde_json::Value) -> serde_json::Value {
    let old = old.and_then(|old| serde_json::to_value(old).ok());
    if let (Some(serde_json::Value::Object(old)), Some(new)) = (old, patch["status"].as_object_mut()) {
        for key in old.keys() {
            new.entry(key.clone()).or_insert(serde_json::Value::Null);
        }
    }
    patch
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
