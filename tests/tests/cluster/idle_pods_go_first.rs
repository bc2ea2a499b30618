use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::json;
use testbed::{Cluster, ClusterSpec, Load, Operator, Total, eventually};

use crate::{
    groups_stage,
    requests::Requests,
    stage::{self, FAST, PATIENCE, Scene, Target, USER, utilization},
    workload,
};

const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const ZONE: &str = "topology.kubernetes.io/zone";

/// Before a scale-down the pods that are to go get the lowest costs; the real kube-controller-manager then deletes just
/// those. Afterwards no pod carries a cost of ours, and a user's own is as it was.
#[tokio::test]
async fn idle_pods_and_crowded_zones_go_first() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let operator = Operator::install(&cluster, &[FAST, "--set=podDeletionCost.enabled=true"]).await?;
    let scene = Scene::new(&cluster, "victims").await?;
    tokio::try_join!(idle(&scene), crowded(&scene))?;

    // Each right that the value grants was used, and none was missing.
    let mut requests = Requests::of_all_time(&cluster, USER);
    let requests = requests.all()?;
    for (verb, resource) in [("patch", "pods"), ("list", "nodes"), ("watch", "nodes")] {
        ensure!(requests.iter().any(|request| request.is(verb, resource)), "nothing did {verb} {resource}");
    }
    let refused: Vec<_> = requests.iter().filter(|request| request.event.is_forbidden()).collect();
    ensure!(refused.is_empty(), "{refused:?}");
    guarded(&scene).await?;
    stage::no_defects(&operator)?;
    drop(operator);
    cluster.stop().await
}

/// Three of six pods are idle, and somebody wants to keep one of them.
async fn idle(scene: &Scene<'_>) -> Result<()> {
    let name = "idle";
    workload::deploy(scene.cluster, &scene.namespace, name, 6, 100).await?;
    let pods = pods(scene, name).await?;
    let (lazy, busy) = pods.split_at(3);
    let kept = lazy[0].name_any();
    let own = json!({"metadata": {"annotations": {COST: "50"}}});
    api(scene).patch(&kept, &PatchParams::default(), &Patch::Merge(&own)).await?;
    label(scene, lazy, "lazy").await?;
    label(scene, busy, "busy").await?;
    let load = |share, cpu_milli| async move {
        let total = Total { cpu_milli, memory_mib: 64 };
        Load::start(scene.cluster, &scene.namespace, &format!("app=idle,share={share}"), total).await
    };
    // Of six pods that three could replace, at 50 m each, three use 2 m and three 40 m.
    let _loads = (load("lazy", 6).await?, load("busy", 120).await?);
    shrink(scene, name).await?;

    let left = gone(scene, name, 4).await?;
    let expected: BTreeSet<_> = busy.iter().map(ResourceExt::name_any).chain([kept.clone()]).collect();
    ensure!(left.keys().cloned().collect::<BTreeSet<_>>() == expected, "left are {left:?}, not {expected:?}");
    tidied(scene, name, &[(kept, "50")]).await
}

/// Six pods that are equally busy, four of them in one zone: that one loses two.
async fn crowded(scene: &Scene<'_>) -> Result<()> {
    let name = "crowded";
    let labels = json!({"app": name});
    for (zone, count) in [("zone-a", 4), ("zone-b", 1), ("zone-c", 1)] {
        // Bare pods that the ReplicaSet adopts: the scheduler would spread them.
        for number in 0..count {
            let requests = json!({"cpu": "100m", "memory": "64Mi"});
            scene
                .create(json!({
                    "apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": format!("crowded-{zone}-{number}"), "labels": labels},
                    "spec": {
                        "nodeSelector": {ZONE: zone},
                        "containers": [{"name": "app", "image": "app", "resources": {"requests": requests}}],
                    },
                }))
                .await?;
        }
    }
    workload::ready(scene.cluster, &scene.namespace, name, 6).await?;
    // Once the controllers count them here, that of the ReplicaSet knows them too, and makes none beside them.
    let counted = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"minAvailable": 0, "selector": {"matchLabels": labels}},
    });
    scene.create(counted).await?;
    let kind = ("policy/v1", "PodDisruptionBudget");
    groups_stage::object(scene, kind, name, |budget| budget["status"]["currentHealthy"] == 6).await?;
    let template = json!({
        "metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app"}]},
    });
    scene
        .create(json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name},
            "spec": {"replicas": 6, "selector": {"matchLabels": labels}, "template": template},
        }))
        .await?;
    let total = Total { cpu_milli: 126, memory_mib: 64 };
    let _load = Load::start(scene.cluster, &scene.namespace, "app=crowded", total).await?;
    shrink(scene, name).await?;
    let left = gone(scene, name, 4).await?;
    let zones = zones(scene).await?;
    let mut in_zone: BTreeMap<_, usize> = BTreeMap::new();
    for node in left.values() {
        *in_zone.entry(zones.get(node).context("a node without a zone")?.as_str()).or_default() += 1;
    }
    ensure!(in_zone == BTreeMap::from([("zone-a", 2), ("zone-b", 1), ("zone-c", 1)]), "{in_zone:?}");
    tidied(scene, name, &[]).await
}

