//! What must not be forgotten, kept where the next leader finds it: windows and budgets, in `ConfigMap`s.
//!
//! [ look ] → memories → once a second: what is new and due → [ shards ] → who gains the lead → memories → [ look ]
//!
//! The chart makes the `ConfigMap`s, so an uninstall removes them, and we need no right to create one.

mod shard;
mod store;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::StreamExt as _;
use jiff::Timestamp as Clock;
use kube::Client;
use plimsoll_core::{
    replicas::{Memory, News},
    time::Timestamp,
};
use tokio::{
    sync::Mutex,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    leadership::{self, Leadership},
    metrics::Metrics,
    podscaler::memory::{Memories, Unsaved},
    targets::WRITE_TIME,
};
pub(crate) use shard::MOST_SHARDS;
use shard::{Contents, shard_of, shards_for};
use store::{Read, Store};

/// Two writes of one shard are at least this far apart, also those after a rescale.
const APART: Duration = Duration::from_secs(5);

/// How long the leader tries to read what is remembered before it goes on without.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a last write may take when the process is to end.
const FLUSH_TIME: Duration = Duration::from_secs(2);

/// Where memories are kept, and how often they are saved.
#[derive(Debug, Clone)]
pub struct CheckpointConfig {
    /// Namespace of the `ConfigMap`s.
    pub namespace: String,
    /// Name of the `ConfigMap`s, before the dash and the number.
    pub name: String,
    /// How old a change may become before it is saved. Rescales do not wait.
    pub every: Duration,
}

/// Reads memories when the lead is gained, and saves them while it lasts. Clones share the same state.
#[derive(Clone)]
pub struct Checkpoint {
    store: Store,
    every: Duration,
    memories: Memories,
    leadership: Leadership,
    metrics: Metrics,
    shards: Arc<Mutex<Shards>>,
}

#[derive(Default)]
struct Shards {
    /// How many are in use. Only grows.
    count: usize,
    each: [Shard; MOST_SHARDS],
}

#[derive(Default)]
struct Shard {
    /// What the next write expects to replace; none when it is not known.
    version: Option<String>,
    tried: Option<Instant>,
    bytes: usize,
    /// It holds what belongs elsewhere since there are more shards, or what cannot be read.
    outdated: bool,
}

impl Checkpoint {
    /// Keeps `memories` in `ConfigMap`s.
    pub fn new(
        client: Client,
        config: &CheckpointConfig,
        memories: Memories,
        leadership: Leadership,
        metrics: Metrics,
    ) -> Self {
        let store = Store::new(client, config);
        Self { store, every: config.every, memories, leadership, metrics, shards: Arc::default() }
    }

    /// Reads what the last leader saved each time the lead is gained: another replica may have led meanwhile.
    pub async fn restore_when_leading(&self) {
        leadership::gains(self.leadership.clone()).for_each(|()| self.restore()).await;
    }

    /// Reads what the last leader saved; only then does a look begin. Goes on without it when it cannot be read for
    /// half a minute: an autoscaler that waits for ever is worse than one that starts anew, as the HPA does.
    pub async fn restore(&self) {
        let Some(term) = self.leadership.term() else { return };
        let started = Instant::now();
        let mut pause = Duration::from_millis(500);
        let mut shards = self.shards.lock().await;
        *shards = Shards::default();
        let found = loop {
            match self.store.read_all().await {
                Ok(found) => break found,
                Err(error) => {
                    tracing::warn!(error, "what is remembered could not be read");
                    self.metrics.memory.restored("error");
                }
            }
            if started.elapsed() + pause > PATIENCE {
                tracing::warn!("going on without what is remembered: windows and budgets begin anew");
                self.metrics.memory.restored("given_up");
                break Vec::new();
            }
            sleep(pause).await;
            pause = (pause * 2).min(APART);
        };
        let memories = self.take_over(&mut shards, found);
        tracing::info!(podscalers = memories.len(), "took over what is remembered");
        self.memories.begin(term, memories);
    }

