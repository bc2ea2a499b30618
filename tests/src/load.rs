//! Load on a workload, real to everything downstream: the same total, spread over its ready pods.
//!
//! ```text
//! Load ──writes──► ClusterResourceUsage ──► kwok ──scraped by──► metrics-server ──► metrics.k8s.io
//!   ▲ watches                                                                            │
//!   └────────────────────────────── ready pods ◄── replicas ◄── who scales ◄─────────────┘
//! ```
//!
//! A pod that no load covers reports no usage at all, like a pod whose kubelet does not answer.
//! metrics-server looks every ten seconds and needs two looks at a new pod, so a change of the total is seen
//! within ten seconds and a new pod within twenty. kwok charges the whole time between two looks at the
//! usage of the later one.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use anyhow::Result;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
    runtime::{WatchStreamExt, reflector, watcher},
};
use serde_json::json;
use tokio::sync::watch;

use crate::cluster::Cluster;

/// How long it is after a failure until it is tried again.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

/// What all pods of a workload use together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// Thousandths of a core.
    pub cpu_milli: u64,
    /// Mebibytes. Not 0: metrics-server takes a container without memory for one that is not there.
    pub memory_mib: u64,
}

/// A load that goes on until this value is dropped.
#[derive(Debug)]
pub struct Load {
    total: watch::Sender<Total>,
    applied: watch::Receiver<Option<Applied>>,
}

/// What kwok was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The total.
    pub total: Total,
    /// The number of ready pods it is spread over.
    pub ready_pods: usize,
}

impl Load {
    /// Puts `total` on the pods of `namespace` that `selector` matches, for example `app=web`.
    pub async fn start(cluster: &Cluster, namespace: &str, selector: &str, total: Total) -> Result<Self> {
        let client = cluster.client().await?;
        let (total, totals) = watch::channel(total);
        let (applied_tx, applied) = watch::channel(None);
        let spreader = Spreader {
            name: object_name(namespace, selector),
            namespace: namespace.to_owned(),
            selector: selector.to_owned(),
            client,
            totals,
            applied: applied_tx,
        };
        tokio::spawn(async move {
            let usages = spreader.usages();
            let name = spreader.name.clone();
            if let Err(error) = spreader.run().await {
                eprintln!("the load {name} stopped: {error:#}");
            }
            // It may be gone, and the cluster too.
            let _ = usages.delete(&name, &DeleteParams::default()).await;
        });
        Ok(Self { total, applied })
    }

    /// Changes the total.
    pub fn set(&self, total: Total) {
        self.total.send_replace(total);
    }

    /// The total.
    pub fn total(&self) -> Total {
        *self.total.borrow()
    }

    /// What kwok was told last; changes with the total and with the number of ready pods.
    pub fn applied(&self) -> watch::Receiver<Option<Applied>> {
        self.applied.clone()
    }
}

/// Keeps one `ClusterResourceUsage` in step with the total and the ready pods.
struct Spreader {
    name: String,
    namespace: String,
    selector: String,
    client: Client,
    totals: watch::Receiver<Total>,
    applied: watch::Sender<Option<Applied>>,
}

impl Spreader {
    /// Ends when the `Load` is dropped.
    async fn run(mut self) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let (store, writer) = reflector::store();
        let config = watcher::Config::default().labels(&self.selector);
        let events = watcher(pods, config).default_backoff().reflect(writer);
        // What arrived together is written once.
        let mut changes = pin!(events.ready_chunks(usize::from(u8::MAX)));
        let mut written = None;
        loop {
            tokio::select! {
                _ = changes.next() => {}
                update = self.totals.changed() => if update.is_err() { return Ok(()) },
            }
            let ready: BTreeMap<_, _> = store
                .state()
                .iter()
                .filter(|pod| is_ready(pod))
                .map(|pod| (pod.name_any(), containers(pod)))
                .collect();
            let total = *self.totals.borrow_and_update();
            let wanted = (total, ready);
            if written.as_ref() != Some(&wanted) {
                if let Err(why) = self.write(total, &wanted.1).await {
                    eprintln!("the load {}: {why:#}", self.name);
                    tokio::time::sleep(AFTER_FAILURE).await;
                    self.totals.mark_changed();
                    continue;
                }
                let applied = Applied { total, ready_pods: wanted.1.len() };
                self.applied.send_if_modified(|last| last.replace(applied) != Some(applied));
                written = Some(wanted);
            }
        }
    }

    async fn write(&self, total: Total, ready: &BTreeMap<String, usize>) -> Result<()> {
        // kwok gives this much to each container of each pod.
        let containers = ready.values().sum::<usize>().max(1) as u64;
        let names: Vec<_> = match ready.keys().collect::<Vec<_>>() {
            // An empty list would stand for all pods of the namespace.
            none if none.is_empty() => vec!["no pod is ready".to_owned()],
            names => names.into_iter().cloned().collect(),
        };
        let object = json!({
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterResourceUsage",
            "metadata": {"name": self.name},
            "spec": {
                "selector": {"matchNamespaces": [self.namespace], "matchNames": names},
                "usages": [{"usage": {
                    "cpu": {"value": format!("{}n", total.cpu_milli * 1_000_000 / containers)},
                    "memory": {"value": (total.memory_mib * 1024 * 1024 / containers).to_string()},
                }}],
            },
        });
        let params = PatchParams::apply("testbed").force();
        self.usages().patch(&self.name, &params, &Patch::Apply(object)).await?;
        Ok(())
    }

    fn usages(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("kwok.x-k8s.io", "v1alpha1", "ClusterResourceUsage");
        Api::all_with(self.client.clone(), &ApiResource::from_gvk(&kind))
    }
}

/// A name that tells loads of one namespace apart and is valid whatever the selector is.
fn object_name(namespace: &str, selector: &str) -> String {
    let selector: String =
        selector.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("{namespace}.{}", selector.to_ascii_lowercase().trim_matches('-'))
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn containers(pod: &Pod) -> usize {
    pod.spec.as_ref().map_or(1, |spec| spec.containers.len())
}
