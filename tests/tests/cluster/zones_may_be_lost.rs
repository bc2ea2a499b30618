//! A zone is cut off and the load doubles: the rest carries the load at once, and every pod that comes binds elsewhere. And
//! whether one may be lost is said before, of pods and of the nodes that they need.

use anyhow::{Context, Result, ensure};
use plimsoll_api::marks::CAPACITY_POOL;
use serde_json::{Value, json};
use testbed::{Adapter, Cli, Cluster, Operator, eventually};

use crate::{
    groups_stage::{group, until},
    nodes_in_a_partition::{cut, leave_cut_nodes_alone},
    nodes_stage::{PATIENCE, Story, merge, small_cluster},
    stage::{Scene, conditions, no_defects},
};

/// What scales pods and what scales nodes, a look a second.
const BOTH: &str = "--set=nodes.enabled=true,nodes.replicas=1,operator.syncPeriodSeconds=1";

/// Two of these fit on a node. They are bound to an even spread over the zones that take pods, and leave a node that is
/// not ready after a second.
fn pod() -> Value {
    let patience = json!({
        "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1,
    });
    let spread = |key: &str, when: &str| {
        json!({
            "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": when, "nodeTaintsPolicy": "Honor",
            "labelSelector": { "matchLabels": { "app": "survivor" } },
        })
    };
    json!({
        "terminationGracePeriodSeconds": 30,
        "containers": [{
            "name": "app", "image": "app", "resources": { "requests": { "cpu": "3" } },
            "lifecycle": { "preStop": { "sleep": { "seconds": 15 } } },
        }],
        "tolerations": [{ "key": "kwok.x-k8s.io/node", "operator": "Exists", "effect": "NoSchedule" }, patience],
        "topologySpreadConstraints": [
            spread("topology.kubernetes.io/zone", "DoNotSchedule"),
            spread("kubernetes.io/hostname", "ScheduleAnyway"),
        ],
    })
}

fn types(offerings: &Value) -> Value {
    let mut large = json!({ "name": "m-8", "capacity": { "cpu": "8", "memory": "32Gi" }, "price": "0.19" });
    merge(&mut large, offerings.clone());
    // A node in each zone, whatever happens: a zone without one takes no pods, and counts as none.
    let limits = ["zone-a", "zone-b", "zone-c"].map(|zone| json!({ "zone": zone, "minNodes": 1 }));
    json!({
        "provider": { "kwok": { "instanceTypes": [large] } },
        "limits": { "zones": limits },
        "scaleDown": { "policy": "Never" },
    })
}

/// One replica for ten of them.
fn jobs() -> Value {
    json!({ "type": "External", "external": {
        "metric": { "name": "jobs" }, "target": { "type": "AverageValue", "averageValue": "10" },
    } })
}

async fn queue(adapter: &Adapter, length: &str) -> Result<()> {
    adapter.set_external("default", "jobs", json!([{ "labels": {}, "value": length }])).await
}

async fn nodes_in_each_zone(cluster: &Cluster) -> Result<Story<'_>> {
    let story = Story::new(cluster, "survivor", types(&json!({}))).await?;
    eventually("a node in each zone", PATIENCE, async || {
        let status = story.status().await?;
        ensure!(status["nodes"] == "3/3", "{status}");
        Ok(())
    })
    .await?;
    Ok(story)
}

/// What a PodScaler keeps for the loss of a zone, in its own words.
async fn reserve(scene: &Scene<'_>, wanted: &str) -> Result<()> {
    let is_said = |scaler: &Value| scaler["status"]["lastDecision"]["reserve"] == wanted;
    scene.until("survivor", is_said).await.with_context(|| wanted.to_owned()).map(drop)
}

