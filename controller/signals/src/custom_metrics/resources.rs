//! What the kind of a described object is called in paths.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use kube::{Client, discovery};
use tokio::time::Instant;

use super::API;
use crate::SignalError;

/// How long a name is remembered before the API server is asked again.
const AGE: Duration = Duration::from_mins(10);

/// Resources by group and kind, such as `ingresses.networking.k8s.io`.
#[derive(Default)]
pub(super) struct Resources(Mutex<BTreeMap<(String, String), (Instant, String)>>);

impl Resources {
    /// The qualified resource of a kind, in the version that its group prefers.
    pub(super) async fn of(&self, client: &Client, group: &str, kind: &str) -> Result<String, SignalError> {
        let key = (group.to_owned(), kind.to_owned());
        if let Some((asked_at, resource)) = self.lock().get(&key)
            && asked_at.elapsed() < AGE
        {
            return Ok(resource.clone());
        }
        let unknown = || {
            SignalError::Refused(format!(
                "unable to map kind {kind} to a resource: the API server serves none in the group {group:?}; check \
                 describedObject.apiVersion and kind"
            ))
        };
        let found = match discovery::group(client, group).await {
            Ok(found) => found,
            Err(kube::Error::Discovery(_)) => return Err(unknown()),
            Err(error) => return Err(API.failed(format!("looking up the kind {kind}: {error}"))),
        };
        let (found, _) = found.recommended_kind(kind).ok_or_else(unknown)?;
        let resource = match group {
            "" => found.plural,
            group => format!("{}.{group}", found.plural),
        };
        self.lock().insert(key, (Instant::now(), resource.clone()));
        Ok(resource)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), (Instant, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
