use anyhow::{Context, Result, ensure};
use kube::api::ListParams;
use serde_json::{Value, json};
use testbed::{Adapter, Load, Total, eventually};

use crate::{
    stage::{self, PATIENCE, Scene, Target, utilization},
    workload,
};

/// Something that cannot be scaled, and what is said of it.
struct Bad {
    name: &'static str,
    target: Target,
    spec: Value,
    condition: &'static str,
    /// Part of the condition's message and of the event's note.
    because: &'static str,
    event: &'static str,
}

/// Each of them has one condition, one event and no change, and the healthy one beside them goes on.
#[tokio::test]
async fn bad_targets_are_told_and_hold_nobody_up() -> Result<()> {
    Adapter::shared().await?;
    stage::story("trouble", async |scene| {
        scene.cluster.kubectl_with(["apply", "-f", "-"], &crd_without_scale().to_string()).await?;
        for name in ["shared", "unknown-usage", "per-pod", "of-object", "queue"] {
            workload::deploy(scene.cluster, &scene.namespace, name, 2, 100).await?;
        }
        without_requests(scene, "no-requests").await?;
        for name in ["common-a", "common-b"] {
            overlapping(scene, name).await?;
        }
        let load = |app: &'static str, cpu_milli| {
            let total = Total { cpu_milli, memory_mib: 64 };
            Load::start(scene.cluster, &scene.namespace, app, total)
        };
        let _loads = [load("app=no-requests", 300).await?, load("app=per-pod", 300).await?];
        eventually("usage of the pods without requests", PATIENCE, async || {
            let usage = scene.cluster.usage(&scene.namespace, "app=no-requests").await?;
            ensure!(usage.len() == 2, "{usage:?}");
            Ok(())
        })
        .await?;

        let troubles = bad();
        for bad in &troubles {
            scene.scale(bad.name, &bad.target, bad.spec.clone()).await?;
        }
        let told = troubles.iter().map(|bad| (bad.name, is_told(scene, bad)));
        stage::all(told.collect()).await?;

        // One that is healthy, after the trouble has begun.
        let healthy = Target::deployment("healthy");
        workload::deploy(scene.cluster, &scene.namespace, "healthy", 2, 100).await?;
        let _load = load("app=healthy", 170).await?;
        let spec = json!({"maxReplicas": 9, "metrics": [utilization("cpu", 50)]});
        scene.scale("healthy", &healthy, spec).await?;
        scene.reaches(&healthy, 4).await?;

        // By now each was looked at many times more.
        for bad in &troubles {
            let mut events = scene.events(bad.name).await?;
            // Of two that disturb each other, one was alone for a moment.
            events.retain(|event| event.starts_with(bad.event));
            let [event] = &events[..] else { anyhow::bail!("{}: {events:?}", bad.name) };
            ensure!(event.contains(bad.because), "{}: {event}", bad.name);
        }
        for deployment in scene.api("apps/v1", "Deployment").list(&ListParams::default()).await?.items {
            let name = deployment.metadata.name.unwrap_or_default();
            let replicas = &deployment.data["spec"]["replicas"];
            ensure!(replicas == 2 || name == "healthy", "{name} was scaled to {replicas}");
        }

        // One of two on a target goes: the other is free, and so is one whose pods are no longer shared.
        for name in ["shared-a", "common-a"] {
            scene.scalers().delete(name, &kube::api::DeleteParams::default()).await?;
        }
        scene.condition("shared-b", "AbleToScale=True SucceededGetScale").await?;
        scene.edit("shared-b", json!({"spec": {"minReplicas": 3}})).await?;
        scene.reaches(&Target::deployment("shared"), 3).await?;
        scene.condition("common-b", "ScalingActive=False FailedGetResourceMetric").await?;
        Ok(())
    })
    .await
}

