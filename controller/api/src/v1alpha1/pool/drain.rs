//! How a node is emptied.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How a node is emptied.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// Seconds that a pod gets to end, if its own grace period is longer. 0 to 86400. Default 600.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = 0, max = 86_400))]
    pub max_grace_period_seconds: i32,
    /// Seconds after which a drain that has not ended, because a PodDisruptionBudget forbids it or a pod does not end,
    /// is undone: the taint goes and the node stays. 60 to 86400. Default 1800.
    #[serde(default = "half_an_hour")]
    #[schemars(range(min = 60, max = 86_400))]
    pub timeout_seconds: i32,
    /// How many Deployments may at the same time have one replica more than they ask for, ready elsewhere, before the one
    /// on the node goes; also above the maxReplicas of a PodScaler. 0 to 100. Default 0: a Deployment whose availability
    /// a drain would break keeps its node.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub max_surge: i32,
}

impl Default for Drain {
    fn default() -> Self {
        Self { max_grace_period_seconds: ten_minutes(), timeout_seconds: half_an_hour(), max_surge: 0 }
    }
}

fn ten_minutes() -> i32 {
    600
}

fn half_an_hour() -> i32 {
    1800
}
