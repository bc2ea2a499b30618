//! `plimsoll-operator`.

use clap::Parser;
use mimalloc::MiMalloc;
use plimsoll_operator::{
    args::{Args, Role},
    nodes, run, telemetry,
};

/// A look takes a thousand small pieces of memory, and the binary is linked to musl, whose own allocator is slow at that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    args.check().map_err(anyhow::Error::msg)?;
    telemetry::start(args.log_format, &args.log_filter)?;
    match args.role {
        Role::Pods => run::run(args).await,
        Role::Nodes => nodes::run::run(args).await,
        Role::Leave => nodes::leave::run(args).await,
    }
}
