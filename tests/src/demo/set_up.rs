//! From nothing to a shop whose operator looks after it, each step as a person would do it.

use std::{
    mem::ManuallyDrop,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    Options, Stage,
    figures::Versions,
    model::EntryKind,
    run::Ground,
    shop::{Loads, NAMESPACE, WAVE, names, quiet_milli},
    visitors::{self, Visitors},
    watch,
};
use crate::{
    Cluster, Operator,
    operator::{self, RELEASE, chart},
    tools::repository,
    traffic::Bed,
};

/// The chart leaves the CRDs to kubectl, which has just applied them.
const VALUES: &str = "--set=crds.install=false";
/// Seconds in which what was needed lately still counts. The sample's five minutes would be a long demo.
pub(super) const WINDOW_SECONDS: u32 = 15;

/// What goes on until the end of the demo.
pub(super) struct Shop<'c> {
    pub(super) loads: Loads<'c>,
    pub(super) versions: Versions,
    pub(super) _watching: JoinSet<()>,
    /// Its processes end with the cluster. Dropping it would show the end of their logs, which is for tests.
    pub(super) _operator: Option<ManuallyDrop<Operator<'c>>>,
}

/// Installs everything into the cluster.
pub(super) async fn set_up<'c>(ground: &'c Ground, stage: &Stage, options: &Options) -> Result<Shop<'c>> {
    let cluster = ground.cluster();
    let step = Step::start(stage, "applying the CRDs with kubectl");
    cluster.kubectl(["apply", "-f", &repository().join("crds").display().to_string()]).await?;
    step.done("CRDs applied by kubectl");

    let step = Step::start(stage, "installing the chart with helm");
    let operator = if options.without_operator {
        let chart = chart().display().to_string();
        let fixed =
            ["install", RELEASE, &chart, "--create-namespace", "--namespace", operator::NAMESPACE, VALUES];
        cluster.helm(fixed).await?;
        step.done("chart installed by helm; the operator is NOT run: nothing will scale");
        None
    } else {
        let operator = Operator::install(cluster, &[VALUES]).await?;
        let count = operator.processes().len();
        step.done(&format!("chart installed by helm ({VALUES}), its {count} pods run and are ready"));
        Some(ManuallyDrop::new(operator))
    };

    // Before there is anything to see, so that nothing is missed.
    let mut watching = watch::start(&cluster.client().await?, stage).await?;
    stage.tell(|model, _| {
        for service in &mut model.services {
            service.load_milli = match ground {
                Ground::Cluster(_) => quiet_milli(&service.name),
                Ground::FrontDoor(_) => visitors::quiet(),
            };
        }
    });
    let loads = match ground {
        Ground::Cluster(cluster) => samples(cluster, stage).await?,
        Ground::FrontDoor(bed) => front_door(bed, stage, &mut watching).await?,
    };
    hurry(cluster, stage).await?;
    if options.without_operator {
        let args = ["scale", "deployment", "--all", "--replicas=2", "--namespace", NAMESPACE];
        cluster.kubectl(args).await?;
    }
    Ok(Shop { loads, versions: versions(cluster).await?, _watching: watching, _operator: operator })
}

/// The shop of the samples, with a load that kwok is told.
async fn samples<'c>(cluster: &Cluster, stage: &Stage) -> Result<Loads<'c>> {
    let step = Step::start(stage, "applying manifests/samples with kubectl");
    let loads = Loads::said(cluster).await?;
    let samples = repository().join("manifests/samples").display().to_string();
    cluster.kubectl(["apply", "-k", &samples]).await?;
    step.done(&format!("{} applied by kubectl, each with a quiet load", names().join(", ")));
    Ok(loads)
}

/// A shop whose pods answer, with clients who come through Traefik.
async fn front_door<'c>(bed: &'c Bed, stage: &Stage, watching: &mut JoinSet<()>) -> Result<Loads<'c>> {
    let step =
        Step::start(stage, "applying the shop and its Ingress; waiting until Traefik leads to every service");
    bed.open(&visitors::shop()).await?;
    step.done(&format!("{} are reached through one Ingress, which Traefik serves", names().join(", ")));
    let step = Step::start(stage, "opening the shop to clients (k6)");
    let visitors = Visitors::start(&bed.cluster).await?;
    let (witness, stage) = (visitors.witness(), stage.clone());
    step.done("clients come through the front door, a few to each service");
    watching.spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            witness(&stage);
        }
    });
    Ok(Loads::Sent(visitors))
}

/// Makes the scale-down quick enough to watch.
async fn hurry(cluster: &Cluster, stage: &Stage) -> Result<()> {
    let down = json!({
        "stabilizationWindowSeconds": WINDOW_SECONDS,
        "policies": [{"type": "Percent", "value": 50, "periodSeconds": 15}],
    });
    let patch = json!({"spec": {"behavior": {"scaleDown": down}}}).to_string();
    let args = ["patch", "podscaler", WAVE, "--namespace", NAMESPACE, "--type=merge", "--patch", &patch];
    cluster.kubectl(args).await?;
    let quick = format!(
        "{WAVE} patched to shrink after {WINDOW_SECONDS} s of calm instead of 5 min, by half every 15 s instead of 60 s: for this demo only"
    );
    stage.done(EntryKind::Step, quick);
    Ok(())
}

async fn versions(cluster: &Cluster) -> Result<Versions> {
    #[derive(Deserialize)]
    struct Release {
        app_version: String,
    }
    let kubernetes = cluster.client().await?.apiserver_version().await?.git_version;
    let releases = cluster.helm(["list", "--namespace", operator::NAMESPACE, "--output=json"]).await?;
    let releases: Vec<Release> = serde_json::from_str(&releases.stdout)?;
    let plimsoll = releases.into_iter().map(|release| release.app_version).collect();
    Ok(Versions { kubernetes, plimsoll })
}

/// A step under way.
pub(super) struct Step<'s> {
    stage: &'s Stage,
    started: Instant,
}

impl<'s> Step<'s> {
    pub(super) fn start(stage: &'s Stage, what: &str) -> Self {
        stage.doing(what);
        Self { stage, started: Instant::now() }
    }

    pub(super) fn done(self, what: &str) {
        let took = self.started.elapsed().as_secs_f64();
        self.stage.done(EntryKind::Step, format!("{what} ({took:.1} s)"));
    }
}
