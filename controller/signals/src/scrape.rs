//! The metrics pages of pods, read without anything in between.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use http::{Request, header::ACCEPT};
use plimsoll_core::{
    replicas::{Sample, Samples, Scrape, ScrapeValue},
    time::{Span, Timestamp},
};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    Limits, Shared, SignalError, Source,
    growth::{Counters, Seen, between, read},
    http_client::{HttpClient, Lost, Tls, client, fetch},
    number::milli,
};

/// The most that is read of a page, in bytes.
const MOST: usize = 4 * 1024 * 1024;

/// Pods that one look reads side by side.
const SIDE_BY_SIDE: usize = 32;

/// After this long no further pod is asked: pods that do not answer must not hold a look up for minutes.
const ENOUGH: Duration = Duration::from_secs(8);

/// Two scrapes closer together than this are one: over less, a rate is noise.
const SHORTEST: Duration = Duration::from_millis(900);

/// Two scrapes further apart than this have nothing to do with each other.
const LONGEST: Duration = Duration::from_mins(5);

/// A pod that can be scraped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodEndpoint {
    /// The pod's name.
    pub pod: String,
    /// When it started: tells it from an earlier one of the same name.
    pub started: Option<Timestamp>,
    /// Where it answers, or why that is not known.
    pub address: Result<SocketAddr, String>,
}

/// One page of one pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PageAt {
    address: SocketAddr,
    path: String,
    tls: bool,
}

/// A page as it was answered.
pub(crate) struct Page {
    text: String,
    read_at: Instant,
    timestamp: Timestamp,
}

/// The metrics pages of pods.
pub(crate) struct Pages(HttpClient);

impl Source for Pages {
    type Question = PageAt;
    type Answer = Page;

    const NAME: &'static str = "scrape";

    fn title(&self) -> Cow<'static, str> {
        "the pod".into()
    }

    async fn ask(&self, page: &PageAt) -> Result<Page, SignalError> {
        let scheme = if page.tls { "https" } else { "http" };
        let request = Request::get(format!("{scheme}://{}{}", page.address, page.path))
            .header(ACCEPT, "text/plain;version=0.0.4")
            .body(String::new())
            .map_err(|error| SignalError::Refused(error.to_string()))?;
        let (head, body) = fetch(&self.0, request, MOST).await.map_err(|lost| match lost {
            Lost::TooLarge => SignalError::TooLarge { what: self.title(), most: MOST },
            Lost::Failed(words) => SignalError::Refused(words),
        })?;
        if !head.status.is_success() {
            return Err(SignalError::Refused(format!("it answered {}", head.status)));
        }
        let text = String::from_utf8(body)
            .map_err(|_| SignalError::Refused("its page is not text in UTF-8".to_owned()))?;
        let timestamp = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        Ok(Page { text, read_at: Instant::now(), timestamp })
    }
}

/// Whose history it is.
type Key = (String, String, Option<Timestamp>, Scrape);

/// The last scrape of a pod, and what it said compared with the one before.
struct Last {
    read_at: Instant,
    counters: Counters,
    said: Option<Sample>,
}

/// Scrapes pods and remembers what counters said before.
pub struct Scraper {
    pages: Shared<Pages>,
    history: Mutex<BTreeMap<Key, Last>>,
}

impl Scraper {
    /// The source in the labels of metrics.
    pub const NAME: &'static str = Pages::NAME;

    /// A scraper within `limits`, of which the time-out is that of one pod.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(limits: Limits) -> Result<Self, String> {
        // No connection is kept: there are more pods than looks per second.
        let client = client(&Tls { insecure: true, ..Tls::default() }, 0)?;
        Ok(Self { pages: Shared::new(Pages(client), limits), history: Mutex::default() })
    }

    /// What each pod serves. A pod that serves nothing usable has no sample.
    ///
    /// # Errors
    /// When no pod at all has a value; the error is that of the first by name.
    pub async fn scrape(
        &self,
        namespace: &str,
        pods: &[PodEndpoint],
        scrape: &Scrape,
        max_age: Duration,
    ) -> Result<Samples, SignalError> {
        let side_by_side = Semaphore::new(SIDE_BY_SIDE);
        let started = Instant::now();
        let scraped = join_all(pods.iter().map(|pod| async {
            // Never closed; if it were, asking without a limit would be the lesser evil.
            let _permit = side_by_side.acquire().await.ok();
            if started.elapsed() > ENOUGH {
                return Err("its turn did not come: too many pods do not answer".to_owned());
            }
            self.sample(namespace, pod, scrape, max_age).await
        }))
        .await;
        let mut samples = Samples::new();
        let mut failures = Vec::new();
        for (PodEndpoint { pod, .. }, sample) in pods.iter().zip(scraped) {
            match sample {
                Ok(sample) => {
                    samples.insert(pod.clone(), sample);
                }
                Err(problem) => failures.push(format!("pod {pod}: {problem}")),
            }
        }
        match failures.first() {
            Some(first) if samples.is_empty() => {
                let others = failures.len() - 1;
                let others = if others > 0 { format!(" (and {others} more pods)") } else { String::new() };
                Err(SignalError::Refused(format!("{first}{others}")))
            }
            _ => Ok(samples),
        }
    }

    async fn sample(
        &self,
        namespace: &str,
        pod: &PodEndpoint,
        scrape: &Scrape,
        max_age: Duration,
    ) -> Result<Sample, String> {
        let question = PageAt { address: pod.address.clone()?, path: scrape.path.clone(), tls: scrape.tls };
        let page = self.pages.read(&question, max_age).await.map_err(|error| error.to_string())?;
        match read(&page.text, scrape)? {
            Seen::Now(value) => sample(value, &page, Span::ZERO),
            Seen::Counters(counters) => {
                let key = (namespace.to_owned(), pod.pod.clone(), pod.started, scrape.clone());
                self.compared(key, counters, &page)
            }
        }
    }

    fn compared(&self, key: Key, counters: Counters, page: &Page) -> Result<Sample, String> {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let value = key.3.value;
        let said = match history.get(&key) {
            Some(last) => {
                let apart = page.read_at.saturating_duration_since(last.read_at);
                if apart < SHORTEST {
                    return last.said.ok_or_else(|| once(value));
                }
                (apart <= LONGEST).then(|| {
                    let window = Span::from_millis(i64::try_from(apart.as_millis()).unwrap_or(i64::MAX));
                    between(&last.counters, &counters, apart.as_secs_f64(), value)
                        .and_then(|value| sample(value, page, window))
                })
            }
            None => None,
        };
        let kept = said.as_ref().and_then(|said| said.as_ref().ok()).copied();
        history.insert(key, Last { read_at: page.read_at, counters, said: kept });
        said.unwrap_or_else(|| Err(once(value)))
    }

    /// Forgets pages that nobody asks for any more, and pods that were not scraped for long.
    pub fn forget_stale(&self) {
        self.pages.forget_stale();
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.retain(|_, last| last.read_at.elapsed() <= LONGEST);
    }
}

fn once(value: ScrapeValue) -> String {
    let what = if value == ScrapeValue::Rate { "a rate" } else { "a quantile" };
    format!("{what} needs two scrapes, and this was the first")
}

fn sample(value: f64, page: &Page, window: Span) -> Result<Sample, String> {
    let value = milli(value).map_err(|error| error.to_string())?;
    Ok(Sample { value, timestamp: page.timestamp, window })
}