/// To four at once: the load would do with three, so no sample that is a little too high makes five of them first.
async fn shrink(scene: &Scene<'_>, name: &str) -> Result<()> {
    let target = Target::new("apps/v1", if name == "crowded" { "ReplicaSet" } else { "Deployment" }, name);
    let spec = json!({
        "minReplicas": 4, "maxReplicas": 10, "podDeletionCost": "Managed",
        "metrics": [utilization("cpu", 50)],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
    });
    // Not before all six are measured: a pod without a sample is taken for one of mean usage.
    let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
    let resource = ApiResource::from_gvk_with_plural(&kind, "pods");
    let metrics: Api<DynamicObject> = Api::namespaced_with(scene.client.clone(), &scene.namespace, &resource);
    eventually(&format!("samples of {name}"), PATIENCE, async || {
        let samples = metrics.list(&ListParams::default().labels(&format!("app={name}"))).await?.items.len();
        if samples == 6 { Ok(()) } else { Err(anyhow!("{samples}")) }
    })
    .await?;
    scene.scale(name, &target, spec).await?;
    scene.rescales(name, 1).await.map(drop)
}

fn api(scene: &Scene<'_>) -> Api<Pod> {
    Api::namespaced(scene.client.clone(), &scene.namespace)
}

async fn pods(scene: &Scene<'_>, name: &str) -> Result<Vec<Pod>> {
    Ok(api(scene).list(&ListParams::default().labels(&format!("app={name}"))).await?.items)
}

async fn label(scene: &Scene<'_>, pods: &[Pod], share: &str) -> Result<()> {
    let label = json!({"metadata": {"labels": {"share": share}}});
    for pod in pods {
        api(scene).patch(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&label)).await?;
    }
    Ok(())
}

/// Waits until this many pods are left, and returns their nodes by name.
async fn gone(scene: &Scene<'_>, name: &str, left: usize) -> Result<BTreeMap<String, String>> {
    eventually(&format!("{left} pods of {name}"), PATIENCE, async || {
        let pods = pods(scene, name).await?;
        ensure!(pods.len() == left, "{} are left", pods.len());
        let node = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
        Ok(pods.iter().map(|pod| (pod.name_any(), node(pod))).collect())
    })
    .await
}

/// Waits until the only costs are those of users.
async fn tidied(scene: &Scene<'_>, name: &str, own: &[(String, &str)]) -> Result<()> {
    eventually(&format!("no costs of ours on {name}"), PATIENCE, async || {
        let pods = pods(scene, name).await?;
        let cost = |pod: &Pod| Some((pod.name_any(), pod.annotations().get(COST)?.clone()));
        let costs: Vec<_> = pods.iter().filter_map(cost).collect();
        let own: Vec<_> = own.iter().map(|(name, cost)| (name.clone(), (*cost).to_owned())).collect();
        ensure!(costs == own, "{costs:?}");
        Ok(())
    })
    .await
}

async fn zones(scene: &Scene<'_>) -> Result<BTreeMap<String, String>> {
    let nodes = Api::<Node>::all(scene.client.clone()).list(&ListParams::default()).await?;
    Ok(nodes.iter().filter_map(|node| Some((node.name_any(), node.labels().get(ZONE)?.clone()))).collect())
}

/// Whoever steals the operator's token can set costs, and change nothing else of a pod.
async fn guarded(scene: &Scene<'_>) -> Result<()> {
    let name = pods(scene, "idle").await?.first().context("no pod")?.name_any();
    let kubeconfig = Kubeconfig::read_from(scene.cluster.kubeconfig())?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.auth_info.impersonate = Some(USER.to_owned());
    let as_operator: Api<Pod> = Api::namespaced(Client::try_from(config)?, &scene.namespace);
    let params = PatchParams { dry_run: true, ..PatchParams::default() };
    let cost = json!({"metadata": {"annotations": {COST: "-1"}}});
    as_operator.patch(&name, &params, &Patch::Strategic(&cost)).await.context("a cost is refused")?;
    for patch in [
        json!({"spec": {"containers": [{"name": "app", "image": "other"}]}}),
        json!({"metadata": {"labels": {"app": "other"}}}),
        json!({"metadata": {"annotations": {"other": "value"}}}),
        json!({"metadata": {"finalizers": ["example.com/stay"]}}),
    ] {
        let refused = as_operator.patch(&name, &params, &Patch::Strategic(&patch)).await;
        let told = refused.err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(told.contains("but its deletion cost"), "{patch}: {told:?}");
    }
    Ok(())
}

/// Without the chart's value a PodScaler that asks for it is told which one, and scales all the same.
#[tokio::test]
async fn costs_that_may_not_be_set_are_told_with_the_value_to_set() -> Result<()> {
    stage::story("no-costs", async |scene| {
        let web = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 3, 100).await?;
        let spec = json!({"minReplicas": 1, "maxReplicas": 2, "podDeletionCost": "Managed"});
        scene.scale("web", &web, spec).await?;
        scene.reaches(&web, 2).await?;
        eventually("the warning", PATIENCE, async || {
            let events = scene.events("web").await?;
            let told = events.iter().any(|event| {
                event.starts_with("PodDeletionCostNotSet: ") && event.contains("podDeletionCost.enabled")
            });
            ensure!(told, "{events:?}");
            Ok(())
        })
        .await
    })
    .await
}
