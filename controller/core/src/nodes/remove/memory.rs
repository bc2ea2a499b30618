//! What is remembered from one plan to the next.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cluster::Name;
use crate::time::{Span, Timestamp};

/// For how long a node whose drain was given up is let be.
pub(super) const LET_BE_FOR: Span = Span::from_secs(600);

/// What is remembered from one plan to the next. Its size is bounded by the nodes and pools that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Memory {
    /// Since when nodes are not needed, by uid. One that is needed again is forgotten.
    pub unneeded: BTreeMap<Name, Timestamp>,
    /// Since when the zones of pools are out of balance, by name.
    pub unbalanced: BTreeMap<Name, Timestamp>,
    /// Drains that were given up, by the uid of the node.
    pub given_up: BTreeMap<Name, GivenUp>,
}

/// A drain that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GivenUp {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

impl Memory {
    /// Notes that the drain of a node was given up: the node is let be for ten minutes.
    pub fn gave_up(&mut self, node_uid: Name, now: Timestamp, why: String) {
        self.given_up.insert(node_uid, GivenUp { at: now, why });
    }

    /// Takes in what the last leader left, which may be read only when something was noted anew: it knows since when longer.
    pub fn take_over(&mut self, left: Self) {
        self.unneeded.extend(left.unneeded);
        self.unbalanced.extend(left.unbalanced);
        for (node_uid, given_up) in left.given_up {
            self.given_up.entry(node_uid).or_insert(given_up);
        }
    }

    /// Forgets what lies in the future, as after a clock that was set back, and nodes and pools that are gone.
    pub(super) fn forget(&mut self, now: Timestamp, nodes: &BTreeSet<&Name>, pools: &BTreeSet<&Name>) {
        for since in self.unneeded.values_mut().chain(self.unbalanced.values_mut()) {
            *since = (*since).min(now);
        }
        self.unneeded.retain(|uid, _| nodes.contains(uid));
        self.unbalanced.retain(|pool, _| pools.contains(pool));
        self.given_up.retain(|uid, given_up| {
            given_up.at = given_up.at.min(now);
            nodes.contains(uid) && given_up.at + LET_BE_FOR > now
        });
    }
}
