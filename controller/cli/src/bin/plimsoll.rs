//! `plimsoll`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    plimsoll_cli::main("plimsoll").await
}
