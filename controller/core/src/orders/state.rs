//! What is known of an order.

use serde::{Deserialize, Serialize};

use crate::cluster::Name;
use crate::time::{Span, Timestamp};

/// What the record of an order says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderState {
    /// How many nodes were ordered, 1 or more.
    pub count: u32,
    /// Whether somebody has deleted the record: its nodes are to go.
    pub deleted: bool,
    /// When the provider was first asked; None while it was not.
    pub asked: Option<Timestamp>,
    /// What the provider answered; None while nothing is known of its answer.
    pub answer: Option<Answer>,
    /// How many nodes the provider made beyond those that were ordered.
    #[serde(default)]
    pub surplus: u32,
    /// How many requests without an instance were taken back.
    #[serde(default)]
    pub taken_back: u32,
    /// Its nodes as they were recorded last.
    pub nodes: Vec<OrderNode>,
}

/// What the provider answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// So many nodes are coming, at most those ordered.
    Accepted(u32),
    /// It refused, in its words.
    Refused(Name),
}

/// A node of an order, as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderNode {
    /// The provider's id of its instance.
    pub id: Name,
    /// The name of its Node; None until it has joined.
    pub name: Option<Name>,
    /// How far it is.
    pub phase: NodePhase,
    /// Since when its provider no longer lists it, or lists it without the Node that it had.
    #[serde(default)]
    pub missing: Option<Timestamp>,
}

/// How far a node of an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodePhase {
    /// The provider makes it.
    Creating,
    /// It has joined, and takes no pods yet.
    Registered,
    /// It is ready and takes pods, or has done so.
    Ready,
    /// It is being emptied.
    Draining,
    /// The provider deletes it.
    Deleting,
    /// It is gone.
    GivenBack,
    /// It never came, or the provider lost it.
    Failed,
}

impl OrderState {
    /// How many nodes are known to come or to have come: those accepted, and what the provider made beyond them.
    pub fn expected(&self) -> u32 {
        match self.answer {
            Some(Answer::Accepted(accepted)) => {
                accepted.saturating_add(self.surplus).saturating_sub(self.taken_back)
            }
            Some(Answer::Refused(_)) | None => 0,
        }
    }

    /// How many of the nodes that are expected have no instance yet.
    pub fn awaits(&self) -> u32 {
        self.expected().saturating_sub(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX))
    }

    /// Whether the time is over in which its nodes had to join; it never begins for what was not asked.
    pub fn is_late(&self, provision: Span, now: Timestamp) -> bool {
        self.asked.is_some_and(|asked| now.since(asked) >= provision)
    }

    /// How many instances more may turn out to be of this order. An order of which the provider seemed to take only a
    /// part may come whole yet: sizes are read from servers that are behind.
    pub fn may_claim(&self) -> u32 {
        let most = match self.answer {
            Some(Answer::Accepted(accepted)) => accepted.max(self.count),
            Some(Answer::Refused(_)) | None => return 0,
        };
        let known = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        most.saturating_add(self.surplus).saturating_sub(self.taken_back).saturating_sub(known)
    }
}

impl NodePhase {
    /// Whether nothing more will happen to it.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::GivenBack | Self::Failed)
    }
}

/// What is seen of an order now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// What the provider has of it, by id; None when it could not be asked, which is no proof of anything.
    pub instances: Option<Vec<Instance>>,
    /// When the provider was asked for `instances`: what has changed since it may not know.
    #[serde(default)]
    pub as_of: Timestamp,
    /// The nodes of the cluster that belong to it.
    pub nodes: Vec<Registered>,
    /// How many instances its node group has that are of no order, and were not there before it.
    #[serde(default)]
    pub unclaimed: u32,
    /// Whether its pool is gone.
    #[serde(default)]
    pub pool_is_gone: bool,
}

/// An instance at the provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// The provider's id, equal to `spec.providerID` of its Node.
    pub id: Name,
    /// Whether the provider is deleting it.
    pub deleting: bool,
    /// Why it will not come, where it will not.
    pub fault: Option<InstanceFault>,
}

/// Why an instance will not come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum InstanceFault {
    /// The provider has no more of the offering.
    OutOfCapacity,
    /// We may not have more.
    Quota,
    /// Anything else, in the provider's words.
    Other(Name),
}

/// A Node of the cluster that belongs to an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// Its name.
    pub name: Name,
    /// `spec.providerID`.
    pub id: Name,
    /// Whether it is ready: one that is not may be lost.
    pub ready: bool,
    /// Whether it takes pods: it is ready, has lost the taints of a node that starts, and has its devices or had its time.
    pub takes_pods: bool,
    /// Whether it is being emptied.
    pub draining: bool,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// From the asking until a node has to have joined.
    pub provision: Span,
    /// Between two looks at an order that waits for something. What a provider no longer lists counts as gone once an
    /// answer lacks it too that was asked for so much later.
    pub look_again: Span,
}
