//! A pod, existing or announced.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Name, PodShape};
use crate::time::{Span, Timestamp};

/// A pod of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// `metadata.uid`: tells it from a pod of the same name that came after it.
    pub uid: Name,
    /// Its name within the namespace of its shape.
    pub name: Name,
    /// What it asks of a node.
    pub shape: Arc<PodShape>,
    /// Where it stands.
    pub state: PodState,
    /// Whom it belongs to; None for a bare pod.
    pub owner: Option<Owner>,
    /// Its creation.
    pub created: Timestamp,
    /// Why it is nothing to plan for, where that is so for what it is: [`View::cuts_off`](crate::placement::View::cuts_off)
    /// says whether it is for its priority.
    pub unplannable: Option<Unplannable>,
    /// What its eviction depends on.
    pub eviction: Eviction,
}

/// Where a pod stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PodState {
    /// Not bound, and the scheduler has not said that it fits nowhere.
    Pending,
    /// Not bound, and the scheduler has found no node for it.
    Unschedulable {
        /// Since when.
        since: Timestamp,
    },
    /// Not bound; a node holds room for it, since pods there are preempted for it or a plan has placed it.
    Nominated {
        /// The node.
        node: Name,
    },
    /// Bound to a node, not deleted and not ended.
    Bound {
        /// The node.
        node: Name,
        /// Whether its Ready condition is `True`.
        ready: bool,
    },
    /// Bound, and being deleted. It still holds its room.
    Terminating {
        /// The node.
        node: Name,
        /// When its grace period ends.
        until: Timestamp,
    },
}

impl PodState {
    /// The node on which it holds room.
    pub fn node(&self) -> Option<&Name> {
        match self {
            Self::Pending | Self::Unschedulable { .. } => None,
            Self::Nominated { node } | Self::Bound { node, .. } | Self::Terminating { node, .. } => {
                Some(node)
            }
        }
    }
}

/// The controller of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// What it is.
    pub kind: OwnerKind,
    /// Its name.
    pub name: Name,
    /// Its uid.
    pub uid: Name,
}

/// The kinds of owners that rules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OwnerKind {
    /// A `ReplicaSet`; its Deployment, where it has one, replaces pods one by one.
    ReplicaSet,
    /// A `StatefulSet`: its pods have names and cannot surge.
    StatefulSet,
    /// A `DaemonSet`: its pods go with their node.
    DaemonSet,
    /// A Job: its pods may be near their end.
    Job,
    /// The node itself: a static pod, which nobody can evict.
    Node,
    /// Another controller.
    Other,
}

/// Why a pod is left alone by the planner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Unplannable {
    /// Another scheduler places it.
    ForeignScheduler(Name),
    /// It claims devices by Dynamic Resource Allocation.
    ResourceClaims,
    /// It is scheduled as one of a gang.
    Gang,
    /// Scheduling gates hold it.
    Gated(Name),
    /// Its priority is below the cut-offs of all pools.
    BelowCutOff {
        /// Its priority.
        priority: i32,
        /// The lowest of them.
        cut_off: i32,
    },
    /// A claim that it names does not exist, is lost, or waits for a volume that nobody has made.
    Claim(Name),
}

impl fmt::Display for Unplannable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignScheduler(name) => write!(f, "the scheduler {name} places it"),
            Self::ResourceClaims => f.write_str("it claims devices (Dynamic Resource Allocation)"),
            Self::Gang => f.write_str("it is scheduled as one of a gang"),
            Self::Gated(gate) => write!(f, "the scheduling gate {gate} holds it"),
            Self::BelowCutOff { priority, cut_off } => {
                write!(f, "its priority {priority} is below the cut-off {cut_off} of every pool")
            }
            Self::Claim(claim) => write!(f, "its claim {claim} has no volume, and none can be made for it"),
        }
    }
}

/// What decides whether and how a pod may be evicted.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Eviction {
    /// `cluster-autoscaler.kubernetes.io/safe-to-evict`.
    pub safe: Option<bool>,
    /// `karpenter.sh/do-not-disrupt`: forbidden this long after creation; the largest span for good.
    pub do_not_disrupt: Option<Span>,
    /// Volumes that are lost with the pod (`emptyDir` other than in memory, `hostPath`).
    pub local_volumes: BTreeSet<Name>,
    /// Those of them that may be lost: `cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes`.
    pub safe_local_volumes: BTreeSet<Name>,
    /// `spec.terminationGracePeriodSeconds`.
    pub grace: Span,
    /// `controller.kubernetes.io/pod-deletion-cost`, 0 where it is not set.
    pub deletion_cost: i32,
    /// Whether its containers have not all started once (`status.phase` is `Pending`): the Eviction API then asks no budget.
    pub starting: bool,
}
