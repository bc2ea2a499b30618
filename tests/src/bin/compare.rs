//! The live part of `make conformance`: the HPA and Plimsoll side by side on a real cluster.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Parser;

/// Puts the same load on twin workloads, one scaled by kube-controller-manager's HPA and one by Plimsoll under
/// HPA-1.37, and fails when the two differ by more than the phase of their looks. Takes about seven minutes.
#[derive(Parser)]
#[command(name = "compare")]
struct Args {
    /// Where to draw it; the raw figures go beside it as JSON.
    #[arg(long, value_name = "FILE", default_value = "docs/conformance/live.svg")]
    svg: PathBuf,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let same = testbed::compare::run(&Args::parse().svg).await?;
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
