use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, ResourceExt as _, api::ListParams};
use serde_json::json;
use testbed::{Operator, eventually, operator::NAMESPACE};

use crate::nodes_stage::{NODES, PATIENCE, Story, small_cluster};

/// An uninstall in the middle of a drain and of an order: every node and every pod stays as it is, without a taint or a mark
/// of ours, and nothing waits for a finalizer.
#[tokio::test]
async fn an_uninstall_leaves_nodes_and_pods_as_they_are() -> Result<()> {
    let cluster = small_cluster().await?;
    let operator = Operator::install(&cluster, &[NODES]).await?;
    let taint = json!({ "key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule" });
    let story = Story::new(&cluster, "left", json!({ "template": { "taints": [taint] } })).await?;
    story.deploy(2, json!({})).await?;
    let node = story.bound_as("left", 2).await?.pop().context("a node")?;
    // A budget that lets the drain begin and not end.
    story
        .create(json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": { "name": "left", "namespace": "default" },
            "spec": { "minAvailable": 2, "selector": { "matchLabels": { "app": "left" } } },
        }))
        .await?;
    cluster.kubectl(["taint", "node", &node, "plimsoll.dev/interrupted=:NoSchedule"]).await?;
    eventually("the node to be drained", PATIENCE, async || {
        ensure!(story.draining().await? == [node.clone()], "{:?}", story.draining().await?);
        Ok(())
    })
    .await?;
    let slow =
        Story::new(&cluster, "booting", json!({ "provider": { "kwok": { "bootDelaySeconds": 600 } } }))
            .await?;
    slow.deploy(1, json!({})).await?;
    eventually("an order to be under way", PATIENCE, async || {
        ensure!(!slow.orders().await?.is_empty(), "no order yet");
        Ok(())
    })
    .await?;
    // It was ordered for a Deployment, whose pod may come later.
    slow.made("booting", 1).await?;
    let before = where_pods_are(&story).await?;

    operator.uninstall().await?;
    ensure!(where_pods_are(&story).await? == before, "pods have moved from {before:?}");
    let nodes: Api<Node> = Api::all(cluster.client().await?);
    let left = nodes.get(&node).await.context("a node is gone")?;
    let written =
        serde_json::to_string(&json!([left.metadata.labels, left.metadata.annotations, left.spec]))?;
    for mark in ["node-order", "draining", "plimsoll.dev/drain", "provider\"", "offering"] {
        ensure!(!written.contains(mark), "{mark} is left: {written}");
    }
    // What says what a node is stays: pods select it.
    ensure!(left.labels().get("plimsoll.dev/capacity-pool").is_some_and(|pool| pool == "left"), "{written}");
    let taints = left.spec.and_then(|spec| spec.taints).unwrap_or_default();
    ensure!(
        taints.iter().any(|taint| taint.key == "kwok.x-k8s.io/node"),
        "a taint of others is gone: {taints:?}"
    );
    let finalizers =
        ["get", "nodes,nodeorders,capacitypools", "-o", "jsonpath={.items[*].metadata.finalizers}"];
    ensure!(cluster.kubectl(finalizers).await?.stdout.is_empty(), "something is kept by a finalizer");
    let maps = cluster
        .kubectl(["get", "configmaps,jobs,serviceaccounts", "-n", NAMESPACE, "-o", "name"])
        .await?
        .stdout;
    ensure!(!maps.contains("plimsoll"), "{maps}");
    for objects in ["nodeorders", "capacitypools"] {
        cluster.kubectl(["delete", objects, "--all", "--timeout=5m"]).await?;
    }
    cluster.kubectl(["delete", "crd", "nodeorders.plimsoll.dev", "--timeout=5m"]).await?;
    cluster.stop().await
}

/// The node of each pod, by the pod's uid.
async fn where_pods_are(story: &Story<'_>) -> Result<BTreeMap<String, Option<String>>> {
    let pods = story.pods.list(&ListParams::default()).await?.items;
    let on = |pod: &Pod| {
        (pod.uid().unwrap_or_default(), pod.spec.as_ref().and_then(|spec| spec.node_name.clone()))
    };
    Ok(pods.iter().map(on).collect())
}
