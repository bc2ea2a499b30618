//! Drains: what [`plimsoll_core::nodes::drain::step`] says is stored with the node, then done.
//!
//! A drain is an annotation of its node, written together with the taint and the label by which admission policies know a
//! node that we empty. So a drain survives a restart, and a node that nobody drains carries none of the three.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use plimsoll_api::v1alpha1::OrderPhase;
use plimsoll_core::{
    cluster::{DRAINING, Name},
    nodes::{
        breaker::{Tripped, pool_is_broken, zones_are_silent},
        drain::{Action, Drain, GivenUp, Seen, step},
        pdb::Ledger,
        remove::RemovalPlan,
    },
    time::{Span, Timestamp},
};
use plimsoll_observe::{DELETION_COST, DRAIN_MANAGER};
use plimsoll_providers::{InstanceRef, InstanceState, OfferingId};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{calls::of_node, planner::Planner};
use crate::targets::WRITE_TIME;

/// The annotation with how far the drain of a node is.
pub(super) const DRAIN: &str = "plimsoll.dev/drain";
/// When what failed is tried again, though nothing changes.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// What pods get that are to go first when a replica is given back.
pub(super) const LOWEST_COST: &str = "-2147483648";

impl Planner {
    /// Begins the drains of a plan. `orders` are the names of the orders of [`RemovalPlan::add`], in its order.
    pub(super) async fn begin_drains(
        &mut self,
        plan: &RemovalPlan,
        orders: &[Option<String>],
        now: Timestamp,
    ) {
        for removal in &plan.remove {
            let needs: Option<BTreeSet<Name>> = removal
                .needs
                .iter()
                .map(|entry| orders.get(usize::try_from(*entry).ok()?)?.as_deref().map(Name::from))
                .collect();
            // Without the nodes that come in its place it does not go.
            let Some(needs) = needs else { continue };
            let interrupted = removal.why.budget_reason().is_none();
            let drain = Drain::new(now, interrupted, needs);
            tracing::info!(node = %removal.node, pool = %removal.pool, why = %removal.why, "draining a node");
            if self.mark(&removal.node, Some(&drain)).await {
                self.metrics.removed.with_label_values(&[&*removal.pool, reason(&removal.why)]).inc();
                self.tell_node(&removal.node, "Draining", format!("draining: {}", removal.why)).await;
            }
        }
    }

    /// A step of each drain; answers when to look again though nothing changes.
    pub(super) async fn drains(&mut self, now: Timestamp) -> Duration {
        self.undo_what_belongs_to_no_drain().await;
        let drains: Vec<(Name, Drain)> =
            self.world.drains.iter().map(|(node, drain)| (node.clone(), drain.clone())).collect();
        self.waits.retain(|node, _| drains.iter().any(|(name, _)| name == node));
        if drains.is_empty() {
            self.keep_surges().await;
            return Duration::MAX;
        }
        for name in std::mem::take(&mut self.world.to_give_back) {
            self.give_back(&name);
        }
        let (coming, failed) = self.orders_of_drains();
        let silent = zones_are_silent(self.world.view.nodes());
        let surging: usize = drains.iter().map(|(_, drain)| drain.surges.len()).sum();
        // Budgets are copied, since what is done changes the world.
        let budgets: Vec<_> = self.world.view.budgets().cloned().collect();
        let mut ledger = Ledger::new(&budgets);
        let workloads = self.world.workloads.of_replica_sets();
        let mut next = Duration::MAX;
        for (name, drain) in drains {
            let node = self.world.view.node(&name).cloned();
            let pods: Vec<_> = self.world.view.pods_on(&name).cloned().collect();
            let pods: Vec<_> = pods.iter().collect();
            let pool = node.as_ref().and_then(|node| self.world.view.pool(node.pool.as_deref()?)).cloned();
            let held: Option<Tripped> = silent.clone().or_else(|| {
                let pool = pool.as_ref()?;
                let nodes = self.world.view.nodes().filter(|node| node.pool.as_ref() == Some(&pool.name));
                pool_is_broken(pool, nodes)
            });
            let settings = pool.as_ref().map(|pool| pool.scale_down.drain.clone()).unwrap_or_default();
            let others = surging.saturating_sub(drain.surges.len());
            let seen = Seen {
                node: node.as_ref(),
                pods: &pods,
                workloads: &workloads,
                coming: &coming,
                failed: &failed,
                surging: u32::try_from(others).unwrap_or(u32::MAX),
                held: held.as_ref(),
                settings: &settings,
                now,
            };
            let taken = step(&drain, &seen, &mut ledger);
            match &taken.waits {
                Some(waits) => {
                    tracing::debug!(node = %name, %waits, "a drain waits");
                    self.waits.insert(name.clone(), waits.to_string());
                }
                None => drop(self.waits.remove(&name)),
            }
            if let Some(stored) = taken.drain.as_ref().filter(|stored| **stored != drain)
                && !self.store(&name, stored).await
            {
                continue;
            }
            let state = taken.drain.as_ref().unwrap_or(&drain);
            // What a node that vanishes takes with it has to be known elsewhere, before there is anything to give back.
            if taken.actions.iter().any(|action| matches!(action, Action::Surge { .. }))
                && !self.keep_surges().await
            {
                next = next.min(AFTER_FAILURE);
                continue;
            }
            let mut all_done = true;
            for action in &taken.actions {
                all_done = self.drain_action(&name, action, state, now).await;
                if !all_done {
                    next = next.min(AFTER_FAILURE);
                    break;
                }
            }
            if taken.drain.is_none() && node.is_none() && all_done {
                self.world.drains.remove(&name);
            }
            if let Some(at) = taken.next_look {
                next = next.min(Duration::from_millis(u64::try_from(at.since(now).as_millis()).unwrap_or(0)));
            }
        }
        self.keep_surges().await;
        next
    }

