//! Leaving: once Plimsoll is uninstalled nodes and pods stay as they are, and nothing of ours is left on them.
//!
//! Runs once, when what scales nodes is gone and has no rights any more: so nobody marks anew what is unmarked here. Each
//! step may be repeated. The labels of a pool and of a capacity type stay: they say what a node is, and pods may select them.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, PartialObjectMeta, Patch, PatchParams},
};
use plimsoll_api::{NodeOrder, marks::DRAINING};
use plimsoll_observe::DELETION_COST;
use plimsoll_providers::labels;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::{
    drains::{DRAIN, LOWEST_COST},
    order::FINALIZER,
};
use crate::{args::Args, run::clients};

/// Labels that say whose a node is and what is done with it.
const LABELS: [&str; 4] = [labels::NODE_ORDER, labels::PROVIDER, labels::OFFERING, DRAINING];
/// How often it is tried, where somebody else writes at the same time.
const TRIES: u32 = 10;
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// Objects that are changed at the same time: an uninstall waits for all of them.
const CONCURRENCY: usize = 16;

/// Takes all marks away.
///
/// # Errors
/// When the API server cannot be addressed, or something is still marked after ten tries.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let (client, _) = clients().await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &args.pod_namespace);
    for left in (0..TRIES).rev() {
        let installed = deployments.get_metadata_opt(&args.leave_after).await;
        let done = match installed {
            Ok(None) => once(&client).await,
            Ok(Some(_)) => Err(anyhow!(
                "{} is still installed and would mark nodes anew: uninstall it first",
                args.leave_after
            )),
            Err(error) => Err(error.into()),
        };
        match done {
            Ok(()) => {
                tracing::info!("nodes, pods and replicas stay as they are, without marks of ours");
                return Ok(());
            }
            Err(error) if left > 0 => {
                tracing::warn!(%error, "not everything could be let go; trying again");
                sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
    bail!("not tried")
}

/// What fails of one kind holds up no other.
async fn once(client: &Client) -> anyhow::Result<()> {
    let (of_nodes, of_pods) = (unmark_nodes(client).await, unmark_pods(client).await);
    of_nodes.and(of_pods).and(let_go_of_orders(client).await)
}

async fn unmark_nodes(client: &Client) -> anyhow::Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let marked = nodes.list(&ListParams::default()).await?.items;
    each(marked.iter().map(|node| unmark(&nodes, node))).await
}

async fn unmark_pods(client: &Client) -> anyhow::Result<()> {
    let pods = Api::<Pod>::all(client.clone()).list_metadata(&ListParams::default()).await?.items;
    let cheap = |pod: &&PartialObjectMeta<Pod>| {
        pod.annotations().get(DELETION_COST).is_some_and(|cost| cost == LOWEST_COST)
    };
    each(pods.iter().filter(cheap).map(|pod| without_cost(client, pod))).await
}

async fn let_go_of_orders(client: &Client) -> anyhow::Result<()> {
    let orders: Api<NodeOrder> = Api::all(client.clone());
    let recorded = orders.list(&ListParams::default()).await?.items;
    each(recorded.iter().map(|order| let_go(&orders, order))).await
}

/// Makes all changes, some at a time. One that fails holds up no other.
async fn each(changes: impl Iterator<Item = impl Future<Output = anyhow::Result<()>>>) -> anyhow::Result<()> {
    let mut done = stream::iter(changes).buffer_unordered(CONCURRENCY);
    let mut all = Ok(());
    while let Some(one) = done.next().await {
        all = all.and(one);
    }
    all
}

/// Takes our marks off a node.
async fn unmark(nodes: &Api<Node>, node: &Node) -> anyhow::Result<()> {
    let Some(patch) = without_marks(node) else { return Ok(()) };
    let name = node.name_any();
    nodes.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.context(name.clone())?;
    tracing::info!(node = %name, "it is no longer ours");
    Ok(())
}

/// Takes the deletion cost of a drain off a pod.
async fn without_cost(client: &Client, pod: &PartialObjectMeta<Pod>) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let patch = json!({ "metadata": { "uid": pod.uid(), "annotations": { DELETION_COST: null } } });
    pods.patch(&pod.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// Takes our finalizer off the record of an order, and deletes it.
async fn let_go(orders: &Api<NodeOrder>, order: &NodeOrder) -> anyhow::Result<()> {
    let name = order.name_any();
    let others: Vec<&String> = order.finalizers().iter().filter(|name| *name != FINALIZER).collect();
    let patch = json!({ "metadata": { "resourceVersion": order.resource_version(), "finalizers": others } });
    orders.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.context(name.clone())?;
    gone(orders.delete(&name, &DeleteParams::default()).await)?;
    Ok(())
}

/// What is gone already need not be deleted.
fn gone<T>(deleted: kube::Result<T>) -> kube::Result<()> {
    match deleted {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}

/// The change that takes our marks off a node, over the version that was read; None where it has none.
fn without_marks(node: &Node) -> Option<Value> {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let others: Vec<_> = taints.iter().filter(|taint| taint.key != DRAINING).collect();
    let ours = LABELS.iter().filter(|label| node.labels().contains_key(**label));
    let labels: Map<String, Value> = ours.map(|label| ((*label).to_owned(), Value::Null)).collect();
    if labels.is_empty() && others.len() == taints.len() && !node.annotations().contains_key(DRAIN) {
        return None;
    }
    let mut patch = json!({ "metadata": {
        "resourceVersion": node.metadata.resource_version,
        "labels": labels,
        "annotations": { DRAIN: null },
    } });
    if others.len() < taints.len() {
        patch["spec"] = json!({ "taints": others });
    }
    Some(patch)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use tokio::{sync::Barrier, time::timeout};

    use super::*;
    use crate::nodes::{
        script::{failure, server},
        tests::{node as of_order, orders::recorded},
    };

    #[tokio::test]
    async fn as_many_changes_as_are_allowed_are_made_at_a_time_and_one_that_fails_holds_up_no_other() {
        let barrier = &Barrier::new(CONCURRENCY);
        let changes = (0..CONCURRENCY).map(|number| async move {
            barrier.wait().await;
            if number == 0 { Err(anyhow!("the first fails")) } else { Ok(()) }
        });
        let done = timeout(Duration::from_secs(20), each(changes)).await;
        assert_eq!(done.unwrap().unwrap_err().to_string(), "the first fails");
    }

    #[tokio::test]
    async fn a_node_that_cannot_be_changed_keeps_no_finalizer_on_an_order() {
        let of = |items: Vec<Value>| (200, json!({ "metadata": {}, "items": items }));
        let order = || serde_json::to_value(recorded("general-1", &json!({}))).unwrap();
        let (client, log) = server(move |asked| match asked.line().as_str() {
            "GET /api/v1/nodes" => of(vec![of_order("a", &json!({}))]),
            "GET /api/v1/pods" => of(Vec::new()),
            "GET /apis/plimsoll.dev/v1alpha1/nodeorders" => of(vec![order()]),
            "PATCH /api/v1/nodes/a" => failure(500, "InternalError", "a"),
            _ => (200, order()),
        });
        once(&client).await.unwrap_err();
        let asked = log.take();
        let of_general = |method: &str| {
            let line = format!("{method} /apis/plimsoll.dev/v1alpha1/nodeorders/general-1");
            asked.iter().find(|asked| asked.line() == line).unwrap()
        };
        assert_eq!(of_general("PATCH").body["metadata"]["finalizers"], json!(["example.com/other"]));
        of_general("DELETE");
    }

    fn node(yaml: &str) -> Node {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn a_node_loses_our_marks_and_nothing_else() {
        let drained = node(
            "
             metadata:
               name: a
               resourceVersion: '7'
               labels: { plimsoll.dev/node-order: general-1, plimsoll.dev/capacity-pool: general, plimsoll.dev/draining: '', team: red }
               annotations: { plimsoll.dev/drain: '{}', note: mine }
             spec: { taints: [{ key: gpu, effect: NoSchedule }, { key: plimsoll.dev/draining, effect: NoSchedule }] }",
        );
        let patch = without_marks(&drained).unwrap();
        assert_eq!(
            patch,
            json!({
                "metadata": {
                    "resourceVersion": "7",
                    "labels": { "plimsoll.dev/node-order": null, "plimsoll.dev/draining": null },
                    "annotations": { "plimsoll.dev/drain": null },
                },
                "spec": { "taints": [{ "key": "gpu", "effect": "NoSchedule" }] },
            })
        );
        let other = node(
            "{ metadata: { name: b, labels: { team: red } }, spec: { taints: [{ key: gpu, effect: NoSchedule }] } }",
        );
        assert_eq!(without_marks(&other), None);
    }
}
