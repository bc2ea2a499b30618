//! What is said of an order.

use std::fmt;

use super::outcome::{Phase, Why};
use super::state::{InstanceFault, NodePhase};

impl Why {
    /// The reason as a word, for conditions and events.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refused(_) => "Refused",
            Self::TakenInPart { .. } => "TakenInPart",
            Self::Fault(InstanceFault::OutOfCapacity) => "OutOfCapacity",
            Self::Fault(InstanceFault::Quota) => "QuotaReached",
            Self::Fault(InstanceFault::Other(_)) => "InstanceFailed",
            Self::NeverJoined { .. } => "NeverJoined",
            Self::Surplus { .. } => "Surplus",
            Self::NodeDeleted { .. } => "NodeDeleted",
            Self::Lost { .. } => "Lost",
            Self::Deleted => "Deleted",
            Self::PoolGone => "PoolGone",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(words) => write!(f, "the provider refused: {words}"),
            Self::TakenInPart { accepted, ordered } => {
                write!(f, "the provider took {accepted} of {ordered} nodes")
            }
            Self::Fault(fault) => write!(f, "{fault}"),
            Self::NeverJoined { nodes, within } => {
                let s = if *nodes == 1 { "" } else { "s" };
                write!(f, "{nodes} node{s} did not join within {within}: given back")
            }
            Self::Surplus { nodes } => {
                write!(f, "the provider made {nodes} more than was ordered: given back")
            }
            Self::NodeDeleted { nodes, within } => {
                write!(
                    f,
                    "somebody deleted {nodes} of the Nodes, and they did not join again within {within}: given back"
                )
            }
            Self::Lost { nodes } => write!(f, "the provider no longer has {nodes} of the nodes"),
            Self::Deleted => f.write_str("the order was deleted, so its nodes are given back"),
            Self::PoolGone => f.write_str(
                "its CapacityPool is gone, so its machines are neither marked nor given back: make the pool anew, or delete \
                 them at the provider and take the finalizer off this record",
            ),
        }
    }
}

impl fmt::Display for InstanceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfCapacity => f.write_str("the provider is out of capacity"),
            Self::Quota => f.write_str("the quota at the provider is reached"),
            Self::Other(words) => write!(f, "an instance failed: {words}"),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recorded => "Recorded",
            Self::Asked => "Asked",
            Self::Under(NodePhase::Creating) => "Creating",
            Self::Under(NodePhase::Registered) => "Registered",
            Self::Under(NodePhase::Ready) => "Ready",
            Self::Under(NodePhase::Draining) => "Draining",
            Self::Under(NodePhase::Deleting) => "Deleting",
            Self::Under(NodePhase::GivenBack) | Self::Done => "GivenBack",
            Self::Under(NodePhase::Failed) | Self::Failed => "Failed",
        })
    }
}
