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
}

impl Targets {
    /// A reader and writer that uses `client`.
    pub fn new(client: Client) -> Self {
        Self { client, kinds: Arc::default() }
    }

    /// The present size of a target.
    ///
    /// # Errors
    /// [`TargetError`] says what is missing, and the field to look at.
    pub async fn read(&self, namespace: &str, target: &ObjectReference) -> Result<Scale, TargetError> {
        let api = self.api(namespace, target).await?;
        let read = bounded(api.get_scale(&target.name)).await.map_err(|error| explain(error, target));
        if matches!(read, Err(TargetError::UnknownKind { .. } | TargetError::NotScalable { .. })) {
            // It was served when we asked; whoever brings it back is not to wait for us to ask again.
            self.forget_kind(target)?;
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
        bounded(api.patch_scale(&target.name, &params, &Patch::Merge(&patch)))
            .await
            .map(|_| ())
            .map_err(|error| explain(error, target))
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
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn reference(api_version: Option<&str>, kind: &str) -> ObjectReference {
        ObjectReference { api_version: api_version.map(Into::into), kind: kind.into(), name: "web".into() }
    }

    #[test]
    fn the_group_and_version_of_a_target_are_read_from_its_api_version() {
        for (api_version, expected) in
            [(Some("apps/v1"), ("apps", "v1")), (Some("v1"), ("", "v1")), (None, ("", "v1"))]
        {
            let gvk = kind_of(&reference(api_version, "Deployment")).unwrap();
            assert_eq!((gvk.group.as_str(), gvk.version.as_str()), expected);
        }
    }

    #[test]
    fn an_api_version_that_is_none_is_named() {
        for api_version in ["apps/", "a/b/c"] {
            let error = kind_of(&reference(Some(api_version), "Deployment")).unwrap_err();
            assert!(error.to_string().contains(api_version), "{error}");
        }
    }
}
