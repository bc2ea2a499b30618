//! What is to be ordered, and what was promised to whom.

use serde::{Deserialize, Serialize};

use super::reason::{PassedOver, WhyRefused};
use crate::cluster::{Name, OfferingKey};

/// All nodes to be added at one moment, and where pods go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodePlan {
    /// What is to be ordered.
    pub add: Vec<NewNodes>,
    /// What a node-hour of all that is ordered costs, in millionths of the currency.
    pub price: i64,
    /// Where each pod goes, in an order in which the scheduler can bind them once the nodes are there.
    pub placements: Vec<Placement>,
    /// Pods that get no place, once per class.
    pub refused: Vec<Refused>,
    /// Offerings that were not considered, once per offering.
    pub passed_over: Vec<PassedOver>,
}

/// Equal nodes to be ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewNodes {
    /// The pool.
    pub pool: Name,
    /// What is ordered.
    pub offering: OfferingKey,
    /// How many.
    pub count: u32,
    /// What one costs per hour, in millionths of the currency.
    pub price: i64,
    /// How many pods were placed on them, those of headroom included and daemons not.
    pub pods: u32,
}

/// Where a pod goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// The pod's uid, or the key of its announcement.
    pub pod: Name,
    /// How many pods; more than one for those that are announced.
    pub count: u32,
    /// Where.
    pub place: Place,
}

/// A node that is there, is coming, or is in this plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// A node of the cluster.
    Node(Name),
    /// One of the nodes of an order that are not there yet, numbered from 0.
    Order(Name, u32),
    /// One of the nodes of [`NodePlan::add`]: the entry, and which of its nodes, numbered from 0.
    New(u32, u32),
}

/// Equal pods that get no place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Their namespace.
    pub namespace: Name,
    /// Whose they are: the name of their owner, or the pod's own.
    pub owner: Name,
    /// Uids of the pods, or keys of announcements.
    pub pods: Vec<Name>,
    /// How many they are.
    pub count: u32,
    /// Why, each cause once with how often it was met.
    pub why: Vec<WhyRefused>,
}
