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
mod tests {
    use std::borrow::Cow;

    use plimsoll_core::replicas::{
        Asked, Input, Memory, Obstacle, PodView, Policy, Settings, TargetView, blocked, decide,
    };

    use super::*;

    const ROOMY: Bounds = Bounds { decisions: 20, bytes: 1 << 20 };

    /// A decision `secs` after the beginning that leaves the size as it is.
    fn keep(decisions: &Decisions, name: &str, secs: i64, current: i32, outcome: Outcome) {
        let obstacle = Obstacle::FailedGetScale(format!("{name} at {secs}"));
        let decision = blocked(&obstacle, current);
        let now = Timestamp::from_secs(secs);
        let asked = Asked::Blocked { now, obstacle: Cow::Owned(obstacle), current };
        decisions.keep("shop", name, &Record { asked, decision: &decision, outcome });
    }

    /// The moments of what is kept, newest first, in seconds.
    fn moments(decisions: &Decisions, name: &str) -> Vec<i64> {
        let jsons = decisions.of("shop", name).unwrap_or_default();
        let record = |json: &Vec<u8>| serde_json::from_slice::<Record<'_>>(json).unwrap();
        jsons.iter().map(|json| record(json).asked.now().as_millis() / 1000).collect()
    }

    #[test]
    fn the_newest_of_each_are_kept() {
        let decisions = Decisions::new(Bounds { decisions: 3, ..ROOMY });
        for secs in 0..5 {
            keep(&decisions, "web", secs, i32::try_from(secs).unwrap(), Outcome::Nothing);
        }
        keep(&decisions, "db", 9, 1, Outcome::Nothing);
        assert_eq!(moments(&decisions, "web"), [4, 3, 2]);
        assert_eq!(moments(&decisions, "db"), [9]);
        let index: Vec<_> =
            decisions.index().into_iter().map(|entry| (entry.name, entry.decisions)).collect();
        assert_eq!(index, [("db".to_owned(), 1), ("web".to_owned(), 3)]);
    }

    #[test]
    fn the_oldest_of_all_go_when_there_is_no_room() {
        let decisions = Decisions::new(ROOMY);
        keep(&decisions, "web", 0, 1, Outcome::Nothing);
        // Room for four, which do not all take the same.
        let room = decisions.bytes() * 9 / 2;
        let decisions = Decisions::new(Bounds { bytes: room, ..ROOMY });
        for secs in 0..9 {
            let name = if secs % 2 == 0 { "web" } else { "db" };
            keep(&decisions, name, secs, i32::try_from(secs).unwrap(), Outcome::Nothing);
            assert!(decisions.bytes() <= room);
        }
        assert_eq!((moments(&decisions, "web"), moments(&decisions, "db")), (vec![8, 6], vec![7, 5]));
        let counted: usize = decisions.index().iter().map(|entry| entry.bytes).sum();
        assert_eq!(decisions.bytes(), counted);
    }

    #[test]
    fn of_repeats_one_a_minute_stays_beside_the_newest() {
        let decisions = Decisions::new(ROOMY);
        for secs in (0..=150).step_by(10) {
            keep(&decisions, "web", secs, 3, Outcome::Nothing);
        }
        assert_eq!(moments(&decisions, "web"), [150, 120, 60, 0]);
        keep(&decisions, "web", 151, 4, Outcome::Nothing);
        keep(&decisions, "web", 152, 4, Outcome::Written);
        keep(&decisions, "web", 153, 4, Outcome::Nothing);
        assert_eq!(moments(&decisions, "web"), [153, 152, 151, 150, 120, 60, 0], "changes are all kept");
    }

    #[test]
    fn decisions_alike_take_little_room_and_come_back_to_the_byte() {
        let decisions = Decisions::new(ROOMY);
        let mut jsons = Vec::new();
        for secs in 1..=4 {
            let pods = (0..3).map(|pod| PodView { name: format!("web-{secs}-{pod}"), ..PodView::default() });
            let input = Input {
                now: Timestamp::from_secs(secs * 100),
                settings: Settings::default(),
                namespace: "shop".into(),
                policy: Policy { min_replicas: 1, max_replicas: 9, ..Policy::default() },
                target: TargetView { spec_replicas: 3, status_replicas: 3 },
                pods: pods.collect(),
                readings: Vec::new(),
                scaled_to_zero: false,
                obstacle: None,
                zones: None,
                nodes: None,
            };
            let memory = Memory::default();
            let (decision, _) = decide(&input, &memory);
            let asked = Asked::Decide { input: Cow::Owned(input), memory: Cow::Owned(memory) };
            let record = Record { asked, decision: &decision, outcome: Outcome::Written };
            jsons.insert(0, serde_json::to_vec(&record).unwrap());
            decisions.keep("shop", "web", &record);
        }
        assert_eq!(decisions.of("shop", "web"), Some(jsons.clone()));
        let alone = packed(PLAIN, &lz4_flex::compress_prepend_size(&jsons[0])).len();
        assert!(decisions.bytes() < alone * 2, "{} bytes, one alone {alone}", decisions.bytes());
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let decisions = Decisions::new(ROOMY);
        keep(&decisions, "web", 0, 1, Outcome::Nothing);
        keep(&decisions, "db", 1, 1, Outcome::Nothing);
        decisions.forget("shop", "web");
        assert_eq!(decisions.of("shop", "web"), None);
        decisions.clear();
        assert_eq!((decisions.index(), decisions.bytes()), (vec![], 0));
    }

    #[test]
    fn nothing_is_kept_when_it_is_switched_off() {
        let decisions = Decisions::new(Bounds { decisions: 0, ..ROOMY });
        keep(&decisions, "web", 0, 1, Outcome::Nothing);
        assert_eq!(decisions.index(), []);
    }
}
