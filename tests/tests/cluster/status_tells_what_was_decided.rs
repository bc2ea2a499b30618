use std::future::pending;

use anyhow::{Context, Result, ensure};
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{
    ResourceExt as _,
    api::{DynamicObject, WatchParams},
    core::WatchEvent,
};
use serde_json::{Value, json};
use testbed::{Load, Total};

use crate::{
    requests::Request,
    stage::{self, Scene, Target, conditions, utilization},
    workload,
};

/// All that there is to say about one step up.
#[tokio::test]
async fn status_tells_what_was_decided() -> Result<()> {
    stage::story("status", async |scene| {
        let web = Target::deployment("web");
        let _load = carrying(scene, "web", 170).await?;
        let spec = json!({"minReplicas": 2, "maxReplicas": 9, "metrics": [utilization("cpu", 50)]});
        scene.scale("web", &web, spec).await?;
        scene.reaches(&web, 4).await?;
        let scaler = scene.until("web", |scaler| scaler["status"]["currentReplicas"] == 4).await?;
        let status = &scaler["status"];

        ensure!(status["desiredReplicas"] == 4, "{status}");
        ensure!(status["observedGeneration"] == scaler["metadata"]["generation"], "{status}");
        ensure!(status["lastScaleTime"].is_string(), "{status}");
        ensure!(status["reference"] == "Deployment/web", "{status}");
        let shown = status["targets"].as_str().unwrap_or_default();
        ensure!(shown.starts_with("cpu: ") && shown.ends_with("%/50%"), "{status}");

        let metrics = status["currentMetrics"].as_array().map_or(&[][..], Vec::as_slice);
        let [metric] = metrics else { anyhow::bail!("{status}") };
        ensure!(metric["type"] == "Resource" && metric["resource"]["name"] == "cpu", "{metric}");
        let percent = metric["resource"]["current"]["averageUtilization"].as_i64().unwrap_or_default();
        ensure!((40..90).contains(&percent), "{metric}");
        ensure!(metric["resource"]["current"]["averageValue"].is_string(), "{metric}");

        let last = &status["lastDecision"];
        ensure!(last["time"].is_string() && last["reason"].is_string(), "{last}");
        ensure!(
            last["proposals"][0]["metric"] == "cpu resource utilization (percentage of request)",
            "{last}"
        );
        ensure!(last["proposals"][0]["replicas"] == 4, "{last}");

        let told: Vec<_> = conditions(&scaler).into_iter().map(|(told, _)| told).collect();
        let wanted = [
            "AbleToScale=True ReadyForNewScale",
            "ScalingActive=True ValidMetricFound",
            "ScalingLimited=False DesiredWithinRange",
        ];
        ensure!(wanted.iter().all(|wanted| told.iter().any(|told| told == wanted)), "{told:?}");
        for condition in status["conditions"].as_array().into_iter().flatten() {
            ensure!(condition["lastTransitionTime"].is_string(), "{condition}");
            ensure!(condition["observedGeneration"] == scaler["metadata"]["generation"], "{condition}");
        }
        Ok(())
    })
    .await
}

/// One change is one event; looks without a change are none.
#[tokio::test]
async fn each_change_is_one_event() -> Result<()> {
    stage::story("events", async |scene| {
        let web = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 1, 100).await?;
        let spec = json!({"minReplicas": 3, "maxReplicas": 9, "metrics": [utilization("cpu", 50)]});
        scene.scale("web", &web, spec).await?;
        scene.reaches(&web, 3).await?;
        let bounds = |min: i32, max: i32| json!({"spec": {"minReplicas": min, "maxReplicas": max}});
        for (bounds, size) in [(bounds(4, 9), 4), (bounds(5, 9), 5), (bounds(4, 4), 4)] {
            scene.edit("web", bounds).await?;
            scene.reaches(&web, size).await?;
        }
        scene.looks(5).await?;
        let rescales = scene.rescales("web", 4).await?;
        let below = "reason: Current number of replicas below Spec.MinReplicas";
        let above = "reason: Current number of replicas above Spec.MaxReplicas";
        let wanted = [(3, below), (4, below), (5, below), (4, above)]
            .map(|(size, why)| format!("SuccessfulRescale: New size: {size}; {why}"));
        ensure!(rescales == wanted, "{rescales:?}");
        Ok(())
    })
    .await
}

