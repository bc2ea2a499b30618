//! Parts of the control plane that end are started again, as a kubelet does in a real cluster: those that gave up because
//! the API server was slow to start, as it is on a busy machine, and those that a test has ended.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Command,
    time::{MissedTickBehavior, interval},
};

use super::{Cluster, NAME};
use crate::{guardian, say};

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

impl Cluster {
    /// Waits for `ready`, and starts again whatever ends meanwhile.
    pub(super) async fn reviving<T>(&self, ready: impl Future<Output = T>) -> Result<T> {
        let mut ready = std::pin::pin!(ready);
        let mut looks = interval(BETWEEN_LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ready = &mut ready => return Ok(ready),
                _ = looks.tick() => {
                    let dead = self.dead_parts()?;
                    if !dead.is_empty() {
                        say(&format!("starting again, because the API server was slow: {}", dead.join(", ")));
                        self.start_dead_parts(&dead).await?;
                    }
                }
            }
        }
    }

    /// Ends a part of the control plane as a dying node does, by SIGKILL, and starts it again; for example
    /// `kube-controller-manager`.
    pub async fn restart(&self, part: &str) -> Result<()> {
        let pid: u32 = fs::read_to_string(self.pid_file(part))?.trim().parse()?;
        ensure!(guardian::processes(&self.state)?.contains(&pid), "{part} has ended by itself");
        let pid = Pid::from_raw(pid.try_into()?).context("a process id of 0")?;
        kill_process(pid, Signal::KILL)?;
        self.start_dead_parts(&[part.to_owned()]).await
    }

    /// kwokctl starts what does not run. It takes a process for running that has ended and was not yet waited for by its
    /// parent, which is the first process of the machine and may take its time; without a file it has no such doubt.
    async fn start_dead_parts(&self, parts: &[String]) -> Result<()> {
        for part in parts {
            fs::remove_file(self.pid_file(part))?;
        }
        let mut start = self.kwokctl();
        start.args(["start", "cluster", "--name", NAME]);
        let started = Command::from(start).output().await.context("kwokctl")?;
        ensure!(started.status.success(), "kwokctl: {}", String::from_utf8_lossy(&started.stderr));
        Ok(())
    }

    /// The parts whose process ended.
    fn dead_parts(&self) -> Result<Vec<String>> {
        let alive = guardian::processes(&self.state)?;
        let mut dead = Vec::new();
        for file in fs::read_dir(self.pids())? {
            let file = file?.path();
            let is_alive = fs::read_to_string(&file)?.trim().parse().is_ok_and(|pid| alive.contains(&pid));
            if !is_alive && let Some(part) = file.file_stem() {
                dead.push(part.to_string_lossy().into_owned());
            }
        }
        Ok(dead)
    }

    fn pid_file(&self, part: &str) -> PathBuf {
        self.pids().join(format!("{part}.pid"))
    }
}
