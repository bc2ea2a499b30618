//! What is remembered of each PodScaler between two looks.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::Stream;
use plimsoll_api::v1alpha1::PodScalerStatus;
use plimsoll_core::{
    reason::EventReason,
    replicas::{Input, Memory, News},
    time::Timestamp,
};
use tokio::{sync::watch, time::Instant};

/// What is remembered of one PodScaler. Only the core's part outlives the process: the next leader reads the status
/// from the API server, and tells warnings that persist once more.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    /// What the core wants back.
    pub core: Memory,
    /// Whether `core` was made by another process.
    resumes: bool,
    /// Whether `core` is to outlive this one.
    survives: bool,
    /// The warnings of the last look: one that persists is told once.
    pub warned: BTreeSet<EventReason>,
    /// When the next look is due.
    pub due: Option<Instant>,
    /// The status as we last wrote it, which the watch may not have shown us yet.
    pub written: Option<Written>,
    /// What came of saying in the status that a size of zero is ours.
    pub zero: ZeroClaim,
}

/// Whether a size of zero is ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ZeroClaim {
    /// Nothing was said of it here.
    #[default]
    None,
    /// The status says so, and the size was not written yet, as far as is known.
    Said,
    /// The size was written.
    Written,
}

/// A status that was written.
#[derive(Debug, Clone)]
pub struct Written {
    /// What was written.
    pub status: Arc<PodScalerStatus>,
    /// When.
    pub at: Instant,
    /// Whether only for values that are shown.
    pub shown: bool,
}

impl Remembered {
    /// The memory to decide with.
    pub fn before(&self, input: &Input) -> Memory {
        if self.resumes { self.core.resumed(input) } else { self.core.clone() }
    }

    /// Remembers what a decision on `input` left.
    pub fn after(&mut self, input: &Input, core: Memory) {
        self.core = core;
        self.resumes = false;
        self.survives = input.policy.algorithm.memory_survives();
    }
}

/// Something new that was not saved yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsaved {
    /// The most that is new.
    pub news: News,
    /// Since when.
    pub since: Instant,
}

impl Unsaved {
    fn and(self, other: Self) -> Self {
        Self { news: self.news.max(other.news), since: self.since.min(other.since) }
    }
}

/// What is remembered of each PodScaler, by uid. Clones share the same memories.
#[derive(Clone, Default)]
pub struct Memories {
    inner: Arc<Mutex<Inner>>,
    /// The term of leadership in which this was read and is right.
    term: watch::Sender<Option<u64>>,
}

#[derive(Default)]
struct Inner {
    by_uid: HashMap<String, Remembered>,
    unsaved: BTreeMap<String, Unsaved>,
}

impl Memories {
    /// Begins a term with what the last leader saved. Everything else is out of date.
    pub fn begin(&self, term: u64, saved: BTreeMap<String, Memory>) {
        let remembered = |core| Remembered { core, resumes: true, survives: true, ..Remembered::default() };
        let by_uid = saved.into_iter().map(|(uid, core)| (uid, remembered(core))).collect();
        *self.lock() = Inner { by_uid, unsaved: BTreeMap::new() };
        self.term.send_replace(Some(term));
    }

    /// Yields each time a term has begun: what was waved through before is to be looked at then.
    pub fn beginnings(&self) -> impl Stream<Item = ()> + Send + use<> {
        futures::stream::unfold((self.term.subscribe(), None), |(mut term, last)| async move {
            let begun = *term.wait_for(|term| term.is_some() && *term != last).await.ok()?;
            Some(((), (term, begun)))
        })
    }

    /// Whether this is the memory of the leader of this term.
    pub fn are_of(&self, term: u64) -> bool {
        *self.term.borrow() == Some(term)
    }

    /// What is remembered of `uid`; nothing for one that was never looked at.
    pub fn recall(&self, uid: &str) -> Remembered {
        self.lock().by_uid.get(uid).cloned().unwrap_or_default()
    }

    /// When the next look at `uid` is due.
    pub fn due(&self, uid: &str) -> Option<Instant> {
        self.lock().by_uid.get(uid)?.due
    }

    /// Remembers `remembered` of `uid`.
    pub fn keep(&self, uid: &str, remembered: Remembered) {
        let mut inner = self.lock();
        let before = inner.by_uid.get(uid);
        let news = match before {
            Some(before) if before.survives == remembered.survives => remembered.core.news(&before.core),
            Some(_) => News::Recommendations,
            None => remembered.core.news(&Memory::default()),
        };
        let concerns = remembered.survives || before.is_some_and(|before| before.survives);
        if concerns && news != News::Nothing {
            inner.note(uid, news);
        }
        inner.by_uid.insert(uid.to_owned(), remembered);
    }

    /// Forgets `uid`, which is gone.
    pub fn forget(&self, uid: &str) {
        let mut inner = self.lock();
        if inner.by_uid.remove(uid).is_some_and(|remembered| remembered.survives) {
            inner.note(uid, News::Recommendations);
        }
    }

    /// How many PodScalers are remembered.
    pub fn len(&self) -> usize {
        self.lock().by_uid.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is unsaved in each of `groups` groups. `group` says where a uid belongs.
    pub fn unsaved(&self, groups: usize, group: impl Fn(&str) -> usize) -> Vec<Option<Unsaved>> {
        let mut of_groups: Vec<Option<Unsaved>> = vec![None; groups];
        for (uid, unsaved) in &self.lock().unsaved {
            if let Some(of_group) = of_groups.get_mut(group(uid)) {
                *of_group = Some(of_group.map_or(*unsaved, |others| others.and(*unsaved)));
            }
        }
        of_groups
    }

    /// What is to be saved of those that `belongs` names, and what was unsaved of it until now.
    pub fn take(
        &self,
        now: Timestamp,
        belongs: impl Fn(&str) -> bool,
    ) -> (BTreeMap<String, Memory>, BTreeMap<String, Unsaved>) {
        let mut inner = self.lock();
        let unsaved = inner.unsaved.extract_if(.., |uid, _| belongs(uid)).collect();
        let worth_saving = |remembered: &Remembered| remembered.survives && !remembered.core.is_spent(now);
        let of_them = inner.by_uid.iter().filter(|(uid, it)| belongs(uid) && worth_saving(it));
        (of_them.map(|(uid, remembered)| (uid.clone(), remembered.core.clone())).collect(), unsaved)
    }

    /// Takes back what could not be saved.
    pub fn give_back(&self, unsaved: BTreeMap<String, Unsaved>) {
        let mut inner = self.lock();
        for (uid, before) in unsaved {
            inner.unsaved.entry(uid).and_modify(|since| *since = since.and(before)).or_insert(before);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn note(&mut self, uid: &str, news: News) {
        let new = Unsaved { news, since: Instant::now() };
        self.unsaved.entry(uid.to_owned()).and_modify(|old| *old = old.and(new)).or_insert(new);
    }
}
