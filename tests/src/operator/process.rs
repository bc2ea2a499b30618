//! One process of the operator, in place of one pod.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use rustix::process::{Pid, Signal, kill_process};

use super::{credentials, log_tail::last_lines, pod::Process};
use crate::{binaries, cluster::Cluster, eventually, guardian, http, http::Response, ports::Port};

/// Seconds that a start or an end may take where several clusters share few cores.
const BUSY: u64 = 300;

/// A running operator. It ends when this value is dropped.
#[derive(Debug)]
pub struct OperatorProcess {
    pod: String,
    child: Child,
    process: Process,
    port: Port,
    log: PathBuf,
}

impl OperatorProcess {
    pub(super) async fn start(cluster: &Cluster, pod: &Pod) -> Result<Self> {
        let name = pod.name_any();
        let folder = cluster.state().join("operator").join(&name);
        fs::create_dir_all(&folder)?;
        let port = Port::claim()?;
        let process = Process::of(pod, &format!("127.0.0.1:{}", port.number()))?;
        let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
        if let (Some(network), Some(ip)) = (cluster.pod_network(), ip) {
            network.lead_to(ip.parse()?, format!("127.0.0.1:{}", port.number()));
        }
        let log = folder.join("log");
        let (mark_name, mark_value) = guardian::mark(cluster.state());
        let mut command =
            Command::new(binaries::find("plimsoll-operator", "plimsoll-operator", "PLIMSOLL_OPERATOR_BIN")?);
        command
            .args(&process.args)
            .env_clear()
            .envs(&process.env)
            .env("KUBECONFIG", credentials::write(cluster, pod, &folder).await?)
            .env(mark_name, mark_value)
            .stdin(Stdio::null())
            // After what the process before this one wrote.
            .stdout(File::options().create(true).append(true).open(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { pod: name, child, process, port, log })
    }

    /// Waits on the startup probe, then on the readiness probe.
    pub(super) async fn ready(&mut self) -> Result<()> {
        let readiness = self.process.readiness.clone();
        let startup = self.process.startup.clone().unwrap_or_else(|| readiness.clone());
        // A pod may become ready late; it is only not sent traffic until then.
        for (check, patience) in [(&startup, startup.patience_seconds.max(BUSY)), (&readiness, BUSY)] {
            let what = format!("{} of {}", check.path, self.pod);
            let answered = eventually(&what, Duration::from_secs(patience), async || {
                if let Some(status) = self.child.try_wait()? {
                    return Ok(Err(anyhow!("the operator ended with {status}")));
                }
                let answer = self.get(&check.path).await?;
                if answer.status == 200 { Ok(Ok(())) } else { Err(anyhow!("{answer:?}")) }
            })
            .await;
            answered.and_then(|ended| ended).with_context(|| self.last_lines())?;
        }
        Ok(())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The pod it stands for.
    pub fn pod(&self) -> &str {
        &self.pod
    }

    /// Where it answers, for example `http://127.0.0.1:20000`.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    /// Asks for a path, for example `/metrics`.
    pub async fn get(&self, path: &str) -> Result<Response> {
        http::get(&format!("{}{path}", self.http_url())).await
    }

    /// Whether the liveness probe succeeds.
    pub async fn is_live(&self) -> bool {
        self.get(&self.process.liveness.path).await.is_ok_and(|answer| answer.status == 200)
    }

    /// Whether the readiness probe succeeds.
    pub async fn is_ready(&self) -> bool {
        self.get(&self.process.readiness.path).await.is_ok_and(|answer| answer.status == 200)
    }

    /// What it wrote.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it as a dying node does: SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends it as the kubelet does: SIGTERM. Says how long it took and how it ended; whether the pod's grace period is kept
    /// is for tests that are alone to judge. An error when it does not end; then it is killed.
    pub async fn terminate(&mut self) -> Result<(Duration, ExitStatus)> {
        if let Some(status) = self.child.try_wait()? {
            return Ok((Duration::ZERO, status));
        }
        let asked = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let grace = Duration::from_secs(self.process.grace_seconds.max(BUSY));
        let ended = eventually(&format!("{} to end", self.pod), grace, async || {
            self.child.try_wait()?.context("it runs")
        })
        .await;
        let Ok(status) = ended else {
            self.kill()?;
            bail!("SIGTERM did not end {} within {grace:?}\n{}", self.pod, self.last_lines());
        };
        Ok((asked.elapsed(), status))
    }

    fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_else(|error| error.to_string());
        format!("the end of {}:\n{}", self.log.display(), last_lines(&text))
    }
}

impl Drop for OperatorProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
        // Shown by the test harness only when the test fails.
        eprintln!("--- {}", self.last_lines());
    }
}