    /// Takes the marks of a drain from nodes of which no drain is stored, or none that we can read: nobody would take them
    /// away otherwise.
    async fn undo_what_belongs_to_no_drain(&mut self) {
        let is_left = |node: &&plimsoll_core::cluster::Node| {
            node.order.is_some() && node.is_draining() && !self.world.drains.contains_key(&node.name)
        };
        let left: Vec<Name> = self.world.view.nodes().filter(is_left).map(|node| node.name.clone()).collect();
        for name in left {
            if self.mark(&name, None).await {
                tracing::info!(node = %name, "it carried the taint of a drain that nobody knows of");
                self.tell_node(&name, "DrainGivenUp", "no drain of it is known, the node stays".to_owned())
                    .await;
            }
        }
    }

    /// Orders whose nodes are not all ready, and those that will never be.
    fn orders_of_drains(&self) -> (BTreeSet<Name>, BTreeSet<Name>) {
        let (mut coming, mut failed) = (BTreeSet::new(), BTreeSet::new());
        for (name, order) in &self.world.orders {
            let phase = order.status.as_ref().and_then(|status| status.phase).unwrap_or_default();
            match phase {
                OrderPhase::Recorded | OrderPhase::Asked | OrderPhase::Creating | OrderPhase::Registered => {
                    coming.insert(Name::from(name.as_str()));
                }
                OrderPhase::Failed => {
                    failed.insert(Name::from(name.as_str()));
                }
                OrderPhase::Ready | OrderPhase::Draining | OrderPhase::Deleting | OrderPhase::GivenBack => {}
            }
        }
        (coming, failed)
    }

    /// Does it; false where what follows has to wait until it is done.
    async fn drain_action(&mut self, node: &Name, action: &Action, drain: &Drain, now: Timestamp) -> bool {
        if !self.leadership.outlives(WRITE_TIME) {
            return false;
        }
        match action {
            Action::Taint => drop(self.mark(node, Some(drain)).await),
            Action::Untaint(why) => self.undo(node, why, now).await,
            Action::Evict { uid, namespace, name, grace } => self.evict(uid, namespace, name, *grace).await,
            Action::Surge { namespace, deployment, replicas, pod } => {
                let why = "one more, ready elsewhere before its pod goes";
                return self.set_cost(std::slice::from_ref(pod), Some(LOWEST_COST)).await
                    && self.resize(namespace, deployment, *replicas, why).await;
            }
            Action::GiveBack { namespace, deployment, replicas, pods } => {
                return self.set_cost(pods, Some(LOWEST_COST)).await
                    && self.resize(namespace, deployment, *replicas, "the replica more is given back").await;
            }
            Action::Unmark { pods } => return self.set_cost(pods, None).await,
            Action::Delete => self.give_back(node),
            Action::Done => {}
        }
        true
    }

    /// Puts the drain of a node on it, or takes it away; the taint and the label with it. False when that failed.
    async fn mark(&mut self, name: &Name, drain: Option<&Drain>) -> bool {
        if !self.leadership.outlives(WRITE_TIME) {
            return false;
        }
        let api: Api<Node> = Api::all(self.client.clone());
        let marked = timeout(WRITE_TIME, async {
            let node = api.get(name).await?;
            api.patch(name, &PatchParams::default(), &Patch::Merge(marks(&node, drain))).await
        });
        match marked.await {
            Ok(Ok(node)) => {
                super::feed::Shown::apply(node, &mut self.world);
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(node = %name, %error, "the marks of a drain were not written, and will be tried again");
                false
            }
            Err(_) => false,
        }
    }

