//! The workloads that are scaled, of any kind that has a scale subresource.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
    discovery,
};
use plimsoll_api::v1alpha1::ObjectReference;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::workloads::Workloads;

/// The name under which our writes appear in `managedFields`.
pub const FIELD_MANAGER: &str = "plimsoll";

/// How long a kind is remembered before the API server is asked again.
const KIND_AGE: Duration = Duration::from_mins(10);

/// How long a read or a write may take. Short against the lease, which must outlive it.
pub const TIME_OUT: Duration = Duration::from_secs(5);

/// How long the lease must be ours from the start of a write: its time-out, and a second for
/// clocks that do not run alike.
pub const WRITE_TIME: Duration = Duration::from_secs(TIME_OUT.as_secs() + 1);

/// Why a target's size could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// `apiVersion` is not one.
    #[error("spec.scaleTargetRef.apiVersion {0:?} is not a group and version such as apps/v1")]
    InvalidApiVersion(String),
    /// The kind is not served.
    #[error(
        "the API server serves no kind {kind} in {api_version}: check spec.scaleTargetRef.apiVersion and kind"
    )]
    UnknownKind {
        /// As written.
        api_version: String,
        /// As written.
        kind: String,
    },
    /// The target does not exist.
    #[error("{kind} {name:?} does not exist in this namespace: check spec.scaleTargetRef.name")]
    NotFound {
        /// As written.
        kind: String,
        /// As written.
        name: String,
    },
    /// The kind has no scale subresource.
    #[error(
        "{kind} has no scale subresource, so its replicas cannot be read or set: add subresources.scale to its CustomResourceDefinition, or scale another kind"
    )]
    NotScalable {
        /// As written.
        kind: String,
    },
    /// The operator may not read or write it.
    #[error("the operator is not allowed to do this: {0}")]
    Forbidden(String),
    /// Somebody else changed the target between our read and our write.
    #[error("the target changed meanwhile: {0}")]
    Conflict(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Reads and writes the size of targets.
#[derive(Clone)]
pub struct Targets {
    client: Client,
    kinds: Arc<Mutex<HashMap<GroupVersionKind, (Instant, ApiResource)>>>,
    workloads: Workloads,
    /// The least resource version in which a watch has seen what we know of.
    known: Arc<Mutex<HashMap<(String, ObjectReference), Known>>>,
}

/// What we know of a target that its watch may not have shown yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// At least this resource version exists.
    Version(u64),
    /// There may be a newer one: a write failed, or the version is not a number.
    Newer,
}

impl Targets {
    /// A reader and writer that uses `client`, and need not ask for what `workloads` has seen.
    pub fn new(client: Client, workloads: Workloads) -> Self {
        Self { client, kinds: Arc::default(), workloads, known: Arc::default() }
    }

    /// The size of a target as its watch has shown it, our own writes included; otherwise as [`Self::ask`]
    /// finds it. An answer that is out of date is noticed when it is written to.
    ///
    /// # Errors
    /// [`TargetError`] says what is missing, and the field to look at.
    pub async fn read(&self, namespace: &str, target: &ObjectReference) -> Result<Scale, TargetError> {
        let seen = self.workloads.scale(namespace, target);
        match seen.filter(|seen| self.is_current(namespace, target, seen)) {
            Some(seen) => Ok(seen),
            // One that its watch does not show may have been created a moment ago.
            None => self.ask(namespace, target).await,
        }
    }

    /// The present size of a target, as the API server says.
    ///
    /// # Errors
    /// [`TargetError`] says what is missing, and the field to look at.
    pub async fn ask(&self, namespace: &str, target: &ObjectReference) -> Result<Scale, TargetError> {
        let api = self.api(namespace, target).await?;
        let read = bounded(api.get_scale(&target.name)).await.map_err(|error| explain(error, target));
        if matches!(read, Err(TargetError::UnknownKind { .. } | TargetError::NotScalable { .. })) {
            // It was served when we asked; whoever brings it back is not to wait for us to ask again.
            self.forget_kind(target)?;
        }
        match &read {
            Ok(scale) if self.is_watched(namespace, target) => {
                self.know(namespace, target, version_of(scale));
            }
            _ => self.forget(namespace, target),
        }
        read
    }

    /// Sets the size of a target, if it has not changed since `scale` was read.
    ///
    /// # Errors
    /// [`TargetError::Conflict`] when it has; the others as for [`Self::read`].
    pub async fn write(
        &self,
        namespace: &str,
        target: &ObjectReference,
        scale: &Scale,
        replicas: i32,
    ) -> Result<(), TargetError> {
        let api = self.api(namespace, target).await?;
        let patch = json!({
            "metadata": { "resourceVersion": scale.metadata.resource_version },
            "spec": { "replicas": replicas },
        });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let written = bounded(api.patch_scale(&target.name, &params, &Patch::Merge(&patch))).await;
        if self.is_watched(namespace, target) {
            // After a time-out it may have been written all the same.
            self.know(namespace, target, written.as_ref().ok().and_then(version_of));
        }
        written.map(|_| ()).map_err(|error| explain(error, target))
    }

