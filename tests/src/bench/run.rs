//! The run, from an empty machine to the figures.

use std::{fs, time::Duration};

use anyhow::{Context, Result, anyhow};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, ResourceExt, api::ListParams};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Options,
    contestant::Contestant,
    figures::{Cost, Figures, round},
    kubelets::LOAD,
    manager::Manager,
    objects::{Objects, PODS},
    plot,
    process::Process,
    requests,
};
use crate::{Cluster, ClusterSpec, Operator, demo::commit, eventually, save, say};

/// Seconds between two decisions about an object, of both controllers by default.
const PERIOD: Duration = Duration::from_secs(15);

/// How long each contestant decides before it is measured: past the operator's first refresh of what it shows.
const WARM: Duration = Duration::from_secs(75);

/// The HPA controller with as much room as it can use.
const RAISED: [&str; 3] =
    ["--kube-api-qps=2000", "--kube-api-burst=4000", "--concurrent-horizontal-pod-autoscaler-syncs=50"];
/// As it is shipped.
const STOCK: [&str; 3] =
    ["--kube-api-qps=20", "--kube-api-burst=30", "--concurrent-horizontal-pod-autoscaler-syncs=5"];

/// Measures and writes the figures and their picture. Prints them too.
///
/// # Errors
/// When the bed or a contestant does not come up, or does not decide.
pub async fn run(options: &Options) -> Result<()> {
    let load_at_start = load_average();
    let cluster =
        Cluster::start(ClusterSpec { nodes_per_zone: 3, plain_kubelets: true, ..ClusterSpec::default() })
            .await?;
    let nodes = Api::<Node>::all(cluster.client().await?).list(&ListParams::default()).await?;
    let nodes = nodes.iter().map(ResourceExt::name_any).collect();
    let objects = Objects::new(cluster.client().await?, options.size, nodes);
    let mut operator = Operator::install(&cluster, &["--set=replicas=1"]).await?;
    operator.leader().await?;
    objects.make_namespaces().await?;
    for part in ["kube-controller-manager", "kube-scheduler", "kwok-controller"] {
        let id = Process::of_bed(&cluster.pids(), part)?.id();
        kill_process(Pid::from_raw(id.try_into()?).context("process 0")?, Signal::TERM)?;
    }
    say(&format!("making {} Deployments with {PODS} pods each", options.size));
    let _kubelets = objects.play_kubelets().await?;
    objects.make_targets().await?;
    let bed = Bed { cluster: &cluster, options };
    say("nobody scales");
    let alone = bed.alone().await?;

    let mut contestants = Vec::new();
    objects.make_scalers().await?;
    let process = operator.processes().first().context("no operator")?;
    contestants
        .push(bed.measure("Plimsoll", &[], &Contestant::Operator(process), alone, options.window).await?);
    objects.delete_scalers().await?;
    operator.leader().await?.terminate().await?;

    objects.make_hpas().await?;
    for (name, flags) in [("HPA, stock", STOCK), ("HPA, raised limits", RAISED)] {
        let manager = Manager::start(&cluster, &flags)?;
        contestants.push(
            bed.measure(name, &flags, &Contestant::Manager(&manager), alone, options.window / 3).await?,
        );
    }
    let mut figures = Figures {
        date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        commit: commit(),
        kubernetes: cluster.tools().kubernetes_version().to_owned(),
        plimsoll: env!("CARGO_PKG_VERSION").to_owned(),
        cores: std::thread::available_parallelism()?.get(),
        load_average: [load_at_start, load_average()],
        size: options.size,
        pods_of_each: PODS,
        period_seconds: PERIOD.as_secs_f64(),
        load: LOAD,
        apiserver_alone_cores: round(alone),
        contestants,
        ratios: Vec::new(),
    };
    figures.compare();
    figures.lines().iter().for_each(|line| say(line));
    let name = format!("operator-{}", options.size);
    save::figures(&options.folder.join(format!("{name}.json")), &figures)?;
    plot::draw(&figures, &options.folder.join(format!("{name}.svg")))?;
    cluster.stop().await
}

struct Bed<'a> {
    cluster: &'a Cluster,
    options: &'a Options,
}

impl Bed<'_> {
    fn apiserver(&self) -> Result<Process> {
        Process::of_bed(&self.cluster.pids(), "kube-apiserver")
    }

    /// Cores that the API server uses when nobody scales.
    async fn alone(&self) -> Result<f64> {
        let apiserver = self.apiserver()?;
        let (started, before) = (Instant::now(), apiserver.cpu_seconds()?);
        sleep(self.options.window / 3).await;
        Ok((apiserver.cpu_seconds()? - before) / started.elapsed().as_secs_f64())
    }

    /// Waits until every object was decided on, or should have been twice, and then measures.
    async fn measure(
        &self,
        name: &str,
        flags: &[&str],
        who: &Contestant<'_>,
        alone: f64,
        window: Duration,
    ) -> Result<Cost> {
        let warm = Instant::now() + WARM;
        say(&format!("{name} scales"));
        let size = f64::from(u32::try_from(self.options.size)?);
        let decided = async |least: f64| {
            let decisions = who.decisions(&who.page().await?);
            if decisions >= least { Ok(()) } else { Err(anyhow!("{decisions} decisions")) }
        };
        eventually(name, Duration::from_mins(2), async || decided(1.0).await).await?;
        // One that cannot keep up is measured as it is.
        let _ = eventually(name, 4 * PERIOD, async || decided(2.0 * size).await).await;
        sleep_until(warm).await;

        let (process, apiserver) = (who.process(), self.apiserver()?);
        let audit = self.cluster.audit().from_now()?;
        let page = who.page().await?;
        let (started, cpu, apiserver_cpu) =
            (Instant::now(), process.cpu_seconds()?, apiserver.cpu_seconds()?);
        sleep(window).await;
        let (cpu, apiserver_cpu) = (process.cpu_seconds()? - cpu, apiserver.cpu_seconds()? - apiserver_cpu);
        let seconds = started.elapsed().as_secs_f64();
        let later = who.page().await?;
        let decisions = who.decisions(&later) - who.decisions(&page);
        let kinds = requests::by_kind(&audit, |event| who.asked(event))?;
        let per_decision = |count: u32| f64::from(count) / decisions.max(1.0);
        let writes = kinds.iter().filter(|(kind, _)| requests::is_write(kind)).map(|(_, count)| count).sum();
        let lag = who.lag(&later).since(&who.lag(&page));
        let cost = Cost {
            name: name.to_owned(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            seconds: round(seconds),
            decisions,
            of_those_due: round(decisions * PERIOD.as_secs_f64() / (size * seconds)),
            cores: round(cpu / seconds),
            cpu_ms_per_decision: round(1000.0 * cpu / decisions.max(1.0)),
            apiserver_cpu_ms_per_decision: round(
                1000.0 * (apiserver_cpu - alone * seconds).max(0.0) / decisions.max(1.0),
            ),
            peak_mib: round(process.peak_mib()?),
            writes_per_decision: round(per_decision(writes)),
            requests_per_decision: kinds
                .into_iter()
                .map(|(kind, count)| (kind, per_decision(count)))
                .collect(),
            lag_seconds: [0.5, 0.99, 1.0].map(|share| lag.at_most(share).filter(|lag| lag.is_finite())),
        };
        cost.lines().iter().for_each(|line| say(line));
        Ok(cost)
    }
}

pub(super) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
