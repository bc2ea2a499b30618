//! The operator dies at each step of an order and of a drain, and what it has begun comes to the right end.
//!
//! Admission policies of the test hold each step where it is, so that one SIGKILL meets all of them.

use anyhow::{Result, anyhow, ensure};
use futures::future::try_join_all;
use kube::{
    ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use testbed::{Cluster, eventually};

use crate::{
    nodes_stage::{PATIENCE, Story, bed_alone, is_ready, phase},
    stage::no_defects,
};

/// The API server lets go of what is written on it only when somebody takes this away.
const KEPT: &str = "example.com/kept";

/// A step of an order at which the operator dies.
const ORDERS: [(&str, &str); 5] = [
    ("k-recorded", "Recorded"),
    ("k-asked", "Asked"),
    ("k-answered", "Asked"),
    ("k-booting", "Creating"),
    ("k-registered", "Registered"),
];

/// A step of a drain at which the operator dies.
const DRAINS: [&str; 4] = ["k-tainted", "k-evicting", "k-deleting", "k-deleted"];

#[tokio::test]
async fn an_operator_that_is_killed_at_any_step_comes_to_the_right_end() -> Result<()> {
    let (cluster, mut operator) = bed_alone().await?;
    hold_steps(cluster).await?;
    let drains = try_join_all(DRAINS.map(|pool| Story::new(cluster, pool, json!({})))).await?;
    let orders = try_join_all(ORDERS.map(|(pool, _)| {
        let slow = json!({ "provider": { "kwok": { "bootDelaySeconds": 30 } } });
        Story::new(cluster, pool, if pool == "k-booting" { slow } else { json!({}) })
    }))
    .await?;
    try_join_all(drains.iter().map(about_to_go)).await?;
    // Drains take their time, and an order that gets no answer for long is not counted on.
    try_join_all(drains.iter().map(is_held)).await?;
    try_join_all(orders.iter().map(|story| story.deploy(4, json!({})))).await?;
    try_join_all(orders.iter().zip(ORDERS).map(|(story, (_, step))| at(story, step))).await?;

    operator.leader_of_nodes().await?.kill()?;
    let kept = json!({ "metadata": { "finalizers": null } });
    let deleted = drains[3].own_nodes().await?;
    for node in deleted.iter().filter(|node| node.metadata.deletion_timestamp.is_some()) {
        drains[3].nodes.patch(&node.name_any(), &PatchParams::default(), &Patch::Merge(&kept)).await?;
    }
    let policies = "validatingadmissionpolicies,validatingadmissionpolicybindings";
    cluster.kubectl(["delete", policies, "-l", "example.com/holds=steps"]).await?;
    is_let_go(cluster, &orders[4]).await?;
    operator.follow_pods().await?;

    for story in &orders {
        served_once(story).await?;
    }
    for story in &drains {
        drained(story).await?;
    }
    for story in orders.iter().chain(&drains) {
        story.end(story.pool).await?;
    }
    no_defects(&operator)
}

/// Holds every step where it is, until the policies are gone.
async fn hold_steps(cluster: &Cluster) -> Result<()> {
    let nodes = "system:serviceaccount:plimsoll-system:plimsoll-nodes";
    let ours = format!("request.userInfo.username == '{nodes}'");
    let pool = |object: &str| format!("{object}.metadata.labels['plimsoll.dev/capacity-pool']");
    let of = |object: &str, names: &str| {
        format!(
            "has({object}.metadata.labels) && 'plimsoll.dev/capacity-pool' in {object}.metadata.labels && {} in [{names}]",
            pool(object)
        )
    };
    let orders = ("plimsoll.dev", "v1alpha1");
    let core = ("", "v1");
    for (name, (group, version), resource, operation, forbidden) in [
        (
            "record",
            orders,
            "nodeorders/status",
            "UPDATE",
            format!("{ours} && {}", of("object", "'k-recorded'")),
        ),
        (
            "answer",
            orders,
            "nodeorders/status",
            "UPDATE",
            format!(
                "{ours} && {} && object.status.phase != 'Asked'",
                of("object", "'k-asked', 'k-answered'")
            ),
        ),
        ("create", core, "nodes", "CREATE", format!("{ours} && {}", of("object", "'k-asked', 'k-booting'"))),
        ("ready", core, "nodes/status", "UPDATE", of("object", "'k-registered'")),
        (
            "evict",
            core,
            "pods/eviction",
            "CREATE",
            format!(
                "{ours} && (object.metadata.name.startsWith('k-tainted') || object.metadata.name.startsWith('k-evicting-last'))"
            ),
        ),
        ("delete", core, "nodes", "DELETE", format!("{ours} && {}", of("oldObject", "'k-deleting'"))),
    ] {
        let metadata = json!({ "name": format!("hold-{name}"), "labels": { "example.com/holds": "steps" } });
        let rule = json!({
            "apiGroups": [group], "apiVersions": [version], "resources": [resource], "operations": [operation],
        });
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": metadata,
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": { "resourceRules": [rule] },
                "validations": [{ "expression": format!("!({forbidden})"), "message": "held by the test" }],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": { "policyName": format!("hold-{name}"), "validationActions": ["Deny"] },
        });
        for object in [policy, binding] {
            cluster.kubectl_with(["create", "-f", "-"], &object.to_string()).await?;
        }
    }
    Ok(())
}

