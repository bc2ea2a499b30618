//! Where the programs of this work tree are.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::tools::repository;

/// A program of ours: named by the environment entry `variable`, or built in the work tree.
pub(crate) fn find(program: &str, package: &str, variable: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        return if path.is_file() { Ok(path) } else { bail!("{variable}: no file {}", path.display()) };
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let release = format!("{}-unknown-linux-musl/release", std::env::consts::ARCH);
    let built = [release.as_str(), "debug"].map(|folder| target.join(folder).join(program));
    built.iter().find(|path| path.is_file()).cloned().with_context(|| {
        let [release, debug] = built.each_ref().map(|path| path.display());
        format!("{program} is not built: neither {release} nor {debug} is there; run `make test`, or `cargo build -p {package}`")
    })
}
