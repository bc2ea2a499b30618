//! Jobs of the chart: kwok plays their pods as running and never ends them, and what they are to do a process does.

use std::{convert::Infallible, fs, process::Stdio};

use anyhow::{Context, Result, bail};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::json;
use tokio::process::Command;

use super::{NAMESPACE, credentials, is_running, pod::once};
use crate::{binaries, cluster::Cluster, guardian};

/// The label that kube-controller-manager gives to pods of a Job.
const OF_A_JOB: &str = "batch.kubernetes.io/job-name";

/// Runs what the release's Jobs are to do, and says how it ended in the status of their pods. Ends only with an error.
pub(super) async fn run(cluster: &Cluster) -> Result<Infallible> {
    let pods: Api<Pod> = Api::namespaced(cluster.client().await?, NAMESPACE);
    let of_jobs = watcher::Config::default().labels(OF_A_JOB);
    let mut seen = watcher(pods.clone(), of_jobs).default_backoff().applied_objects().boxed();
    let mut done = Vec::new();
    while let Some(seen) = seen.next().await {
        // The watch begins again by itself.
        let Ok(pod) = seen else { continue };
        if is_running(&pod) && !done.contains(&pod.uid()) {
            done.push(pod.uid());
            let phase = if succeeds(cluster, &pod).await? { "Succeeded" } else { "Failed" };
            let ended = Patch::Merge(json!({ "status": { "phase": phase } }));
            pods.patch_status(&pod.name_any(), &PatchParams::default(), &ended).await?;
        }
    }
    bail!("the watch of pods has ended")
}

async fn succeeds(cluster: &Cluster, pod: &Pod) -> Result<bool> {
    let folder = cluster.state().join("operator").join(pod.name_any());
    fs::create_dir_all(&folder)?;
    let (args, env) = once(pod)?;
    let (mark_name, mark_value) = guardian::mark(cluster.state());
    let program = binaries::find("plimsoll-operator", "plimsoll-operator", "PLIMSOLL_OPERATOR_BIN")?;
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(env)
        .env("KUBECONFIG", credentials::write(cluster, pod, &folder).await?)
        .env(mark_name, mark_value)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command.output().await.with_context(|| format!("cannot start {command:?}"))?;
    // Shown by the test harness only when the test fails.
    eprintln!("--- {}:\n{}", pod.name_any(), String::from_utf8_lossy(&output.stderr));
    Ok(output.status.success())
}
