//! The recent decisions, each with its exact input, for `plimsoll explain` and `plimsoll replay`.
//!
//! Bounded twice: by number for each PodScaler, and by bytes for all together; the oldest go first. Of decisions that
//! only repeat the one before, one a minute stays beside the newest, so that a quiet hour does not push out what
//! happened before it. They are kept as compressed JSON, since the pods of a large target repeat each other, and all
//! decisions repeat the names of what they are made of: the first one serves the others as a dictionary.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use plimsoll_core::{
    reason::{ConditionKind, ConditionReason, ConditionStatus},
    replicas::{Decision, LimitKind, Outcome, Record},
    time::{Span, Timestamp},
};
use serde::Serialize;

/// Decisions that only repeat the one before are kept this far apart.
const REPEATS_EVERY: Span = Span::from_secs(60);

/// A dictionary is read anew for each decision.
const MOST_OF_A_DICTIONARY: usize = 16 * 1024;

/// The first byte of what was packed without the dictionary.
const PLAIN: u8 = 0;
/// The first byte of what was packed with it.
const BY_DICTIONARY: u8 = 1;

fn packed(how: u8, json: &[u8]) -> Box<[u8]> {
    [&[how], json].concat().into_boxed_slice()
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Decisions of each PodScaler. 0 keeps none at all.
    pub decisions: usize,
    /// Bytes of all decisions together.
    pub bytes: usize,
}

/// The recent decisions. Clones share them.
#[derive(Clone)]
pub struct Decisions {
    bounds: Bounds,
    ring: Arc<Mutex<Ring>>,
    /// The first decision on an input that was kept. It never changes, so that what was packed with it can be unpacked.
    dictionary: Arc<OnceLock<Box<[u8]>>>,
}

/// Namespace and name of a PodScaler.
type Key = Arc<(String, String)>;

#[derive(Default)]
struct Ring {
    by_object: BTreeMap<Key, History>,
    /// Which object each decision is of, in the order they were taken.
    order: BTreeMap<u64, Key>,
    next: u64,
    bytes: usize,
}

#[derive(Default)]
struct History {
    /// Oldest first.
    kept: VecDeque<Kept>,
    newest: Option<Gist>,
    next_look: Option<Timestamp>,
}

struct Kept {
    number: u64,
    at: Timestamp,
    /// Whether it only repeats the one before.
    repeats: bool,
    json: Box<[u8]>,
}

/// What a decision comes down to: while it stays the same there is nothing new to explain.
#[derive(PartialEq)]
struct Gist {
    size: (i32, i32),
    limits: Vec<LimitKind>,
    conditions: Vec<(ConditionKind, ConditionStatus, ConditionReason)>,
}

impl Gist {
    fn of(decision: &Decision) -> Self {
        Self {
            size: (decision.current, decision.desired),
            limits: decision.limits.iter().map(|limit| limit.kind.clone()).collect(),
            conditions: decision
                .conditions
                .iter()
                .map(|told| (told.kind, told.status, told.reason))
                .collect(),
        }
    }
}

/// What is kept of one PodScaler, for the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How many decisions are kept.
    pub decisions: usize,
    /// The moment of the newest.
    pub newest: Timestamp,
    /// What they take, in bytes.
    pub bytes: usize,
}

