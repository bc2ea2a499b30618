use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};
use testbed::{Adapter, Cluster, ClusterSpec, Load, Operator, Total};

use crate::{
    stage::{self, FAST, Scene, Target, utilization},
    workload,
};

/// Two pods, metrics with values, and the size that follows.
struct Rise {
    name: &'static str,
    algorithm: &'static str,
    metrics: Value,
    max: i32,
    size: i32,
}

/// Each has one step to make, to a size that a person can work out, by both algorithms.
#[tokio::test]
async fn size_is_what_custom_and_external_metrics_ask_for() -> Result<()> {
    let adapter = Adapter::shared().await?;
    let rise = |name, metrics, max, size| {
        ["HPA-1.37", "Plimsoll-1"].map(|algorithm| Rise {
            name,
            algorithm,
            metrics: json!([metrics]),
            max,
            size,
        })
    };
    let stories = [
        // 170 for each of 2 pods at 100 a pod are 3.4 pods.
        rise("pods", of_pods("rps", "100"), 9, 4),
        // One and a half times what it should be, with 2 pods.
        rise("object", of_object("v1", "Service", "front", &json!({"type": "Value", "value": "100"})), 3, 3),
        // 700 at 200 a pod are 3.5 pods.
        rise(
            "object-average",
            of_object(
                "apps/v1",
                "Deployment",
                "front",
                &json!({"type": "AverageValue", "averageValue": "200"}),
            ),
            9,
            4,
        ),
        rise("external", external("single", &json!({"type": "Value", "value": "100"})), 3, 3),
        // 300 and 400 of the topics that are asked for.
        rise(
            "external-average",
            external("queue", &json!({"type": "AverageValue", "averageValue": "200"})),
            9,
            4,
        ),
    ];
    stage::story("measured", async |scene| {
        let namespace = scene.namespace.name();
        adapter.set(namespace, "services", "front", "load", "150").await?;
        adapter.set(namespace, "deployments.apps", "front", "load", "700").await?;
        adapter
            .set_external(namespace, "single", json!([{"labels": {"topic": "a"}, "value": "150"}]))
            .await?;
        let series = json!([
            {"labels": {"topic": "a"}, "value": "300"},
            {"labels": {"topic": "b"}, "value": "400"},
            {"labels": {"topic": "c"}, "value": "5k"},
        ]);
        adapter.set_external(namespace, "queue", series).await?;
        let stories = stories.iter().flatten().map(|story| (story.name, rises(scene, adapter, story)));
        stage::all(stories.collect()).await
    })
    .await
}

async fn rises(scene: &Scene<'_>, adapter: &Adapter, rise: &Rise) -> Result<()> {
    let name = format!("{}-{}", rise.name, rise.algorithm.to_lowercase().replace('.', "-"));
    let target = Target::deployment(&name);
    workload::deploy(scene.cluster, &scene.namespace, &name, 2, 100).await?;
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), &scene.namespace);
    for pod in pods.list(&ListParams::default().labels(&format!("app={name}"))).await? {
        let pod = pod.metadata.name.unwrap_or_default();
        adapter.set(&scene.namespace, "pods", &pod, "rps", "170").await?;
    }
    let spec = json!({"algorithm": rise.algorithm, "maxReplicas": rise.max, "metrics": rise.metrics});
    scene.scale(&name, &target, spec).await?;
    scene.reaches(&target, rise.size).await?;
    let rescales = scene.rescales(&name, 1).await?;
    ensure!(rescales[0].contains(&format!("New size: {};", rise.size)), "{rescales:?}");
    Ok(())
}

/// A metric that fails stops a way down, not a way up.
#[tokio::test]
async fn one_broken_metric_of_two_lets_grow_and_not_shrink() -> Result<()> {
    let adapter = Adapter::shared().await?;
    stage::story("partial", async |scene| {
        let set = async |value: &str| {
            adapter.set_external(&scene.namespace, "queue", json!([{"labels": {}, "value": value}])).await
        };
        let web = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
        set("400").await?;
        // Without a load there is no usage.
        let per_pod = json!({"type": "AverageValue", "averageValue": "100"});
        let metrics = json!([utilization("cpu", 50), any_external("queue", &per_pod)]);
        let down = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
        scene.scale("web", &web, json!({"maxReplicas": 9, "metrics": metrics, "behavior": down})).await?;
        scene.reaches(&web, 4).await?;
        scene.condition("web", "ScalingActive=True ValidMetricFound").await?;
        set("100").await?;
        let failed = "ScalingActive=False FailedGetResourceMetric";
        scene.says("web", failed, "failed to get cpu utilization").await?;
        ensure!(scene.replicas(&web).await? == 4, "scaled down by a part of what was asked for");
        Ok(())
    })
    .await
}

/// Nothing to do: no pods. Something to do: as many as it needs, since it was we who put it to sleep.
#[tokio::test]
async fn an_empty_queue_needs_no_pods() -> Result<()> {
    let adapter = Adapter::shared().await?;
    stage::story("sleeper", async |scene| {
        let set = async |value: &str| {
            adapter.set_external(&scene.namespace, "queue", json!([{"labels": {}, "value": value}])).await
        };
        let web = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
        set("0").await?;
        let per_pod = json!({"type": "AverageValue", "averageValue": "100"});
        let spec = json!({
            "minReplicas": 0, "maxReplicas": 9, "metrics": [any_external("queue", &per_pod)],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        });
        scene.scale("web", &web, spec).await?;
        scene.reaches(&web, 0).await?;
        scene.condition("web", "ScaledToZero=True ScaledToZero").await?;
        scene.looks(2).await?;
        ensure!(scene.replicas(&web).await? == 0, "woken by nothing");
        set("300").await?;
        scene.reaches(&web, 3).await?;
        scene.condition("web", "ScaledToZero=False NotScaledToZero").await?;
        Ok(())
    })
    .await
}

