//! Which version of `custom.metrics.k8s.io` is asked: the one that its server prefers.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::Client;
use tokio::{sync::Mutex, time::Instant};

use super::API;
use crate::SignalError;

/// The versions we can read, the better one first.
const KNOWN: [&str; 2] = ["v1beta2", "v1beta1"];

/// How long a version is asked for before the API server is asked again. The HPA's period.
const AGE: Duration = Duration::from_secs(15);

/// Bytes of the description of a group.
const MOST: usize = 64 * 1024;

/// The preferred version, found by discovery.
#[derive(Default)]
pub(super) struct PreferredVersion(Mutex<Option<(Instant, &'static str)>>);

impl PreferredVersion {
    /// The version to ask now.
    pub(super) async fn now(&self, client: &Client) -> Result<&'static str, SignalError> {
        let mut found = self.0.lock().await;
        match *found {
            Some((asked_at, version)) if asked_at.elapsed() < AGE => Ok(version),
            _ => {
                let group = API.get(client, "/apis/custom.metrics.k8s.io", MOST).await?;
                let version = choose(&group)?;
                *found = Some((Instant::now(), version));
                Ok(version)
            }
        }
    }
}

/// The preferred version if we know it, else the first that we know, as the HPA's client chooses.
fn choose(group: &APIGroup) -> Result<&'static str, SignalError> {
    let preferred = group.preferred_version.iter();
    preferred
        .chain(&group.versions)
        .find_map(|served| KNOWN.into_iter().find(|known| *known == served.version))
        .ok_or_else(|| {
            let served: Vec<_> = group.versions.iter().map(|served| served.version.as_str()).collect();
            API.failed(format!(
                "it serves {} and none of {}: update the adapter",
                served.join(", "),
                KNOWN.join(", ")
            ))
        })
}
