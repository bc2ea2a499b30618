//! Machines that were ordered and are still booting. A real cloud remembers them when its client is restarted; here a
//! ConfigMap does.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core::ObjectMeta,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::failure::failure;
use crate::{CreateRequest, OrderKey, ProviderError};

/// How the names of the `ConfigMap`s begin; the provider's name follows.
pub const KWOK_MACHINES: &str = "plimsoll-kwok-";

/// An order whose nodes are not all there yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Booting {
    pub(super) order: CreateRequest,
    /// When its nodes appear; `None`: never.
    pub(super) ready_at: Option<Timestamp>,
    /// Numbers of its nodes that were deleted before they appeared.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) deleted: BTreeSet<u32>,
}

impl Booting {
    /// Whether node number `index` is still to come.
    pub(super) fn has(&self, index: u32) -> bool {
        index < self.order.count && !self.deleted.contains(&index)
    }

    /// The numbers of its nodes.
    pub(super) fn indices(&self) -> impl Iterator<Item = u32> {
        (0..self.order.count).filter(|index| self.has(*index))
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.ready_at.is_some_and(|at| at <= now)
    }
}

/// What the ConfigMap says.
#[derive(Clone, Debug, Default)]
pub(super) struct Machines {
    /// `None`: there is no ConfigMap.
    version: Option<String>,
    pub(super) booting: BTreeMap<OrderKey, Booting>,
}

/// The ConfigMap.
#[derive(Debug)]
pub(super) struct Store {
    api: Api<ConfigMap>,
    name: String,
}

impl Store {
    pub(super) fn new(client: Client, namespace: &str, provider: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: format!("{KWOK_MACHINES}{provider}") }
    }

    pub(super) async fn read(&self) -> Result<Machines, ProviderError> {
        let Some(map) = self.api.get_opt(&self.name).await.map_err(|error| failure(&error))? else {
            return Ok(Machines::default());
        };
        let mut booting = BTreeMap::new();
        for (key, text) in map.data.unwrap_or_default() {
            let read: Booting = serde_json::from_str(&text).map_err(|error| {
                ProviderError::Nonsense(format!(
                    "{key} in the ConfigMap {} is not what was written: {error}; take it out",
                    self.name
                ))
            })?;
            booting.insert(read.order.order.clone(), read);
        }
        Ok(Machines { version: map.metadata.resource_version, booting })
    }

    /// Writes entries, or removes those that are `None`, unless somebody else has written since `seen` was read.
    pub(super) async fn write(
        &self,
        seen: &Machines,
        changes: &BTreeMap<OrderKey, Option<Booting>>,
    ) -> Result<(), ProviderError> {
        let in_words = |error: serde_json::Error| ProviderError::Other(error.to_string());
        let mut data = BTreeMap::new();
        for (key, booting) in changes {
            let text = booting.as_ref().map(serde_json::to_string).transpose().map_err(in_words)?;
            data.insert(key.to_string(), text);
        }
        let written = if let Some(version) = &seen.version {
            let patch = json!({"metadata": {"resourceVersion": version}, "data": data});
            self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await
        } else {
            let map = ConfigMap {
                metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
                data: Some(data.into_iter().filter_map(|(key, text)| Some((key, text?))).collect()),
                ..ConfigMap::default()
            };
            self.api.create(&PostParams::default(), &map).await
        };
        written.map(|_| ()).map_err(|error| failure(&error))
    }
}
