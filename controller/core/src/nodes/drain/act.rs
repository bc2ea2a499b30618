//! What a drain does, waits for, and is given up for.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::unreturnable::Unreturnable;
use crate::cluster::{Name, Pod};
use crate::nodes::breaker::Tripped;
use crate::nodes::drainability::Blocker;
use crate::nodes::pdb::Forbidden;
use crate::time::Span;

/// Something to do. Each may be done twice without harm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// Taint the node.
    Taint,
    /// Ask a Deployment for so many replicas, one more than it has, ready elsewhere. First the pod that is to go gets the
    /// lowest deletion cost: by that whoever scales the Deployment knows that it has one replica more for a while.
    Surge {
        /// Its namespace.
        namespace: Name,
        /// Its name.
        deployment: Name,
        /// How many replicas.
        replicas: i32,
        /// The uid of the pod that is to go.
        pod: Name,
    },
    /// Take the deletion cost away from these pods: they stay.
    Unmark {
        /// Uids of the pods.
        pods: Vec<Name>,
    },
    /// Give the replica back: these pods get the lowest deletion cost, then the Deployment so many replicas.
    GiveBack {
        /// Its namespace.
        namespace: Name,
        /// Its name.
        deployment: Name,
        /// How many replicas.
        replicas: i32,
        /// Uids of the pods that are to go first; none where the drain is over.
        pods: Vec<Name>,
    },
    /// Evict a pod by the Eviction API.
    Evict {
        /// Its uid, as a precondition.
        uid: Name,
        /// Its namespace.
        namespace: Name,
        /// Its name.
        name: Name,
        /// How long it gets to end; None for as long as it wants.
        grace: Option<Span>,
    },
    /// Ask the provider to take the node back.
    Delete,
    /// Take the taint away: the node stays.
    Untaint(GivenUp),
    /// Nothing is left to do.
    Done,
}

/// The eviction of a pod.
pub(super) fn evict(pod: &Pod, max_grace: Span) -> Action {
    Action::Evict {
        uid: pod.uid.clone(),
        namespace: pod.shape.namespace.clone(),
        name: pod.name.clone(),
        grace: (pod.eviction.grace > max_grace).then_some(max_grace),
    }
}

/// What a drain waits for: the first that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitsFor {
    /// What we see may be a partition.
    Breaker(Tripped),
    /// Nodes that were ordered for its pods.
    Orders(Vec<Name>),
    /// A budget that allows the eviction of a pod.
    Budget {
        /// Namespace and name.
        pod: String,
        /// Why it may not be evicted now.
        why: Forbidden,
    },
    /// A pod that may not be evicted.
    Pod {
        /// Namespace and name.
        pod: String,
        /// Why.
        why: Blocker,
    },
    /// One more replica that is available.
    Surge {
        /// The Deployment's namespace and name.
        deployment: String,
    },
    /// A Deployment that has one replica more for another drain.
    Turn {
        /// The Deployment's namespace and name.
        deployment: String,
    },
    /// A rollout of a Deployment that would get one more replica.
    Rollout {
        /// The Deployment's namespace and name.
        deployment: String,
    },
    /// Pods that end.
    Ending {
        /// How many.
        pods: u32,
    },
    /// The scheduler, to see the taint.
    Settling,
    /// The provider, to take the node.
    Provider,
    /// Somebody who can be asked to take the node.
    Unreturnable(Unreturnable),
}

/// Why a drain is undone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GivenUp {
    /// It took longer than this.
    TimedOut(Span),
    /// Somebody took the taint away.
    TaintRemoved,
    /// Its provider has said that it takes the node away, and no longer does.
    Recalled,
    /// Nodes for its pods will not come.
    OrderFailed(Name),
    /// Nobody can be asked to take the node.
    Unreturnable(Unreturnable),
    /// A pod may not be evicted any more.
    Pod {
        /// Namespace and name.
        pod: String,
        /// Why.
        why: Blocker,
    },
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breaker(tripped) => write!(f, "nothing is removed: {tripped}"),
            Self::Orders(orders) => write!(
                f,
                "waits for the nodes of {}",
                orders.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
            ),
            Self::Budget { pod, why } => write!(f, "pod {pod} {why}"),
            Self::Pod { pod, why } => write!(f, "pod {pod} {why}"),
            Self::Surge { deployment } => write!(f, "waits for one replica more of {deployment}"),
            Self::Turn { deployment } => {
                write!(f, "waits its turn: {deployment} has one replica more for another node")
            }
            Self::Rollout { deployment } => write!(f, "waits for the rollout of {deployment}"),
            Self::Ending { pods } => write!(f, "waits for {pods} pods to end"),
            Self::Settling => f.write_str("waits until the taint is seen everywhere"),
            Self::Provider => f.write_str("waits for the provider to take it"),
            Self::Unreturnable(why) => why.fmt(f),
        }
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(span) => write!(f, "it was not empty after {span}"),
            Self::TaintRemoved => f.write_str("somebody took the taint away"),
            Self::Recalled => f.write_str("its provider no longer takes it away"),
            Self::OrderFailed(order) => write!(f, "the nodes of {order} will not come"),
            Self::Unreturnable(why) => why.fmt(f),
            Self::Pod { pod, why } => write!(f, "pod {pod} {why}"),
        }
    }
}
