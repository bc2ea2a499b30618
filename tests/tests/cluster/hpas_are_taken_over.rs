use anyhow::{Context, Result, anyhow, ensure};
use kube::{
    Api,
    api::{DynamicObject, ListParams, Patch},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use testbed::{Adapter, Cluster, ClusterSpec, Load, Operator, Total, eventually};

use crate::{
    groups_stage::edit,
    hpas,
    nodes_are_guarded::{as_user, refused, try_patch},
    stage::{FAST, PATIENCE, Scene, Target, USER, conditions, utilization},
    workload,
};

/// Without the built-in controller we scale by real HPAs, and what their status says is what it would say; once it
/// runs, we leave them to it.
#[tokio::test]
async fn hpas_are_taken_over() -> Result<()> {
    let spec = ClusterSpec { nodes_per_zone: 1, hpa_controller: false, ..ClusterSpec::default() };
    let cluster = Cluster::start(spec).await?;
    let mut operator = Operator::install(&cluster, &[FAST, "--set=hpa.mode=takeover"]).await?;
    let ours = Scene::new(&cluster, "ours").await?;
    // Its twin has the built-in controller.
    let theirs = Scene::new(Cluster::shared().await?, "theirs").await?;
    let (load, _load) = tokio::try_join!(begin(&ours), begin(&theirs))?;

    eventually("the same status as from the built-in controller", PATIENCE, async || {
        let (ours, theirs) = (hpas::get(&ours, "web").await?, hpas::get(&theirs, "web").await?);
        let (ours, theirs) = (hpas::comparable(&ours)?, hpas::comparable(&theirs)?);
        let is_done = theirs["currentReplicas"] == 4 && theirs["lastScaleTime"] == "then";
        if is_done && ours == theirs { Ok(()) } else { Err(anyhow!("{ours:#} and {theirs:#}")) }
    })
    .await?;
    let rescale = "New size: 4; reason: cpu resource utilization (percentage of request) above target";
    eventually("kubectl to show all of it", PATIENCE, async || {
        let table = cluster.kubectl(["get", "hpa", "web", "--namespace", &ours.namespace]).await?.stdout;
        ensure!(table.contains("Deployment/web") && table.contains("%/50%"), "{table}");
        let text = cluster.kubectl(["describe", "hpa", "web", "--namespace", &ours.namespace]).await?.stdout;
        for line in
            ["AbleToScale     True    ReadyForNewScale", "ScalingActive   True    ValidMetricFound", rescale]
        {
            ensure!(text.contains(line), "no {line:?} in {text}");
        }
        Ok(())
    })
    .await?;
    let refused: Vec<_> = cluster.audit().events_of(USER)?;
    let refused = refused.iter().find(|event| event.is_forbidden());
    ensure!(refused.is_none(), "not allowed: {refused:?}");
    only_the_status(&ours).await?;

    // The built-in controller comes back, and writes what it sees first: while both look, it finds what we have written
    // and has nothing to write.
    operator.upgrade(&[FAST, "--set=hpa.mode=ignore"]).await?;
    let controller = cluster.start_hpa_controller()?;
    load.set(Total { cpu_milli: 2000, memory_mib: 64 });
    at_most(&ours, 6).await?;
    hpas::until(&ours, "web", |hpa| hpa["status"]["desiredReplicas"] == 6).await?;
    // Who has not written for two periods has left: no pause of a busy machine is that long.
    let patient = "--set=operator.syncPeriodSeconds=60";
    operator.upgrade(&[FAST, patient, "--set=hpa.mode=takeover"]).await?;
    eventually("an event that the takeover is refused", PATIENCE, async || {
        let told = events(&ours).await?;
        let told =
            told.iter().find(|event| event.starts_with("TakeoverRefused: kube-controller-manager writes"));
        told.map(drop).context("none")
    })
    .await?;
    let metrics = operator.leader().await?.get("/metrics").await?.body;
    let series = format!("plimsoll_hpa_takeover_refused{{hpa=\"web\",namespace=\"{}\"}} 1", ours.namespace);
    ensure!(metrics.contains(&series), "no {series}");
    let mut requests = ours.requests()?;
    let before = looks(&operator).await?;
    load.set(Total { cpu_milli: 4000, memory_mib: 64 });
    at_most(&ours, 8).await?;
    hpas::until(&ours, "web", |hpa| hpa["status"]["desiredReplicas"] == 8).await?;
    ours.reaches(&Target::deployment("web"), 8).await?;
    eventually("a look that might have written", PATIENCE, async || {
        ensure!(looks(&operator).await? > before, "there was none");
        Ok(())
    })
    .await?;
    let writes: Vec<_> = requests
        .all()?
        .iter()
        .filter(|request| {
            request.is("patch", "horizontalpodautoscalers/status") || request.is("patch", "deployments/scale")
        })
        .cloned()
        .collect();
    ensure!(writes.is_empty(), "written although refused: {writes:?}");
    drop(controller);
    cluster.stop().await
}

/// Changes the bound of the HPA, which is its size while the load is more than enough for it.
async fn at_most(scene: &Scene<'_>, replicas: i32) -> Result<()> {
    let hpas = scene.api("autoscaling/v2", "HorizontalPodAutoscaler");
    edit(&hpas, "web", json!({"spec": {"maxReplicas": replicas}})).await
}

/// How often the operator has looked, in a cluster where there is nothing but an HPA to look at.
async fn looks(operator: &Operator<'_>) -> Result<u64> {
    let mut looks = 0;
    for process in operator.processes() {
        let metrics = process.get("/metrics").await?.body;
        let counts =
            metrics.lines().filter(|line| line.starts_with("plimsoll_reconcile_duration_seconds_count{"));
        for (_, count) in counts.filter_map(|line| line.rsplit_once(' ')) {
            looks += count.parse::<u64>()?;
        }
    }
    Ok(looks)
}

/// Kubernetes lets whoever writes the status of an HPA write its metadata too.
async fn only_the_status(scene: &Scene<'_>) -> Result<()> {
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("autoscaling", "v2", "HorizontalPodAutoscaler"));
    let client = as_user(scene.cluster, USER).await?;
    let hpas: Api<DynamicObject> = Api::namespaced_with(client, &scene.namespace, &resource);
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"});
    for metadata in [
        json!({"labels": {"app": "other"}}),
        json!({"annotations": {"a": "b"}}),
        json!({"finalizers": ["example.com/kept"]}),
        json!({"ownerReferences": [owner]}),
    ] {
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let told = hpas.patch_status("web", &try_patch(), &patch).await;
        refused(told, "changes no labels, annotations, finalizers or owners of an HPA")
            .with_context(|| metadata.to_string())?;
    }
    Ok(())
}