    fn take_over(&self, shards: &mut Shards, found: Vec<Read>) -> BTreeMap<String, Memory> {
        let now = now();
        let mut newest: BTreeMap<String, (Timestamp, Memory)> = BTreeMap::new();
        let mut in_use = 1;
        for (number, read) in found.into_iter().enumerate() {
            let shard = &mut shards.each[number];
            let contents = match read {
                Read::Absent => {
                    tracing::warn!(
                        configmap = self.store.name(number),
                        "missing, so nothing is remembered in it: upgrade the chart's release"
                    );
                    self.metrics.memory.restored("absent");
                    continue;
                }
                Read::Empty { version } => {
                    shard.version = Some(version);
                    self.metrics.memory.restored("ok");
                    continue;
                }
                Read::Found { version, bytes } => {
                    shard.version = Some(version);
                    shard.bytes = bytes.len();
                    Contents::unpack(&bytes)
                }
            };
            match contents {
                Ok(contents) => {
                    self.metrics.memory.restored("ok");
                    in_use = in_use.max(number + 1);
                    for (uid, memory) in contents.memories {
                        // A crash while the number of shards grew leaves a memory in two of them.
                        let is_newer = newest.get(&uid).is_none_or(|(at, _)| *at < contents.at);
                        if is_newer && !memory.is_spent(now) {
                            newest.insert(uid, (contents.at, memory));
                        }
                    }
                }
                Err(unreadable) => {
                    tracing::warn!(
                        configmap = self.store.name(number), %unreadable,
                        "what is remembered in it is lost, and it is written anew"
                    );
                    self.metrics.memory.restored("unreadable");
                    shard.outdated = true;
                }
            }
        }
        shards.count = in_use.next_power_of_two();
        newest.into_iter().map(|(uid, (_, memory))| (uid, memory)).collect()
    }

    /// Saves what is due, once a second, for ever.
    pub async fn run(&self) {
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.save(false).await;
        }
    }

    /// Saves all that is new, before the lead is let go.
    pub async fn flush(&self) {
        if timeout(FLUSH_TIME, self.save(true)).await.is_err() {
            tracing::warn!("what is remembered was not saved in time");
        }
    }

    /// Saves the shards with something new that is due, or with anything new at all.
    async fn save(&self, all: bool) {
        let mut shards = self.shards.lock().await;
        // Between the gain of the lead and the restore there is nothing of ours to save.
        if !self.leadership.term().is_some_and(|term| self.memories.are_of(term)) {
            self.metrics.memory.unsaved.set(0.0);
            return;
        }
        let count = shards_for(self.memories.len()).max(shards.count);
        if count > shards.count {
            shards.count = count;
            shards.each[..count].iter_mut().for_each(|shard| shard.outdated = true);
        }
        // From the last one, so that a memory that moves is in its new shard before it leaves the old one.
        let unsaved = self.memories.unsaved(count, |uid| shard_of(uid, count));
        for (number, unsaved) in unsaved.iter().enumerate().rev() {
            let shard = &mut shards.each[number];
            if self.is_due(shard, *unsaved, all) && !self.save_one(shard, number, count).await {
                break;
            }
        }
        let bytes = shards.each.iter().map(|shard| shard.bytes).sum::<usize>();
        let waiting = self.memories.unsaved(1, |_| 0).into_iter().flatten().next();
        self.metrics.memory.saved(bytes, waiting.map(|unsaved| unsaved.since));
    }

    fn is_due(&self, shard: &Shard, unsaved: Option<Unsaved>, all: bool) -> bool {
        let has_rested = shard.tried.is_none_or(|tried| tried.elapsed() >= APART);
        let is_urgent = |news: News, since: Instant| news == News::Rescale || since.elapsed() >= self.every;
        match unsaved {
            Some(_) if all => true,
            Some(unsaved) => has_rested && (shard.outdated || is_urgent(unsaved.news, unsaved.since)),
            None => shard.outdated && (all || has_rested),
        }
    }

    async fn save_one(&self, shard: &mut Shard, number: usize, count: usize) -> bool {
        if !self.leadership.outlives(WRITE_TIME) {
            return false;
        }
        shard.tried = Some(Instant::now());
        let (memories, unsaved) = self.memories.take(now(), |uid| shard_of(uid, count) == number);
        let saved = match Contents::new(now(), memories).pack() {
            Ok(packed) => {
                shard.bytes = packed.len();
                self.store.write(number, &mut shard.version, packed).await
            }
            Err(error) => Err(error.to_string()),
        };
        self.metrics.memory.wrote(saved.is_ok());
        match saved {
            Ok(()) => shard.outdated = false,
            Err(error) => {
                tracing::warn!(
                    configmap = self.store.name(number),
                    error,
                    "what is remembered could not be saved"
                );
                self.memories.give_back(unsaved);
                return false;
            }
        }
        true
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(Clock::now().as_millisecond())
}
