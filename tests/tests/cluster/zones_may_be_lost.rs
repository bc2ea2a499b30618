//! A zone is cut off and the load doubles: the rest carries the load at once, and every pod that comes binds elsewhere.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{Adapter, Cli, Operator, eventually};

use crate::{
    nodes_in_a_partition::{cut, leave_cut_nodes_alone},
    nodes_stage::{PATIENCE, Story, merge, small_cluster},
    stage::{Scene, no_defects},
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

async fn queue(adapter: &Adapter, length: &str) -> Result<()> {
    adapter.set_external("default", "jobs", json!([{ "labels": {}, "value": length }])).await
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
    let story = Story::new(&cluster, "survivor", types(&json!({}))).await?;
    eventually("a node in each zone", PATIENCE, async || {
        let status = story.status().await?;
        ensure!(status["nodes"] == "3/3", "{status}");
        Ok(())
    })
    .await?;
    story.deploy(4, pod()).await?;
    let metric = json!({ "type": "External", "external": {
        "metric": { "name": "jobs" }, "target": { "type": "AverageValue", "averageValue": "10" },
    } });
    let spec = json!({ "maxReplicas": 20, "metrics": [metric], "availability": { "survive": "Zone" } });
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
