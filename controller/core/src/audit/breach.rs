//! What a plan must not break.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What holds for every plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Invariant {
    /// Only nodes with the mark of an order of ours, of a pool that lets them go, are removed, and each once.
    OnlyOurs,
    /// Nothing is removed in what may be a partition.
    NoPartition,
    /// Zones keep their least size.
    LeastSize,
    /// No more nodes go than budgets of their pool allow.
    NodeBudget,
    /// No node goes on which a pod may not be evicted.
    Evictable,
    /// Budgets of pods allow the evictions.
    PodBudget,
    /// What is ordered is offered, at its price.
    Offered,
    /// No node is ordered for a pod below the cut-off of its pool.
    CutOff,
    /// No limit of a pool or of the cluster is passed.
    Limits,
    /// What replaces nodes is cheaper by the threshold.
    Savings,
    /// Every pod of a node that goes has a place, no pod has two, and none is on a node that goes.
    Placed,
    /// No node has more pods than fit.
    Overcommitted,
    /// Taints, selectors, affinities to nodes, host ports and volumes allow each pod on its node.
    NodeRules,
    /// Spread constraints allow each pod on its node.
    Spread,
    /// Affinities and anti-affinities between pods allow each on its node.
    PodAffinity,
}

/// A plan that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Breach {
    /// What it breaks.
    pub invariant: Invariant,
    /// In what.
    pub what: String,
}

impl Breach {
    pub(super) fn new(invariant: Invariant, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the plan is refused, since it breaks {}: {}", self.invariant, self.what)
    }
}
