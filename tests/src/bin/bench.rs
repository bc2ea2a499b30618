//! `make bench`: what a decision costs, beside the HPA controller of kube-controller-manager.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use clap::Parser;
use testbed::bench::{self, Options};

/// Measures Plimsoll and the HPA controller on the same cluster, objects and load.
#[derive(Parser)]
#[command(name = "bench")]
struct Args {
    /// Objects to scale, of two pods each.
    #[arg(long, env = "SIZE", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    size: u32,
    /// How long Plimsoll is measured; the others for a third of it.
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u32).range(45..))]
    seconds: u32,
    /// Where the figures and their picture go.
    #[arg(long, default_value = "docs/bench")]
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Args { size, seconds, folder } = Args::parse();
    let window = Duration::from_secs(seconds.into());
    bench::run(&Options { size: usize::try_from(size)?, window, folder }).await
}
