//! What keeps pods off a node, and what lets them on all the same.

use serde::{Deserialize, Serialize};

use super::Name;

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// No new pods.
    NoSchedule,
    /// Rather no new pods; never a constraint.
    PreferNoSchedule,
    /// No pods: those that run are evicted.
    NoExecute,
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: Name,
    /// Its value; empty where it has none.
    pub value: Name,
    /// What it does.
    pub effect: Effect,
}

/// How a toleration compares the value of a taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TolerationOperator {
    /// Any value, and without a key any taint.
    Exists,
    /// The same value.
    Equal,
    /// The taint's value is a whole number less than the toleration's.
    Lt,
    /// The taint's value is a whole number greater than the toleration's.
    Gt,
}

/// A toleration of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Toleration {
    /// The taint's key; empty with `Exists` for every key.
    pub key: Name,
    /// How values are compared.
    pub operator: TolerationOperator,
    /// The value to compare with.
    pub value: Name,
    /// The effect it tolerates; None for all.
    pub effect: Option<Effect>,
}
