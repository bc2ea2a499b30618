//! Parts of the control plane give up when the API server is slow to start, as it is on a busy machine.
//! In a real cluster a kubelet starts them again.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
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
                        // It leaves alone what runs.
                        let mut start = self.kwokctl();
                        start.args(["start", "cluster", "--name", NAME]);
                        Command::from(start).output().await.context("kwokctl")?;
                    }
                }
            }
        }
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
}
