use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Api;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use testbed::{
    Cluster, ClusterSpec, Operator, eventually, guardian,
    operator::{NAMESPACE, OperatorProcess},
};

use crate::{
    conditions_have_owners::review,
    requests::{Request, Requests},
    stage::{self, FAST, PATIENCE, Scene, Target, USER},
    workload,
};

/// The chart's default.
const LEASE: SignedDuration = SignedDuration::from_secs(15);

/// The pod's grace period is ten seconds; here others share the cores.
const GRACE: Duration = Duration::from_mins(1);

/// A leader that dies is followed once its lease is over, one that is asked to go at once, and at any time
/// only the one that holds the lease writes.
#[tokio::test]
async fn one_replica_leads_and_another_follows() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let mut operator = Operator::install(&cluster, &[FAST]).await?;
    let scene = Scene::new(&cluster, "led").await?;
    let web = Target::deployment("web");
    workload::deploy(&cluster, &scene.namespace, "web", 1, 100).await?;
    scene.scale("web", &web, json!({"minReplicas": 2, "maxReplicas": 9})).await?;
    scene.reaches(&web, 2).await?;
    review(&scene, "Pending").await?;

    // Killed.
    let leader = operator.leader().await?;
    let first = leader.pod().to_owned();
    let before = lease(&scene).await?;
    leader.kill()?;
    // As it was renewed last, unless another has it by now.
    let last = Some(lease(&scene).await?).filter(|lease| is_held_by(lease, &first)).unwrap_or(before);
    let min_replicas = |min: i32| json!({"spec": {"minReplicas": min}});
    scene.edit("web", min_replicas(3)).await?;
    scene.reaches(&web, 3).await?;
    ensure!(operator.leader().await?.pod() != first, "the dead lead");
    let taken = lease(&scene).await?;
    let renewed = last.renew_time.context("a lease that was never renewed")?.0;
    let acquired = taken.acquire_time.context("a lease that was never taken")?.0;
    ensure!(acquired.duration_since(renewed) >= LEASE, "renewed at {renewed}, taken at {acquired}");

    // What others say of the object is theirs under the new leader too.
    review(&scene, "Passed").await.context("the new leader took somebody's condition over")?;

    // Asked to go, with a warm follower beside it.
    cluster.kubectl(["delete", "pod", &first, "--namespace", NAMESPACE]).await?;
    operator.follow_pods().await?;
    ensure!(operator.processes().len() == 2, "{:?}", operator.processes());
    let leader = operator.leader().await?;
    let second = leader.pod().to_owned();
    let (ended_in, status) = leader.terminate().await?;
    let left = lease(&scene).await?;
    // It does not wait for an API server that takes too long over it.
    let gave_up = fs::read_to_string(leader.log())?.contains("the lease was not released in time");
    ensure!(gave_up || !is_held_by(&left, &second), "the lease was not let go: {left:?}");
    ensure!(status.success(), "SIGTERM ended it with {status}");
    ensure!(ended_in < GRACE, "SIGTERM took {ended_in:?}");
    scene.edit("web", min_replicas(4)).await?;
    scene.reaches(&web, 4).await?;

    let leaders = only_holders_wrote(&cluster)?;
    ensure!(leaders.len() == 3 && leaders.contains(&first) && leaders.contains(&second), "{leaders:?}");
    drop(operator);
    cluster.stop().await
}

/// The lease as it is now.
async fn lease(scene: &Scene<'_>) -> Result<LeaseSpec> {
    let leases: Api<Lease> = Api::namespaced(scene.client.clone(), NAMESPACE);
    leases.get("plimsoll-operator").await?.spec.context("a lease that says nothing")
}

fn is_held_by(lease: &LeaseSpec, pod: &str) -> bool {
    lease.holder_identity.as_deref().is_some_and(|holder| holder.starts_with(pod))
}

