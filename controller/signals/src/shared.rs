//! How a source is read: one request for all who ask the same, a limit, and a time-out.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::SignalError;

/// Something that can be asked for load numbers.
pub trait Source: Send + Sync {
    /// What can be asked. Those who ask the same share an answer.
    type Question: Ord + Clone + Send + Sync;
    /// What is answered.
    type Answer: Send + Sync;

    /// The source in the labels of metrics.
    const NAME: &'static str;

    /// The source in sentences.
    fn title(&self) -> Cow<'static, str>;

    /// Asks once. Time-out, limit and sharing are [`Shared`]'s.
    ///
    /// # Errors
    /// [`SignalError`] when there is no answer, or one that makes no sense.
    fn ask(
        &self,
        question: &Self::Question,
    ) -> impl Future<Output = Result<Self::Answer, SignalError>> + Send;
}

/// What a source may cost, so that a slow one delays nobody who asks another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long an answer may take, from the moment it is asked for.
    pub time_out: Duration,
    /// Requests under way at the same time.
    pub concurrency: usize,
}

type Answered<S> = Result<Arc<<S as Source>::Answer>, SignalError>;
type Slot<S> = Arc<tokio::sync::Mutex<Option<(Instant, Answered<S>)>>>;

/// How long an answer is kept that nobody asks for.
const RETENTION: Duration = Duration::from_secs(5);

/// A source as everybody reads it: one request for all who ask the same and whom an answer of that
/// age will do.
///
/// Those who ask while the request is under way wait for it. An error is shared like an answer, so
/// that a broken source is not asked once per PodScaler.
pub struct Shared<S: Source> {
    source: S,
    limits: Limits,
    permits: Semaphore,
    slots: Mutex<BTreeMap<S::Question, Slot<S>>>,
}

impl<S: Source> Shared<S> {
    /// A source that is read within `limits`.
    pub fn new(source: S, limits: Limits) -> Self {
        Self { source, limits, permits: Semaphore::new(limits.concurrency), slots: Mutex::default() }
    }

    /// The answer to a question, read at most `max_age` ago.
    ///
    /// # Errors
    /// Those of the source, and [`SignalError::TimedOut`].
    pub async fn read(&self, question: &S::Question, max_age: Duration) -> Answered<S> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            match slots.get(question) {
                Some(slot) => Arc::clone(slot),
                None => Arc::clone(slots.entry(question.clone()).or_default()),
            }
        };
        let mut kept = slot.lock().await;
        if let Some((read_at, answer)) = kept.as_ref()
            && read_at.elapsed() < max_age
        {
            return answer.clone();
        }
        // Nobody can use it any more, and the next one may be as large.
        *kept = None;
        let answer = match timeout(self.limits.time_out, self.ask(question)).await {
            Ok(answer) => answer.map(Arc::new),
            Err(_) => Err(SignalError::TimedOut { what: self.source.title(), after: self.limits.time_out }),
        };
        *kept = Some((Instant::now(), answer.clone()));
        answer
    }

    async fn ask(&self, question: &S::Question) -> Result<S::Answer, SignalError> {
        // The semaphore is never closed; if it were, asking without a limit would be the lesser evil.
        let _permit = self.permits.acquire().await.ok();
        self.source.ask(question).await
    }

    /// Forgets what nobody will ask for again, so that it holds no memory.
    pub fn forget_stale(&self) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| match slot.try_lock() {
            Ok(kept) => kept.as_ref().is_some_and(|(read_at, _)| read_at.elapsed() < RETENTION),
            Err(_) => true,
        });
    }

    /// How many answers are kept.
    pub fn kept(&self) -> usize {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
