//! `plimsoll explain pod`, `node` and `pool`, and `kubectl plimsoll`, which ask the leader of what scales nodes through the
//! API server.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{Cli, Cluster, ClusterSpec, Operator, eventually};
use tokio::sync::OnceCell;

use crate::{
    nodes_stage::NODES,
    pooled::Pooled,
    stage::{PATIENCE, no_defects},
};

/// A cluster whose API server reaches the operator's pods.
struct Bed {
    cluster: &'static Cluster,
    operator: Operator<'static>,
    cli: Cli,
}

async fn bed() -> Result<&'static Bed> {
    static BED: OnceCell<Bed> = OnceCell::const_new();
    BED.get_or_try_init(async || {
        let spec = ClusterSpec { nodes_per_zone: 1, pod_network: true, ..ClusterSpec::default() };
        // It ends with this process, as what is shared does.
        let cluster = Box::leak(Box::new(Cluster::start(spec).await?));
        let operator = Operator::install(cluster, &[NODES]).await?;
        anyhow::Ok(Bed { cluster, operator, cli: Cli::new(cluster)? })
    })
    .await
}

/// What is explained for programs; an error while not all of these words are in the text.
async fn explained(bed: &Bed, object: [&str; 2], words: &[&str]) -> Result<Value> {
    let ask = ["explain", object[0], object[1], "--namespace=default"];
    let text = bed.cli.stdout(ask).await?;
    for word in words {
        ensure!(text.contains(word), "no {word:?} in {text}");
    }
    let json = bed.cli.stdout(ask.into_iter().chain(["-o", "json"])).await?;
    Ok(serde_json::from_str(&json)?)
}

/// The pod's own words: what refuses it, how many of them, and why; by the plugin of kubectl too.
#[tokio::test]
async fn a_pod_that_fits_nothing_is_explained() -> Result<()> {
    let bed = bed().await?;
    let pool = Pooled::new(bed.cluster, "tiny", json!({})).await?;
    pool.deploy(2, "64").await?;
    let pod = eventually("the pods to be made", PATIENCE, async || {
        let pods = pool.pods().await?;
        pods.first().and_then(|pod| pod["metadata"]["name"].as_str()).map(str::to_owned).context("no pod yet")
    })
    .await?;
    let words = [
        "NO NODE FOR IT",
        "It gets no node, and one more pod like it.",
        "offerings of pool tiny",
        "lack cpu",
    ];
    eventually("the pod to be explained", PATIENCE, async || {
        let told = explained(bed, ["pod", &pod], &words).await?;
        ensure!(told["outlook"] == "noPlace", "{told:#}");
        let rows = told["refusals"].as_array().context("no refusals")?;
        let of_pool =
            rows.iter().find(|row| row["what"] == "offerings of pool tiny").context("no such row")?;
        ensure!(of_pool["count"] == 3 && of_pool["why"] == "lack cpu", "{of_pool}");
        Ok(())
    })
    .await?;

    eventually("the plugin to explain it", PATIENCE, async || {
        let plugin = bed.cli.kubectl(["plimsoll", "explain", "pod", &pod, "--namespace=default"]).await?;
        ensure!(plugin.code == Some(0) && plugin.stdout.contains("NO NODE FOR IT"), "{plugin:?}");
        Ok(())
    })
    .await?;
    for (object, words) in [
        (["pod", "nobody"], "no pod default/nobody is planned with"),
        (["node", "nowhere"], "there is no node nowhere"),
        (["pool", "nothing"], "there is no CapacityPool nothing"),
    ] {
        eventually(&format!("{object:?} to be unknown"), PATIENCE, async || {
            let told = bed.cli.run(["explain", object[0], object[1], "--namespace=default"]).await?;
            ensure!(told.code == Some(1) && told.stderr.contains(words), "{told:?}");
            Ok(())
        })
        .await?;
    }
    no_defects(&bed.operator)
}

