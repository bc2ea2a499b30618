//! The command line: `plimsoll`, and `kubectl plimsoll`.
//!
//! It decides nothing. Decisions come from the operator, or from the core that the operator runs; the words are the
//! core's.

mod args;
mod cluster;
mod convert;
mod diff;
mod explain;
#[cfg(test)]
mod fixtures;
mod history;
mod output;
mod replay;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _};

use args::{Args, Command};
use output::{Output, Stdio};

/// Why a command ends as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All is well.
    Well,
    /// It was done, and what was found, or part of the input, is not as it should be. What is wrong was told.
    Amiss,
}

/// Runs the command that was given to this process. `called` is what a person types to get here.
pub async fn main(called: &'static str) -> ExitCode {
    let mut output = Stdio::new();
    match run(called, std::env::args_os(), &mut output).await {
        Ok(End::Well) => ExitCode::SUCCESS,
        Ok(End::Amiss) => ExitCode::FAILURE,
        Err(error) => {
            output.note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(
    called: &'static str,
    words: impl IntoIterator<Item = OsString>,
    output: &mut Stdio,
) -> anyhow::Result<End> {
    let mut command = Args::command().name(called).bin_name(called);
    let matches = command.try_get_matches_from_mut(words).unwrap_or_else(|error| error.exit());
    let args = Args::from_arg_matches(&matches)?;
    let connection = &args.connection;
    match args.command {
        Command::Explain(args) => explain::run(&args, connection, output).await,
        Command::Replay(args) => replay::run(&args, connection, output).await,
        Command::Convert(args) => convert::run(&args, connection, output).await,
        Command::Diff(args) => diff::run(&args, connection, output).await,
        Command::Version => {
            output.print(&format!("plimsoll {}\n", env!("CARGO_PKG_VERSION")))?;
            Ok(End::Well)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            // A plugin is completed under the name of its file.
            let file = called.replace(' ', "-");
            clap_complete::generate(shell, &mut command, file, &mut script);
            output.print(&String::from_utf8_lossy(&script))?;
            Ok(End::Well)
        }
    }
}