impl Decisions {
    /// No decisions yet.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, ring: Arc::default(), dictionary: Arc::default() }
    }

    /// Keeps a decision.
    pub fn keep(&self, namespace: &str, name: &str, record: &Record<'_, &Decision>) {
        if self.bounds.decisions == 0 {
            return;
        }
        let json = match serde_json::to_vec(record) {
            Ok(json) => self.pack(&json, record.asked.input().is_some()),
            Err(error) => {
                tracing::warn!(%namespace, %name, %error, "a decision cannot be kept for `plimsoll explain`");
                return;
            }
        };
        let key = Arc::new((namespace.to_owned(), name.to_owned()));
        let mut ring = self.lock();
        ring.push(key, record, json);
        ring.shrink(self.bounds);
    }

    /// Notes when a PodScaler, of which decisions are kept, is due again.
    pub fn due(&self, namespace: &str, name: &str, at: Timestamp) {
        if let Some(history) = self.lock().by_object.get_mut(&(namespace.to_owned(), name.to_owned())) {
            history.next_look = Some(at);
        }
    }

    /// When a PodScaler is due again, if that is known.
    pub fn next_look(&self, namespace: &str, name: &str) -> Option<Timestamp> {
        self.lock().by_object.get(&(namespace.to_owned(), name.to_owned()))?.next_look
    }

    /// The decisions on a PodScaler as JSON, newest first. None if there are none.
    pub fn of(&self, namespace: &str, name: &str) -> Option<Vec<Vec<u8>>> {
        let key = (namespace.to_owned(), name.to_owned());
        let compressed: Vec<Box<[u8]>> = {
            let ring = self.lock();
            ring.by_object.get(&key)?.kept.iter().rev().map(|kept| kept.json.clone()).collect()
        };
        // What we compressed ourselves in this process does decompress.
        Some(compressed.iter().filter_map(|packed| self.unpack(packed)).collect())
    }

    fn pack(&self, json: &[u8], is_typical: bool) -> Box<[u8]> {
        let Some(dictionary) = self.dictionary.get() else {
            if is_typical && json.len() <= MOST_OF_A_DICTIONARY {
                // Another one that was first meanwhile does as well.
                let _ = self.dictionary.set(json.into());
            }
            return packed(PLAIN, &lz4_flex::compress_prepend_size(json));
        };
        packed(BY_DICTIONARY, &lz4_flex::block::compress_prepend_size_with_dict(json, dictionary))
    }

    fn unpack(&self, packed: &[u8]) -> Option<Vec<u8>> {
        match packed.split_first()? {
            (&PLAIN, rest) => lz4_flex::decompress_size_prepended(rest).ok(),
            (_, rest) => {
                let dictionary = self.dictionary.get()?;
                lz4_flex::block::decompress_size_prepended_with_dict(rest, dictionary).ok()
            }
        }
    }

    /// What is kept, ordered by namespace and name.
    pub fn index(&self) -> Vec<Entry> {
        let ring = self.lock();
        let entry = |(key, history): (&Key, &History)| {
            Some(Entry {
                namespace: key.0.clone(),
                name: key.1.clone(),
                decisions: history.kept.len(),
                newest: history.kept.back()?.at,
                bytes: history.kept.iter().map(|kept| kept.json.len()).sum(),
            })
        };
        ring.by_object.iter().filter_map(entry).collect()
    }

    /// What all of them take, in bytes.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Forgets a PodScaler, which is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.lock().forget(&(namespace.to_owned(), name.to_owned()));
    }

    /// Forgets everything: another replica leads, and has the newer ones.
    pub fn clear(&self) {
        *self.lock() = Ring::default();
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, key: Key, record: &Record<'_, &Decision>, json: Box<[u8]>) {
        let (at, number) = (record.asked.now(), self.next);
        self.next += 1;
        let history = self.by_object.entry(Arc::clone(&key)).or_default();
        let gist = Gist::of(record.decision);
        let repeats = record.outcome == Outcome::Nothing && history.newest.as_ref() == Some(&gist);
        history.newest = Some(gist);
        let takes_its_place = match (history.kept.iter().nth_back(1), history.kept.back()) {
            (Some(before), Some(last)) => repeats && last.repeats && last.at.since(before.at) < REPEATS_EVERY,
            _ => false,
        };
        if takes_its_place && let Some(last) = history.kept.pop_back() {
            self.order.remove(&last.number);
            self.bytes -= last.json.len();
        }
        self.bytes += json.len();
        self.order.insert(number, key);
        history.kept.push_back(Kept { number, at, repeats, json });
    }

    fn shrink(&mut self, bounds: Bounds) {
        if let Some(newest) = self.order.last_key_value().map(|(_, key)| Arc::clone(key)) {
            while self.by_object.get(&*newest).is_some_and(|history| history.kept.len() > bounds.decisions) {
                self.drop_oldest_of(&newest);
            }
        }
        while self.bytes > bounds.bytes
            && let Some(oldest) = self.order.first_key_value().map(|(_, key)| Arc::clone(key))
        {
            self.drop_oldest_of(&oldest);
        }
    }

    fn drop_oldest_of(&mut self, key: &(String, String)) {
        let Some(history) = self.by_object.get_mut(key) else { return };
        if let Some(oldest) = history.kept.pop_front() {
            self.order.remove(&oldest.number);
            self.bytes -= oldest.json.len();
        }
        if history.kept.is_empty() {
            self.by_object.remove(key);
        }
    }

    fn forget(&mut self, key: &(String, String)) {
        for kept in self.by_object.remove(key).into_iter().flat_map(|history| history.kept) {
            self.order.remove(&kept.number);
            self.bytes -= kept.json.len();
        }
    }
}

#[cfg(test)]
mod tests;
