//! A node, and one that was ordered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Labels, Name, OfferingKey, Resources, Taint};
use crate::time::{Span, Timestamp};

/// A node of the cluster, ours or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its name.
    pub name: Name,
    /// `metadata.uid`.
    pub uid: Name,
    /// Its labels.
    pub labels: Labels,
    /// What pods may have of it.
    pub allocatable: Resources,
    /// Its taints, `unschedulable` among them where the API server has set it.
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// Its Ready condition.
    pub readiness: Readiness,
    /// Its creation.
    pub created: Timestamp,
    /// The most volumes that may be attached, by CSI driver; without an entry there is no limit.
    pub attach_limits: BTreeMap<Name, i64>,
    /// The pool it belongs to.
    pub pool: Option<Name>,
    /// The order that it was made for. Without one it is not ours to remove.
    pub order: Option<Name>,
    /// What that order asked for, as its record says.
    #[serde(default)]
    pub ordered: Option<OfferingKey>,
    /// `cluster-autoscaler.kubernetes.io/scale-down-disabled`.
    pub scale_down_disabled: bool,
    /// `karpenter.sh/do-not-disrupt`: forbidden this long after creation; the largest span for good.
    pub do_not_disrupt: Option<Span>,
    /// Whether its provider has said that it will be taken away.
    pub interrupted: bool,
    /// What has become of the record of its order.
    #[serde(default)]
    pub record: Record,
    /// When its provider was asked to take it away: that it falls silent since is what was asked for.
    #[serde(default)]
    pub given_back: Option<Timestamp>,
}

/// What has become of the record of a node's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// It is there.
    #[default]
    Kept,
    /// Somebody has deleted it: its nodes are to be given back.
    Deleted,
    /// There is none.
    Gone,
}

impl Node {
    /// Its zone; None for a node without the label.
    pub fn zone(&self) -> Option<&Name> {
        self.labels.get(super::ZONE)
    }

    /// What was ordered with it: what the record says, or else its labels. A provider may send another type than the one
    /// that it offers.
    pub fn offering(&self) -> Option<OfferingKey> {
        if let Some(ordered) = &self.ordered {
            return Some(ordered.clone());
        }
        Some(OfferingKey {
            instance_type: self.labels.get(super::INSTANCE_TYPE)?.clone(),
            zone: self.zone()?.clone(),
            capacity_type: self.labels.get(super::CAPACITY_TYPE)?.parse().ok()?,
        })
    }

    /// Whether we are draining it.
    pub fn is_draining(&self) -> bool {
        self.taints.iter().any(|taint| &*taint.key == super::DRAINING)
    }
}

/// The Ready condition of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Readiness {
    /// It has not been ready yet, and still may be soon.
    Starting,
    /// It is ready.
    Ready,
    /// It says that it is not.
    NotReady {
        /// Since when.
        since: Timestamp,
    },
    /// It says nothing any more. This is also what a partition looks like.
    Unknown {
        /// Since when.
        since: Timestamp,
    },
}

/// Nodes that were asked of a provider and are not there yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The name of its record.
    pub name: Name,
    /// The pool.
    pub pool: Name,
    /// What was ordered.
    pub offering: OfferingKey,
    /// How many nodes of it have not registered.
    pub missing: u32,
    /// When they were asked for.
    pub asked: Timestamp,
}
