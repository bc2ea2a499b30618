//! Sources and ClusterSources: who may ask where, and with whose credentials.
//!
//! [ watch ] → [ definitions ] → permission, address, Secrets → [ Prometheus ] ← asked by looks and by the keeper
//!
//! Credentials go only to the address that stands beside them in the same object. A PodScaler names a source and never
//! an address.

mod definitions;
mod keeper;
mod prepare;
mod secrets;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kube::Client;
use plimsoll_core::{
    replicas::{Sample, SourceName},
    wildcard::Wildcard,
};
use plimsoll_signals::{Endpoint, Limits, Prometheus, Shared, SignalError};

pub(crate) use definitions::Defines;
pub use definitions::{Definitions, Id};
pub use keeper::keep;

use definitions::Definition;
use prepare::prepare;
use secrets::Secrets;

/// Why a source cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Unknown(String),
    #[error("{0}")]
    NamespaceNotAllowed(String),
    #[error("{0}")]
    AddressNotAllowed(String),
    #[error("{0}")]
    MissingSecret(String),
    #[error("{0}")]
    InvalidSpec(String),
}

impl From<Refusal> for SignalError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.to_string())
    }
}

/// Where a source is asked, within which limits, and how that went.
struct Ready {
    endpoint: Endpoint,
    limits: Limits,
    prometheus: Shared<Prometheus>,
    /// Whether it did not answer in time when it was last asked.
    hangs: AtomicBool,
}

/// All sources, as those who ask see them.
pub struct Sources {
    definitions: Definitions,
    secrets: Secrets,
    addresses: Vec<Wildcard>,
    operator_namespace: String,
    ready: Mutex<BTreeMap<Id, Arc<Ready>>>,
}

impl Sources {
    /// Sources of which nothing is known yet. `addresses` are the hosts that may be asked; `client` reads Secrets.
    pub fn new(client: Client, addresses: Vec<Wildcard>, operator_namespace: String) -> Self {
        Self {
            definitions: Definitions::default(),
            secrets: Secrets::new(client),
            addresses,
            operator_namespace,
            ready: Mutex::default(),
        }
    }

    /// What is known of the Sources and ClusterSources of the cluster.
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// The answer of a source to a query of a PodScaler in `namespace`, at most `max_age` old.
    ///
    /// # Errors
    /// When the source may not or cannot be asked, or does not answer.
    pub async fn ask(
        &self,
        namespace: &str,
        source: &SourceName,
        query: &String,
        max_age: Duration,
    ) -> Result<Arc<Sample>, SignalError> {
        let (id, definition) = self.permitted(namespace, source)?;
        let ready = self.ready(&id, &definition).await?;
        if ready.hangs.load(Ordering::Relaxed) {
            // The keeper finds out when it answers again; no look waits for that.
            let what = format!("{source}, as when it was last asked,").into();
            return Err(SignalError::TimedOut { what, after: ready.limits.time_out });
        }
        let answer = ready.prometheus.read(query, max_age).await;
        if matches!(answer, Err(SignalError::TimedOut { .. })) {
            ready.hangs.store(true, Ordering::Relaxed);
        }
        answer
    }

    fn permitted(&self, namespace: &str, source: &SourceName) -> Result<(Id, Arc<Definition>), Refusal> {
        let id = Id::of(namespace, source);
        let definition = self.definitions.get(&id).ok_or_else(|| {
            Refusal::Unknown(match source {
                SourceName::Namespaced(_) => {
                    format!("{source} does not exist in the namespace {namespace}: create it")
                }
                SourceName::Cluster(_) => format!("{source} does not exist: create it"),
            })
        })?;
        if !definition.allows(namespace) {
            return Err(Refusal::NamespaceNotAllowed(format!(
                "{source} does not allow the namespace {namespace}: add it to its spec.namespaces"
            )));
        }
        Ok((id, definition))
    }

    /// The source, with the credentials as they are now.
    async fn ready(&self, id: &Id, definition: &Definition) -> Result<Arc<Ready>, Refusal> {
        let (endpoint, limits) = prepare(self, id, definition).await?;
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = ready.get(id).filter(|ready| ready.endpoint == endpoint && ready.limits == limits)
        {
            return Ok(Arc::clone(same));
        }
        let prometheus = Prometheus::new(endpoint.clone()).map_err(Refusal::InvalidSpec)?;
        let prometheus = Shared::new(prometheus, limits);
        let new = Arc::new(Ready { endpoint, limits, prometheus, hangs: AtomicBool::new(false) });
        ready.insert(id.clone(), Arc::clone(&new));
        Ok(new)
    }

    /// Forgets answers that nobody asks for, Secrets that were read a while ago, and sources that are gone.
    pub fn forget_stale(&self) {
        self.secrets.forget_stale();
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.retain(|id, ready| {
            ready.prometheus.forget_stale();
            self.definitions.get(id).is_some()
        });
    }
}
