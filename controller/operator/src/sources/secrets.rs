//! Reads single Secrets, where the installer allows it, and keeps them for seconds.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client};
use tokio::time::{Instant, timeout};

use super::Refusal;

/// How long a Secret is believed: a rotated one is used after this time at the latest.
const MAX_AGE: Duration = Duration::from_secs(5);

/// How long reading one may take.
const TIME_OUT: Duration = Duration::from_secs(5);

type Read = Result<Arc<BTreeMap<String, ByteString>>, Refusal>;
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Read)>>>;

/// The Secrets of sources.
pub(super) struct Secrets {
    client: Client,
    kept: Mutex<BTreeMap<(String, String), Slot>>,
}

impl Secrets {
    pub(super) fn new(client: Client) -> Self {
        Self { client, kept: Mutex::default() }
    }

    /// What stands under `key` in a Secret.
    pub(super) async fn key(&self, namespace: &str, name: &str, key: &str) -> Result<Vec<u8>, Refusal> {
        let data = self.read(namespace, name).await?;
        let value = data.get(key).map(|value| value.0.clone());
        value.ok_or_else(|| Refusal::MissingSecret(format!("the Secret {namespace}/{name} has no key {key}")))
    }

    async fn read(&self, namespace: &str, name: &str) -> Read {
        let slot = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(kept.entry((namespace.to_owned(), name.to_owned())).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some((read_at, read)) = slot.as_ref()
            && read_at.elapsed() < MAX_AGE
        {
            return read.clone();
        }
        let api = Api::<Secret>::namespaced(self.client.clone(), namespace);
        let read = match timeout(TIME_OUT, api.get_opt(name)).await {
            Ok(Ok(Some(secret))) => Ok(Arc::new(secret.data.unwrap_or_default())),
            Ok(Ok(None)) => {
                Err(Refusal::MissingSecret(format!("the Secret {namespace}/{name} does not exist")))
            }
            Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => {
                Err(Refusal::MissingSecret(format!(
                    "the operator may not read the Secret {namespace}/{name}: add {namespace} to the chart's value \
                     sources.secretNamespaces"
                )))
            }
            Ok(Err(error)) => Err(Refusal::MissingSecret(format!(
                "the Secret {namespace}/{name} could not be read: {error}"
            ))),
            Err(_) => Err(Refusal::MissingSecret(format!(
                "the Secret {namespace}/{name} could not be read: the API server did not answer in time"
            ))),
        };
        *slot = Some((Instant::now(), read.clone()));
        read
    }

    /// Forgets what was read a while ago.
    pub(super) fn forget_stale(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, slot| match slot.try_lock() {
            Ok(read) => read.as_ref().is_some_and(|(read_at, _)| read_at.elapsed() < MAX_AGE),
            Err(_) => true,
        });
    }
}