/// With a steady load the status is not written, but a minute later and then every three minutes for the
/// values it shows. With nothing to show it is not written at all.
#[tokio::test]
async fn status_is_not_written_while_nothing_changes() -> Result<()> {
    stage::story("steady", async |scene| {
        let (web, off) = (Target::deployment("web"), Target::deployment("off"));
        let _load = carrying(scene, "web", 90).await?;
        workload::deploy(scene.cluster, &scene.namespace, "off", 0, 100).await?;
        let spec = || json!({"maxReplicas": 9, "metrics": [utilization("cpu", 50)]});
        scene.scale("web", &web, spec()).await?;
        scene.scale("off", &off, spec()).await?;
        scene.condition("web", "ScalingActive=True ValidMetricFound").await?;
        scene.condition("off", "ScalingActive=False ScalingDisabled").await?;
        // What follows from that, and from the first usage, is written too.
        scene.looks(5).await?;

        let mut requests = scene.requests()?;
        let before = scene.scaler("off").await?;
        let statuses = while_looked_at(scene, "web", 20).await?;
        // A scrape that comes late or not at all changes what is decided, and that is written. A write whose answer came
        // too late is done again.
        let idle = statuses.windows(2).filter(|pair| is_idle(pair)).count();
        ensure!(idle <= 1, "{idle} writes of what was written less than a minute before: {statuses:?}");
        let is_of_off =
            |request: &&Request| request.is("patch", "podscalers/status") && request.name() == "off";
        let writes = requests.all()?.iter().filter(is_of_off).count();
        ensure!(writes == 0, "{writes} writes of nothing");
        ensure!(scene.scaler("off").await? == before, "an object changed that nobody wrote");
        Ok(())
    })
    .await
}

/// A PodScaler as it is, and as each write left it until there were so many looks.
async fn while_looked_at(scene: &Scene<'_>, name: &str, looks: usize) -> Result<Vec<DynamicObject>> {
    let scaler = scene.scalers().get(name).await?;
    let version = scaler.resource_version().context("no version")?;
    let params = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut events = scene.scalers().watch(&params, &version).await?.boxed();
    let mut seen = vec![scaler];
    let watching = async {
        while let Some(event) = events.next().await {
            if let Ok(WatchEvent::Modified(scaler)) = event {
                seen.push(scaler);
            }
        }
        // What comes after is not seen.
        pending::<()>().await;
    };
    tokio::select! {
        looked = scene.looks(looks) => looked?,
        () = watching => {}
    }
    Ok(seen)
}

/// Whether the second of two statuses decides the same as the first and came less than a minute after it.
fn is_idle(pair: &[DynamicObject]) -> bool {
    let [before, after] = pair else { return false };
    let passed =
        written_at(before).zip(written_at(after)).map(|(before, after)| after.duration_since(before));
    decided(before) == decided(after) && passed.is_some_and(|passed| passed < SignedDuration::from_secs(60))
}

/// When a status was written.
fn written_at(scaler: &DynamicObject) -> Option<Timestamp> {
    let of_status = |entry: &&ManagedFieldsEntry| entry.subresource.as_deref() == Some("status");
    scaler.managed_fields().iter().filter(of_status).filter_map(|entry| Some(entry.time.as_ref()?.0)).max()
}

/// What of a status is written as soon as it changes.
fn decided(scaler: &DynamicObject) -> (Vec<String>, [Value; 5]) {
    let told = conditions(&scaler.data).into_iter().map(|(told, _)| told).collect();
    let fields = ["observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas", "reference"];
    (told, fields.map(|field| scaler.data["status"][field].clone()))
}

/// An edit is looked at when it is made, not when the next look is due.
#[tokio::test]
async fn edits_are_answered_at_once() -> Result<()> {
    stage::story("edits", async |scene| {
        let web = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 1, 100).await?;
        // Looks are an hour apart: only the edit itself can be the reason for one.
        scene.scale("web", &web, json!({"maxReplicas": 9, "syncPeriodSeconds": 3600})).await?;
        let observed = |scaler: &Value| {
            let generation = &scaler["metadata"]["generation"];
            scaler["status"]["observedGeneration"] == *generation
        };
        scene.until("web", observed).await?;
        for size in 2..8 {
            scene.edit("web", json!({"spec": {"minReplicas": size}})).await?;
            scene.until("web", observed).await?;
        }
        Ok(())
    })
    .await
}

/// Two pods of 100 m that carry this much cpu.
async fn carrying(scene: &Scene<'_>, name: &str, cpu_milli: u64) -> Result<Load> {
    workload::deploy(scene.cluster, &scene.namespace, name, 2, 100).await?;
    let total = Total { cpu_milli, memory_mib: 64 };
    Load::start(scene.cluster, &scene.namespace, &format!("app={name}"), total).await
}
