//! Everything a decision depends on, in one value that can be stored and replayed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::domains::Domains;
use super::obstacle::Obstacle;
use super::policy::{Policy, Settings};
use super::rules::Rules;
use super::usage::{Sample, Samples};
use super::view::{PodView, TargetView};
use crate::time::Timestamp;

/// The input of one decision. Stored as JSON it must be read back with exact floats (`float_roundtrip` of `serde_json`),
/// or tolerances may change by one bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The moment of the decision.
    pub now: Timestamp,
    /// What the operator sets for all workloads.
    pub settings: Settings,
    /// The namespace of the workload. Appears in messages only.
    pub namespace: String,
    /// What the user asked for.
    pub policy: Policy,
    /// The target's size.
    pub target: TargetView,
    /// The pods that match the target's selector. Their order does not matter.
    pub pods: Vec<PodView>,
    /// One reading per entry of `policy.metrics`, in the same order. A missing one counts as failed.
    pub readings: Vec<Reading>,
    /// Whether the condition `ScaledToZero` is `True` at the moment: the only proof that we made it zero.
    pub scaled_to_zero: bool,
    /// What stands in the way of reading pods and metrics, such as a missing selector. Like HPA, bounds are still
    /// enforced with an obstacle of the selector; any other obstacle ends the decision at once.
    pub obstacle: Option<Obstacle>,
    /// How the pods lie over zones, where somebody asks what of them may be lost, and nodes are watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<Domains>,
    /// How the pods lie over nodes, where the loss of a node is to be survived, and nodes are watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Domains>,
}

impl Input {
    /// The pods that are left out because they belong to others.
    pub(super) fn foreign_pods(&self) -> usize {
        let rules = Rules::of(self.policy.algorithm);
        self.pods.iter().filter(|pod| rules.foreign_pods_are_dropped() && pod.foreign).count()
    }
}

/// What came back for one metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reading {
    /// Resource, ContainerResource, Pods and Scrape: a value per pod. Empty means that the API answered, but no pod has
    /// the value; an API that answered with no items at all is [`ReadingError::Empty`].
    Pods(Samples),
    /// Object, and External with one series: the value in thousandths.
    Value(i64),
    /// External: the value of each returned series in thousandths, in the order of the answer.
    Series(Vec<i64>),
    /// Object, Prometheus (one) and External: the value of each returned series with its moment, in the order of the answer. For
    /// sources that tell when they measured; `HPA-1.37` does not look at it.
    Timed(Vec<Sample>),
    /// No value.
    Failed(ReadingError),
}

/// Why there is no value. The texts complete HPA's sentences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadingError {
    /// The API answered with an error, or not at all. The text of that error.
    Fetch(String),
    /// The API answered with an empty list.
    Empty,
    /// The metric's label selector is not valid. The text of that error.
    InvalidSelector(String),
    /// No source of this kind is configured.
    Unsupported {
        /// The metric's type.
        kind: String,
    },
}

impl fmt::Display for ReadingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(text) | Self::InvalidSelector(text) => f.write_str(text),
            Self::Empty => f.write_str("no metrics returned"),
            Self::Unsupported { kind } => {
                write!(f, "metrics of type {kind} are not supported yet; use another type in spec.metrics")
            }
        }
    }
}