/// At zero replicas a condition is the only proof that this was an autoscaler's doing. We leave it as the built-in
/// controller does, and that one goes on from ours.
#[tokio::test]
async fn an_hpa_at_zero_is_given_back_with_its_proof() -> Result<()> {
    let spec = ClusterSpec { nodes_per_zone: 1, hpa_controller: false, ..ClusterSpec::default() };
    let cluster = Cluster::start(spec).await?;
    let adapter = Adapter::start(&cluster).await?;
    let mut operator = Operator::install(&cluster, &[FAST, "--set=hpa.mode=takeover"]).await?;
    let ours = Scene::new(&cluster, "zero").await?;
    let theirs = Scene::new(Cluster::shared().await?, "zero").await?;
    let their_adapter = Adapter::shared().await?;
    tokio::try_join!(sleep(&ours, &adapter), sleep(&theirs, their_adapter))?;

    let web = Target::deployment("web");
    eventually("the same status as from the built-in controller", PATIENCE, async || {
        let (ours, theirs) = (hpas::get(&ours, "web").await?, hpas::get(&theirs, "web").await?);
        // The API server leaves a current size of 0 out.
        let asleep =
            theirs["status"]["currentReplicas"].is_null() && has(&theirs, "ScaledToZero=True ScaledToZero");
        let (ours, theirs) = (hpas::comparable(&ours)?, hpas::comparable(&theirs)?);
        if asleep && ours == theirs { Ok(()) } else { Err(anyhow!("{ours:#} and {theirs:#}")) }
    })
    .await?;
    jobs(&ours, &adapter, "300").await?;
    ours.reaches(&web, 3).await?;
    hpas::until(&ours, "web", |hpa| has(hpa, "ScaledToZero=False NotScaledToZero")).await?;
    jobs(&ours, &adapter, "0").await?;
    ours.reaches(&web, 0).await?;
    hpas::until(&ours, "web", |hpa| has(hpa, "ScaledToZero=True ScaledToZero")).await?;

    // The way back: whoever finds 0 replicas without the condition leaves them alone for ever.
    operator.upgrade(&[FAST, "--set=hpa.mode=ignore"]).await?;
    let _controller = cluster.start_hpa_controller()?;
    jobs(&ours, &adapter, "300").await?;
    ours.reaches(&web, 3).await?;
    hpas::until(&ours, "web", |hpa| has(hpa, "ScaledToZero=False NotScaledToZero")).await?;
    drop(operator);
    cluster.stop().await
}

/// Two pods, and an HPA that sees no work for them.
async fn sleep(scene: &Scene<'_>, adapter: &Adapter) -> Result<()> {
    workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
    jobs(scene, adapter, "0").await?;
    let target = json!({"type": "Value", "value": "100"});
    let metric = json!({"type": "External", "external": {"metric": {"name": "jobs"}, "target": target}});
    // Such a target asks for so many times the pods that there are: without a bound ever more of them.
    let spec = json!({
        "minReplicas": 0, "maxReplicas": 3, "metrics": [metric],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
    });
    hpas::create(scene, &Target::deployment("web"), spec).await
}

async fn jobs(scene: &Scene<'_>, adapter: &Adapter, value: &str) -> Result<()> {
    adapter.set_external(&scene.namespace, "jobs", json!([{"labels": {}, "value": value}])).await
}

fn has(hpa: &Value, wanted: &str) -> bool {
    conditions(hpa).iter().any(|(told, _)| told == wanted)
}

/// Two pods, and a load of 190 m, which at 50 m a pod are 3.8 pods. No sample that is too high for a moment makes
/// five of them.
async fn begin(scene: &Scene<'_>) -> Result<Load> {
    workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
    let total = Total { cpu_milli: 190, memory_mib: 64 };
    let load = Load::start(scene.cluster, &scene.namespace, "app=web", total).await?;
    let spec = json!({"maxReplicas": 4, "metrics": [utilization("cpu", 50)]});
    hpas::create(scene, &Target::deployment("web"), spec).await?;
    Ok(load)
}

/// The events about the HPA, as `Reason: note`.
async fn events(scene: &Scene<'_>) -> Result<Vec<String>> {
    let params = ListParams::default().fields("regarding.kind=HorizontalPodAutoscaler,regarding.name=web");
    let events = scene.api("events.k8s.io/v1", "Event").list(&params).await?;
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    Ok(events
        .iter()
        .map(|event| format!("{}: {}", text(&event.data, "reason"), text(&event.data, "note")))
        .collect())
}
