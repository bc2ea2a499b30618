//! `kubectl` and `helm`, as a person would call them.

use std::{ffi::OsStr, process::Stdio};

use anyhow::{Context, Result, bail};
use tokio::{io::AsyncWriteExt, process::Command};

use super::Cluster;

/// What a command wrote.
#[derive(Clone, Debug)]
pub struct Output {
    /// To stdout.
    pub stdout: String,
    /// To stderr, where kubectl shows the API server's warnings.
    pub stderr: String,
}

impl Cluster {
    /// Runs kubectl with all rights. An error when it fails, with what it wrote.
    pub async fn kubectl(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Output> {
        self.run("kubectl", args, "").await
    }

    /// Runs kubectl with `stdin`, for example a manifest for `apply -f -`.
    pub async fn kubectl_with(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        stdin: &str,
    ) -> Result<Output> {
        self.run("kubectl", args, stdin).await
    }

    /// Runs helm with all rights and a home of its own.
    pub async fn helm(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Output> {
        self.run("helm", args, "").await
    }

    async fn run(
        &self,
        program: &str,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        stdin: &str,
    ) -> Result<Output> {
        let helm_home = self.state().join("helm");
        let mut command = Command::from(self.command(program));
        command
            .args(args)
            .env("HELM_CACHE_HOME", helm_home.join("cache"))
            .env("HELM_CONFIG_HOME", helm_home.join("config"))
            .env("HELM_DATA_HOME", helm_home.join("data"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        let mut pipe = child.stdin.take().context("no stdin")?;
        let write = async move {
            // A command that ends before it has read all says so itself.
            let _ = pipe.write_all(stdin.as_bytes()).await;
            drop(pipe);
        };
        let ((), output) = tokio::join!(write, child.wait_with_output());
        let output = output?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            let command = command.as_std();
            let args: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
            bail!("{program} {} ended with {}:\n{stdout}{stderr}", args.join(" "), output.status);
        }
        Ok(Output { stdout, stderr })
    }
}
