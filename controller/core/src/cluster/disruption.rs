//! How many pods of a group may be missing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Name, Selector};

/// A `PodDisruptionBudget`, with what its controller has counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DisruptionBudget {
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// Which pods of its namespace; None for none.
    pub selector: Option<Selector>,
    /// `status.disruptionsAllowed`; 0 where its controller has not seen the latest spec.
    pub allowed: i32,
    /// `status.currentHealthy`.
    pub healthy: i32,
    /// `status.desiredHealthy`.
    pub desired: i32,
    /// What holds for pods that are not ready.
    pub unhealthy: UnhealthyPods,
    /// Names of pods whose eviction was allowed and is not seen yet.
    pub disrupted: BTreeSet<Name>,
}

/// Whether pods that are not ready may be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum UnhealthyPods {
    /// Only while the rest is healthy enough.
    IfHealthyBudget,
    /// Always.
    AlwaysAllow,
}
