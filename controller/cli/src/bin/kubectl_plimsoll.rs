//! `kubectl plimsoll`: kubectl runs what it finds under this name in the PATH.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    plimsoll_cli::main("kubectl plimsoll").await
}
