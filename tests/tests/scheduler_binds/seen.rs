//! What the bed shows, kept up to date by watches, so that waiting costs no requests.

use anyhow::Result;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, Store},
        watcher,
    },
};
use plimsoll_core::{
    cluster::Pod as CorePod,
    placement::{Change, View},
};
use plimsoll_observe::cluster::{Storage, observe_cluster_pod, observe_node};
use serde::de::DeserializeOwned;

use crate::generate::CASE;

/// Everything that is there.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) nodes: Store<Node>,
    pub(crate) pods: Store<Pod>,
    pub(crate) claims: Store<PersistentVolumeClaim>,
    pub(crate) volumes: Store<PersistentVolume>,
}

impl Seen {
    pub(crate) async fn start(client: &Client) -> Result<Self> {
        let seen = Self {
            nodes: follow(client),
            pods: follow(client),
            claims: follow(client),
            volumes: follow(client),
        };
        seen.nodes.wait_until_ready().await?;
        seen.pods.wait_until_ready().await?;
        seen.claims.wait_until_ready().await?;
        seen.volumes.wait_until_ready().await?;
        Ok(seen)
    }

    pub(crate) fn nodes_of(&self, case: &str) -> Vec<Node> {
        let is_of = |node: &&Node| node.labels().get(CASE).is_some_and(|of| of == case);
        let nodes = self.nodes.state();
        let mut nodes: Vec<Node> = nodes.iter().map(AsRef::as_ref).filter(is_of).cloned().collect();
        nodes.sort_by_key(ResourceExt::name_any);
        nodes
    }

    pub(crate) fn pods_in(&self, namespace: &str) -> Vec<Pod> {
        let is_in = |pod: &&Pod| pod.namespace().as_deref() == Some(namespace);
        let pods = self.pods.state();
        let mut pods: Vec<Pod> = pods.iter().map(AsRef::as_ref).filter(is_in).cloned().collect();
        pods.sort_by_key(ResourceExt::name_any);
        pods
    }

    /// What the planner sees of a case.
    pub(crate) fn changes(&self, case: &str, namespace: &str) -> Vec<Change> {
        let storage = self.storage();
        let nodes = self.nodes_of(case).into_iter().map(|node| Change::Node(observe_node(&node, None)));
        let pods = self.pods_in(namespace).into_iter();
        let pods = pods.filter_map(|pod| without_gate(pod, &storage)).map(Change::Pod);
        nodes.chain(pods).collect()
    }

    pub(crate) fn view(&self, case: &str, namespace: &str) -> View {
        let mut view = View::default();
        self.changes(case, namespace).into_iter().for_each(|change| view.apply(change));
        view
    }

    fn storage(&self) -> Storage {
        let mut storage = Storage::default();
        let class = serde_json::from_value(crate::claims::class()).expect("a storage class");
        storage.apply_class(&class);
        self.claims.state().iter().for_each(|claim| drop(storage.apply_claim(claim)));
        self.volumes.state().iter().for_each(|volume| drop(storage.apply_volume(volume)));
        storage
    }
}

/// A pod as it will be when the scheduler may have it: the gate is the test's, not the pod's.
fn without_gate(mut pod: Pod, storage: &Storage) -> Option<CorePod> {
    pod.spec.as_mut()?.scheduling_gates = None;
    observe_cluster_pod(&pod, storage)
}

fn follow<K>(client: &Client) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let events = watcher(Api::<K>::all(client.clone()), watcher::Config::default()).default_backoff();
    tokio::spawn(reflector::reflector(writer, events).for_each(|_| std::future::ready(())));
    store
}
