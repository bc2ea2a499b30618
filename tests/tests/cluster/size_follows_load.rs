use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testbed::{Load, Total, eventually};

use crate::{
    stage::{self, PATIENCE, Scene, Target, average, utilization},
    workload,
};

/// What a story of scaling up begins and ends with. It begins with two pods that request 100 m and 64 Mi.
///
/// A scrape that comes late may show a quarter too little or too much of cpu once. So what is needed is not much less than
/// the size, which is the maximum too: `ScalingLimited` says whether more was wanted.
struct Rise {
    cpu_milli: u64,
    memory_mib: u64,
    spec: Value,
    /// Of two pods.
    size: i32,
    limited: &'static str,
}

/// Each has one step to make, to a size that a person can work out.
#[tokio::test]
async fn size_is_what_the_load_needs() -> Result<()> {
    let rise = |cpu_milli, memory_mib, metrics: Value, size| Rise {
        cpu_milli,
        memory_mib,
        spec: json!({"maxReplicas": size, "metrics": metrics, "behavior": {"scaleDown": at_once()}}),
        size,
        limited: "ScalingLimited=False DesiredWithinRange",
    };
    let with = |mut rise: Rise, field: &str, value: Value| {
        rise.spec[field] = value;
        rise
    };
    let cpu = || json!([utilization("cpu", 50)]);
    let fast = json!({"type": "Pods", "value": 20, "periodSeconds": 15});
    let fast = json!({"scaleUp": {"policies": [fast]}, "scaleDown": at_once()});
    let slow = json!({"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1800}]}});
    let at_max = Rise { limited: "ScalingLimited=True TooManyReplicas", ..rise(500, 64, cpu(), 3) };
    let at_policy = Rise {
        limited: "ScalingLimited=True ScaleUpLimit",
        ..with(with(rise(500, 64, cpu(), 3), "behavior", slow), "maxReplicas", json!(10))
    };
    let stories = [
        // 190 m on pods of 100 m at 50 % are 3.8 pods.
        ("cpu-by-the-hpa", with(rise(190, 64, cpu(), 4), "algorithm", json!("HPA-1.37"))),
        ("cpu-by-default", rise(190, 64, cpu(), 4)),
        // 190 m at 70 m a pod are 2.71 pods.
        ("cpu-average", rise(190, 64, json!([average("cpu", &json!("70m"))]), 3)),
        // 170 Mi at 50 Mi a pod are 3.4 pods.
        ("memory-average", rise(10, 170, json!([average("memory", &json!("50Mi"))]), 4)),
        // 109 Mi on pods of 64 Mi at 50 % are 3.4 pods.
        ("memory", rise(10, 109, json!([utilization("memory", 50)]), 4)),
        // 2.8 cores at 1 core a pod are 2.8 pods; a quantity may be written as a number.
        ("cpu-average-as-number", rise(2800, 64, json!([average("cpu", &json!(1))]), 3)),
        // The highest proposal wins.
        ("two-metrics", rise(190, 64, json!([utilization("cpu", 50), average("memory", &json!("50Mi"))]), 4)),
        // 345 m at 50 m a pod are 6.9 pods, in one step where a policy allows it: by default six are the most.
        ("behavior", with(rise(345, 64, cpu(), 7), "behavior", fast)),
        // 500 m at 50 m a pod are 10 pods.
        ("at-max", at_max),
        ("at-policy", at_policy),
    ];
    stage::story("sizes", async |scene| {
        let stories = stories.iter().map(|(name, rise)| (*name, rises(scene, name, rise)));
        stage::all(stories.collect()).await
    })
    .await
}

/// No window: what a single look has seen is not held on to.
fn at_once() -> Value {
    json!({"stabilizationWindowSeconds": 0})
}

async fn rises(scene: &Scene<'_>, name: &str, rise: &Rise) -> Result<()> {
    let target = Target::deployment(name);
    workload::deploy(scene.cluster, &scene.namespace, name, 2, 100).await?;
    let total = Total { cpu_milli: rise.cpu_milli, memory_mib: rise.memory_mib };
    let _load = Load::start(scene.cluster, &scene.namespace, &format!("app={name}"), total).await?;
    scene.scale(name, &target, rise.spec.clone()).await?;
    scene.reaches(&target, rise.size).await?;
    scene.condition(name, rise.limited).await?;
    let rescale = eventually(&format!("an event of a new size of {name}"), PATIENCE, async || {
        let events = scene.events(name).await?;
        events.into_iter().find(|event| event.starts_with("SuccessfulRescale")).context("there is none")
    })
    .await?;
    ensure!(rescale.contains(&format!("New size: {};", rise.size)), "{rescale}");
    Ok(())
}

/// The window that is over soon.
const SOON: i64 = 60;

/// Down after the window, and not before it is over.
#[tokio::test]
async fn size_falls_after_the_window() -> Result<()> {
    stage::story("falls", async |scene| {
        let window = |seconds: i64| json!({"scaleDown": {"stabilizationWindowSeconds": seconds}});
        let stories = [("soon", window(SOON)), ("late", window(3600))];
        let stories = stories.iter().map(|(name, behavior)| (*name, falls(scene, name, behavior)));
        stage::all(stories.collect()).await
    })
    .await
}

async fn falls(scene: &Scene<'_>, name: &str, behavior: &Value) -> Result<()> {
    let target = Target::deployment(name);
    workload::deploy(scene.cluster, &scene.namespace, name, 4, 100).await?;
    let busy = Total { cpu_milli: 190, memory_mib: 64 };
    let load = Load::start(scene.cluster, &scene.namespace, &format!("app={name}"), busy).await?;
    // No more than there are: a scrape that comes late may show too much once.
    let spec = json!({"maxReplicas": 4, "metrics": [utilization("cpu", 50)], "behavior": behavior});
    scene.scale(name, &target, spec).await?;
    scene.condition(name, "ScalingActive=True ValidMetricFound").await?;
    // The window lasts from the last look at this load on, and that look comes after this.
    let busy_at = Timestamp::now();
    scene.looks(3).await?;
    // 70 m at 50 m a pod are 1.4 pods.
    load.set(Total { cpu_milli: 70, memory_mib: 64 });
    let held = scene.condition(name, "AbleToScale=True ScaleDownStabilized").await?;
    ensure!(held.contains("recent recommendations were higher"), "{held}");
    if name == "late" {
        ensure!(scene.replicas(&target).await? == 4, "scaled down within the window");
        return Ok(());
    }
    scene.reaches(&target, 2).await?;
    let scaler = scene.until(name, |scaler| scaler["status"]["currentReplicas"] == 2).await?;
    let last = scaler["status"]["lastScaleTime"].as_str().context("no lastScaleTime")?;
    ensure!(last.len() == "2026-01-01T00:00:00Z".len(), "{last}");
    // Up to a second was cut off.
    let held_for = last.parse::<Timestamp>()?.duration_since(busy_at);
    ensure!(held_for >= SignedDuration::from_secs(SOON - 1), "scaled down after {held_for:?}");
    Ok(())
}
