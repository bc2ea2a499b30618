//! What a look at an order comes to.

use serde::{Deserialize, Serialize};

use super::state::{InstanceFault, NodePhase, OrderNode};
use crate::cluster::Name;
use crate::time::Span;

/// What an order has come to, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderStep {
    /// How far it is: as far as its node that is least far.
    pub phase: Phase,
    /// Why it is there; None where everything goes as it should.
    pub why: Option<Why>,
    /// Its nodes, by id.
    pub nodes: Vec<OrderNode>,
    /// What to do, in this order. The record is written before.
    pub actions: Vec<Action>,
    /// When to look again though nothing has changed; None when only a change matters.
    pub next_look: Option<Span>,
}

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// The provider was not asked yet.
    Recorded,
    /// The provider was asked, and its answer is not known.
    Asked,
    /// As far as its node that is least far and not over.
    Under(NodePhase),
    /// It is over, and at least one of its nodes has served.
    Done,
    /// It is over, and none of its nodes ever joined.
    Failed,
}

/// Why an order is where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Why {
    /// The provider refused.
    Refused(Name),
    /// The provider took only a part.
    TakenInPart {
        /// How many nodes.
        accepted: u32,
        /// Of how many.
        ordered: u32,
    },
    /// An instance will not come.
    Fault(InstanceFault),
    /// Nodes have not joined in time.
    NeverJoined {
        /// How many.
        nodes: u32,
        /// The time they had.
        within: Span,
    },
    /// The provider made more than it was asked for.
    Surplus {
        /// How many more.
        nodes: u32,
    },
    /// Somebody deleted the Nodes of instances that are still there.
    NodeDeleted {
        /// How many.
        nodes: u32,
        /// The time they had to join again.
        within: Span,
    },
    /// The provider has lost nodes.
    Lost {
        /// How many.
        nodes: u32,
    },
    /// Somebody has deleted the record.
    Deleted,
    /// Its pool is gone, and something of it is not over.
    PoolGone,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// Record that the provider is asked now, then ask it.
    Ask,
    /// Find out what became of an earlier call.
    Settle,
    /// Delete instances that never joined, are faulty or too many, or whose Node somebody has deleted.
    DeleteInstances(Vec<Name>),
    /// Take back requests that have no instance.
    TakeBack(u32),
    /// Empty nodes, then delete them.
    Drain(Vec<Name>),
    /// Delete Node objects whose instances the provider has lost.
    ForgetNodes(Vec<Name>),
    /// Let the record go.
    Finish,
}
