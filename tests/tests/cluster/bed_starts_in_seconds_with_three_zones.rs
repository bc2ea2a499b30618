use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, ResourceExt, api::ListParams};
use testbed::Cluster;

use crate::workload;

#[tokio::test]
async fn bed_starts_in_seconds_with_three_zones() -> Result<()> {
    let cluster = Cluster::shared().await?;
    // 7 s on two idle cores; the limit leaves room for a busy machine.
    assert!(cluster.started_in() < Duration::from_secs(40), "{:?}", cluster.started_in());

    let client = cluster.client().await?;
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?;
    let zone_of: BTreeMap<_, _> = nodes
        .iter()
        .map(|node| (node.name_any(), node.labels()["topology.kubernetes.io/zone"].clone()))
        .collect();
    let zones: Vec<_> = zone_of.values().map(String::as_str).collect();
    assert_eq!(zones, ["zone-a", "zone-a", "zone-b", "zone-b", "zone-c", "zone-c"]);

    // The real scheduler spreads over them.
    let namespace = cluster.namespace("bed").await?;
    workload::deploy(cluster, &namespace, "web", 6, 100).await?;
    let pods = Api::<Pod>::namespaced(client, &namespace).list(&ListParams::default()).await?;
    let mut per_zone = BTreeMap::<&str, usize>::new();
    for pod in &pods {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default();
        *per_zone.entry(&zone_of[node]).or_default() += 1;
    }
    assert_eq!(per_zone, [("zone-a", 2), ("zone-b", 2), ("zone-c", 2)].into());
    Ok(())
}
