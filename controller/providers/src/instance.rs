//! What there is of ours: instances, the sizes of their offerings, and what made no sense in the answer.

use std::{collections::BTreeMap, fmt};

use crate::{Bounds, OfferingId, OrderKey, ProviderError};

/// How far an instance is, by the provider's word. Whether its node is ready is seen in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceState {
    /// Asked for, not there yet.
    Creating,
    /// There. Also what a provider means that says nothing.
    Running,
    /// Going.
    Deleting,
}

/// Why an instance that was asked for does not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceFailure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// The provider's code, for people.
    pub code: String,
    /// The provider's words, shortened.
    pub message: String,
}

/// Kinds of failure of a single instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// The provider has no more of this offering: try another one.
    OutOfCapacity,
    /// We may not have more: only people can change that.
    Quota,
    /// Anything else.
    Other,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfCapacity => "out of capacity",
            Self::Quota => "quota reached",
            Self::Other => "failed",
        })
    }
}

impl fmt::Display for InstanceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.kind, self.message, self.code)
    }
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The provider's id for it, unique in the inventory. Equals `spec.providerID` of its node, once it has one.
    pub id: String,
    /// The name of its node, where the provider knows it.
    pub node_name: Option<String>,
    /// How far it is.
    pub state: InstanceState,
    /// Why it will not come.
    pub failure: Option<InstanceFailure>,
    /// What it is one of.
    pub offering: OfferingId,
    /// The order it came from, where the provider records that.
    pub order: Option<OrderKey>,
}

impl Instance {
    /// What to delete it by.
    pub fn reference(&self) -> InstanceRef {
        InstanceRef {
            id: self.id.clone(),
            offering: self.offering.clone(),
            node_name: self.node_name.clone(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }
}

/// Names an instance that is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstanceRef {
    /// [`Instance::id`].
    pub id: String,
    /// [`Instance::offering`].
    pub offering: OfferingId,
    /// The name of its node, where known: some providers look at nothing else.
    pub node_name: Option<String>,
    /// The labels of its node, where known.
    pub labels: BTreeMap<String, String>,
    /// The annotations of its node, where known.
    pub annotations: BTreeMap<String, String>,
}

/// The instances of one offering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// How many nodes the provider means it to have, those under way included.
    pub target: u32,
    /// Fewest and most.
    pub bounds: Bounds,
    /// Sorted by id. May be fewer than `target` (requests without an instance yet) or more (those going).
    pub instances: Vec<Instance>,
}

impl Group {
    /// Requests that have no instance yet: what [`Provider::decrease_target`](crate::Provider::decrease_target) can
    /// take back. Instances on their way out are in no target.
    pub fn unfulfilled(&self) -> u32 {
        let there =
            self.instances.iter().filter(|instance| instance.state != InstanceState::Deleting).count();
        self.target.saturating_sub(u32::try_from(there).unwrap_or(u32::MAX))
    }
}

/// Everything of ours at the provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// By offering. One that could not be read has its error here and says nothing about the others; it must not be
    /// taken for an empty one.
    pub groups: BTreeMap<OfferingId, Result<Group, ProviderError>>,
    /// What made no sense and was left out.
    pub oddities: Vec<Oddity>,
}

impl Inventory {
    /// The instances that could be read.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.groups.values().flatten().flat_map(|group| &group.instances)
    }

    /// The instances of an order, where the provider records orders.
    pub fn of_order<'a>(&'a self, order: &'a OrderKey) -> impl Iterator<Item = &'a Instance> {
        self.instances().filter(move |instance| instance.order.as_ref() == Some(order))
    }

    /// The size of an offering, if it could be read.
    pub fn target(&self, offering: &OfferingId) -> Option<u32> {
        self.groups.get(offering)?.as_ref().ok().map(|group| group.target)
    }
}

/// Something in an answer that cannot be true. It is left out, and what depends on it is not done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// A node group without an id.
    NamelessGroup,
    /// Two node groups have one id; the first counts.
    GroupTwice(OfferingId),
    /// A size below zero, or fewest above most; the group counts as unreadable.
    BadSize {
        /// Where.
        offering: OfferingId,
        /// What was said.
        said: String,
    },
    /// An instance without an id; left out.
    NamelessInstance(OfferingId),
    /// An instance was listed twice in a group; it counts once.
    InstanceTwice {
        /// Where.
        offering: OfferingId,
        /// Which.
        id: String,
    },
    /// Two groups claim an instance. It counts in the first and must not be deleted until they agree.
    ClaimedTwice {
        /// Which.
        id: String,
        /// Where it counts.
        first: OfferingId,
        /// Who claims it too.
        second: OfferingId,
    },
    /// A state that the protocol does not have; taken for running, so that nothing is created in its place.
    UnknownState {
        /// Which.
        id: String,
        /// What was said.
        state: i32,
    },
    /// A node carries our mark but does not say what it is one of.
    MarkWithoutOffering {
        /// Its name.
        node: String,
    },
    /// What a new node of the group would look like does not make sense; nothing is planned for it.
    BadTemplate {
        /// Where.
        offering: OfferingId,
        /// What is wrong.
        problem: String,
    },
    /// A price that is none; taken as unknown.
    BadPrice {
        /// Where.
        offering: OfferingId,
        /// What was said.
        said: String,
    },
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamelessGroup => f.write_str("a node group without an id was left out"),
            Self::GroupTwice(id) => write!(f, "the node group {id} was listed twice; the first counts"),
            Self::BadSize { offering, said } => write!(f, "the size of {offering} makes no sense: {said}"),
            Self::NamelessInstance(offering) => {
                write!(f, "an instance of {offering} without an id was left out")
            }
            Self::InstanceTwice { offering, id } => {
                write!(f, "the instance {id} of {offering} was listed twice; it counts once")
            }
            Self::ClaimedTwice { id, first, second } => {
                write!(
                    f,
                    "the instance {id} is claimed by {first} and {second}; it is left alone until they agree"
                )
            }
            Self::UnknownState { id, state } => {
                write!(f, "the instance {id} has the unknown state {state}; it is taken for running")
            }
            Self::MarkWithoutOffering { node } => {
                write!(
                    f,
                    "the node {node} carries our mark but does not say which offering it is of; it is left alone"
                )
            }
            Self::BadTemplate { offering, problem } => {
                write!(f, "what a node of {offering} would look like makes no sense: {problem}")
            }
            Self::BadPrice { offering, said } => write!(f, "the price of {offering} makes no sense: {said}"),
        }
    }
}
