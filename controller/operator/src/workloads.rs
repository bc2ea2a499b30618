//! The built-in workloads as watches show them: their sizes, and what belongs to what.
//!
//! Of a Deployment and a `StatefulSet` is kept what GET `/scale` would say; of a `ReplicaSet`, of which there
//! are many more and which are seldom a target, only whose it is.

mod ports;

use futures::{Stream, TryStreamExt as _};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet, StatefulSet},
        autoscaling::v1::{Scale, ScaleSpec, ScaleStatus},
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    core::{ApiResource, Object, PartialObjectMeta},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use plimsoll_api::v1alpha1::{ObjectReference, WorkloadKind};
use plimsoll_observe::{Owner, OwnerKind, observe_owner, selector_text};
use serde::Deserialize;
use tokio::sync::{broadcast, watch};

use crate::mirror::Mirror;

/// What is read of a spec: of the template, which is most of it, only the names of ports.
#[derive(Debug, Clone, Deserialize)]
struct Spec {
    replicas: Option<i32>,
    selector: LabelSelector,
    #[serde(default)]
    template: ports::Template,
}

/// What is read of a status.
#[derive(Debug, Clone, Default, Deserialize)]
struct Status {
    #[serde(default)]
    replicas: i32,
}

/// A Deployment or `StatefulSet`, as far as it is read.
type Scaled = Object<Spec, Status>;

/// What is kept of a Deployment or `StatefulSet`.
#[derive(Debug)]
struct Workload {
    uid: Box<str>,
    resource_version: Box<str>,
    replicas: Option<i32>,
    status_replicas: i32,
    selector: Box<str>,
    owner: Option<Owner>,
    port_names: Box<[Box<str>]>,
}

/// What is kept of a `ReplicaSet`.
#[derive(Debug)]
struct Owned {
    uid: Box<str>,
    owner: Option<Owner>,
}

/// Where the chain of controllers of an object leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// To the object that was asked for.
    Target,
    /// To an object that belongs to nobody.
    Ended,
    /// To a kind that is not watched, such as a Job.
    Elsewhere,
    /// To an object that its watch has not shown.
    Unseen,
}

/// What selects the pods of a Deployment or `StatefulSet`, whose it is, and how a Service can refer to its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runs {
    /// Tells it from another of the same name.
    pub uid: String,
    /// As a scale subresource gives it.
    pub selector: String,
    /// Its controller.
    pub owner: Option<Owner>,
    /// The names of the ports of its containers.
    pub port_names: Vec<String>,
}

/// A Deployment or `StatefulSet` that has come, changed or gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What it is.
    pub kind: WorkloadKind,
    /// Where it is.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The built-in workloads of the cluster. Clones share them.
#[derive(Clone)]
pub struct Workloads {
    deployments: Mirror<Workload>,
    stateful_sets: Mirror<Workload>,
    replica_sets: Mirror<Owned>,
    changes: broadcast::Sender<Changed>,
}

impl Default for Workloads {
    fn default() -> Self {
        /// Who is further behind looks at everything instead.
        const REMEMBERED: usize = 1024;
        Self {
            deployments: Mirror::default(),
            stateful_sets: Mirror::default(),
            replica_sets: Mirror::default(),
            changes: broadcast::Sender::new(REMEMBERED),
        }
    }
}

impl Workloads {
    /// The changes of Deployments and `StatefulSet`s from now on.
    pub fn changes(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    /// What of a Deployment or `StatefulSet` matters to a Service, if there is one of this name.
    pub fn runs(&self, namespace: &str, kind: WorkloadKind, name: &str) -> Option<Runs> {
        let mirror = match kind {
            WorkloadKind::Deployment => &self.deployments,
            WorkloadKind::StatefulSet => &self.stateful_sets,
        };
        let workload = mirror.get(namespace, name)?;
        Some(Runs {
            uid: workload.uid.to_string(),
            selector: workload.selector.to_string(),
            owner: workload.owner.clone(),
            port_names: workload.port_names.iter().map(ToString::to_string).collect(),
        })
    }

    /// What GET `/scale` would say of a target, if it is of a kind that is kept and was seen.
    pub fn scale(&self, namespace: &str, target: &ObjectReference) -> Option<Scale> {
        if target.api_version.as_deref() != Some("apps/v1") {
            return None;
        }
        let mirror = match target.kind.as_str() {
            "Deployment" => &self.deployments,
            "StatefulSet" => &self.stateful_sets,
            _ => return None,
        };
        let workload = mirror.get(namespace, &target.name)?;
        Some(Scale {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                name: Some(target.name.clone()),
                uid: Some(workload.uid.to_string()),
                resource_version: Some(workload.resource_version.to_string()),
                ..ObjectMeta::default()
            },
            spec: Some(ScaleSpec { replicas: workload.replicas }),
            status: Some(ScaleStatus {
                replicas: workload.status_replicas,
                selector: Some(workload.selector.to_string()),
            }),
        })
    }

