//! Which nodes are to go, which come in their place, and why each other stays.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::WhyStays;
use crate::cluster::{BudgetReason, Name};
use crate::nodes::drift::Drift;
use crate::nodes::words::percent;
use crate::nodes::{NewNodes, Place};
use crate::time::Timestamp;

/// All nodes to be removed from one moment on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RemovalPlan {
    /// Nodes to be drained and then given back, in this order.
    pub remove: Vec<Removal>,
    /// Nodes to be ordered in their place. A drain that needs one waits until it is ready.
    pub add: Vec<NewNodes>,
    /// Every other node, in the order of names.
    pub stays: Vec<Stays>,
    /// When a reason to stay ends by itself, at the soonest.
    pub next_look: Option<Timestamp>,
}

/// A node to be drained and then given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removal {
    /// The node.
    pub node: Name,
    /// Its pool.
    pub pool: Name,
    /// Why.
    pub why: WhyRemoved,
    /// What it costs per hour, in millionths of the currency; None where nobody knows.
    pub price: Option<i64>,
    /// Where each of its pods will fit, in the order of their uids.
    pub moves: Vec<Move>,
    /// Entries of [`RemovalPlan::add`] that are ordered in its place; nodes that are replaced together share them.
    pub replaced_by: Vec<u32>,
    /// Entries of [`RemovalPlan::add`] whose nodes have to be ready before it is drained.
    pub needs: Vec<u32>,
    /// Uids of the owners that get one replica more before their pod is evicted.
    pub surges: Vec<Name>,
}

/// Where a pod will fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// The pod's uid.
    pub pod: Name,
    /// Where; one of [`RemovalPlan::add`] where it is new.
    pub to: Place,
}

/// Why a node goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WhyRemoved {
    /// Its provider takes it away.
    Interrupted,
    /// Somebody deleted this order, by which it came.
    OrderDeleted(Name),
    /// It no longer is what its pool says.
    Drifted(Drift),
    /// It has no pods to move.
    Empty,
    /// Its pods fit elsewhere.
    Underutilized {
        /// The larger share of cpu and memory that they ask for, in thousandths.
        utilization: i64,
    },
    /// Its pods, with those of others, fit on fewer or cheaper nodes.
    Replaced {
        /// How many nodes have those pods.
        nodes: u32,
        /// How many are enough for them.
        by: u32,
        /// What that saves of their price, in thousandths.
        saving: i64,
    },
    /// Its zone has too many of its pool's nodes.
    Unbalanced {
        /// The zone it is in.
        from: Name,
        /// The zone that gets one in its place.
        to: Name,
    },
}

/// A node that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stays {
    /// The node.
    pub node: Name,
    /// Why.
    pub why: WhyStays,
}

impl WhyRemoved {
    /// The reason by which budgets count it; None for one that no budget holds back.
    pub fn budget_reason(&self) -> Option<BudgetReason> {
        match self {
            Self::Interrupted => None,
            Self::Empty => Some(BudgetReason::Empty),
            Self::Underutilized { .. } => Some(BudgetReason::Underutilized),
            Self::OrderDeleted(_) | Self::Replaced { .. } | Self::Drifted(_) | Self::Unbalanced { .. } => {
                Some(BudgetReason::Replaced)
            }
        }
    }
}

impl fmt::Display for WhyRemoved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("its provider takes it away"),
            Self::OrderDeleted(order) => write!(f, "its order {order} was deleted"),
            Self::Drifted(drift) => drift.fmt(f),
            Self::Empty => f.write_str("no pods but those of daemons run on it"),
            Self::Underutilized { utilization } => {
                write!(f, "its pods ask for {} % of it and fit elsewhere", percent(*utilization))
            }
            Self::Replaced { nodes, by, saving } => {
                write!(f, "the pods of {nodes} nodes fit on {by}, which saves {} %", percent(*saving))
            }
            Self::Unbalanced { from, to } => {
                write!(f, "zone {from} has more nodes of its pool than zone {to}")
            }
        }
    }
}
