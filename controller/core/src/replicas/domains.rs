//! How the pods of a target lie over what may be lost: over zones, or over nodes.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What may be lost while the rest still carries the present load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Survive {
    /// The zone with most replicas.
    Zone,
    /// The node with most replicas.
    Node,
}

/// `zone` or `node`, as in a sentence. The variants are spelled as the field has them.
impl fmt::Display for Survive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zone => "zone",
            Self::Node => "node",
        })
    }
}

/// The zones, or the nodes, of the cluster at one moment, as far as they concern one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domains {
    /// How many have room for new pods of the target, by what its pods ask of a node: at least one node that is ready,
    /// not cordoned and without a taint that keeps them off.
    pub open: u32,
    /// How many there are, those among them whose nodes take no pods at the moment. No less than `open`.
    pub known: u32,
    /// The target's pods by domain; domains without any are left out. Pods on a node without a zone are under the
    /// empty name.
    pub pods: BTreeMap<String, Occupants>,
}

/// The pods of a target in one domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occupants {
    /// Those that carry load, or will once they have started: neither ended nor being deleted, and ready or on a node
    /// that is. 0 or more.
    pub pods: u32,
    /// Those of them that are ready. No more than `pods`.
    pub ready: u32,
}

impl Domains {
    /// The most pods that any one domain has.
    pub(super) fn most(&self) -> u32 {
        self.pods.values().map(|occupants| occupants.pods).max().unwrap_or_default()
    }

    /// The domain with most ready pods, the first by name among equals, and how many it has.
    pub(super) fn largest(&self) -> Option<(&str, u32)> {
        let ready = self.pods.iter().map(|(name, occupants)| (name.as_str(), occupants.ready));
        ready.fold(None, |most: Option<(&str, u32)>, one| match most {
            Some(most) if most.1 >= one.1 => Some(most),
            _ => Some(one),
        })
    }

    /// The ready pods of all domains.
    pub(super) fn ready(&self) -> u32 {
        self.pods.values().fold(0, |sum, occupants| sum.saturating_add(occupants.ready))
    }
}
