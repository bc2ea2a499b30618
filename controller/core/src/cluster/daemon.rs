//! Pods that every node gets, and pods that do not exist yet.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Name, PodShape};

/// A `DaemonSet`: one pod for every node that its template fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Daemon {
    /// `metadata.uid`.
    pub uid: Name,
    /// Its name within the namespace of its shape.
    pub name: Name,
    /// What each of its pods asks of a node, the tolerations that its controller adds included.
    pub shape: Arc<PodShape>,
}

/// Pods that a workload is about to get: wanted, and not created yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announced {
    /// What tells this announcement from others; the next one under the same key replaces it.
    pub key: Name,
    /// The workload's name within the namespace of the shape.
    pub name: Name,
    /// What each of them will ask of a node.
    pub shape: Arc<PodShape>,
    /// How many are still missing.
    pub count: u32,
}
