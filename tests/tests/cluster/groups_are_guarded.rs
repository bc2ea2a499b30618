use anyhow::{Context, Result, ensure};
use kube::{
    Api,
    api::{DynamicObject, Patch, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::json;
use testbed::{
    Cluster,
    operator::{NAMESPACE, RELEASE, chart},
};

use crate::{
    groups_stage::{group, ready, with_template},
    nodes_are_guarded::{as_user, refused, try_delete, try_patch},
    stage::{self, USER},
    workload,
};

/// What the chart's admission policies let the operator's account do, whatever its process wants.
#[tokio::test]
async fn the_operator_writes_only_what_belongs_to_a_group_and_no_sizes() -> Result<()> {
    stage::story("guarded", async |scene| {
        workload::deploy(scene.cluster, &scene.namespace, "theirs", 1, 100).await?;
        scene.create(group("store", &[with_template("get", 2)])).await?;
        ready(scene, "store", "1/1").await?;
        let client = as_user(scene.cluster, USER).await?;
        let api = |group, version, kind| -> Api<DynamicObject> {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            Api::namespaced_with(client.clone(), &scene.namespace, &resource)
        };
        let (deployments, services) = (api("apps", "v1", "Deployment"), api("", "v1", "Service"));
        let touch = Patch::Merge(json!({"metadata": {"annotations": {"touched": "yes"}}}));
        let not_ours = "that does not belong to a ServiceGroup";

        refused(deployments.patch("theirs", &try_patch(), &touch).await, not_ours)?;
        refused(deployments.delete("theirs", &try_delete()).await, not_ours)?;
        deployments.patch("store-get", &try_patch(), &touch).await.context("its own may not be changed")?;
        deployments.delete("store-get", &try_delete()).await.context("its own may not be deleted")?;
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "new"},
            "spec": {"ports": [{"port": 80}]}});
        let try_create = PostParams { dry_run: true, ..PostParams::default() };
        refused(services.create(&try_create, &serde_json::from_value(service)?).await, not_ours)?;

        let ingresses = api("networking.k8s.io", "v1", "Ingress");
        let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "new"},
            "spec": {"defaultBackend": {"service": {"name": "theirs", "port": {"number": 80}}}}});
        refused(ingresses.create(&try_create, &serde_json::from_value(ingress)?).await, not_ours)?;

        let size = Patch::Merge(json!({"spec": {"replicas": 7}}));
        refused(deployments.patch("store-get", &try_patch(), &size).await, "to its scale subresource only")?;
        deployments
            .patch_scale("store-get", &try_patch(), &size)
            .await
            .context("the scale may not be written")?;
        deployments
            .patch_scale("theirs", &try_patch(), &size)
            .await
            .context("the scale may not be written")?;
        Ok(())
    })
    .await
}

/// Without the feature there is no right for it, and the operator is told so.
#[tokio::test]
async fn a_chart_without_groups_grants_nothing_for_them() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let render = async |more: &[&str]| {
        let chart = chart().display().to_string();
        let args = ["template", RELEASE, &chart, "--namespace", NAMESPACE, "--set=crds.install=false"];
        anyhow::Ok(cluster.helm([&args[..], more].concat()).await?.stdout)
    };
    let told = [
        "servicegroups",
        "poddisruptionbudgets",
        "\"create\", \"patch\", \"delete\"",
        "-groups",
        "\"nodes\"",
    ];
    let with = render(&[]).await?;
    ensure!(with.contains("--service-groups=true") && told.iter().all(|part| with.contains(part)), "{with}");
    let without = render(&["--set=serviceGroups.enabled=false,availability.enabled=false"]).await?;
    ensure!(without.contains("--service-groups=false"), "{without}");
    let without = without.replace("--service-groups=false", "");
    let granted: Vec<_> = told.iter().filter(|part| without.contains(*part)).collect();
    ensure!(granted.is_empty(), "{granted:?}: {without}");
    Ok(())
}
