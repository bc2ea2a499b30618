//! What is remembered of nodes, kept for the next leader: since when nodes are not needed, and drains that were given up.
//!
//! Without it a restart would begin each scale-down delay anew, and a drain that was given up would be tried at once.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use plimsoll_core::{
    cluster::Name,
    nodes::{drain::Drain, remove::Memory},
};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::planner::Planner;
use crate::targets::WRITE_TIME;

/// The key in the `ConfigMap`.
const KEY: &str = "nodes.json";
/// The key of drains for which Deployments have one replica more. The node that carries the drain may vanish.
const SURGES: &str = "surges.json";
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
    /// What is written of drains with a replica more.
    pub(super) surges: BTreeMap<Name, Drain>,
    /// Whether what the last leader left could not be read yet.
    pub(super) unread: bool,
}

impl Kept {
    /// Kept in the first of the `ConfigMap`s of this name.
    pub(crate) fn new(client: Client, namespace: &str, name: &str) -> Self {
        let api = Api::namespaced(client, namespace);
        Self {
            api,
            name: format!("{name}-0"),
            written: Memory::default(),
            at: None,
            surges: BTreeMap::new(),
            unread: false,
        }
    }
}

impl Planner {
    /// Reads what the last leader left. Until it can be read our own memory holds, and nothing is written over it.
    pub(super) async fn recall(&mut self) {
        self.kept.unread = true;
        self.kept.surges.clear();
        if let Some(left) = self.read().await {
            self.memory = Memory::default();
            self.take_over(left);
        }
    }

    /// Reads what the last leader left, where that could not be read before.
    pub(super) async fn recall_unread(&mut self) {
        if self.kept.unread
            && let Some(left) = self.read().await
        {
            self.take_over(left);
        }
    }

    /// What is in the `ConfigMap`; None when it cannot be read.
    async fn read(&self) -> Option<BTreeMap<String, String>> {
        match timeout(WRITE_TIME, self.kept.api.get_opt(&self.kept.name)).await {
            Ok(Ok(found)) => Some(found.and_then(|map| map.data).unwrap_or_default()),
            Ok(Err(error)) => {
                tracing::warn!(%error, config_map = self.kept.name, "what is remembered of nodes cannot be read");
                None
            }
            Err(_) => None,
        }
    }

    /// Goes on with what the last leader left. What makes no sense is not remembered: delays begin anew.
    fn take_over(&mut self, mut left: BTreeMap<String, String>) {
        self.kept.unread = false;
        let memory = left.remove(KEY).and_then(|text| serde_json::from_str(&text).ok());
        self.kept.written = memory.unwrap_or_default();
        self.memory.take_over(self.kept.written.clone());
        let surges = left.remove(SURGES).and_then(|text| serde_json::from_str(&text).ok());
        self.kept.surges = surges.unwrap_or_default();
        for (node, drain) in self.kept.surges.clone() {
            // One that is there says itself how far its drain is.
            if self.world.view.node(&node).is_none() {
                self.world.drains.entry(node).or_insert(drain);
            }
        }
    }

    /// Writes down which drains have a replica more, where that has changed. False when that failed.
    pub(super) async fn keep_surges(&mut self) -> bool {
        let open = self.world.drains.iter().filter(|(_, drain)| !drain.surges.is_empty());
        let open: BTreeMap<Name, Drain> = open.map(|(node, drain)| (node.clone(), drain.clone())).collect();
        if open == self.kept.surges {
            return true;
        }
        // What was not read is not overwritten.
        if self.kept.unread || !self.leadership.outlives(WRITE_TIME) {
            return false;
        }
        let Ok(text) = serde_json::to_string(&open) else { return false };
        let text = Some(text).filter(|_| !open.is_empty());
        let patch = Patch::Merge(json!({ "data": { SURGES: text } }));
        match timeout(WRITE_TIME, self.kept.api.patch(&self.kept.name, &PatchParams::default(), &patch)).await
        {
            Ok(Ok(_)) => {
                self.kept.surges = open;
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, config_map = self.kept.name, "the replicas more of drains are not written down");
                false
            }
            Err(_) => false,
        }
    }

    /// Writes what is remembered, if it has changed and was not written lately.
    pub(super) async fn remember(&mut self) {
        let is_due = self.kept.at.is_none_or(|at| at.elapsed() >= EVERY);
        let is_new = self.kept.written != self.memory;
        // What was not read is not overwritten.
        if !is_due || !is_new || self.kept.unread || !self.leadership.outlives(WRITE_TIME) {
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
