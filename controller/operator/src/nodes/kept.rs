//! What is remembered of nodes, kept for the next leader: since when nodes are not needed, and drains that were given up.
//!
//! Without it a restart would begin each scale-down delay anew, and a drain that was given up would be tried at once.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use plimsoll_core::nodes::remove::Memory;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::planner::Planner;
use crate::targets::WRITE_TIME;

/// The key in the `ConfigMap`.
const KEY: &str = "nodes.json";
/// The least time between two writes.
const EVERY: Duration = Duration::from_secs(30);
/// As much as is written; an object has at most a mebibyte.
const MOST: usize = 900_000;

/// Where it is kept.
pub(crate) struct Kept {
    api: Api<ConfigMap>,
    name: String,
    written: Memory,
    at: Option<Instant>,
}

impl Kept {
    /// Kept in the first of the `ConfigMap`s of this name.
    pub(crate) fn new(client: Client, namespace: &str, name: &str) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, name: format!("{name}-0"), written: Memory::default(), at: None }
    }
}

impl Planner {
    /// Reads what the last leader left. What cannot be read is not remembered: delays begin anew.
    pub(super) async fn recall(&mut self) {
        let read = timeout(WRITE_TIME, self.kept.api.get_opt(&self.kept.name)).await;
        let found = match read {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::warn!(%error, config_map = self.kept.name, "what is remembered of nodes cannot be read");
                None
            }
            Err(_) => None,
        };
        let text = found.and_then(|map| map.data?.remove(KEY));
        self.memory = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        self.kept.written = self.memory.clone();
    }

    /// Writes what is remembered, if it has changed and was not written lately.
    pub(super) async fn remember(&mut self) {
        let is_due = self.kept.at.is_none_or(|at| at.elapsed() >= EVERY);
        if !is_due || self.kept.written == self.memory || !self.leadership.outlives(WRITE_TIME) {
            return;
        }
        let Ok(text) = serde_json::to_string(&self.memory) else { return };
        if text.len() > MOST {
            tracing::warn!(
                bytes = text.len(),
                "what is remembered of nodes is too much to be kept over a restart"
            );
            return;
        }
        self.kept.at = Some(Instant::now());
        let patch = Patch::Merge(json!({ "data": { KEY: text } }));
        let params = PatchParams::default();
        match timeout(WRITE_TIME, self.kept.api.patch(&self.kept.name, &params, &patch)).await {
            Ok(Ok(_)) => self.kept.written = self.memory.clone(),
            Ok(Err(error)) => {
                tracing::warn!(%error, config_map = self.kept.name, "what is remembered of nodes is not kept");
            }
            Err(_) => {}
        }
    }
}
