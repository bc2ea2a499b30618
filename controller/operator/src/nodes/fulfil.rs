//! Takes orders a step further: what [`plimsoll_core::orders::step`] says is recorded, then done.

use std::{sync::Arc, time::Duration};

use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use plimsoll_api::{NodeOrder, v1alpha1::NodeOrderStatus};
use plimsoll_core::{
    cluster::Name,
    nodes::backoff::OfferingError,
    orders::{self, Action, Answer, OrderStep, Phase, Seen, Settings, Why},
    time::{Span, Timestamp},
};
use plimsoll_observe::observe_time;
use serde_json::json;
use tokio::time::timeout;

use super::{claims, order::FINALIZER, planner::Planner, record, unanswered::may_be_done};
use crate::targets::WRITE_TIME;

/// Between two looks at an order that waits for its provider.
const LOOK_AGAIN: Span = Span::from_secs(10);
/// How long the record of an order that is over is kept, from its creation on, for people to read.
const KEPT: Span = Span::from_secs(600);

impl Planner {
    /// A step of each order that is not busy; answers when to look again though nothing changes.
    pub(super) async fn orders(&mut self, now: Timestamp) -> Duration {
        let orders: Vec<Arc<NodeOrder>> = self.world.orders.values().cloned().collect();
        self.unasked.keep_only(|name| self.world.orders.contains_key(name));
        let claimed = claims::claims(&self.world, now);
        let mut pause = Duration::MAX;
        for order in orders {
            let name = order.name_any();
            if self.world.calls.contains_key(&name) {
                continue;
            }
            let own = claimed.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
            let unclaimed = claims::unclaimed(&self.world, &order, &claimed);
            if let Some(again) = self.step(&order, own, unclaimed, now).await {
                pause = pause.min(Duration::from_millis(u64::try_from(again.as_millis()).unwrap_or(0)));
            }
        }
        self.adopt().await;
        pause
    }

    async fn step(
        &mut self,
        order: &NodeOrder,
        claimed: &[Name],
        unclaimed: u32,
        now: Timestamp,
    ) -> Option<Span> {
        let mut order = order.clone();
        // Otherwise its time would not be over before the clock is there again.
        if let Some(status) = record::up_to(&order, now) {
            order = self.write(&order, &status).await?;
        }
        let pool = self.world.pools.get(&order.spec.pool).cloned();
        let spec = pool.as_ref().and_then(|pool| pool.as_ref().as_ref().ok()).map(|pool| &pool.spec);
        let provision = claims::provision_time(&self.world, &order.spec.pool);
        let settings = Settings { provision, look_again: LOOK_AGAIN };
        let (state, seen) = (record::state(&order), record::seen(&order, &self.world, claimed, now));
        let seen = Seen { unclaimed, ..seen };
        let step = orders::step(&state, &seen, &settings, now);
        if matches!(state.answer, Some(Answer::Accepted(_))) || step.why == Some(Why::PoolGone) {
            let status = record::status(&order, &step, now);
            if order.status.as_ref() != Some(&status) {
                self.note_failure(&order, &step, now);
                self.note_success(&order, &step, now);
                order = self.write(&order, &status).await?;
            }
        }
        let provider = spec.map(|spec| self.polls.provider(&order.spec.pool, spec));
        for action in &step.actions {
            match (action, &provider) {
                (Action::Finish, _) => {
                    self.finish(&order, &step, spec.is_some() && seen.instances.is_none(), now).await;
                }
                (Action::ForgetNodes(nodes), _) => self.forget_nodes(nodes).await,
                // Drains are planned with everything else that goes: nodes know that their order was deleted.
                (Action::Drain(_), _) => {}
                (_, Some(Ok(provider))) => self.call(&order, action, provider, now).await,
                (Action::Ask, Some(Err(unusable))) if !unusable.may_pass() => {
                    self.refuse(&order, "ProviderUnusable", unusable.message.clone(), now).await;
                }
                (Action::Ask, None) => {
                    let message = format!("there is no pool {}", order.spec.pool);
                    self.refuse(&order, "NoPool", message, now).await;
                }
                (_, Some(Err(_)) | None) => {
                    tracing::debug!(order = %order.name_any(), pool = %order.spec.pool, "an order waits: its pool is gone or has no provider now");
                }
            }
        }
        step.next_look
    }

    /// Gives an order up that nobody was asked for.
    pub(super) async fn refuse(&mut self, order: &NodeOrder, reason: &str, message: String, now: Timestamp) {
        tracing::warn!(order = %order.name_any(), reason, message, "an order is not asked for");
        let (pool, offering) = (order.spec.pool.clone(), record::offering(order));
        self.metrics.failed.with_label_values(&[pool.as_str(), reason]).inc();
        self.backoffs.failed(&pool, &offering, OfferingError::Other, message.clone(), now);
        let status = record::refused(order, reason, message);
        self.write(order, &status).await;
    }

    /// Writes the status of an order over the version that was read; None when that failed, and the next pass sees why.
    pub(super) async fn write(&mut self, order: &NodeOrder, status: &NodeOrderStatus) -> Option<NodeOrder> {
        self.try_write(order, status).await.ok()
    }

    /// The same; says whether what failed may have been written.
    pub(super) async fn try_write(
        &mut self,
        order: &NodeOrder,
        status: &NodeOrderStatus,
    ) -> Result<NodeOrder, NotWritten> {
        if !self.leadership.outlives(WRITE_TIME) {
            return Err(NotWritten { may_be_done: false });
        }
        let written = over(&self.client, order, status).await?;
        self.world.set_order(written.clone());
        Ok(written)
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

    /// Lets the record of an order go once people had the time to read it. `is_blind`: the provider could not be asked what
    /// there is of it; then what failed may still be there, and the record stays.
    async fn finish(&self, order: &NodeOrder, step: &OrderStep, is_blind: bool, now: Timestamp) {
        let is_awaited = !step.nodes.is_empty() || record::state(order).expected() > 0;
        if is_blind && step.phase == Phase::Failed && is_awaited {
            return;
        }
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

/// A status that was not written, as far as is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotWritten {
    /// Whether it may be written all the same.
    pub(super) may_be_done: bool,
}

/// Writes a status over the version that was read.
pub(super) async fn over(
    client: &kube::Client,
    order: &NodeOrder,
    status: &NodeOrderStatus,
) -> Result<NodeOrder, NotWritten> {
    let api: Api<NodeOrder> = Api::all(client.clone());
    let patch = json!({ "metadata": { "resourceVersion": order.resource_version() }, "status": status });
    let (name, params) = (order.name_any(), PatchParams::default());
    let patch = Patch::Merge(cleared(order.status.as_ref(), patch));
    match timeout(WRITE_TIME, api.patch_status(&name, &params, &patch)).await {
        Ok(Ok(written)) => Ok(written),
        Ok(Err(error)) => {
            tracing::warn!(order = %name, %error, "the status of an order was not written: it is read and looked at again");
            // A write whose answer got lost is tried again by the client, over the version that it has changed itself.
            let conflicts = matches!(&error, kube::Error::Api(status) if status.is_conflict());
            Err(NotWritten { may_be_done: conflicts || may_be_done(&error) })
        }
        Err(_) => {
            tracing::warn!(order = %name, "the API server did not take the status of an order in time");
            Err(NotWritten { may_be_done: true })
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