    fn is_watched(&self, namespace: &str, target: &ObjectReference) -> bool {
        self.workloads.scale(namespace, target).is_some()
    }

    /// Whether `seen` is no older than what we know. Once it is, nothing more need be known.
    fn is_current(&self, namespace: &str, target: &ObjectReference, seen: &Scale) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return true;
        }
        let key = (namespace.to_owned(), target.clone());
        let is_current = match known.get(&key) {
            None => true,
            Some(Known::Newer) => false,
            Some(Known::Version(least)) => version_of(seen).is_some_and(|seen| seen >= *least),
        };
        if is_current {
            known.remove(&key);
        }
        is_current
    }

    fn know(&self, namespace: &str, target: &ObjectReference, version: Option<u64>) {
        let known = version.map_or(Known::Newer, Known::Version);
        let key = (namespace.to_owned(), target.clone());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, known);
    }

    fn forget(&self, namespace: &str, target: &ObjectReference) {
        let key = (namespace.to_owned(), target.clone());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    async fn api(
        &self,
        namespace: &str,
        target: &ObjectReference,
    ) -> Result<Api<DynamicObject>, TargetError> {
        let kind = self.kind(target).await?;
        Ok(Api::namespaced_with(self.client.clone(), namespace, &kind))
    }

    async fn kind(&self, target: &ObjectReference) -> Result<ApiResource, TargetError> {
        let gvk = kind_of(target)?;
        if let Some((asked_at, kind)) = self.kinds.lock().unwrap_or_else(PoisonError::into_inner).get(&gvk)
            && asked_at.elapsed() < KIND_AGE
        {
            return Ok(kind.clone());
        }
        let found = bounded(discovery::oneshot::pinned_kind(&self.client, &gvk)).await;
        match found {
            // For a custom resource without a scale, a read answers as if the object were missing.
            Ok((_, abilities)) if !abilities.subresources.iter().any(|(sub, _)| sub.plural == "scale") => {
                Err(TargetError::NotScalable { kind: target.kind.clone() })
            }
            Ok((kind, _)) => {
                let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
                kinds.insert(gvk, (Instant::now(), kind.clone()));
                Ok(kind)
            }
            Err(Failure::Api(kube::Error::Discovery(_))) => Err(unknown_kind(target)),
            Err(Failure::Api(kube::Error::Api(status))) if status.code == 404 => Err(unknown_kind(target)),
            Err(error) => Err(explain(error, target)),
        }
    }

    fn forget_kind(&self, target: &ObjectReference) -> Result<(), TargetError> {
        let gvk = kind_of(target)?;
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).remove(&gvk);
        Ok(())
    }
}

/// Resource versions of one kind are numbers that grow (KEP-5504).
fn version_of(scale: &Scale) -> Option<u64> {
    scale.metadata.resource_version.as_ref()?.parse().ok()
}

fn kind_of(target: &ObjectReference) -> Result<GroupVersionKind, TargetError> {
    let api_version = target.api_version.as_deref().unwrap_or("v1");
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if version.is_empty() || version.contains('/') {
        return Err(TargetError::InvalidApiVersion(api_version.to_owned()));
    }
    Ok(GroupVersionKind::gvk(group, version, &target.kind))
}

fn unknown_kind(target: &ObjectReference) -> TargetError {
    TargetError::UnknownKind {
        api_version: target.api_version.clone().unwrap_or_else(|| "v1".to_owned()),
        kind: target.kind.clone(),
    }
}

enum Failure {
    Api(kube::Error),
    TimedOut,
}

async fn bounded<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Failure> {
    match timeout(TIME_OUT, call).await {
        Ok(result) => result.map_err(Failure::Api),
        Err(_) => Err(Failure::TimedOut),
    }
}

fn explain(failure: Failure, target: &ObjectReference) -> TargetError {
    let (kind, name) = (target.kind.clone(), target.name.clone());
    match failure {
        Failure::TimedOut => {
            TargetError::Failed(format!("the API server did not answer within {} s", TIME_OUT.as_secs()))
        }
        // The answer for a missing object names it, the one for a missing subresource does not, and the one
        // for a group or version that is not served is not even a status.
        Failure::Api(kube::Error::Api(status)) if status.code == 404 => match status.details {
            Some(details) if details.name == name => TargetError::NotFound { kind, name },
            Some(_) => TargetError::NotScalable { kind },
            None => unknown_kind(target),
        },
        Failure::Api(kube::Error::Api(status)) if status.is_conflict() => {
            TargetError::Conflict(status.message.clone())
        }
        Failure::Api(kube::Error::Api(status)) if status.is_forbidden() => {
            TargetError::Forbidden(status.message.clone())
        }
        Failure::Api(error) => TargetError::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
