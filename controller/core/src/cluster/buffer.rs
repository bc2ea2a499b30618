//! Room for pods of one shape that somebody asks to be kept free.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Name, PodShape};

/// Room for pods that do not exist, wherever they would fit: what an upstream `CapacityBuffer` asks for. Real pods may take
/// it at any time; it is then looked for again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Buffer {
    /// What tells it from others: namespace and name, with a slash between.
    pub key: Name,
    /// What each of the pods would ask of a node.
    pub shape: Arc<PodShape>,
    /// For how many pods; none where it is 0.
    pub count: u32,
}
