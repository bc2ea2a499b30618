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
    /// Room that is kept free, and where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_free: Vec<KeptFree>,
    /// Offerings that were not considered, once per offering.
    pub passed_over: Vec<PassedOver>,
}

/// Whose room is kept free.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HeadroomOf {
    /// That of a pool.
    Pool {
        /// The pool.
        pool: Name,
        /// The name of the headroom.
        name: Name,
    },
    /// A buffer, by its key.
    Buffer(Name),
}

/// Room that is kept free for equal pods that do not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptFree {
    /// Whose.
    pub of: HeadroomOf,
    /// For how many pods.
    pub wanted: u32,
    /// Where there is or will be room for them. Pods that exist may take it.
    pub places: Vec<SpareRoom>,
    /// For how many pods there is none, and nodes that cannot be had would be needed.
    pub missing: u32,
    /// Why not, each cause once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<WhyRefused>,
}

impl KeptFree {
    /// For how many pods there is room on nodes of the cluster now.
    pub fn ready(&self) -> u32 {
        let here = self.places.iter().filter(|spare| matches!(spare.place, Place::Node(_)));
        here.map(|spare| spare.count).sum()
    }
}

/// Room for some pods on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpareRoom {
    /// The node.
    pub place: Place,
    /// For how many pods.
    pub count: u32,
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_ready_on_nodes_that_are_there_only() {
        let spare = |place, count| SpareRoom { place, count };
        let kept = KeptFree {
            of: HeadroomOf::Buffer("shop/web".into()),
            wanted: 15,
            places: vec![
                spare(Place::Node("one".into()), 1),
                spare(Place::Node("two".into()), 2),
                spare(Place::Order("o".into(), 0), 4),
                spare(Place::New(0, 0), 8),
            ],
            missing: 0,
            why: Vec::new(),
        };
        assert_eq!(kept.ready(), 3);
    }
}
