//! `make bench-burst`: from a burst of pods to all of them bound, beside Karpenter.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use clap::Parser;
use testbed::bench::burst::{self, Options};

/// Lets a burst of pods loose on Plimsoll and on Karpenter, on fresh clusters, one after the other.
#[derive(Parser)]
#[command(name = "bench_burst")]
struct Args {
    /// Pods of a burst.
    #[arg(long, value_delimiter = ',', default_value = "1000,5000")]
    sizes: Vec<u32>,
    /// Seconds for which the cluster is watched after all pods are bound.
    #[arg(long, default_value_t = 120)]
    settle: u64,
    /// Where the figures and their picture go.
    #[arg(long, default_value = "docs/bench")]
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Args { sizes, settle, folder } = Args::parse();
    burst::run(&Options { sizes, settle: Duration::from_secs(settle), folder }).await
}