/// A node that nobody needs, but for a pod that may not be evicted.
#[tokio::test]
async fn a_node_that_a_budget_keeps_is_explained() -> Result<()> {
    let bed = bed().await?;
    let pool = Pooled::new(bed.cluster, "kept", json!({})).await?;
    pool.budget(1).await?;
    pool.deploy(1, "500m").await?;
    let placed = pool.ready(1).await?;
    let (pod, node) = placed.first().context("no pod")?;
    let why = format!("pod default/{pod} may not be evicted: PodDisruptionBudget kept allows no disruption");
    let words = [&*format!("Node {node} (pool kept"), "STAYS", "IT STAYS, SINCE", &why];
    eventually("the node to be explained", PATIENCE, async || {
        let told = explained(bed, ["node", node], &words).await?;
        ensure!(told["goes"] == false, "{told:#}");
        let rows = told["pods"].as_array().context("no pods")?;
        ensure!(
            rows.iter().any(|row| row["pod"] == format!("default/{pod}") && row["keeps"] == true),
            "{told:#}"
        );
        Ok(())
    })
    .await?;

    // The pod knows it too.
    let runs = format!("It runs on node {node}.");
    let words = ["BOUND", &*runs];
    eventually("the pod to be explained", PATIENCE, async || explained(bed, ["pod", pod], &words).await)
        .await?;
    no_defects(&bed.operator)
}

/// What was ordered where, what is avoided, after which error, and until when.
#[tokio::test]
async fn a_pool_with_a_zone_out_of_capacity_is_explained() -> Result<()> {
    let bed = bed().await?;
    let sold_out = json!([{ "zone": "zone-a", "capacityType": "on-demand", "nodes": 0 }]);
    let types = json!({
        "limits": { "nodes": 9 },
        "provider": { "kwok": { "instanceTypes": [
            { "name": "m-4", "capacity": { "cpu": "4", "memory": "16Gi" }, "price": "0.1", "offerings": sold_out },
        ] } },
    });
    let pool = Pooled::new(bed.cluster, "short-of", types).await?;
    pool.deploy(6, "1500m").await?;
    let words = ["CapacityPool short-of", "ZONE", "LIMIT OF", "on-demand m-4 in zone-a", "Ready=True"];
    // It is avoided for three minutes, and the pods may take as long.
    eventually("what is avoided to be explained", PATIENCE, async || {
        let told = explained(bed, ["pool", "short-of"], &words).await?;
        let offerings = told["offerings"].as_array().context("no offerings")?;
        let sold_out =
            offerings.iter().find(|row| row["offering"] == "on-demand m-4 in zone-a").context("no row")?;
        ensure!(sold_out["considered"] == false, "{sold_out}");
        ensure!(sold_out["until"].is_number() && sold_out["error"].is_string(), "{sold_out}");
        Ok(())
    })
    .await?;
    pool.ready(6).await?;
    eventually("its zones to be explained", PATIENCE, async || {
        let told = explained(bed, ["pool", "short-of"], &words).await?;
        let zones = told["zones"].as_array().context("no zones")?;
        let ready: u64 = zones.iter().filter_map(|zone| zone["ready"].as_u64()).sum();
        ensure!(zones.len() == 3 && ready == u64::try_from(pool.nodes().await?.len())?, "{told:#}");
        ensure!(zones[0]["zone"] == "zone-a" && zones[0]["ready"] == 0, "{told:#}");
        ensure!(told["limits"][0]["limit"] == "9", "{told:#}");
        Ok(())
    })
    .await?;

    eventually("what happened to be described", PATIENCE, async || {
        let described = bed.cluster.kubectl(["describe", "capacitypool", "short-of"]).await?.stdout;
        for words in ["OutOfCapacity", "OfferingAvoided", "NodesOrdered"] {
            ensure!(described.contains(words), "no {words} in {described}");
        }
        Ok(())
    })
    .await?;
    no_defects(&bed.operator)
}
