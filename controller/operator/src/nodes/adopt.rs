//! Nodes that joined by themselves: those whose instance is on the record of an order are marked as ours.
//!
//! The machines of a cloud know nothing of our labels. An instance is written down in the status of its order first; the
//! Node with that `spec.providerID` is marked afterwards, over the version that was read. Every other node is left alone.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{Node, Taint};
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams},
};
use plimsoll_api::{
    NodeOrder,
    marks::{CAPACITY_POOL, CAPACITY_TYPE, NODE_ORDER},
    v1alpha1::{CapacityPoolSpec, OrderPhase},
};
use plimsoll_core::cluster::Name;
use plimsoll_providers::OfferingId;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{claims, feed::Shown as _, planner::Planner, report::EVENTS};
use crate::targets::WRITE_TIME;

/// Marks that are under way at the same time.
const CONCURRENCY: usize = 16;

impl Planner {
    /// Marks the nodes of orders that carry no mark yet, and tells of nodes of our groups that no order has.
    pub(super) async fn adopt(&mut self) {
        let ours = self.unmarked();
        let tasks: Vec<_> = ours
            .into_iter()
            .filter_map(|(node, order)| {
                let order = self.world.orders.get(&order)?;
                let pool = self.world.pools.get(&order.spec.pool)?;
                let spec = pool.as_ref().as_ref().ok()?.spec.clone();
                Some((node, std::sync::Arc::clone(order), spec))
            })
            .collect();
        let (client, leadership) = (self.client.clone(), self.leadership.clone());
        let mut marked = stream::iter(tasks)
            .map(|(name, order, spec)| {
                let (client, may) = (client.clone(), leadership.outlives(WRITE_TIME));
                async move {
                    let node = if may { adopt(&client, &name, &order, &spec).await } else { None };
                    (name, order.name_any(), node)
                }
            })
            .buffer_unordered(CONCURRENCY);
        let mut adopted = Vec::new();
        while let Some((name, order, node)) = marked.next().await {
            adopted.push((name, order, node));
        }
        drop(marked);
        for (name, order, node) in adopted {
            match node {
                Some(node) => {
                    tracing::info!(node = %name, order, "a node that joined by itself is marked as ordered");
                    node.apply(&mut self.world);
                }
                None => self.world.rest(mark(&name)),
            }
        }
        self.strays().await;
    }

    /// Nodes without a mark whose instance is on the record of an order, each with the order.
    fn unmarked(&self) -> Vec<(Name, String)> {
        let mut orders: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, order) in &self.world.orders {
            for node in order.status.iter().flat_map(|status| &status.nodes) {
                if !matches!(node.phase, OrderPhase::GivenBack | OrderPhase::Failed)
                    && let Some(id) = node.provider_id.as_deref().filter(|id| !id.is_empty())
                {
                    orders.insert(id, name);
                }
            }
        }
        if orders.is_empty() {
            return Vec::new();
        }
        let mut nodes: BTreeMap<&Name, Vec<&Name>> = BTreeMap::new();
        for (name, id) in self.world.provider_ids.iter().filter(|(_, id)| orders.contains_key(&***id)) {
            nodes.entry(id).or_default().push(name);
        }
        let found = nodes.into_iter().filter_map(|(id, names)| {
            // Of two Nodes that name one machine nobody can tell which it is.
            let [name] = names[..] else { return None };
            let order = orders.get(&**id)?;
            let is_unmarked = self.world.view.node(name).is_some_and(|node| node.order.is_none());
            (is_unmarked && !self.world.rests(&mark(name))).then(|| (name.clone(), (*order).to_owned()))
        });
        found.collect()
    }

    /// Tells once of each node that is of a group of ours and of no order. Those that were there when we began are told
    /// of together.
    async fn strays(&mut self) {
        let recorded: BTreeSet<&str> = claims::recorded(&self.world);
        let mut listed: BTreeMap<&str, (&str, &OfferingId)> = BTreeMap::new();
        for (pool, said) in &self.world.said {
            let Some(Ok(inventory)) = &said.inventory else { continue };
            for instance in inventory.instances().filter(|instance| instance.order.is_none()) {
                if !recorded.contains(instance.id.as_str()) {
                    listed.insert(&instance.id, (pool, &instance.offering));
                }
            }
        }
        if listed.is_empty() {
            return;
        }
        let (mut news, mut there) = (Vec::new(), 0_usize);
        for (name, id) in &self.world.provider_ids {
            let Some((pool, offering)) = listed.get(&**id) else { continue };
            let Some(node) = self.world.view.node(name).filter(|node| node.order.is_none()) else { continue };
            if self.told.has_stray(&node.uid) {
                continue;
            }
            if node.created < self.since {
                self.told.stray(&node.uid);
                there += 1;
                continue;
            }
            let said = format!(
                "it is of the node group {offering} of the pool {pool}, and no order of Plimsoll has it: it is left alone"
            );
            news.push((name.clone(), node.uid.clone(), said));
        }
        if there > 0 {
            tracing::info!(nodes = there, "nodes of our node groups were there before, and are left alone");
        }
        for (name, uid, note) in news {
            if self.world.rests(EVENTS) {
                return;
            }
            if self.tell_node(&name, "NotOrdered", note.clone()).await {
                tracing::info!(node = %name, note, "a node that nobody ordered has joined");
                self.told.stray(&uid);
            } else {
                self.world.rest(EVENTS.to_owned());
            }
        }
    }
}