/// A source that stands still is believed by the HPA for ever.
#[tokio::test]
async fn a_value_of_an_hour_ago_is_not_load() -> Result<()> {
    let adapter = Adapter::shared().await?;
    stage::story("stale", async |scene| {
        let then = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
        let then = then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let series = json!([{"labels": {}, "value": "400", "timestamp": then}]);
        adapter.set_external(&scene.namespace, "queue", series).await?;
        let per_pod = json!({"type": "AverageValue", "averageValue": "100"});
        let spec = |algorithm: &str| json!({"algorithm": algorithm, "maxReplicas": 9, "metrics": [any_external("queue", &per_pod)]});
        let (believes, doubts) = (Target::deployment("believes"), Target::deployment("doubts"));
        for target in [&believes, &doubts] {
            workload::deploy(scene.cluster, &scene.namespace, &target.name, 2, 100).await?;
        }
        scene.scale("believes", &believes, spec("HPA-1.37")).await?;
        scene.scale("doubts", &doubts, spec("Plimsoll-1")).await?;
        let failed = "ScalingActive=False FailedGetExternalMetric";
        scene.says("doubts", failed, "too old to be believed").await?;
        scene.reaches(&believes, 4).await?;
        ensure!(scene.replicas(&doubts).await? == 2, "scaled by a value of an hour ago");
        Ok(())
    })
    .await
}

/// An adapter that is not there, and one that hangs: what needs it is told so, and everything else goes on.
#[tokio::test]
async fn an_adapter_may_be_missing_or_hang() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let operator = Operator::install(&cluster, &[FAST, "--set=replicas=1"]).await?;
    let scene = Scene::new(&cluster, "adapted").await?;
    let (queue, pods, other) =
        (Target::deployment("queue"), Target::deployment("pods"), Target::deployment("other"));
    for target in [&queue, &pods, &other] {
        workload::deploy(&cluster, &scene.namespace, &target.name, 2, 100).await?;
    }
    let per_pod = json!({"type": "AverageValue", "averageValue": "100"});
    let spec = |metric: Value| json!({"maxReplicas": 9, "metrics": [metric]});
    scene.scale("queue", &queue, spec(any_external("queue", &per_pod))).await?;
    scene.scale("pods", &pods, spec(of_pods("rps", "100"))).await?;
    for (name, reason, api) in [
        ("queue", "ScalingActive=False FailedGetExternalMetric", "external.metrics.k8s.io"),
        ("pods", "ScalingActive=False FailedGetPodsMetric", "custom.metrics.k8s.io"),
    ] {
        scene.says(name, reason, api).await?;
        scene.says(name, reason, "installed and ready?").await?;
    }

    let adapter = Adapter::start(&cluster).await?;
    adapter.set_external(&scene.namespace, "queue", json!([{"labels": {}, "value": "400"}])).await?;
    scene.reaches(&queue, 4).await?;
    scene.condition("queue", "ScalingActive=True ValidMetricFound").await?;

    adapter.hang()?;
    let failed = "ScalingActive=False FailedGetExternalMetric";
    scene.says("queue", failed, "external.metrics.k8s.io").await?;
    let total = Total { cpu_milli: 170, memory_mib: 64 };
    let _load = Load::start(&cluster, &scene.namespace, "app=other", total).await?;
    let mut of_cpu = spec(utilization("cpu", 50));
    // One sample that is read too high leads to five, which must not stay for minutes.
    of_cpu["behavior"] = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
    scene.scale("other", &other, of_cpu).await?;
    scene.reaches(&other, 4).await?;
    ensure!(scene.replicas(&queue).await? == 4, "scaled without a metric");

    adapter.go_on()?;
    adapter.set_external(&scene.namespace, "queue", json!([{"labels": {}, "value": "600"}])).await?;
    scene.reaches(&queue, 6).await?;
    stage::no_defects(&operator)?;
    drop(operator);
    cluster.stop().await
}

fn of_pods(metric: &str, average: &str) -> Value {
    let target = json!({"type": "AverageValue", "averageValue": average});
    json!({"type": "Pods", "pods": {"metric": {"name": metric}, "target": target}})
}

fn of_object(api_version: &str, kind: &str, name: &str, target: &Value) -> Value {
    let object = json!({"apiVersion": api_version, "kind": kind, "name": name});
    json!({"type": "Object", "object": {"metric": {"name": "load"}, "describedObject": object, "target": target}})
}

/// Of the topics a and b.
fn external(metric: &str, target: &Value) -> Value {
    let topics = json!({"matchExpressions": [{"key": "topic", "operator": "In", "values": ["a", "b"]}]});
    json!({"type": "External", "external": {"metric": {"name": metric, "selector": topics}, "target": target}})
}

fn any_external(metric: &str, target: &Value) -> Value {
    json!({"type": "External", "external": {"metric": {"name": metric}, "target": target}})
}
