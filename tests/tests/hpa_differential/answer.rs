//! What becomes of one sync, in the form in which both sides tell it. `tests/hpa-oracle/answer.go` writes the same JSON.

use serde::{Deserialize, Deserializer, Serialize};

/// What became of one sync.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The size that was written, if one was.
    pub(crate) written: Option<i32>,
    /// The highest proposal of the metrics, if it was asked for and may be trusted.
    pub(crate) proposal: Option<Proposal>,
    /// The status as it is stored now.
    pub(crate) status: Status,
    /// In the order in which they were published.
    #[serde(deserialize_with = "list")]
    pub(crate) events: Vec<Event>,
    /// The errors that were logged, the one that ended the sync last.
    #[serde(deserialize_with = "list")]
    pub(crate) errors: Vec<String>,
    /// What is remembered for the next sync.
    pub(crate) memory: Remembered,
}

/// A size before windows and limits, and the name of the metric that asks for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Proposal {
    pub(crate) replicas: i32,
    pub(crate) metric: String,
}

/// The status of the scaling object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) current: i32,
    pub(crate) desired: i32,
    pub(crate) last_scale: Option<i64>,
    #[serde(deserialize_with = "list")]
    pub(crate) metrics: Vec<Current>,
    #[serde(deserialize_with = "list")]
    pub(crate) conditions: Vec<Condition>,
}

/// An entry of `status.currentMetrics`. The type of a metric that failed is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Current {
    pub(crate) r#type: String,
    pub(crate) average_utilization: Option<i32>,
    pub(crate) average_value: Option<String>,
    pub(crate) value: Option<String>,
}

/// A condition, and since when it has its status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Condition {
    pub(crate) r#type: String,
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) since: i64,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) r#type: String,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// Pairs of a number of pods and a moment. `plimsoll_core::replicas::Memory` is stored as the same JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    #[serde(default, deserialize_with = "list")]
    pub(crate) recs: Vec<(i64, i64)>,
    #[serde(default, deserialize_with = "list")]
    pub(crate) ups: Vec<(i64, i64)>,
    #[serde(default, deserialize_with = "list")]
    pub(crate) downs: Vec<(i64, i64)>,
}

/// Go writes an empty list as `null`.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default())
}