    /// Stores how far a drain is.
    async fn store(&mut self, name: &Name, drain: &Drain) -> bool {
        if !self.leadership.outlives(WRITE_TIME) {
            return false;
        }
        let api: Api<Node> = Api::all(self.client.clone());
        let patch = json!({ "metadata": { "annotations": { DRAIN: text(drain) } } });
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        match timeout(WRITE_TIME, api.patch(name, &params, &patch)).await {
            Ok(Ok(_)) => {
                self.world.drains.insert(name.clone(), drain.clone());
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(node = %name, %error, "how far a drain is was not stored, so nothing more is done for now");
                false
            }
            Err(_) => false,
        }
    }

    async fn undo(&mut self, name: &Name, why: &GivenUp, now: Timestamp) {
        if !self.mark(name, None).await {
            return;
        }
        tracing::info!(node = %name, %why, "a drain is given up, the node stays");
        self.world.drains.remove(name);
        if let Some(node) = self.world.view.node(name) {
            self.memory.gave_up(node.uid.clone(), now, why.to_string());
            let pool = node.pool.as_deref().unwrap_or_default();
            self.metrics.given_up.with_label_values(&[pool]).inc();
        }
        self.tell_node(name, "DrainGivenUp", format!("the drain is given up, the node stays: {why}")).await;
    }

    /// Evicts a pod, and no other that came after it under the same name.
    async fn evict(&self, uid: &Name, namespace: &Name, name: &Name, grace: Option<Span>) {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut options = json!({ "preconditions": { "uid": &**uid } });
        if let Some(grace) = grace {
            options["gracePeriodSeconds"] = grace.as_secs().into();
        }
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": { "name": &**name, "namespace": &**namespace },
            "deleteOptions": options,
        });
        let params = PostParams::default();
        let evicted = api.create_subresource::<Value, Value>("eviction", name, &params, &eviction);
        match timeout(WRITE_TIME, evicted).await {
            Ok(Ok(_)) => {
                self.metrics.evicted.inc();
                tracing::info!(%namespace, pod = %name, "a pod was evicted");
            }
            // Gone already, another one by now, or held by a budget that has changed meanwhile: looked at again.
            Ok(Err(error)) => tracing::debug!(%namespace, pod = %name, %error, "a pod was not evicted"),
            Err(_) => {}
        }
    }

    /// Asks a Deployment for so many replicas, one more or one less, over the version that was read. False where that failed,
    /// or where it has another size than was seen: then it is looked at again.
    async fn resize(&self, namespace: &Name, deployment: &Name, replicas: i32, why: &str) -> bool {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let resized = timeout(WRITE_TIME, async {
            let scale = api.get_scale(deployment).await?;
            let now = scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0);
            if now == replicas {
                return Ok(true);
            }
            if now.abs_diff(replicas) > 1 {
                tracing::info!(%namespace, %deployment, now, replicas, "somebody else has resized a Deployment meanwhile");
                return Ok(false);
            }
            let patch = json!({
                "metadata": { "resourceVersion": scale.metadata.resource_version },
                "spec": { "replicas": replicas },
            });
            api.patch_scale(deployment, &PatchParams::default(), &Patch::Merge(patch)).await?;
            tracing::info!(%namespace, %deployment, replicas, why, "a Deployment was resized for a drain");
            Ok::<_, kube::Error>(true)
        });
        match resized.await {
            Ok(Ok(done)) => done,
            // Without it there is nothing to give back.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => true,
            Ok(Err(error)) => {
                tracing::warn!(%namespace, %deployment, %error, "a Deployment was not resized for a drain, and will be");
                false
            }
            Err(_) => false,
        }
    }

    /// Gives pods a deletion cost, by which they go first when their Deployment shrinks, or takes it away. False where that
    /// failed for one that is still there.
    async fn set_cost(&self, pods: &[Name], cost: Option<&str>) -> bool {
        let mut all = true;
        for pod in pods.iter().filter_map(|uid| self.world.view.pod(uid)) {
            let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.shape.namespace);
            let patch = json!({ "metadata": { "uid": &*pod.uid, "annotations": { DELETION_COST: cost } } });
            let params =
                PatchParams { field_manager: Some(DRAIN_MANAGER.to_owned()), ..PatchParams::default() };
            let patch = Patch::Merge(patch);
            match timeout(WRITE_TIME, api.patch_metadata(&pod.name, &params, &patch)).await {
                Ok(Ok(_)) => {}
                // It is gone, or another pod has its name.
                Ok(Err(kube::Error::Api(status))) if status.is_not_found() || status.is_conflict() => {}
                Ok(Err(error)) => {
                    tracing::warn!(pod = %pod.name, %error, "the deletion cost of a pod was not written for a drain");
                    all = false;
                }
                Err(_) => all = false,
            }
        }
        all
    }

    /// Whether the provider says that it deletes an instance already: to ask again might cost another one.
    fn is_being_deleted(&self, pool: &str, reference: &InstanceRef) -> bool {
        let said = self.world.said.get(pool).and_then(|said| said.inventory.as_ref()?.as_ref().ok());
        let group = said.and_then(|said| said.groups.get(&reference.offering)?.as_ref().ok());
        group.is_some_and(|group| {
            group
                .instances
                .iter()
                .any(|instance| instance.id == reference.id && instance.state == InstanceState::Deleting)
        })
    }

    /// Asks the provider to take a node back. One that carries no mark of an order is never given back.
    fn give_back(&mut self, name: &Name) {
        let Some(node) = self.world.view.node(name) else { return };
        let (Some(order), Some(pool)) = (&node.order, &node.pool) else { return };
        let Some(record) = self.world.orders.get(&**order) else { return };
        let Some(offering) = record.spec.offering.node_group.clone().map(OfferingId) else { return };
        let spec = self.world.pools.get(&**pool).and_then(|pool| pool.as_ref().as_ref().ok());
        let Some(spec) = spec.map(|pool| pool.spec.clone()) else { return };
        let text = |labels: &plimsoll_core::cluster::Labels| {
            labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect::<BTreeMap<_, _>>()
        };
        let reference = InstanceRef {
            id: self.world.provider_ids.get(name).map(ToString::to_string).unwrap_or_default(),
            offering: offering.clone(),
            node_name: Some(name.to_string()),
            labels: text(&node.labels),
            annotations: BTreeMap::new(),
        };
        let (key, pool) = (of_node(name), pool.to_string());
        let Ok(provider) = self.polls.provider(&pool, &spec) else { return };
        let keeps_orders_apart = provider.capabilities().idempotent_create;
        if self.world.calls.contains_key(&key) {
            return;
        }
        if self.world.rests(&key)
            || (!keeps_orders_apart && self.world.is_growing(&pool, &offering, &key))
            || !self.leadership.outlives(provider.time_out() + WRITE_TIME)
        {
            self.world.to_give_back.insert(name.clone());
            return;
        }
        if self.is_being_deleted(&pool, &reference) {
            return;
        }
        tracing::info!(node = %name, %pool, "giving a node back");
        self.spawn_deletion(key, pool, offering, provider, vec![reference]);
    }
}

