//! `plimsoll`, and `kubectl plimsoll`, as a person would call them.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::{binaries, cluster::Cluster};

/// The command line, for one cluster.
#[derive(Clone, Debug)]
pub struct Cli {
    binary: PathBuf,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code; None when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Cli {
    /// The command line with all rights in `cluster`.
    pub fn new(cluster: &Cluster) -> Result<Self> {
        Ok(Self {
            binary: binaries::find("plimsoll", "plimsoll-cli", "PLIMSOLL_CLI_BIN")?,
            kubectl: cluster.tools().program("kubectl"),
            kubeconfig: cluster.kubeconfig(),
        })
    }

    /// The same with the rights of another kubeconfig.
    #[must_use]
    pub fn with(&self, kubeconfig: &Path) -> Self {
        Self { kubeconfig: kubeconfig.to_owned(), ..self.clone() }
    }

    /// Runs `plimsoll`, however it ends.
    pub async fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Ended> {
        self.end(Command::new(&self.binary).args(args)).await
    }

    /// Runs `plimsoll`, and returns what it wrote to stdout. An error when it fails.
    pub async fn stdout(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<String> {
        let ended = self.run(args).await?;
        ensure!(ended.code == Some(0), "{ended:?}");
        Ok(ended.stdout)
    }

    /// Runs kubectl, which finds `kubectl-plimsoll` in its `PATH`.
    pub async fn kubectl(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Ended> {
        let folder = self.binary.parent().context("the binary is in no folder")?;
        let found = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([folder.to_owned()].into_iter().chain(env::split_paths(&found)))?;
        self.end(Command::new(&self.kubectl).args(args).env("PATH", path)).await
    }

    async fn end(&self, command: &mut Command) -> Result<Ended> {
        let command = command.env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.with_context(|| format!("cannot start {command:?}"))?;
        Ok(Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}