/// What is noted of a node that could not be marked.
fn mark(node: &Name) -> String {
    format!("mark/{node}")
}

/// Marks a node as that of an order; None when that failed, and it is tried again later.
async fn adopt(client: &Client, name: &Name, order: &NodeOrder, spec: &CapacityPoolSpec) -> Option<Node> {
    let api: Api<Node> = Api::all(client.clone());
    let marked = timeout(WRITE_TIME, async {
        let node = api.get(name).await?;
        match marks(&node, order, spec) {
            Some(patch) => api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map(Some),
            None => Ok(None),
        }
    });
    match marked.await {
        Ok(Ok(node)) => node,
        Ok(Err(error)) => {
            tracing::warn!(node = %name, order = %order.name_any(), %error, "a node that joined by itself was not marked, and will be tried again");
            None
        }
        Err(_) => {
            tracing::warn!(node = %name, "the API server did not take the marks of a node in time");
            None
        }
    }
}

/// What makes a node ours, over the version that was read: the marks, and what the pool's template adds. None when it is
/// another node by now, or is marked already.
///
/// Start-up taints are not added: who takes them away may have done so before.
fn marks(node: &Node, order: &NodeOrder, spec: &CapacityPoolSpec) -> Option<Value> {
    let id = node.spec.as_ref()?.provider_id.as_deref().filter(|id| !id.is_empty())?;
    let recorded = order.status.as_ref()?.nodes.iter().filter_map(|node| node.provider_id.as_deref());
    if node.labels().contains_key(NODE_ORDER) || !recorded.into_iter().any(|recorded| recorded == id) {
        return None;
    }
    let template = spec.template.clone().unwrap_or_default();
    let mut labels: BTreeMap<&str, &str> =
        template.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    // What Kubernetes says of a node stays: admission does not let us change it.
    labels.retain(|key, _| !(key.contains("kubernetes.io/") && node.labels().contains_key(*key)));
    labels.insert(NODE_ORDER, order.metadata.name.as_deref()?);
    labels.insert(CAPACITY_POOL, &order.spec.pool);
    labels.insert(CAPACITY_TYPE, order.spec.offering.capacity_type.as_str());
    let mut patch = json!({ "metadata": {
        "uid": node.metadata.uid,
        "resourceVersion": node.metadata.resource_version,
        "labels": labels,
    } });
    if !template.annotations.is_empty() {
        patch["metadata"]["annotations"] = json!(template.annotations);
    }
    let there = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let missing: Vec<Taint> = template
        .taints
        .iter()
        .filter(|taint| !there.iter().any(|has| has.key == taint.key && has.effect == taint.effect.as_str()))
        .map(|taint| Taint {
            key: taint.key.clone(),
            value: (!taint.value.is_empty()).then(|| taint.value.clone()),
            effect: taint.effect.as_str().to_owned(),
            time_added: None,
        })
        .collect();
    if !missing.is_empty() {
        patch["spec"]["taints"] = json!(there.into_iter().chain(missing).collect::<Vec<_>>());
    }
    Some(patch)
}

#[cfg(test)]
mod tests;