/// Two pods on a small node, and later room for them on a large one.
async fn about_to_go(story: &Story<'_>) -> Result<()> {
    story.deploy(2, json!({})).await?;
    let node = story.bound_as(story.pool, 2).await?.remove(0);
    if story.pool == "k-evicting" {
        // What is more important follows when the others are gone, and is held.
        story
            .create(json!({
                "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                "metadata": { "name": "last" }, "value": 1000,
            }))
            .await?;
        story.deploy_as("k-evicting-last", 1, json!({ "priorityClassName": "last" })).await?;
        story.bound_as("k-evicting-last", 1).await?;
    }
    if story.pool == "k-deleted" {
        let kept = json!({ "metadata": { "finalizers": [KEPT] } });
        story.nodes.patch(&node, &PatchParams::default(), &Patch::Merge(kept)).await?;
    }
    story.make_room().await
}

/// Waits until an order has come as far as it may.
async fn at(story: &Story<'_>, step: &str) -> Result<()> {
    eventually(&format!("{} to be {step}", story.pool), PATIENCE, async || {
        let orders = story.orders().await?;
        let phases: Vec<&str> = orders.iter().map(phase).collect();
        ensure!(phases == [step], "{phases:?}");
        let nodes = story.pods_nodes().await?.len();
        let wanted = usize::from(matches!(story.pool, "k-answered" | "k-registered"));
        ensure!(nodes == wanted, "{nodes} nodes");
        Ok(())
    })
    .await
}

/// Waits until a drain has come as far as it may.
async fn is_held(story: &Story<'_>) -> Result<()> {
    eventually(&format!("the drain of {} to be held", story.pool), PATIENCE, async || {
        let draining = story.draining().await?;
        let [node] = draining.as_slice() else { return Err(anyhow!("{draining:?} are being drained")) };
        let found = story.nodes.get(node).await?;
        let drain: Value =
            serde_json::from_str(found.annotations().get("plimsoll.dev/drain").map_or("{}", String::as_str))?;
        let pods =
            story.pods.list(&ListParams::default().fields(&format!("spec.nodeName={node}"))).await?.items;
        let holds = match story.pool {
            "k-tainted" => pods.len() == 2,
            "k-evicting" => pods.len() == 1,
            "k-deleting" => pods.is_empty() && !drain["deleted"].is_null(),
            _ => found.metadata.deletion_timestamp.is_some(),
        };
        ensure!(holds, "{} pods, {drain}", pods.len());
        Ok(())
    })
    .await
}

/// kwok has given up on the nodes that it could not make ready until they change, and the API server forgets a policy
/// only a while after it was deleted.
async fn is_let_go(cluster: &Cluster, registered: &Story<'_>) -> Result<()> {
    let mut times = 0;
    eventually("the held node to be ready", PATIENCE, async || {
        times += 1;
        let again = format!("example.com/again={times}");
        let of_pool = format!("plimsoll.dev/capacity-pool={}", registered.pool);
        cluster.kubectl(["label", "--overwrite", "nodes", "-l", &of_pool, &again]).await?;
        let nodes = registered.nodes.list(&ListParams::default().labels(&of_pool)).await?.items;
        ensure!(nodes.iter().any(is_ready), "{nodes:?}");
        Ok(())
    })
    .await
}

/// Four pods of 900 m need one node of four cores: it is there once, and nothing is still under way.
async fn served_once(story: &Story<'_>) -> Result<()> {
    story.bound_as(story.pool, 4).await?;
    eventually(&format!("{} to have what it needs and no more", story.pool), PATIENCE, async || {
        let (orders, nodes) = (story.orders().await?, story.pods_nodes().await?);
        let phases: Vec<&str> = orders.iter().map(phase).collect();
        let served = phases.iter().filter(|phase| **phase == "Ready").count();
        let is_over = phases.iter().all(|phase| matches!(*phase, "Ready" | "Failed"));
        ensure!(served == 1 && is_over && nodes.len() == 1, "{phases:?}, {nodes:?}");
        Ok(())
    })
    .await?;
    ensure!(story.draining().await?.is_empty(), "{} is being drained", story.pool);
    Ok(())
}

/// The node is gone, its pods are on the other, and that one carries no mark.
async fn drained(story: &Story<'_>) -> Result<()> {
    story.shrinks_to(1).await?;
    story.bound_as(story.pool, 2).await?;
    ensure!(story.draining().await?.is_empty(), "{} is being drained", story.pool);
    eventually(&format!("{} to have one order left", story.pool), PATIENCE, async || {
        let orders = story.orders().await?;
        let phases: Vec<&str> = orders.iter().map(phase).collect();
        let served = phases.iter().filter(|phase| **phase == "Ready").count();
        // The record of the other stays for ten minutes from its creation on.
        ensure!(served == 1 && phases.len() <= 2, "{phases:?} for two nodes of which one is left");
        Ok(())
    })
    .await
}
