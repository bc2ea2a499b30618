//! `make bench-burst`: from a burst of pods to all of them bound, beside Karpenter.
//!
//! ```text
//!  for each size, on a fresh cluster each: Plimsoll, then Karpenter with its own kwok provider
//!    the same catalogue of machines, the same time to boot, the same Deployments
//!    ├─ until all pods are bound     seconds, cpu, requests
//!    └─ while it settles             nodes that turn out not to be needed go; evictions
//! ```
//!
//! Scheduler, controllers, etcd and API server are real, and the same for both. kwok plays the kubelets.

mod catalogue;
mod figures;
mod karpenter;
mod measure;
mod plimsoll;
mod plot;
mod workloads;

use std::{path::PathBuf, time::Duration};

use anyhow::Result;

use self::{
    figures::{Figures, Run},
    karpenter::Karpenter,
    measure::Measure,
};
use crate::{Cluster, ClusterSpec, demo::commit, save, say, tools::KarpenterOperator};

/// Seconds from an order to the Node object, for both.
const BOOT_SECONDS: u32 = 10;

/// How to run it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Pods of a burst, one run of each contestant each.
    pub sizes: Vec<u32>,
    /// How long the cluster is watched after all pods are bound.
    pub settle: Duration,
    /// Where the figures and their picture go.
    pub folder: PathBuf,
}

/// Who makes nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Plimsoll,
    Karpenter,
}

impl Who {
    const ALL: [Self; 2] = [Self::Plimsoll, Self::Karpenter];

    const fn name(self) -> &'static str {
        match self {
            Self::Plimsoll => "Plimsoll",
            Self::Karpenter => "Karpenter",
        }
    }
}

/// Measures both, prints the figures and writes them to `burst.json` and `burst.svg`.
///
/// # Errors
/// When a cluster or a contestant does not come up, or pods stay without a node.
pub async fn run(options: &Options) -> Result<()> {
    let tools = tokio::task::spawn_blocking(KarpenterOperator::ensure).await??;
    // Read before the run: it is what was built.
    let commit = commit();
    let mut runs = Vec::new();
    let mut kubernetes = String::new();
    for size in &options.sizes {
        for who in Who::ALL {
            let run = one(who, *size, options, &tools, &mut kubernetes).await?;
            run.lines().iter().for_each(|line| say(line));
            runs.push(run);
        }
    }
    let figures = Figures {
        date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        commit,
        kubernetes,
        plimsoll: env!("CARGO_PKG_VERSION").to_owned(),
        karpenter: tools.version().to_owned(),
        cores: std::thread::available_parallelism()?.get(),
        boot_seconds: BOOT_SECONDS,
        settle_seconds: options.settle.as_secs(),
        runs,
    };
    save::figures(&options.folder.join("burst.json"), &figures)?;
    plot::draw(&figures, &options.folder.join("burst.svg"))?;
    figures.table().iter().for_each(|line| say(line));
    Ok(())
}

async fn one(
    who: Who,
    size: u32,
    options: &Options,
    tools: &KarpenterOperator,
    kubernetes: &mut String,
) -> Result<Run> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    cluster.tools().kubernetes_version().clone_into(kubernetes);
    say(&format!("{}: a burst of {size} pods", who.name()));
    let run = match who {
        Who::Plimsoll => {
            let mut operator = plimsoll::install(&cluster).await?;
            let process = super::process::Process::new(operator.leader_of_nodes().await?.id());
            Measure::new(&cluster, who, process).run(size, options.settle).await?
        }
        Who::Karpenter => {
            let karpenter = Karpenter::start(&cluster, tools).await?;
            Measure::new(&cluster, who, karpenter.process()).run(size, options.settle).await?
        }
    };
    cluster.stop().await?;
    Ok(run)
}
