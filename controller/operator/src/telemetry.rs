//! Structured logs.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::args::LogFormat;

/// Starts logging to standard error.
///
/// # Errors
/// When `filter` is not a list of directives, or logging was started before.
pub fn start(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    // kube's span repeats at each line what our lines say themselves. A later directive wins.
    let filter = EnvFilter::try_new(format!("kube=warn,{filter}"))
        .with_context(|| format!("--log-filter={filter} is not a level or a list of directives"))?;
    let registry = tracing_subscriber::registry().with(filter);
    let colour = std::io::stderr().is_terminal();
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(colour).with_target(false);
    match format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init()?,
        LogFormat::Text => registry.with(layer).try_init()?,
    }
    Ok(())
}
