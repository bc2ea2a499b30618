//! Karpenter with its own kwok provider, with one pool.

use std::{
    fs::{self, File},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{
    BOOT_SECONDS, catalogue,
    workloads::{BURST, LABEL},
};
use crate::{
    Cluster, bench::process::Process, eventually, http, ports::Port, program::Program,
    tools::KarpenterOperator,
};

/// A running Karpenter. It ends when this value is dropped.
pub(super) struct Karpenter {
    child: Program,
    _metrics: Port,
    probes: Port,
}

impl Karpenter {
    /// Starts it with the settings of its chart, but for the leader election, since it is alone.
    pub(super) async fn start(cluster: &Cluster, tools: &KarpenterOperator) -> Result<Self> {
        for crd in tools.crds() {
            cluster.kubectl(["create", "-f", &crd.display().to_string()]).await?;
        }
        cluster.serves_what_is_defined().await?;
        let folder = cluster.state().join("karpenter");
        fs::create_dir_all(&folder)?;
        let types = folder.join("instance-types.json");
        fs::write(&types, catalogue::for_karpenter().to_string())?;
        let log = File::create(folder.join("log"))?;
        let (metrics, probes) = (Port::claim()?, Port::claim()?);
        let child = cluster
            .command_of(tools.program())
            .arg(format!("--instance-types-file-path={}", types.display()))
            .arg(format!("--metrics-port={}", metrics.number()))
            .arg(format!("--health-probe-port={}", probes.number()))
            .arg("--disable-leader-election=true")
            .env("SYSTEM_NAMESPACE", "kube-system")
            .env("KUBERNETES_MIN_VERSION", "1.19.0-0")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start Karpenter")?;
        let karpenter = Self { child: child.into(), _metrics: metrics, probes };
        let probe = format!("http://127.0.0.1:{}/readyz", karpenter.probes.number());
        eventually("Karpenter to be ready", Duration::from_mins(2), async || {
            let answer = http::get(&probe).await?;
            ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
            Ok(())
        })
        .await?;
        make_pool(cluster).await?;
        Ok(karpenter)
    }

    pub(super) fn process(&self) -> Process {
        Process::new(self.child.id())
    }
}

async fn make_pool(cluster: &Cluster) -> Result<()> {
    let class = json!({
        "apiVersion": "karpenter.kwok.sh/v1alpha1",
        "kind": "KWOKNodeClass",
        "metadata": { "name": "burst" },
        "spec": { "nodeRegistrationDelay": format!("{BOOT_SECONDS}s") },
    });
    let pool = json!({
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": { "name": "burst" },
        "spec": {
            "disruption": {
                "consolidationPolicy": "WhenEmptyOrUnderutilized",
                "consolidateAfter": "0s",
                "budgets": [{ "nodes": "10%" }],
            },
            "template": {
                "metadata": { "labels": { LABEL: BURST } },
                "spec": {
                    "expireAfter": "Never",
                    "nodeClassRef": { "group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "burst" },
                    "requirements": [
                        { "key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"] },
                    ],
                },
            },
        },
    });
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [class, pool] });
    cluster.kubectl_with(["create", "-f", "-"], &list.to_string()).await?;
    cluster.kubectl(["wait", "--for=condition=Ready", "nodepool/burst", "--timeout=60s"]).await?;
    Ok(())
}
