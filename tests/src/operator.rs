//! The operator as Helm installs it, run as a process for each pod that kwok shows as running.
//!
//! kwok runs no containers. So for every running pod of the chart's Deployment the bed starts the binary
//! with the command, arguments and environment of the pod, with a token of the pod's service account, and
//! waits on the pod's probes. Only the address differs: a free port on the loopback.

mod credentials;
mod jobs;
mod log_tail;
mod pod;
mod process;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease, core::v1::Pod};
use kube::{Api, ResourceExt, api::ListParams};

pub use self::{log_tail::LogTail, process::OperatorProcess};
use crate::{cluster::Cluster, eventually, tools::repository};

/// The name of the release.
pub const RELEASE: &str = "plimsoll";
/// The namespace of the release.
pub const NAMESPACE: &str = "plimsoll-system";

/// An installed chart and the processes of its pods.
#[derive(Debug)]
pub struct Operator<'c> {
    cluster: &'c Cluster,
    processes: Vec<OperatorProcess>,
}

impl<'c> Operator<'c> {
    /// Installs the chart, with more arguments for helm such as `--set=replicas=1`, and starts its pods.
    pub async fn install(cluster: &'c Cluster, args: &[&str]) -> Result<Self> {
        let mut operator = Self { cluster, processes: Vec::new() };
        operator.upgrade(args).await?;
        Ok(operator)
    }

    /// Installs or upgrades the release and makes the processes follow its pods.
    pub async fn upgrade(&mut self, args: &[&str]) -> Result<()> {
        self.cluster.helm(upgrade_args(args)).await?;
        self.follow_pods().await
    }

    /// Starts a process for each pod that has none, or whose process has ended, ends those whose pod is gone, and waits
    /// until all are ready.
    pub async fn follow_pods(&mut self) -> Result<()> {
        let pods = running_pods(self.cluster).await?;
        for process in &mut self.processes {
            if !pods.iter().any(|pod| pod.name_any() == process.pod()) {
                process.terminate().await?;
            }
        }
        let is_wanted = |process: &OperatorProcess| pods.iter().any(|pod| pod.name_any() == process.pod());
        self.processes.retain_mut(|process| is_wanted(process) && process.is_running());
        for pod in &pods {
            if !self.processes.iter().any(|process| process.pod() == pod.name_any()) {
                self.processes.push(OperatorProcess::start(self.cluster, pod).await?);
            }
        }
        for process in &mut self.processes {
            process.ready().await?;
        }
        Ok(())
    }

    /// One for each pod.
    pub fn processes(&self) -> &[OperatorProcess] {
        &self.processes
    }

    /// One for each pod.
    pub fn processes_mut(&mut self) -> &mut [OperatorProcess] {
        &mut self.processes
    }

    /// Waits until one of the processes that scale pods holds the lease, and returns it.
    pub async fn leader(&mut self) -> Result<&mut OperatorProcess> {
        self.holder_of("plimsoll-operator").await
    }

    /// Waits until one of the processes that scale nodes holds the lease, and returns it.
    pub async fn leader_of_nodes(&mut self) -> Result<&mut OperatorProcess> {
        self.holder_of("plimsoll-nodes").await
    }

    async fn holder_of(&mut self, lease: &str) -> Result<&mut OperatorProcess> {
        let leases: Api<Lease> = Api::namespaced(self.cluster.client().await?, NAMESPACE);
        let index = eventually("a leader that runs", Duration::from_mins(2), async || {
            let held = leases.get(lease).await?;
            let holder = held.spec.and_then(|spec| spec.holder_identity).context("the lease is not held")?;
            let position = self
                .processes
                .iter_mut()
                .position(|process| holder.starts_with(process.pod()) && process.is_running());
            position.with_context(|| format!("{holder} holds the lease"))
        })
        .await?;
        Ok(&mut self.processes[index])
    }

    /// Uninstalls the release, runs what its hooks are to do, and ends the processes.
    pub async fn uninstall(mut self) -> Result<()> {
        tokio::select! {
            uninstalled = self.cluster.helm(["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait"]) => drop(uninstalled?),
            failed = jobs::run(self.cluster) => drop(failed?),
        }
        for process in &mut self.processes {
            process.terminate().await?;
        }
        Ok(())
    }

    /// Shows, when it is dropped, the end of what the processes wrote to their logs from now on.
    pub fn log_tail(&self) -> LogTail {
        LogTail::new(self.processes.iter().map(OperatorProcess::log))
    }
}

/// The chart.
pub fn chart() -> PathBuf {
    repository().join("charts/plimsoll")
}

fn upgrade_args(args: &[&str]) -> Vec<String> {
    let chart = chart().display().to_string();
    let fixed = ["upgrade", RELEASE, &chart, "--install", "--create-namespace", "--namespace", NAMESPACE];
    fixed.iter().chain(args).map(|arg| (*arg).to_owned()).collect()
}

/// Waits until every Deployment of the release is rolled out, and returns their pods.
async fn running_pods(cluster: &Cluster) -> Result<Vec<Pod>> {
    let client = cluster.client().await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client, NAMESPACE);
    let release = ListParams::default().labels(&format!("app.kubernetes.io/instance={RELEASE}"));
    eventually("the operator's pods to run", Duration::from_mins(5), async || {
        let mut running = Vec::new();
        let deployments = deployments.list(&release).await?.items;
        ensure!(!deployments.is_empty(), "the release has no Deployment");
        for deployment in deployments {
            running.extend(pods_of(&deployment, &pods).await?);
        }
        Ok(running)
    })
    .await
}

async fn pods_of(deployment: &Deployment, pods: &Api<Pod>) -> Result<Vec<Pod>> {
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let labels = deployment.spec.selector.match_labels.iter().flatten();
    let selector: Vec<_> = labels.map(|(label, value)| format!("{label}={value}")).collect();
    let pods = pods.list(&ListParams::default().labels(&selector.join(","))).await?.items;
    let running: Vec<_> = pods.into_iter().filter(is_running).collect();
    // None of the last version: one of them may run while one of this version does not yet.
    let settled = status.observed_generation == deployment.metadata.generation
        && status.updated_replicas.unwrap_or_default() == wanted
        && status.replicas.unwrap_or_default() == wanted
        && i32::try_from(running.len())? == wanted;
    ensure!(settled, "{} of {wanted} pods run, status {status:?}", running.len());
    Ok(running)
}

fn is_running(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
}
