//! The test bed by hand: build its tools, start a cluster to play with, end one that was kept.

use std::io::{Write, stdout};

use anyhow::Result;
use clap::{Parser, Subcommand};
use testbed::{
    Cluster, ClusterSpec,
    tools::{
        AdapterTools, HpaOracle, PrometheusTools, SchedulerOracle, Tools, gateway_api_crds, monitoring_crds,
    },
};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(name = "testbed", about = "A real Kubernetes in seconds, without containers")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the tools that clusters are made of, unless they are built.
    Tools {
        /// Prometheus too.
        #[arg(long)]
        prometheus: bool,
        /// And all else that tests need, so that none of them waits while something is built.
        #[arg(long)]
        tests: bool,
    },
    /// Print where a tool is, for example `helm` or `promtool`; builds it when it is not there.
    ToolPath {
        /// Its name.
        name: String,
    },
    /// Start a cluster and print the line that points kubectl at it. Ctrl-C ends it.
    Up {
        /// Return and leave the cluster running until `testbed down`.
        #[arg(long)]
        keep: bool,
        /// Nodes in each of the three zones.
        #[arg(long, default_value_t = 2)]
        nodes_per_zone: usize,
    },
    /// End the clusters that were kept.
    Down,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Args::parse().command {
        Command::Tools { prometheus, tests } => {
            Tools::ensure()?;
            if prometheus || tests {
                PrometheusTools::ensure()?;
            }
            if tests { tools_of_tests() } else { Ok(()) }
        }
        Command::ToolPath { name } => tool_path(&name),
        Command::Up { keep, nodes_per_zone } => up(keep, nodes_per_zone).await,
        Command::Down => Cluster::stop_kept(),
    }
}

fn tools_of_tests() -> Result<()> {
    AdapterTools::ensure()?;
    HpaOracle::ensure()?;
    SchedulerOracle::ensure()?;
    monitoring_crds()?;
    gateway_api_crds().map(drop)
}

fn tool_path(name: &str) -> Result<()> {
    let path = match name {
        "prometheus" | "promtool" => PrometheusTools::ensure()?.program(name),
        _ => Tools::ensure()?.program(name),
    };
    anyhow::ensure!(path.is_file(), "no tool is named {name}");
    Ok(writeln!(stdout(), "{}", path.display())?)
}

async fn up(keep: bool, nodes_per_zone: usize) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let started = tokio::select! {
        cluster = Cluster::start(ClusterSpec { nodes_per_zone, ..ClusterSpec::default() }) => cluster?,
        interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
    };
    writeln!(stdout(), "export KUBECONFIG={}", started.kubeconfig().display())?;
    if keep {
        return started.keep().map(drop);
    }
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    started.stop().await
}
