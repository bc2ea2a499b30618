//! `plimsoll-operator`.

use clap::Parser;
use plimsoll_operator::{args::Args, run::run, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    args.check().map_err(anyhow::Error::msg)?;
    telemetry::start(args.log_format, &args.log_filter)?;
    run(args).await
}
