//! A cluster as large as Kubernetes supports, and the input of the cluster-autoscaler's estimator benchmark.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_core::audit::Audit;
use plimsoll_core::cluster::{Pod, PodShape, Pool, ZONE};
use plimsoll_core::nodes::add::{self, Settings};
use plimsoll_core::nodes::remove::RemovalPlan;
use plimsoll_core::placement::{Change, View};
use serde::Serialize;

use crate::fleet::{self, ZONES, in_zones, pods, pool, shape, spread};
use crate::{NOW, TIMES, check, from_scratch};

/// What a plan over the whole cluster costs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Large {
    nodes: usize,
    pods: usize,
    from_scratch_seconds: f64,
    after_one_change_seconds: f64,
    /// What the process had at most before anything was planned: what the planner and the audit know of the cluster.
    view_mebibytes: f64,
    /// The same after all plans, each from scratch with a cluster of its own.
    peak_mebibytes: f64,
    breach: Option<String>,
}

/// 34,000 small and 17,000 large pods, and one type that takes both.
pub(crate) fn two_classes() -> (Vec<Pod>, Pool) {
    let mut all = pods("small", 34_000, shape(200, 300, &[]));
    all.extend(pods("large", 17_000, shape(820, 1700, &[])));
    (all, pool("general", in_zones(&ZONES[..1], &[("big", 8, 16, 400_000)])))
}

pub(crate) fn measure() -> Result<Large, String> {
    let (mut view, mut audit) = (View::default(), Audit::default());
    for change in fleet::large::changes() {
        let change = alone(change);
        audit.apply(&change);
        view.apply(change);
    }
    let view_mebibytes = most_memory().map_err(|error| error.to_string())?;
    let mut breach = checked(&view, &audit);
    let web = [("app", "app-8")];
    let one = Arc::new(PodShape { spread: vec![spread(ZONE, 1, &web)], ..shape(2000, 4096, &web) });
    let after_one_change = (0..TIMES).map(|number| {
        let change = Change::Pod(fleet::pod(&format!("new-{number}"), &one));
        let start = Instant::now();
        audit.apply(&change);
        view.apply(change);
        let found = checked(&view, &audit);
        breach = breach.take().or(found);
        start.elapsed()
    });
    let after_one_change = median(after_one_change.collect());
    let (nodes, count) = (view.nodes().count(), view.pods().count());
    drop((view, audit));
    let from_scratch = (0..TIMES).map(|_| {
        let run = from_scratch(fleet::large::changes().collect());
        breach = breach.take().or(run.breach);
        run.taking_in + run.planning + run.auditing
    });
    let from_scratch = median(from_scratch.collect());
    Ok(Large {
        nodes,
        pods: count,
        from_scratch_seconds: from_scratch.as_secs_f64(),
        after_one_change_seconds: after_one_change.as_secs_f64(),
        view_mebibytes,
        peak_mebibytes: most_memory().map_err(|error| error.to_string())?,
        breach,
    })
}

/// Plans, and says what the audit has against it.
fn checked(view: &View, audit: &Audit) -> Option<String> {
    let plan = add::plan(view, &Settings::default(), NOW);
    check(audit, &plan, &RemovalPlan::default(), NOW)
}

/// As the operator sees it: each pod has a shape of its own, though many are equal.
pub(crate) fn alone(change: Change) -> Change {
    match change {
        Change::Pod(pod) => Change::Pod(Pod { shape: Arc::new((*pod.shape).clone()), ..pod }),
        other => other,
    }
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The most memory that this process has had, in MiB.
pub(crate) fn most_memory() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok((kibibytes / 1024.0).round())
}
