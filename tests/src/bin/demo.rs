//! `make demo`: a small shop on a real cluster, a wave of load on one service, and how it scales.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, ensure};
use clap::{Parser, builder::FalseyValueParser};
use testbed::{
    demo::{self, Options},
    traffic::network,
};

/// Brings a cluster up, installs Plimsoll and a shop of three services, drives a wave of load on one of
/// them and shows how it scales. Fails when it does not, or when another service moves.
#[derive(Parser)]
#[command(name = "demo")]
struct Args {
    /// Leave the cluster and the operator up.
    #[arg(long, env = "KEEP", value_parser = FalseyValueParser::new(), hide_env_values = true)]
    keep: bool,
    /// Let clients come through a front door: k6 asks Traefik, which asks pods that answer. In a network namespace.
    #[arg(long)]
    ingress: bool,
    /// Draw the run as an SVG, with its raw figures beside it as JSON.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Run nothing: draw --svg from the figures of an earlier run.
    #[arg(long, value_name = "FILE", requires = "svg", hide = true)]
    from: Option<PathBuf>,
    /// Do not run the operator: see the demo fail because nothing scales.
    #[arg(long, hide = true, conflicts_with = "ingress")]
    without_operator: bool,
    /// Load this service too: see the demo fail because it moves.
    #[arg(long, value_name = "SERVICE", hide = true)]
    disturb: Option<String>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Args { keep, ingress, svg, from, without_operator, disturb } = Args::parse();
    if let Some(figures) = from {
        demo::redraw(&figures, &svg.context("--from needs --svg")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if ingress {
        ensure!(
            !keep,
            "a cluster in a network namespace ends with it: --ingress and --keep exclude each other"
        );
        if let Some(status) = network::enter(std::env::args_os().skip(1))? {
            return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    demo::run(&Options { keep, ingress, svg, without_operator, disturb }).await
}