/// Each write came from the pod that wrote the lease last, and within its duration. Returns who wrote.
fn only_holders_wrote(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let mut requests = Requests::of_all_time(cluster, USER);
    let mut requests: Vec<_> = requests.all()?.iter().filter(|request| request.succeeded()).collect();
    requests.sort_by(|a, b| a.at.cmp(&b.at));
    let mut holder = None;
    let mut writers = BTreeSet::new();
    for request in requests {
        if is_lease(request) && is_write(request) {
            holder = Some(request);
        } else if is_write(request) {
            let holder = holder.with_context(|| format!("{request:?} without a lease"))?;
            ensure!(holder.pod == request.pod, "{request:?} while {} held the lease", holder.pod);
            writers.insert(request.pod.clone());
        }
    }
    Ok(writers)
}

fn is_lease(request: &Request) -> bool {
    request.event.rbac_resource().as_deref() == Some("leases")
}

/// Whether something was changed that only the leader may change. What it remembers is left out: such a write names
/// the version that it replaces, so one that was under way when the API server stood still does no harm later.
fn is_write(request: &Request) -> bool {
    let resource = request.event.rbac_resource();
    !["get", "list", "watch"].contains(&request.event.verb.as_str())
        && resource.as_deref() != Some("configmaps")
}

/// A leader that cannot reach the API server for longer than its lease stops leading by itself, writes nothing
/// until it has the lease again, and then goes on.
#[tokio::test]
async fn a_leader_without_an_api_server_stops_leading() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let operator = Operator::install(&cluster, &[FAST, "--set=replicas=1"]).await?;
    let [process] = operator.processes() else { anyhow::bail!("{:?}", operator.processes()) };
    let scene = Scene::new(&cluster, "cut-off").await?;
    let web = Target::deployment("web");
    workload::deploy(&cluster, &scene.namespace, "web", 1, 100).await?;
    scene.scale("web", &web, json!({"minReplicas": 2, "maxReplicas": 9})).await?;
    scene.reaches(&web, 2).await?;
    await_leading(process, true).await?;
    // What is under way when the API server stops would be done when it goes on.
    scene.rescales("web", 1).await?;
    scene.until("web", |scaler| scaler["status"]["currentReplicas"] == 2).await?;
    scene.looks(2).await?;

    let api_server = pid_of(&cluster, "kube-apiserver")?;
    kill_process(api_server, Signal::STOP)?;
    let stopped = await_leading(process, false).await;
    ensure!(process.is_live().await, "the liveness probe fails without an API server");
    let mut requests = Requests::from_now(&cluster, USER)?;
    kill_process(api_server, Signal::CONT)?;
    stopped?;
    await_leading(process, true).await?;
    scene.edit("web", json!({"spec": {"minReplicas": 3}})).await?;
    scene.reaches(&web, 3).await?;

    // Of what was answered after the pause, nothing that changes a thing came before the lease.
    let mut seen: Vec<_> = requests.all()?.iter().filter(|request| request.succeeded()).collect();
    seen.sort_by(|a, b| a.at.cmp(&b.at));
    let first = seen.iter().find(|request| is_write(request)).context("no write")?;
    ensure!(is_lease(first), "{first:?} before the lease");
    stage::no_defects(&operator)?;
    drop(operator);
    cluster.stop().await
}

async fn await_leading(process: &OperatorProcess, leads: bool) -> Result<()> {
    let line = format!("plimsoll_leader {}", u8::from(leads));
    eventually(&line, PATIENCE, async || {
        let metrics = process.get("/metrics").await?.body;
        let shown = metrics.lines().find(|line| line.starts_with("plimsoll_leader")).unwrap_or("nothing");
        ensure!(shown == line, "{shown}");
        Ok(())
    })
    .await
}

fn pid_of(cluster: &Cluster, program: &str) -> Result<Pid> {
    let is_it = |pid: &u32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let path = command.split(|byte| *byte == 0).next().unwrap_or_default();
        path.ends_with(format!("/{program}").as_bytes())
    };
    let pid = guardian::processes(cluster.state())?.into_iter().find(is_it);
    let pid = pid.and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
    pid.with_context(|| format!("{program} does not run"))
}
