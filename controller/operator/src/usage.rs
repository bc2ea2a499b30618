//! What pods use, as metrics.k8s.io says it: one LIST serves all who look within a while.
//!
//! A LIST of the whole cluster costs the API server, which passes it on from metrics-server, hardly more than one of a
//! namespace, but brings the usage of pods that nobody may ask about. So it is preferred where many namespaces are
//! asked about, and these have most of the pods.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use plimsoll_signals::{ResourceMetrics, Shared, SignalError, Usage, UsageOf};
use tokio::time::Instant;

use crate::pods::PodIndex;

/// From so many namespaces on, one LIST of the cluster takes the place of theirs.
const MANY: usize = 4;

/// Whoever wants an answer younger than this has it of its own namespace alone.
const UNHURRIED: Duration = Duration::from_secs(2);

/// How long a namespace counts after it was asked about. Longer than the usual period of looks.
const REMEMBERED: Duration = Duration::from_mins(1);

/// The readers of usage.
pub struct UsageReader {
    source: Arc<Shared<ResourceMetrics>>,
    /// When each namespace was last asked about.
    asked: Mutex<HashMap<Box<str>, Instant>>,
    of_cluster: AtomicBool,
    latest: Arc<Latest>,
}

/// The usage of the whole cluster, which takes a while to read: nobody waits for it while an older one will do.
#[derive(Default)]
struct Latest {
    usage: Mutex<Option<(Instant, Arc<Usage>)>>,
    is_being_read: AtomicBool,
}

impl Latest {
    fn lock(&self) -> MutexGuard<'_, Option<(Instant, Arc<Usage>)>> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UsageReader {
    /// Reads from `source`, of each namespace by itself until [`Self::choose`] finds better.
    pub fn new(source: Shared<ResourceMetrics>) -> Self {
        Self {
            source: Arc::new(source),
            asked: Mutex::default(),
            of_cluster: AtomicBool::new(false),
            latest: Arc::default(),
        }
    }

    /// The usage of the pods of a namespace, read at most `max_age` ago; perhaps with that of others.
    ///
    /// # Errors
    /// Those of the source.
    pub async fn read(&self, namespace: &str, max_age: Duration) -> Result<Arc<Usage>, SignalError> {
        self.note(namespace);
        if max_age >= UNHURRIED
            && self.of_cluster.load(Relaxed)
            && let Ok(usage) = self.read_cluster(max_age).await
        {
            return Ok(usage);
        }
        // Also where all together cannot be read: one pod that makes no sense is the trouble of its namespace alone.
        self.source.read(&UsageOf::Namespace(namespace.to_owned()), max_age).await
    }

    async fn read_cluster(&self, max_age: Duration) -> Result<Arc<Usage>, SignalError> {
        let latest = self.latest.lock().clone();
        if let Some((read_at, usage)) = latest
            && read_at.elapsed() < max_age
        {
            if read_at.elapsed() >= max_age * 2 / 3 && !self.latest.is_being_read.swap(true, Relaxed) {
                let (source, latest) = (Arc::clone(&self.source), Arc::clone(&self.latest));
                tokio::spawn(async move {
                    if let Ok(usage) = source.read(&UsageOf::Cluster, max_age / 2).await {
                        *latest.lock() = Some((Instant::now(), usage));
                    }
                    latest.is_being_read.store(false, Relaxed);
                });
            }
            return Ok(usage);
        }
        let usage = self.source.read(&UsageOf::Cluster, max_age).await?;
        *self.latest.lock() = Some((Instant::now(), Arc::clone(&usage)));
        Ok(usage)
    }

    /// Decides, from what was asked lately, whether all is asked at once from now on; `pods` knows how many pods
    /// that would be. Forgets answers that nobody asks for any more.
    pub fn choose(&self, pods: &PodIndex) {
        self.source.forget_stale();
        self.latest.lock().take_if(|(read_at, _)| read_at.elapsed() > REMEMBERED);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, at| at.elapsed() < REMEMBERED);
        let counts = pods.count();
        let of_asked: usize = asked.keys().filter_map(|namespace| counts.get(namespace)).sum();
        let of_all: usize = counts.values().sum();
        self.of_cluster.store(asked.len() >= MANY && of_asked >= of_all - of_asked, Relaxed);
    }

    fn note(&self, namespace: &str) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match asked.get_mut(namespace) {
            Some(at) => *at = Instant::now(),
            None => _ = asked.insert(namespace.into(), Instant::now()),
        }
    }
}

#[cfg(test)]
mod tests;
