//! What is remembered of each group between two looks, so that nothing is written that is there already. Whoever has
//! forgotten it writes each object once more, which changes nothing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plimsoll_api::v1alpha1::ServiceGroupStatus;

use super::kind::Id;

/// What is remembered of each group, by its uid. Clones share it.
#[derive(Clone, Default)]
pub struct Memories {
    groups: Arc<Mutex<HashMap<String, Remembered>>>,
}

/// What is remembered of a group.
#[derive(Debug, Clone, Default)]
pub(super) struct Remembered {
    /// What was applied.
    pub(super) applied: BTreeMap<Id, Applied>,
    /// The status that was written last, and the version of the group that it was written over.
    pub(super) told: Option<(ServiceGroupStatus, String)>,
    /// Why it does not decode, as an event has told.
    pub(super) told_invalid: Option<String>,
}

/// An object as it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Applied {
    /// Of what was asked for.
    pub(super) wanted: u64,
    /// Of what came of it.
    pub(super) became: u64,
}

impl Memories {
    pub(super) fn recall(&self, uid: &str) -> Remembered {
        self.lock().get(uid).cloned().unwrap_or_default()
    }

    pub(super) fn keep(&self, uid: &str, remembered: Remembered) {
        self.lock().insert(uid.to_owned(), remembered);
    }

    pub(super) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