    /// Where the chain of controllers of an object leads that belongs to `owner`.
    pub fn chain(&self, namespace: &str, owner: Option<&Owner>, target_uid: &str) -> Chain {
        /// More than any chain has; what goes round in circles ends here.
        const LONGEST: usize = 8;
        let mut owner = owner.cloned();
        for _ in 0..LONGEST {
            let Some(next) = owner else { return Chain::Ended };
            if *next.uid == *target_uid {
                return Chain::Target;
            }
            let found = match next.kind {
                OwnerKind::ReplicaSet => {
                    let seen = self.replica_sets.get(namespace, &next.name);
                    seen.map(|seen| (seen.uid.clone(), seen.owner.clone()))
                }
                OwnerKind::Deployment => of(&self.deployments, namespace, &next.name),
                OwnerKind::StatefulSet => of(&self.stateful_sets, namespace, &next.name),
                OwnerKind::Other => return Chain::Elsewhere,
            };
            match found {
                Some((uid, of)) if uid == next.uid => owner = of,
                _ => return Chain::Unseen,
            }
        }
        Chain::Unseen
    }

    /// Follows everything until a watch ends. Each of `seen`, for Deployments, `StatefulSet`s and
    /// `ReplicaSet`s, turns true once all of them were listed.
    pub async fn follow(self, client: Client, seen: [watch::Sender<bool>; 3]) {
        let [deployments, stateful_sets, replica_sets] = seen;
        let config = watcher::Config::default;
        let scaled = |kind, of| {
            let events = watcher(Api::<Scaled>::all_with(client.clone(), &of), config()).default_backoff();
            telling(self.changes.clone(), kind, events)
        };
        let owned = Api::<PartialObjectMeta<ReplicaSet>>::all(client.clone());
        let owned = watcher(owned, config()).default_backoff();
        let of_deployments = scaled(WorkloadKind::Deployment, kind::<Deployment>());
        let of_stateful_sets = scaled(WorkloadKind::StatefulSet, kind::<StatefulSet>());
        tokio::select! {
            () = self.deployments.follow("Deployments", of_deployments, workload, deployments) => {}
            () = self.stateful_sets.follow("StatefulSets", of_stateful_sets, workload, stateful_sets) => {}
            () = self.replica_sets.follow("ReplicaSets", owned, |set| owned_by(&set.metadata), replica_sets) => {}
        }
    }
}

/// Tells of each change that passes by. Nobody may be listening.
fn telling(
    changes: broadcast::Sender<Changed>,
    kind: WorkloadKind,
    events: impl Stream<Item = Result<Event<Scaled>, watcher::Error>>,
) -> impl Stream<Item = Result<Event<Scaled>, watcher::Error>> {
    events.inspect_ok(move |event| {
        if let Event::Apply(object) | Event::Delete(object) | Event::InitApply(object) = event {
            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
            let _ = changes.send(Changed { kind, namespace, name });
        }
    })
}

fn kind<K: Resource<DynamicType = ()>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

fn of(mirror: &Mirror<Workload>, namespace: &str, name: &str) -> Option<(Box<str>, Option<Owner>)> {
    mirror.get(namespace, name).map(|seen| (seen.uid.clone(), seen.owner.clone()))
}

fn workload(object: &Scaled) -> Workload {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
    Workload {
        uid: text(&object.metadata.uid),
        resource_version: text(&object.metadata.resource_version),
        replicas: object.spec.replicas,
        status_replicas: object.status.as_ref().map_or(0, |status| status.replicas),
        selector: selector_text(&object.spec.selector).into(),
        owner: observe_owner(&object.metadata),
        port_names: object.spec.template.port_names(),
    }
}

fn owned_by(metadata: &ObjectMeta) -> Owned {
    Owned { uid: metadata.uid.as_deref().unwrap_or_default().into(), owner: observe_owner(metadata) }
}

/// Whether each of the pods with these owners is known to belong to somebody other than the target.
///
/// A Deployment, `StatefulSet` or `ReplicaSet` owns its pods, so all others are foreign to it. How a custom
/// resource holds its pods is its controller's affair: only if some pods prove that it owns them are others
/// foreign that provably belong to nobody or to a built-in workload on its own. In doubt a pod is the target's.
pub fn foreign(
    workloads: &Workloads,
    namespace: &str,
    target: (&ObjectReference, &str),
    owners: &[Option<&Owner>],
) -> Vec<bool> {
    let (reference, uid) = target;
    if uid.is_empty() {
        return vec![false; owners.len()];
    }
    let is_of_apps = reference.api_version.as_deref().is_some_and(|version| version.starts_with("apps/"));
    let is_built_in = match reference.kind.as_str() {
        "Deployment" | "StatefulSet" | "ReplicaSet" => is_of_apps,
        "ReplicationController" => reference.api_version.as_deref().unwrap_or("v1") == "v1",
        _ => false,
    };
    let chains: Vec<_> = owners.iter().map(|owner| workloads.chain(namespace, *owner, uid)).collect();
    let owns = is_built_in || chains.contains(&Chain::Target);
    let is_foreign = |chain: &Chain| match chain {
        Chain::Target | Chain::Unseen => false,
        Chain::Ended => owns,
        Chain::Elsewhere => is_built_in,
    };
    chains.iter().map(is_foreign).collect()
}

#[cfg(test)]
mod tests;
