//! A plan seen from one pod, one node or one pool: what `plimsoll explain` tells.
//!
//! A plan is about everything at once and names each reason once. Here it is turned round: given one object, everything
//! that is said about it is gathered and put into words. Nothing is decided: reasons come from the plan, and those that a
//! plan leaves out, since it stops at the first, from the gates that it asks.

mod node;
mod place;
mod pod;
mod pool;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::NodePlan;
use super::drain::Drain;
use super::remove::{Memory, RemovalPlan};
use super::words::moment;
use crate::cluster::{Name, OfferingKey, Workload};
use crate::placement::View;
use crate::time::Timestamp;

pub use node::{MoveRow, NodeExplained, PodRow, ReasonRow, node};
pub use place::{PassedRow, PlaceRow};
pub use pod::{Outlook, PodExplained, RefusalRow, pod};
pub use pool::{LimitRow, NodeRow, OfferingRow, OrderRow, PoolExplained, RefusedRow, ZoneRow, pool};

/// Everything that is known at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// The cluster.
    pub view: &'a View,
    /// What the last plan adds.
    pub plan: &'a NodePlan,
    /// What the last plan removes.
    pub removal: &'a RemovalPlan,
    /// When it was made.
    pub planned: Timestamp,
    /// The invariant that it breaks, if the audit refused it.
    pub refused: Option<&'a str>,
    /// What pods belong to, by the uid of their owner.
    pub workloads: &'a BTreeMap<Name, Workload>,
    /// What the planner remembers.
    pub memory: &'a Memory,
    /// How far drains are, by node.
    pub drains: &'a BTreeMap<Name, Drain>,
    /// What drains wait for, in words, by node.
    pub waits: &'a BTreeMap<Name, String>,
    /// What became of orders, by name.
    pub orders: &'a BTreeMap<Name, OrderSaid>,
    /// Errors of offerings that matter still, by pool.
    pub errors: &'a BTreeMap<(Name, OfferingKey), OfferingSaid>,
    /// The moment.
    pub now: Timestamp,
}

/// What the record of an order says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderSaid {
    /// Its pool.
    pub pool: Name,
    /// What was ordered.
    pub offering: OfferingKey,
    /// How many nodes.
    pub count: u32,
    /// When.
    pub created: Timestamp,
    /// Its phase.
    pub phase: String,
    /// What is to be said of it.
    pub message: Option<String>,
}

/// What went wrong with an offering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferingSaid {
    /// The last error, in words.
    pub error: String,
    /// Errors in a row.
    pub failures: u32,
    /// When the last was.
    pub last: Timestamp,
    /// Until when it is avoided; this may have passed.
    pub until: Timestamp,
}

/// When the plan was made, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// When, in milliseconds since 1970.
    pub at: Timestamp,
    /// The invariant that it breaks; then nothing of it is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Sight<'_> {
    fn planned(&self) -> Planned {
        Planned { at: self.planned, refused: self.refused.map(str::to_owned) }
    }

    /// A sentence where nothing of the plan is carried out.
    fn warning(&self) -> Option<String> {
        let breach = self.refused?;
        Some(format!(
            "The audit refused the plan of {}, so nothing of it is carried out: {breach}.",
            moment(self.planned)
        ))
    }
}
