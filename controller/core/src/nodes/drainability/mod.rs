//! Whether a node can be emptied: rules for its pods, and rules for itself. The first that speaks decides.
//!
//! Both peers' annotations are read. Where the cluster-autoscaler and Karpenter differ, `docs/scale-down.md` says what is
//! done here and why. Pods that have ended hold nothing and are not in the view, so no rule is about them.

mod bare;
mod daemon;
mod do_not_disrupt;
mod expendable;
mod left_alone;
mod local_storage;
mod node_disabled;
mod node_do_not_disrupt;
mod node_mode;
mod node_ours;
mod node_ready;
mod safe_to_evict;
mod static_pod;
mod system;
mod terminating;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::moment;
use crate::cluster::{Name, Node, Pod, Pool, Unplannable};
use crate::time::{Span, Timestamp};

/// What is asked about a pod.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// Whether a `PodDisruptionBudget` selects it.
    pub covered: bool,
    /// The cut-off of priorities of its node's pool.
    pub cut_off: Option<i32>,
    /// The moment.
    pub now: Timestamp,
}

/// What happens to a pod when its node goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is evicted and needs a place elsewhere.
    Moves,
    /// It is evicted, and nobody plans a place for it.
    Expendable,
    /// It is ending. It needs no place, but the node waits for it.
    Ends,
    /// It goes with the node: nobody evicts it, and the node does not wait for it.
    Goes,
    /// The node stays.
    Blocks(Blocker),
}

/// Why a pod keeps its node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Blocker {
    /// `karpenter.sh/do-not-disrupt`, until then or for good.
    DoNotDisrupt {
        /// Until when; None for good.
        until: Option<Timestamp>,
    },
    /// `cluster-autoscaler.kubernetes.io/safe-to-evict: "false"`.
    NotSafeToEvict,
    /// We cannot tell where it would go.
    LeftAlone(Unplannable),
    /// Nobody would make it anew.
    Bare,
    /// It is of `kube-system`, young, and no budget says how many of its group may be missing.
    System {
        /// Until when.
        until: Timestamp,
    },
    /// Volumes that would be lost.
    LocalStorage(Vec<Name>),
}

/// Why a node is not looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodeBlocker {
    /// No order of ours made it.
    NotOurs,
    /// The record of this order is gone.
    NoOrder(Name),
    /// Its pool does not exist.
    NoPool(Option<Name>),
    /// Its pool keeps all its nodes.
    Never(Name),
    /// `cluster-autoscaler.kubernetes.io/scale-down-disabled`.
    ScaleDownDisabled,
    /// `karpenter.sh/do-not-disrupt`, until then or for good.
    DoNotDisrupt {
        /// Until when; None for good.
        until: Option<Timestamp>,
    },
    /// It has not been ready yet.
    Starting,
    /// It is not ready, so that its pods cannot be told to end.
    NotReady,
}

type PodRule = fn(&Question<'_>) -> Option<Verdict>;
type NodeRule = fn(&Node, Option<&Pool>, Timestamp) -> Option<NodeBlocker>;

/// In this order.
const POD_RULES: [PodRule; 10] = [
    terminating::rule,
    do_not_disrupt::rule,
    static_pod::rule,
    daemon::rule,
    left_alone::rule,
    safe_to_evict::rule,
    expendable::rule,
    bare::rule,
    system::rule,
    local_storage::rule,
];

/// In this order.
const NODE_RULES: [NodeRule; 5] =
    [node_ours::rule, node_mode::rule, node_disabled::rule, node_do_not_disrupt::rule, node_ready::rule];

/// What happens to a pod when its node goes. Budgets of pods are another matter: see [`super::pdb`].
pub fn of_pod(question: &Question<'_>) -> Verdict {
    POD_RULES.iter().find_map(|rule| rule(question)).unwrap_or(Verdict::Moves)
}

/// Why a node may not go, whatever runs on it. `pool` is the one that it names.
pub fn of_node(node: &Node, pool: Option<&Pool>, now: Timestamp) -> Option<NodeBlocker> {
    NODE_RULES.iter().find_map(|rule| rule(node, pool, now))
}

/// Every rule of its own for which a node may not go.
pub(crate) fn all_of_node(node: &Node, pool: Option<&Pool>, now: Timestamp) -> Vec<NodeBlocker> {
    NODE_RULES.iter().filter_map(|rule| rule(node, pool, now)).collect()
}

/// Until when something is forbidden this long after a creation; None where it no longer is. The largest span is for good.
fn forbidden(span: Option<Span>, created: Timestamp, now: Timestamp) -> Option<Forbidden> {
    let span = span?;
    if span == Span::from_millis(i64::MAX) {
        return Some(Forbidden { until: None });
    }
    let until = created + span;
    (until > now).then_some(Forbidden { until: Some(until) })
}

/// Something that is forbidden until then, or for good.
struct Forbidden {
    until: Option<Timestamp>,
}

impl Blocker {
    /// When it ends by itself.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::DoNotDisrupt { until } => *until,
            Self::System { until } => Some(*until),
            _ => None,
        }
    }
}

impl NodeBlocker {
    /// When it ends by itself.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::DoNotDisrupt { until } => *until,
            _ => None,
        }
    }
}

/// What follows the name of the pod.
impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DoNotDisrupt { until: None } => f.write_str("has karpenter.sh/do-not-disrupt"),
            Self::DoNotDisrupt { until: Some(until) } => {
                write!(f, "has karpenter.sh/do-not-disrupt until {}", moment(*until))
            }
            Self::NotSafeToEvict => {
                f.write_str("has cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\"")
            }
            Self::LeftAlone(why) => write!(f, "cannot be planned for: {why}"),
            Self::Bare => f.write_str("has no controller that would make it anew"),
            Self::System { until } => write!(
                f,
                "is of kube-system without a PodDisruptionBudget and keeps its node until {}",
                moment(*until)
            ),
            Self::LocalStorage(volumes) => write!(
                f,
                "would lose its local volumes {} (cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes allows it)",
                volumes.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

impl fmt::Display for NodeBlocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => f.write_str("no order of ours made it"),
            Self::NoOrder(order) => write!(f, "its order {order} is gone"),
            Self::NoPool(None) => f.write_str("it belongs to no pool"),
            Self::NoPool(Some(pool)) => write!(f, "its pool {pool} does not exist"),
            Self::Never(pool) => write!(f, "pool {pool} keeps all its nodes"),
            Self::ScaleDownDisabled => {
                f.write_str("it has cluster-autoscaler.kubernetes.io/scale-down-disabled")
            }
            Self::DoNotDisrupt { until: None } => f.write_str("it has karpenter.sh/do-not-disrupt"),
            Self::DoNotDisrupt { until: Some(until) } => {
                write!(f, "it has karpenter.sh/do-not-disrupt until {}", moment(*until))
            }
            Self::Starting => f.write_str("it has not been ready yet"),
            Self::NotReady => f.write_str("it is not ready, and its pods cannot be told to end"),
        }
    }
}

#[cfg(test)]
mod tests;
