//! `make bench`: how fast nodes are planned for, beside Karpenter's own scheduling benchmark.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use testbed::bench::plan::{self, Options};

/// Plans nodes for the pods of Karpenter's benchmark, and has Karpenter do the same.
#[derive(Parser)]
#[command(name = "bench_plan")]
struct Args {
    /// Our solver: `target/release/examples/plan_pods`.
    #[arg(long, env = "PLIMSOLL_PLAN_BIN")]
    solver: PathBuf,
    /// Pods of the diverse mix, one run each.
    #[arg(long, value_delimiter = ',', default_value = "500,1000,2000,5000,10000,20000")]
    sizes: Vec<u32>,
    /// Pods with preferences.
    #[arg(long, default_value_t = 4000)]
    preferences: u32,
    /// Of which size of the diverse mix no two pods are equal in a further run.
    #[arg(long, default_value_t = 10_000)]
    distinct: u32,
    /// Where the figures and their picture go.
    #[arg(long, default_value = "docs/bench")]
    folder: PathBuf,
}

fn main() -> Result<()> {
    let Args { solver, sizes, preferences, distinct, folder } = Args::parse();
    plan::run(&Options { solver, sizes, preferences, distinct, folder })
}
