//! What of a workload survives the loss of a node or a zone, and how its pods leave.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pool::resources::share;

/// What may be lost without the load noticing, and how pods leave.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Availability {
    /// What may be lost while the rest still carries the present load at the target: the `Zone` with most replicas, the
    /// `Node` with most replicas, or `None`. There are as many replicas more as that takes, within maxReplicas. Pods of a
    /// ServiceGroup are bound to be spread evenly over it; over the other they prefer to be. Needs algorithm `Plimsoll-1`.
    /// Default `None`.
    #[serde(default)]
    pub survive: Survive,
    /// How many pods may be away at the same time by the will of somebody (a drain, an upgrade of nodes): the
    /// maxUnavailable of a PodDisruptionBudget. A number, or a percentage, rounded up. Default `10%`.
    #[serde(default = "tenth")]
    #[schemars(schema_with = "share")]
    pub max_unavailable: IntOrString,
    /// Seconds for which a pod goes on serving after it was told to end, so that whoever sends it requests hears of it
    /// first: the sleep of a preStop hook. 0 to 300; 0 is none. Default 15.
    #[serde(default = "fifteen")]
    #[schemars(range(min = 0, max = 300))]
    pub pre_stop_seconds: i32,
}

impl Default for Availability {
    fn default() -> Self {
        Self { survive: Survive::default(), max_unavailable: tenth(), pre_stop_seconds: fifteen() }
    }
}

/// What may be lost.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Survive {
    /// The zone with most replicas.
    Zone,
    /// The node with most replicas.
    Node,
    /// Nothing.
    #[default]
    None,
}

fn tenth() -> IntOrString {
    IntOrString::String("10%".to_owned())
}

fn fifteen() -> i32 {
    15
}
