//! What pods belong to, as far as a drain has to know it.

use serde::{Deserialize, Serialize};

use super::Name;

/// A `ReplicaSet`, with the Deployment above it where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// The uid of the `ReplicaSet`: what [`super::Owner::uid`] of its pods says.
    pub owner: Name,
    /// Its namespace.
    pub namespace: Name,
    /// The name of the Deployment; None for a `ReplicaSet` of its own.
    pub deployment: Option<Name>,
    /// `spec.replicas` of the Deployment.
    pub replicas: i32,
    /// `status.availableReplicas` of the Deployment.
    pub available: i32,
    /// Whether the Deployment is between two templates, or has not seen its own spec.
    pub in_rollout: bool,
}

impl Workload {
    /// Whether one replica more can be asked for, which then runs beside the others.
    pub fn can_surge(&self) -> bool {
        self.deployment.is_some() && !self.in_rollout
    }
}
