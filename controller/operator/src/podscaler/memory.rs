//! What is remembered of each PodScaler between two looks.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use plimsoll_api::v1alpha1::PodScalerStatus;
use plimsoll_core::{reason::EventReason, replicas::Memory};
use tokio::time::Instant;

/// What is remembered of one PodScaler.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    /// What the core wants back.
    pub core: Memory,
    /// The warnings of the last look: one that persists is told once.
    pub warned: BTreeSet<EventReason>,
    /// When the next look is due.
    pub due: Option<Instant>,
    /// The status as we last wrote it, which the watch may not have shown us yet, and when.
    pub written: Option<(PodScalerStatus, Instant)>,
}

/// What is remembered of each PodScaler, by uid. Clones share the same memories.
#[derive(Clone, Default)]
pub struct Memories {
    by_uid: Arc<Mutex<HashMap<String, Remembered>>>,
}

impl Memories {
    /// What is remembered of `uid`; nothing for one that was never looked at.
    pub fn recall(&self, uid: &str) -> Remembered {
        self.lock().get(uid).cloned().unwrap_or_default()
    }

    /// When the next look at `uid` is due.
    pub fn due(&self, uid: &str) -> Option<Instant> {
        self.lock().get(uid)?.due
    }

    /// Remembers `remembered` of `uid`.
    pub fn keep(&self, uid: &str, remembered: Remembered) {
        self.lock().insert(uid.to_owned(), remembered);
    }

    /// Forgets `uid`, which is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// Forgets everything: another replica led meanwhile, and what we remember is out of date.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Remembered>> {
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
