//! The processes of all pods that have the annotation `traffic.plimsoll.dev/service-time`.
//!
//! | annotation | what it says |
//! | --- | --- |
//! | `traffic.plimsoll.dev/service-time` | how long a request takes once it is begun, such as `50ms` or `1s` |
//! | `traffic.plimsoll.dev/concurrency` | how many requests are under way at the same time; default 1 |
//! | `traffic.plimsoll.dev/queue` | how many more may wait; the next is answered with 503. Default 100 |
//!
//! A pod listens at its first container's first port (default 8080) from Running on. When it is deleted it goes on during the
//! sleep of its preStop hook; then it refuses connections and finishes what is under way, at most until its grace period ends.
//! Then it is gone, as a kubelet would say, unless nobody hears of its node.
//! It answers with the service of its label `app.kubernetes.io/name`, its name, its zone, and what it was asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Preconditions},
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use super::{
    kubelets,
    pod::{Order, Work, serve},
};
use crate::{
    cluster::{Cluster, ZONE},
    usage,
};

/// What all annotations begin with.
pub const ANNOTATIONS: &str = "traffic.plimsoll.dev/";

/// What is known of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) container: String,
    pub(super) service: String,
    pub(super) node: String,
    pub(super) zone: String,
    pub(super) address: SocketAddr,
    pub(super) service_time: Duration,
    pub(super) concurrency: usize,
    pub(super) queue: usize,
    pub(super) cpu_milli: u64,
    pub(super) started: Timestamp,
}

/// Processes that stand for pods. They end when this value is dropped.
#[derive(Debug)]
pub struct PlayedPods {
    silent: Silent,
    following: JoinHandle<()>,
    kubelets: JoinHandle<()>,
}

/// The processes that run, by the uid of their pod.
pub(super) type Running = Arc<Mutex<BTreeMap<String, Process>>>;

/// The nodes whose kubelet does not answer.
pub(super) type Silent = Arc<Mutex<BTreeSet<String>>>;

/// One process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) work: Arc<Work>,
    orders: watch::Sender<Order>,
}

impl PlayedPods {
    /// Stands for the pods of a cluster, and says in place of its kubelets what they use.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let client = cluster.client().await?;
        let running = Running::default();
        let silent = Silent::default();
        let kubelets = kubelets::start(&client, Arc::clone(&running), Arc::clone(&silent)).await?;
        let following = tokio::spawn(follow(client, running, Arc::clone(&silent)));
        Ok(Self { silent, following, kubelets })
    }

    /// The kubelets of these nodes answer nobody any more.
    pub fn silence(&self, nodes: &[String]) {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).extend(nodes.iter().cloned());
    }
}

impl Drop for PlayedPods {
    fn drop(&mut self) {
        self.following.abort();
        self.kubelets.abort();
    }
}

async fn follow(client: Client, running: Running, silent: Silent) {
    let nodes: Api<Node> = Api::all(client.clone());
    let pods: Api<Pod> = Api::all(client.clone());
    let mut events = pin!(watcher(pods, watcher::Config::default()).default_backoff());
    let mut processes = JoinSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                let uid = pod.uid().unwrap_or_default();
                let known = running.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&uid);
                if known {
                    end(&running, &uid, &pod);
                } else if is_running(&pod) {
                    let about = match about(&pod, &nodes).await {
                        Ok(about) => about,
                        Err(error) => {
                            eprintln!("nobody stands for the pod {}: {error:#}", pod.name_any());
                            continue;
                        }
                    };
                    let work = Arc::new(Work::new(about));
                    let (orders, told) = watch::channel(Order::Serve);
                    let process = Process { work: Arc::clone(&work), orders };
                    let (client, silent, of) = (client.clone(), Arc::clone(&silent), uid.clone());
                    processes.spawn(async move {
                        serve(Arc::clone(&work), told).await;
                        bury(client, work.about(), of, &silent).await;
                    });
                    running.lock().unwrap_or_else(PoisonError::into_inner).insert(uid, process);
                }
            }
            Ok(Event::Delete(pod)) => {
                let uid = pod.uid().unwrap_or_default();
                let gone = running.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
                if let Some(gone) = gone {
                    gone.orders.send_replace(Order::Go);
                }
            }
            // The watch begins anew by itself.
            Ok(Event::Init | Event::InitDone) | Err(_) => {}
        }
        while processes.try_join_next().is_some() {}
    }
}

