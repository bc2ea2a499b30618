use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::json;
use testbed::{Cluster, ClusterSpec};

use crate::{nodes_stage::spread_over_zones, workload};

/// 7 s on two idle cores; the limit leaves room for a busy machine.
const SOON: Duration = Duration::from_secs(90);

#[tokio::test]
async fn bed_starts_in_seconds_with_three_zones() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let mut started_in = vec![cluster.started_in()];
    // Others that start at the same time make one start slow, and hardly three of them.
    while started_in.len() < 3 && started_in.iter().all(|took| *took >= SOON) {
        let another = Cluster::start(ClusterSpec::default()).await?;
        started_in.push(another.started_in());
        another.stop().await?;
    }
    eprintln!("started in {started_in:?}");
    assert!(started_in.iter().any(|took| *took < SOON), "{started_in:?}");

    let client = cluster.client().await?;
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?;
    let zone_of: BTreeMap<_, _> = nodes
        .iter()
        .map(|node| (node.name_any(), node.labels()["topology.kubernetes.io/zone"].clone()))
        .collect();
    let zones: Vec<_> = zone_of.values().map(String::as_str).collect();
    assert_eq!(zones, ["zone-a", "zone-a", "zone-b", "zone-b", "zone-c", "zone-c"]);

    // The real scheduler spreads over them, beside whatever pods of others there are.
    let namespace = cluster.namespace("bed").await?;
    let labels = json!({"app": "web"});
    let mut pod = spread_over_zones("web");
    pod["containers"] = json!([{"name": "app", "image": "app"}]);
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace.name()},
        "spec": {
            "replicas": 6,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    });
    cluster.kubectl_with(["create", "-f", "-"], &deployment.to_string()).await?;
    workload::ready(cluster, &namespace, "web", 6).await?;
    let pods = Api::<Pod>::namespaced(client, &namespace).list(&ListParams::default()).await?;
    let mut per_zone = BTreeMap::<&str, usize>::new();
    for pod in &pods {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default();
        *per_zone.entry(&zone_of[node]).or_default() += 1;
    }
    assert_eq!(per_zone, [("zone-a", 2), ("zone-b", 2), ("zone-c", 2)].into());
    Ok(())
}
