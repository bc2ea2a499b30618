//! What to do without metrics.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to do after several looks in a row at metrics that could not be trusted.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("(self.behavior in ['Static', 'StaticIfHigher']) == has(self.replicas)")
    .message("replicas must be set when behavior is Static or StaticIfHigher, and only then")
    .field_path(".replicas"))]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// How many looks in a row must have failed. 1 to 1000. Default 3.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 1000))]
    pub after_failures: i32,
    /// What happens then. Windows, rate policies and bounds apply to it as to what metrics say.
    #[serde(default)]
    pub behavior: FallbackBehavior,
    /// The number of replicas for `Static` and `StaticIfHigher`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
}

/// What happens without metrics.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FallbackBehavior {
    /// The replicas stay as they are.
    #[default]
    Hold,
    /// As many as `replicas` says.
    Static,
    /// As many as `replicas` says, or as there are, whichever is more.
    StaticIfHigher,
    /// The minReplicas of the moment, those of open schedules included.
    ScheduledMinimum,
}

fn three() -> i32 {
    3
}
