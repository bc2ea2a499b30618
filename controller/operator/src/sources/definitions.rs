//! What the Sources and ClusterSources of the cluster say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};

use futures::{Stream, StreamExt as _};
use kube::{
    ResourceExt as _,
    core::DeserializeGuard,
    runtime::watcher::{self, Event},
};
use plimsoll_api::{
    ClusterSource, Source,
    v1alpha1::{PrometheusSource, SourceStatus},
};
use plimsoll_core::{replicas::SourceName, wildcard::Wildcard};
use tokio::sync::watch;

/// Names a Source (with its namespace) or a ClusterSource (without).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

impl Id {
    /// What a PodScaler in `namespace` means by `source`.
    pub(super) fn of(namespace: &str, source: &SourceName) -> Self {
        match source {
            SourceName::Namespaced(name) => {
                Self { namespace: Some(namespace.to_owned()), name: name.clone() }
            }
            SourceName::Cluster(name) => Self { namespace: None, name: name.clone() },
        }
    }
}

/// What an object says.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) uid: String,
    pub(super) generation: i64,
    /// The endpoint, or why the object does not decode.
    pub(super) spec: Result<Endpoint, String>,
    pub(super) status: SourceStatus,
}

/// An endpoint and the limits in asking it.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Who may ask. None: the own namespace, which the [`Id`] says.
    pub(super) namespaces: Option<Vec<Wildcard>>,
    pub(super) prometheus: PrometheusSource,
    pub(super) timeout_seconds: i32,
    pub(super) max_concurrency: i32,
}

impl Definition {
    pub(super) fn allows(&self, namespace: &str) -> bool {
        match &self.spec {
            Ok(Endpoint { namespaces: Some(allowed), .. }) => {
                allowed.iter().any(|allowed| allowed.matches(namespace))
            }
            Ok(_) | Err(_) => true,
        }
    }
}

/// An object of one of the two kinds.
pub(crate) trait Defines: Clone + Send + Sync + 'static {
    /// The kind, in sentences.
    const KIND: &'static str;

    /// Its name and what it says.
    fn define(&self) -> (Id, DefinedBy);
}

/// What an object says, not to be looked into outside.
pub(crate) struct DefinedBy(Definition);

impl Defines for DeserializeGuard<Source> {
    const KIND: &'static str = "Sources";

    fn define(&self) -> (Id, DefinedBy) {
        let spec = self.0.as_ref().map_err(|invalid| invalid.error.clone()).map(|source| Endpoint {
            namespaces: None,
            prometheus: source.spec.prometheus.clone(),
            timeout_seconds: source.spec.timeout_seconds,
            max_concurrency: source.spec.max_concurrency,
        });
        let status = self.0.as_ref().ok().and_then(|source| source.status.clone());
        (Id { namespace: self.namespace(), name: self.name_any() }, defined(self, spec, status))
    }
}

impl Defines for DeserializeGuard<ClusterSource> {
    const KIND: &'static str = "ClusterSources";

    fn define(&self) -> (Id, DefinedBy) {
        let spec = self.0.as_ref().map_err(|invalid| invalid.error.clone()).map(|source| Endpoint {
            namespaces: Some(source.spec.namespaces.iter().map(|name| name.as_str().into()).collect()),
            prometheus: source.spec.prometheus.clone(),
            timeout_seconds: source.spec.timeout_seconds,
            max_concurrency: source.spec.max_concurrency,
        });
        let status = self.0.as_ref().ok().and_then(|source| source.status.clone());
        (Id { namespace: None, name: self.name_any() }, defined(self, spec, status))
    }
}

fn defined<K: kube::Resource>(
    object: &K,
    spec: Result<Endpoint, String>,
    status: Option<SourceStatus>,
) -> DefinedBy {
    let metadata = object.meta();
    DefinedBy(Definition {
        uid: metadata.uid.clone().unwrap_or_default(),
        generation: metadata.generation.unwrap_or_default(),
        spec,
        status: status.unwrap_or_default(),
    })
}

/// What all objects say, by their names. Clones share it.
#[derive(Clone, Default)]
pub struct Definitions(Arc<RwLock<BTreeMap<Id, Arc<Definition>>>>);

impl Definitions {
    pub(super) fn get(&self, id: &Id) -> Option<Arc<Definition>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(super) fn all(&self) -> Vec<(Id, Arc<Definition>)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(id, definition)| (id.clone(), Arc::clone(definition))).collect()
    }

    /// Follows the objects of one kind until the watch ends. `seen` turns true once they were listed, or cannot be: a
    /// cluster without this kind has no PodScaler that uses it either.
    pub(crate) async fn follow<K: Defines>(
        self,
        events: impl Stream<Item = Result<Event<K>, watcher::Error>>,
        seen: watch::Sender<bool>,
    ) {
        let mut events = std::pin::pin!(events);
        let mut known = BTreeSet::new();
        let mut listed = BTreeSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => {
                    listed.insert(self.insert(&object));
                }
                Ok(Event::InitDone) => {
                    for gone in known.difference(&listed) {
                        self.remove(gone);
                    }
                    known = std::mem::take(&mut listed);
                    seen.send_replace(true);
                }
                Ok(Event::Apply(object)) => {
                    known.insert(self.insert(&object));
                }
                Ok(Event::Delete(object)) => {
                    let (id, _) = object.define();
                    self.remove(&id);
                    known.remove(&id);
                }
                Err(error) => {
                    tracing::warn!(%error, kind = K::KIND, "a watch was interrupted and is taken up again");
                    seen.send_replace(true);
                }
            }
        }
    }

    fn insert<K: Defines>(&self, object: &K) -> Id {
        let (id, DefinedBy(definition)) = object.define();
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(id.clone(), Arc::new(definition));
        id
    }

    fn remove(&self, id: &Id) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
