use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use testbed::{eventually, guardian};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

#[tokio::test]
async fn bed_ends_when_its_process_is_killed() -> Result<()> {
    let (mut testbed, state) = up().await?;
    running(&state, "etcd").await?;
    running(&state, "kube-apiserver").await?;
    testbed.kill().await?;
    gone(&state).await
}

#[tokio::test]
async fn bed_ends_when_its_process_is_killed_while_it_starts() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let mut testbed = testbed().env("TMPDIR", temporary.path()).spawn()?;
    let state = eventually("a state directory", Duration::from_mins(3), async || {
        let mut entries = std::fs::read_dir(temporary.path())?;
        Ok(entries.next().context("none")??.path())
    })
    .await?;
    running(&state, "etcd").await?;
    testbed.kill().await?;
    gone(&state).await
}

#[tokio::test]
async fn bed_ends_on_ctrl_c() -> Result<()> {
    let (mut testbed, state) = up().await?;
    let pid = testbed.id().and_then(|pid| rustix::process::Pid::from_raw(pid.try_into().ok()?));
    rustix::process::kill_process(pid.context("no pid")?, rustix::process::Signal::INT)?;
    assert!(testbed.wait().await?.success());
    assert!(guardian::processes(&state)?.is_empty());
    assert!(!state.exists());
    Ok(())
}

/// A cluster that belongs to another process, and its state directory.
async fn up() -> Result<(Child, PathBuf)> {
    let mut testbed = testbed().spawn()?;
    let mut lines = BufReader::new(testbed.stdout.take().context("no stdout")?).lines();
    let line = lines.next_line().await?.context("`testbed up` ended early")?;
    let kubeconfig = PathBuf::from(line.strip_prefix("export KUBECONFIG=").context(line.clone())?);
    Ok((testbed, kubeconfig.parent().context("no parent")?.to_owned()))
}

fn testbed() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command
        .args(["up", "--nodes-per-zone=1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn running(state: &Path, program: &str) -> Result<()> {
    eventually(&format!("{program} to run"), Duration::from_mins(3), async || {
        let names: Vec<_> = guardian::processes(state)?.into_iter().filter_map(name).collect();
        if names.iter().any(|name| name == program) { Ok(()) } else { Err(anyhow!("{names:?}")) }
    })
    .await
}

/// The last part of the path with which a process was started.
fn name(pid: u32) -> Option<String> {
    let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let program = command_line.split(|byte| *byte == 0).next()?;
    Some(
        PathBuf::from(String::from_utf8_lossy(program).into_owned())
            .file_name()?
            .to_string_lossy()
            .into_owned(),
    )
}

async fn gone(state: &Path) -> Result<()> {
    eventually("the cluster to end", Duration::from_mins(2), async || {
        let left = guardian::processes(state)?;
        if left.is_empty() && !state.exists() { Ok(()) } else { Err(anyhow!("processes {left:?}")) }
    })
    .await
}
