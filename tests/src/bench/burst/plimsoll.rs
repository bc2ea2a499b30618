//! Plimsoll as its chart installs it, with one pool.

use std::time::Duration;

use anyhow::{Result, ensure};
use kube::Api;
use plimsoll_api::CapacityPool;
use serde_json::{Map, Value, json};

use super::{
    BOOT_SECONDS,
    catalogue::{self, RESERVED},
    workloads::{BURST, LABEL},
};
use crate::{Cluster, Operator, eventually};

/// What scales nodes, once; nothing scales pods.
const VALUES: &str = "--set=replicas=0,nodes.enabled=true,nodes.replicas=1";

/// Installs it and waits until nodes can be ordered.
pub(super) async fn install(cluster: &Cluster) -> Result<Operator<'_>> {
    let operator = Operator::install(cluster, &[VALUES]).await?;
    let mut kwok = catalogue::for_plimsoll();
    kwok["bootDelaySeconds"] = BOOT_SECONDS.into();
    let reserved: Map<String, Value> =
        RESERVED.iter().map(|(resource, amount)| ((*resource).to_owned(), json!(amount))).collect();
    let pool = json!({
        "apiVersion": "plimsoll.dev/v1alpha1",
        "kind": "CapacityPool",
        "metadata": { "name": "burst" },
        "spec": {
            "provider": { "kwok": kwok },
            "template": { "labels": { LABEL: BURST }, "kubelet": { "reserved": reserved } },
            // As Karpenter's pool has it: whatever is not needed goes at once, a tenth of the nodes at a time.
            "scaleDown": {
                "unneededSeconds": 0,
                "delayAfterAddSeconds": 0,
                "budgets": [{ "name": "all", "nodes": "10%" }],
            },
        },
    });
    cluster.kubectl_with(["create", "-f", "-"], &pool.to_string()).await?;
    let pools: Api<CapacityPool> = Api::all(cluster.client().await?);
    eventually("the pool to be ready", Duration::from_mins(1), async || {
        let status = serde_json::to_value(pools.get("burst").await?.status)?;
        let conditions = status["conditions"].as_array();
        let ready = conditions
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        ensure!(ready, "{status}");
        Ok(())
    })
    .await?;
    Ok(operator)
}
