//! The `ConfigMap`s themselves. Every write names the version it replaces.

use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::{ByteString, api::core::v1::ConfigMap};
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::timeout;

use super::{CheckpointConfig, shard::MOST_SHARDS};
use crate::targets::{FIELD_MANAGER, WRITE_TIME};

/// The key under which a shard is.
const KEY: &str = "memory.json.gz";

/// How long a request may take: a second less than the lease must last, for clocks that do not run alike.
const TIME_OUT: Duration = WRITE_TIME.saturating_sub(Duration::from_secs(1));

/// What was found of one shard.
pub(super) enum Read {
    /// There is no such `ConfigMap`.
    Absent,
    /// Nothing was saved in it.
    Empty { version: String },
    /// Something was.
    Found { version: String, bytes: Vec<u8> },
}

#[derive(Clone)]
pub(super) struct Store {
    api: Api<ConfigMap>,
    name: String,
}

impl Store {
    pub(super) fn new(client: Client, config: &CheckpointConfig) -> Self {
        Self { api: Api::namespaced(client, &config.namespace), name: config.name.clone() }
    }

    pub(super) fn name(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }

    /// Reads every shard there may be.
    pub(super) async fn read_all(&self) -> Result<Vec<Read>, String> {
        try_join_all((0..MOST_SHARDS).map(|number| self.read(number))).await
    }

    async fn read(&self, number: usize) -> Result<Read, String> {
        let Some(found) = in_time(self.api.get_opt(&self.name(number))).await? else {
            return Ok(Read::Absent);
        };
        let version = found.resource_version().unwrap_or_default();
        let bytes = found.binary_data.and_then(|mut data| data.remove(KEY));
        Ok(match bytes {
            Some(ByteString(bytes)) => Read::Found { version, bytes },
            None => Read::Empty { version },
        })
    }

    /// Writes a shard if it still is what `version` says. When somebody else has written it, the version is forgotten
    /// and asked for before the next try: whoever holds the lease then is right.
    pub(super) async fn write(
        &self,
        number: usize,
        version: &mut Option<String>,
        packed: Vec<u8>,
    ) -> Result<(), String> {
        let name = self.name(number);
        let expected = match version.take() {
            Some(version) => version,
            None => in_time(self.api.get_metadata(&name)).await?.resource_version().unwrap_or_default(),
        };
        let patch = json!({
            "metadata": { "resourceVersion": expected },
            "binaryData": { KEY: ByteString(packed) },
        });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        // The answer would be the whole shard.
        let written = in_time(self.api.patch_metadata(&name, &params, &Patch::Merge(&patch))).await?;
        *version = written.resource_version();
        Ok(())
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, String> {
    match timeout(TIME_OUT, call).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the API server did not answer in time".to_owned()),
    }
}
