use anyhow::{Result, bail, ensure};
use kube::api::{DeleteParams, ListParams};
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

/// Each of them has one condition, an event that is not repeated at each look and no change, and the healthy one beside
/// them goes on.
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
        let mut requests = scene.requests()?;
        for bad in &troubles {
            scene.scale(bad.name, &bad.target, bad.spec.clone()).await?;
        }
        let told = troubles.iter().map(|bad| (bad.name, is_told(scene, bad)));
        stage::all(told.collect()).await?;

        // One that is healthy, after the trouble has begun.
        let healthy = Target::deployment("healthy");
        workload::deploy(scene.cluster, &scene.namespace, "healthy", 2, 100).await?;
        let _load = load("app=healthy", 170).await?;
        // One sample that is read too high leads to five, which must not stay for minutes.
        let down = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
        let spec = json!({"maxReplicas": 9, "metrics": [utilization("cpu", 50)], "behavior": down});
        scene.scale("healthy", &healthy, spec).await?;
        scene.reaches(&healthy, 4).await?;

        // A new leader tells again, and so does one that does not hear in time that an event was written; neither happens at
        // each look.
        eventually("far more looks than events", PATIENCE, async || {
            // All are looked at as often as the one whose looks can be told from those of others.
            let looks = requests.all()?.iter().filter(|request| request.reads_external_metrics()).count();
            for bad in &troubles {
                let events = events(scene, bad).await?;
                ensure!(events.len() * 5 <= looks, "{looks} looks at {}: {events:?}", bad.name);
            }
            Ok(())
        })
        .await?;
        for deployment in scene.api("apps/v1", "Deployment").list(&ListParams::default()).await?.items {
            let name = deployment.metadata.name.unwrap_or_default();
            let replicas = &deployment.data["spec"]["replicas"];
            ensure!(replicas == 2 || name == "healthy", "{name} was scaled to {replicas}");
        }

        // One of two on a target goes: the other is free, and so is one whose pods are no longer shared.
        for name in ["shared-a", "common-a"] {
            scene.scalers().delete(name, &DeleteParams::default()).await?;
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
    scene.says(bad.name, bad.condition, bad.because).await?;
    let mut in_other_words = 0;
    eventually(&format!("an event about {}", bad.name), PATIENCE, async || {
        let events = events(scene, bad).await?;
        if events.iter().any(|event| event.contains(bad.because)) {
            return Ok(());
        }
        // A reason that persists is told once, in the words of the first look, and those may be of a time-out. Of another
        // object it is told anew.
        if events.len() > in_other_words {
            in_other_words = events.len();
            scene.scalers().delete(bad.name, &DeleteParams::default()).await?;
            scene.scale(bad.name, &bad.target, bad.spec.clone()).await?;
        }
        bail!("{events:?}")
    })
    .await
}

/// The events with its reason. Of two that disturb each other, one was alone for a moment, and had others.
async fn events(scene: &Scene<'_>, bad: &Bad) -> Result<Vec<String>> {
    let mut events = scene.events(bad.name).await?;
    events.retain(|event| event.starts_with(bad.event));
    Ok(events)
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
