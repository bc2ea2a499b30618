use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;
use testbed::{
    Cluster, ClusterSpec, Operator, eventually,
    operator::{NAMESPACE, RELEASE, chart},
};

use crate::{stage::PATIENCE, workload};

const CRD: &str = "podscalers.plimsoll.dev";
const COLUMNS: &str = "jsonpath={.spec.versions[*].additionalPrinterColumns[*].name}";

/// Install, upgrade with a changed CRD, rollback, uninstall, with the operator at work.
#[tokio::test]
async fn chart_lifecycle() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let mut operator = Operator::install(&cluster, &["--wait"]).await?;
    let shop = cluster.namespace("shop").await?;
    workload::deploy(&cluster, &shop, "web", 2, 100).await?;
    cluster.kubectl_with(["apply", "-f", "-"], &pod_scaler(&shop, 3)).await?;
    workload::ready(&cluster, &shop, "web", 3).await?;

    // A changed CRD reaches the cluster, and the objects of its kind stay.
    let folder = tempfile::tempdir()?;
    let changed = chart_with_a_new_column(folder.path())?;
    let upgrade = ["upgrade", RELEASE, &changed, "--namespace", NAMESPACE, "--wait"];
    cluster.helm(upgrade).await?;
    operator.follow_pods().await?;
    await_columns(&cluster, |columns| columns.ends_with("TestColumn")).await?;
    assert_eq!(minimum(&cluster, &shop).await?, "3");

    // The upgraded operator works.
    cluster.kubectl_with(["apply", "-f", "-"], &pod_scaler(&shop, 4)).await?;
    workload::ready(&cluster, &shop, "web", 4).await?;

    // And so does the one before, with its own CRD.
    cluster.helm(["rollback", RELEASE, "1", "--namespace", NAMESPACE, "--wait"]).await?;
    operator.follow_pods().await?;
    await_columns(&cluster, |columns| !columns.contains("TestColumn")).await?;
    cluster.kubectl_with(["apply", "-f", "-"], &pod_scaler(&shop, 5)).await?;
    workload::ready(&cluster, &shop, "web", 5).await?;

    // What is gone after an uninstall, and what stays.
    operator.uninstall().await?;
    assert_eq!(minimum(&cluster, &shop).await?, "5");
    workload::ready(&cluster, &shop, "web", 5).await?;
    // What the release did not make itself, such as pods, goes a moment later.
    eventually("nothing but leases to be left", PATIENCE, async || {
        let left = ["get", "all,configmaps,leases,pdb,roles,rolebindings", "-n", NAMESPACE, "-o", "name"];
        let left = cluster.kubectl(left).await?.stdout;
        let left: Vec<_> = left.lines().filter(|name| !name.contains("kube-root-ca")).collect();
        ensure!(left.iter().all(|name| name.starts_with("lease")), "{left:?}");
        Ok(())
    })
    .await?;
    let cluster_wide =
        cluster.kubectl(["get", "clusterroles,clusterrolebindings", "-o", "name"]).await?.stdout;
    assert!(!cluster_wide.contains("/plimsoll"), "{cluster_wide}");

    // Nothing waits for a finalizer that nobody removes any more.
    for object in [&["podscaler", "web", "-n", &shop][..], &["namespace", NAMESPACE], &["crd", CRD]] {
        cluster.kubectl([&["delete", "--timeout=3m"][..], object].concat()).await?;
    }
    cluster.stop().await
}

fn pod_scaler(namespace: &str, min_replicas: u32) -> String {
    json!({
        "apiVersion": "plimsoll.dev/v1alpha1",
        "kind": "PodScaler",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": min_replicas,
            "maxReplicas": 10,
            "metrics": [{
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
            }],
        },
    })
    .to_string()
}

async fn minimum(cluster: &Cluster, namespace: &str) -> Result<String> {
    let get = ["get", "podscaler", "web", "-n", namespace, "-o", "jsonpath={.spec.minReplicas}"];
    Ok(cluster.kubectl(get).await?.stdout)
}

async fn await_columns(cluster: &Cluster, wanted: impl Fn(&str) -> bool) -> Result<()> {
    eventually("the CRD's printer columns", PATIENCE, async || {
        let columns = cluster.kubectl(["get", "crd", CRD, "-o", COLUMNS]).await?.stdout;
        if wanted(&columns) { Ok(()) } else { Err(anyhow!("{columns}")) }
    })
    .await
}

/// A copy of the chart whose CRD has one printer column more, as its next version might.
fn chart_with_a_new_column(folder: &Path) -> Result<String> {
    let copy = folder.join("plimsoll");
    copy_folder(&chart(), &copy)?;
    let file = copy.join("files/crds/podscalers.plimsoll.dev.yaml");
    let mut crd: serde_json::Value = serde_saphyr::from_str(&fs::read_to_string(&file)?)?;
    let columns =
        crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array_mut().context("no columns")?;
    columns.push(json!({"name": "TestColumn", "type": "string", "jsonPath": ".metadata.name"}));
    fs::write(&file, crd.to_string())?;
    Ok(copy.display().to_string())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