/// Tells a process once that its pod is to end.
fn end(running: &Running, uid: &str, pod: &Pod) {
    if pod.metadata.deletion_timestamp.is_none() {
        return;
    }
    let running = running.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(process) = running.get(uid) else { return };
    let now = Instant::now();
    process.orders.send_if_modified(|order| {
        if *order != Order::Serve {
            return false;
        }
        let (accept, stay) = farewell(pod);
        *order = Order::End { accept_until: now + accept, gone_at: now + stay };
        true
    });
}

/// Takes a pod away whose process has ended.
async fn bury(client: Client, about: &About, uid: String, silent: &Silent) {
    if silent.lock().unwrap_or_else(PoisonError::into_inner).contains(&about.node) {
        return;
    }
    let pods: Api<Pod> = Api::namespaced(client, &about.namespace);
    let this_one = Preconditions { uid: Some(uid), ..Preconditions::default() };
    let at_once = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(this_one),
        ..DeleteParams::default()
    };
    // It may be gone. If the API server does not answer, it is taken away at the end of its grace period.
    let _ = pods.delete(&about.name, &at_once).await;
}

/// How long a pod that is deleted goes on accepting, and how long it is there.
fn farewell(pod: &Pod) -> (Duration, Duration) {
    let seconds = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let grace = seconds(pod.metadata.deletion_grace_period_seconds.unwrap_or_default());
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let sleeps = containers.filter_map(|container| {
        let hook = container.lifecycle.as_ref()?.pre_stop.as_ref()?;
        Some(seconds(hook.sleep.as_ref()?.seconds))
    });
    (sleeps.max().unwrap_or_default().min(grace), grace)
}

fn is_running(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    pod.metadata.deletion_timestamp.is_none()
        && pod.annotations().contains_key(&format!("{ANNOTATIONS}service-time"))
        && status.and_then(|status| status.phase.as_deref()) == Some("Running")
        && status.is_some_and(|status| status.pod_ip.is_some())
}

async fn about(pod: &Pod, nodes: &Api<Node>) -> Result<About> {
    let spec = pod.spec.as_ref().context("a pod without a spec")?;
    let container = spec.containers.first().context("a pod without containers")?;
    let annotation = |name: &str| pod.annotations().get(&format!("{ANNOTATIONS}{name}"));
    let number = |name: &str, default: usize| -> Result<usize> {
        let Some(text) = annotation(name) else { return Ok(default) };
        text.parse().with_context(|| format!("{ANNOTATIONS}{name} of pod {} is {text:?}", pod.name_any()))
    };
    let service_time = annotation("service-time").context("no service time")?;
    let span: jiff::SignedDuration = service_time.parse().with_context(|| {
        format!("{ANNOTATIONS}service-time of pod {} is {service_time:?}", pod.name_any())
    })?;
    let node = spec.node_name.clone().context("a running pod without a node")?;
    let zone = nodes.get_opt(&node).await?;
    let zone = zone.and_then(|node| node.labels().get(ZONE).cloned());
    let port = container.ports.iter().flatten().next().map_or(8080, |port| port.container_port);
    let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()).context("no address")?;
    let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let cpu = requests.and_then(|requests| requests.get("cpu")).map_or("100m", |quantity| &quantity.0);
    Ok(About {
        namespace: pod.namespace().unwrap_or_default(),
        name: pod.name_any(),
        container: container.name.clone(),
        service: pod.labels().get("app.kubernetes.io/name").cloned().unwrap_or_default(),
        node,
        zone: zone.unwrap_or_default(),
        address: SocketAddr::new(ip.parse()?, u16::try_from(port)?),
        service_time: Duration::try_from(span)?,
        concurrency: number("concurrency", 1)?.max(1),
        queue: number("queue", 100)?,
        cpu_milli: u64::try_from(usage::nano(cpu)? / 1_000_000)?,
        started: Timestamp::now(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(grace: u64, lifecycle: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace },
            "spec": { "containers": [{ "name": "app", "lifecycle": lifecycle }] },
        }))
        .unwrap()
    }

    #[test]
    fn a_pod_accepts_until_its_hook_ends_and_is_there_until_its_grace_period_ends() {
        let seconds = Duration::from_secs;
        let hook = |sleep: u64| json!({ "preStop": { "sleep": { "seconds": sleep } } });
        assert_eq!(farewell(&pod(30, &hook(5))), (seconds(5), seconds(30)));
        assert_eq!(farewell(&pod(3, &hook(5))), (seconds(3), seconds(3)));
        assert_eq!(farewell(&pod(30, &json!({}))), (seconds(0), seconds(30)));
    }
}