fn bad() -> Vec<Bad> {
    let deployment = |name, target, condition, because, event| Bad {
        name,
        target: Target::deployment(target),
        spec: json!({"maxReplicas": 9, "metrics": [utilization("cpu", 50)]}),
        condition,
        because,
        event,
    };
    let get_scale = |name, target, because| Bad {
        target,
        ..deployment(name, "", "AbleToScale=False FailedGetScale", because, "FailedGetScale: ")
    };
    // Nobody has set these.
    let metric = |name, metric: Value, condition, because, event| Bad {
        spec: json!({"maxReplicas": 9, "metrics": [metric]}),
        ..deployment(name, name, condition, because, event)
    };
    let conflict =
        |name, because| deployment(name, "shared", "AbleToScale=False Conflicting", because, "Conflicting: ");
    let ambiguous = |name| {
        let reason = "ScalingActive=False AmbiguousSelector";
        deployment(name, name, reason, "common-a trouble-", "AmbiguousSelector: ")
    };
    let resource = "ScalingActive=False FailedGetResourceMetric";
    let one = json!({"type": "AverageValue", "averageValue": "1"});
    let hits = json!({"name": "hits"});
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "web"});
    let pods = json!({"type": "Pods", "pods": {"metric": hits, "target": one}});
    let object = json!({"metric": hits, "target": one, "describedObject": ingress});
    let object = json!({"type": "Object", "object": object});
    let external = json!({"type": "External", "external": {"metric": hits, "target": one}});
    vec![
        get_scale("missing", Target::deployment("nobody"), "Deployment \"nobody\" does not exist"),
        get_scale(
            "no-scale",
            Target::new("apps/v1", "DaemonSet", "nobody"),
            "DaemonSet has no scale subresource",
        ),
        get_scale(
            "no-scale-of-its-own",
            Target::new("bed.plimsoll.dev/v1", "Buoy", "nobody"),
            "Buoy has no scale subresource",
        ),
        get_scale("no-kind", Target::new("apps/v1", "Armada", "nobody"), "no kind Armada in apps/v1"),
        get_scale("no-group", Target::new("no.example.com/v1", "Fleet", "nobody"), "no kind Fleet"),
        deployment(
            "no-requests",
            "no-requests",
            resource,
            "missing request for cpu in container app",
            "FailedGetResourceMetric: ",
        ),
        deployment("unknown-usage", "unknown-usage", resource, "no metrics", "FailedGetResourceMetric: "),
        metric(
            "per-pod",
            pods,
            "ScalingActive=False FailedGetPodsMetric",
            "no metrics returned from custom metrics API",
            "FailedGetPodsMetric: ",
        ),
        metric(
            "of-object",
            object,
            "ScalingActive=False FailedGetObjectMetric",
            "the server could not find the metric hits for ingresses",
            "FailedGetObjectMetric: ",
        ),
        metric(
            "queue",
            external,
            "ScalingActive=False FailedGetExternalMetric",
            "no metrics returned from external metrics API",
            "FailedGetExternalMetric: ",
        ),
        conflict("shared-a", "shared-b"),
        conflict("shared-b", "shared-a"),
        ambiguous("common-a"),
        ambiguous("common-b"),
    ]
}

async fn is_told(scene: &Scene<'_>, bad: &Bad) -> Result<()> {
    let message = scene.condition(bad.name, bad.condition).await?;
    ensure!(message.contains(bad.because), "{message}");
    eventually("an event", PATIENCE, async || {
        let events = scene.events(bad.name).await?;
        events.into_iter().find(|event| event.starts_with(bad.event)).context("none")
    })
    .await
    .map(drop)
}

async fn without_requests(scene: &Scene<'_>, name: &str) -> Result<()> {
    create(scene, name, json!({"app": name})).await
}

/// All of these select each other's pods.
async fn overlapping(scene: &Scene<'_>, name: &str) -> Result<()> {
    create(scene, name, json!({"common": "yes"})).await
}

async fn create(scene: &Scene<'_>, name: &str, labels: Value) -> Result<()> {
    let containers = json!([{"name": "app", "image": "app"}]);
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    });
    scene.create(deployment).await.map(drop)
}

fn crd_without_scale() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "buoys.bed.plimsoll.dev"},
        "spec": {
            "group": "bed.plimsoll.dev",
            "names": {"kind": "Buoy", "plural": "buoys", "singular": "buoy", "listKind": "BuoyList"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }],
        },
    })
}