/// What says that a node is being drained: annotation, label and taint, in one write over the version that was read.
fn marks(node: &Node, drain: Option<&Drain>) -> Value {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let mut taints: Vec<Value> = taints
        .iter()
        .filter(|taint| taint.key != DRAINING)
        .filter_map(|taint| serde_json::to_value(taint).ok())
        .collect();
    if drain.is_some() {
        taints.push(json!({ "key": DRAINING, "effect": "NoSchedule" }));
    }
    json!({
        "metadata": {
            "resourceVersion": node.metadata.resource_version,
            "annotations": { DRAIN: drain.map(text) },
            "labels": { DRAINING: drain.map(|_| "") },
        },
        "spec": { "taints": taints },
    })
}

fn text(drain: &Drain) -> String {
    serde_json::to_string(drain).unwrap_or_default()
}

/// A reason as a label.
fn reason(why: &plimsoll_core::nodes::remove::WhyRemoved) -> &'static str {
    use plimsoll_core::nodes::remove::WhyRemoved::{
        Drifted, Empty, Interrupted, Replaced, Unbalanced, Underutilized,
    };
    match why {
        Interrupted => "interrupted",
        Drifted(_) => "drifted",
        Empty => "empty",
        Underutilized { .. } => "underutilized",
        Replaced { .. } => "replaced",
        Unbalanced { .. } => "unbalanced",
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn the_marks_of_a_drain_come_and_go_together_and_leave_others_alone() {
        let node: Node = serde_saphyr::from_str(
            "{ metadata: { name: a, resourceVersion: '7' }, spec: { taints: [{ key: gpu, effect: NoSchedule }] } }",
        )
        .unwrap();
        let drain = Drain::new(Timestamp::from_secs(1), false, BTreeSet::new());
        let on = marks(&node, Some(&drain));
        assert_eq!(on["spec"]["taints"].as_array().unwrap().len(), 2);
        assert_eq!(on["metadata"]["labels"][DRAINING], "");
        let stored: Drain =
            serde_json::from_str(on["metadata"]["annotations"][DRAIN].as_str().unwrap()).unwrap();
        assert_eq!(stored, drain);
        let off = marks(&node, None);
        assert_eq!(off["spec"]["taints"], json!([{ "key": "gpu", "effect": "NoSchedule" }]));
        assert_eq!(
            (&off["metadata"]["labels"][DRAINING], &off["metadata"]["annotations"][DRAIN]),
            (&Value::Null, &Value::Null)
        );
    }
}
