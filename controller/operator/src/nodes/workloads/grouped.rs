//! Things in groups, found from either side.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_core::cluster::Name;

/// Things by uid, each in one group.
pub(super) struct Grouped<G> {
    groups: BTreeMap<G, BTreeSet<Name>>,
    of: BTreeMap<Name, G>,
}

impl<G> Default for Grouped<G> {
    fn default() -> Self {
        Self { groups: BTreeMap::new(), of: BTreeMap::new() }
    }
}

impl<G: Clone + Ord> Grouped<G> {
    /// Puts a thing into a group; one that is in a group already stays there. Whether it is new.
    pub(super) fn insert(&mut self, uid: &Name, group: &G) -> bool {
        if self.of.contains_key(uid) {
            return false;
        }
        self.of.insert(uid.clone(), group.clone());
        self.groups.entry(group.clone()).or_default().insert(uid.clone())
    }

    /// Takes a thing out; says of which group it was.
    pub(super) fn remove(&mut self, uid: &str) -> Option<G> {
        let group = self.of.remove(uid)?;
        if let Some(things) = self.groups.get_mut(&group) {
            things.remove(uid);
            if things.is_empty() {
                self.groups.remove(&group);
            }
        }
        Some(group)
    }

    /// The group of a thing.
    pub(super) fn group(&self, uid: &str) -> Option<&G> {
        self.of.get(uid)
    }

    /// What is in a group.
    pub(super) fn of<'s>(&'s self, group: &G) -> impl Iterator<Item = &'s Name> + use<'s, G> {
        self.groups.get(group).into_iter().flatten()
    }

    /// How much is in a group.
    pub(super) fn len(&self, group: &G) -> usize {
        self.groups.get(group).map_or(0, BTreeSet::len)
    }

    /// The groups that have something.
    pub(super) fn groups(&self) -> impl Iterator<Item = &G> {
        self.groups.keys()
    }
}
