use std::{net::Ipv4Addr, time::Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    loopback::{Answer, Server},
    stage::{self, Scene, Target},
    workload,
};

/// Real sockets: the pods' addresses are those of servers of this test, each with a load of its own.
#[tokio::test]
async fn pods_are_scraped() -> Result<()> {
    stage::story("scrape", async |scene| {
        // 30 and 10 requests a second: 20 on average.
        let page = |rate: f64, seconds: f64| {
            format!("# TYPE hits counter\nhits{{code=\"200\"}} {}\n", seconds * rate)
        };
        let servers = serve(scene, [21, 22], [30.0, 10.0], page).await?;
        let web = Target::deployment("web");
        let metric = json!({"type": "Scrape", "scrape": {
            "port": servers[0].port, "metric": "hits", "readAs": "Rate",
            "target": {"type": "AverageValue", "averageValue": 10},
        }});
        // Looks far apart: what an answer takes longer than the one before counts for little in the rate.
        let spec = json!({"maxReplicas": 9, "metrics": [metric], "syncPeriodSeconds": 15});
        scene.scale("web", &web, spec).await?;
        scene.reaches(&web, 4).await?;
        let rescale = scene.rescales("web", 1).await?;
        ensure!(rescale[0].contains("scrape metric rate of hits above target"), "{rescale:?}");
        let is_shown = |scaler: &Value| scaler["status"]["currentMetrics"][0]["type"] == "Scrape";
        scene.until("web", is_shown).await.map(drop)
    })
    .await
}

/// How slow the slow ones are, of what a histogram has observed since the last look.
#[tokio::test]
async fn a_quantile_of_a_histogram_scales() -> Result<()> {
    stage::story("quantile", async |scene| {
        // Of 100 requests a second 90 take up to half a second, of which so many up to a tenth: 70 % are done within
        // 0.3 s by the first pod and within 0.1 s by the second, on average 0.2 s.
        let page = |fast: f64, seconds: f64| {
            let buckets = [("0.1", fast), ("0.5", 90.0), ("+Inf", 100.0)];
            let lines =
                buckets.map(|(bound, rate)| format!("lag_bucket{{le=\"{bound}\"}} {}\n", rate * seconds));
            format!("# TYPE lag histogram\n{}lag_count {}\n", lines.concat(), 100.0 * seconds)
        };
        let servers = serve(scene, [31, 32], [50.0, 70.0], page).await?;
        let web = Target::deployment("web");
        let metric = json!({"type": "Scrape", "scrape": {
            "port": servers[0].port, "metric": "lag", "readAs": "Quantile", "quantile": "0.7",
            "target": {"type": "AverageValue", "averageValue": "100m"},
        }});
        scene.scale("web", &web, json!({"maxReplicas": 9, "metrics": [metric]})).await?;
        scene.reaches(&web, 4).await?;
        let rescale = scene.rescales("web", 1).await?;
        ensure!(rescale[0].contains("scrape metric quantile 0.7 of lag above target"), "{rescale:?}");
        Ok(())
    })
    .await
}

/// Two pods of a Deployment `web`, each at an address of its own, where `page` of the pod's number and of the seconds
/// since now is served.
async fn serve(
    scene: &Scene<'_>,
    addresses: [u8; 2],
    numbers: [f64; 2],
    page: fn(f64, f64) -> String,
) -> Result<Vec<Server>> {
    workload::deploy(scene.cluster, &scene.namespace, "web", 2, 10).await?;
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), &scene.namespace);
    let started = Instant::now();
    let mut servers: Vec<Server> = Vec::new();
    for ((pod, last), number) in pods.list(&ListParams::default()).await?.iter().zip(addresses).zip(numbers) {
        let ip = Ipv4Addr::new(127, 4, 0, last);
        // All pods of a workload have the same port.
        let port = servers.first().map_or(0, |server| server.port);
        let answer = move |request: &str| {
            if !request.starts_with("GET /metrics ") {
                return Answer::Body(404, "text/plain", String::new());
            }
            Answer::Body(200, "text/plain", page(number, started.elapsed().as_secs_f64()))
        };
        servers.push(Server::start(ip, port, answer).await?);
        let status = json!({"status": {"podIP": ip, "podIPs": [{"ip": ip}]}});
        let name = pod.metadata.name.as_deref().context("a pod without a name")?;
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await?;
    }
    Ok(servers)
}