#[tokio::test]
async fn a_zone_is_lost_and_the_load_doubles() -> Result<()> {
    let cluster = small_cluster().await?;
    leave_cut_nodes_alone(&cluster).await?;
    let operator = Operator::install(&cluster, &[BOTH]).await?;
    let adapter = Adapter::start(&cluster).await?;
    queue(&adapter, "40").await?;
    let scene = Scene::of(&cluster, "default").await?;
    let story = nodes_in_each_zone(&cluster).await?;
    story.deploy(4, pod()).await?;
    let spec = json!({ "maxReplicas": 20, "metrics": [jobs()], "availability": { "survive": "Zone" } });
    scene.scale("survivor", &crate::stage::Target::deployment("survivor"), spec).await?;

    // 4 replicas carry the load, so there are 6 in 3 zones.
    let zones = eventually("an even spread of 6", PATIENCE, async || {
        let zones = story.bound(6).await?;
        ensure!(zones.values().eq(&[2, 2, 2]), "{zones:?}");
        Ok(zones)
    })
    .await?;
    ensure!(zones.len() == 3, "{zones:?}");
    reserve(&scene, "2 of 6 replicas are there for the loss of the largest of 3 zones").await?;
    scene.condition("survivor", "CanLoseZone=True EnoughLeft").await?;
    scene.condition("survivor", "Spread=True AsAsked").await?;
    scene.condition("survivor", "DisruptionBudget=True Made").await?;
    let explained = Cli::new(&cluster)?.stdout(["explain", "podscaler", "survivor", "-n", "default"]).await?;
    ensure!(explained.contains("there for the loss of the largest of 3 zones"), "{explained}");
    story.condition("RoomForZoneLoss", "True", "RoomElsewhere").await?;

    // The zone is cut off, sells nothing any more, and the load doubles.
    let sold_out = json!({ "offerings": [{ "zone": "zone-a", "capacityType": "on-demand", "nodes": 0 }] });
    story.edit(types(&sold_out)).await?;
    let nodes = story.pods_nodes().await?;
    let lost: Vec<String> =
        nodes.iter().filter(|(_, zone)| *zone == "zone-a").map(|(node, _)| node.clone()).collect();
    ensure!(!lost.is_empty(), "{nodes:?}");
    cut(&story, &lost).await?;
    queue(&adapter, "80").await?;
    // 8 replicas carry it. With 2 zones left, the next loss would be that of half.
    let zones = eventually("16 pods in the other zones", PATIENCE, async || {
        let zones = story.bound(16).await?;
        ensure!(!zones.contains_key("zone-a"), "{zones:?}");
        Ok(zones)
    })
    .await?;
    ensure!(zones.values().eq(&[8, 8]), "{zones:?}");
    reserve(&scene, "8 of 16 replicas are there for the loss of the largest of 2 zones").await?;
    scene.condition("survivor", "CanLoseZone=True EnoughLeft").await?;
    no_defects(&operator)
}

/// Two of these fill a node.
fn service() -> Value {
    let container = json!({
        "name": "app", "image": "app", "ports": [{ "name": "http", "containerPort": 80 }],
        "resources": { "requests": { "cpu": "3" } },
    });
    let pod = json!({
        "nodeSelector": { CAPACITY_POOL: "survivor" },
        "tolerations": [{ "key": "kwok.x-k8s.io/node", "operator": "Exists" }],
        "containers": [container],
    });
    let scaling = json!({ "maxReplicas": 20, "metrics": [jobs()] });
    json!({ "name": "get", "port": 80, "template": { "spec": pod }, "scaling": scaling })
}

/// Waits until a group says this of the loss of a zone, in these words.
async fn can_lose_zone(scene: &Scene<'_>, wanted: &str, words: &str) -> Result<()> {
    let is_told = |group: &Value| {
        conditions(group).iter().any(|(told, message)| told == wanted && message.contains(words))
    };
    until(scene, "shop", is_told).await.with_context(|| format!("{wanted}: {words}")).map(drop)
}

#[tokio::test]
async fn a_group_says_whether_its_pods_and_their_nodes_may_lose_a_zone() -> Result<()> {
    let cluster = small_cluster().await?;
    let operator = Operator::install(&cluster, &[BOTH]).await?;
    let adapter = Adapter::start(&cluster).await?;
    queue(&adapter, "40").await?;
    let scene = Scene::of(&cluster, "default").await?;
    let story = nodes_in_each_zone(&cluster).await?;
    let mut shop = group("shop", &[service()]);
    shop["spec"]["availability"]["survive"] = json!("Zone");
    scene.create(shop).await?;
    // Without these words it is said before anything is known of nodes.
    can_lose_zone(&scene, "CanLoseZone=True EnoughLeft", "find nodes elsewhere").await?;
    let shown = cluster.kubectl(["get", "servicegroups", "shop", "-o", "wide"]).await?.stdout;
    let columns: Vec<_> = shown.lines().next().unwrap_or_default().split_whitespace().collect();
    ensure!(columns.contains(&"CANLOSEZONE"), "{shown}");

    // Its nodes are full, and none may be added.
    story.edit(json!({ "limits": { "nodes": 3 } })).await?;
    can_lose_zone(&scene, "CanLoseZone=False NoRoomElsewhere", "condition RoomForZoneLoss").await?;
    let message = story.condition("RoomForZoneLoss", "False", "NoRoomElsewhere").await?;
    ensure!(message.contains("of zone zone-"), "{message}");

    // Another node may be had again.
    story.edit(json!({ "limits": { "nodes": null } })).await?;
    can_lose_zone(&scene, "CanLoseZone=True EnoughLeft", "find nodes elsewhere").await?;
    no_defects(&operator)
}
