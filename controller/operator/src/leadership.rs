//! Who may write: one replica holds a lease, the others wait and stay warm.
//!
//! The lease is read and written with its resourceVersion, so that of two replicas that see an
//! expired lease only one takes it. Expiry is measured from when *we* last saw the record change,
//! as client-go does, since the clocks of two nodes need not agree.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// The lease, and how it is kept.
#[derive(Debug, Clone)]
pub struct LeaseConfig {
    /// Namespace of the lease.
    pub namespace: String,
    /// Name of the lease.
    pub name: String,
    /// Who we are; unique among the replicas.
    pub identity: String,
    /// After how long without a renewal others may take the lease.
    pub duration: Duration,
    /// How often it is renewed, and looked at by those who wait.
    pub renew_every: Duration,
}

/// Whether we may write now.
#[derive(Debug, Clone)]
pub struct Leadership {
    /// Until when nobody else can have taken the lease; none while we do not hold it.
    held: watch::Receiver<Option<Held>>,
    /// Who else holds the lease, as last read.
    other: watch::Receiver<Option<String>>,
}

/// The lease, while it is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    until: Instant,
    /// Counts how often this process gained it.
    term: u64,
    /// Counts how often the lease changed hands, as the lease itself says.
    token: i64,
}

impl Leadership {
    /// Leadership of a replica that is alone.
    pub fn alone() -> Self {
        let far = Instant::now() + Duration::from_hours(24 * 365 * 10);
        Self {
            held: watch::channel(Some(Held { until: far, term: 1, token: 0 })).1,
            other: watch::channel(None).1,
        }
    }

    /// Leadership that ends so long from now.
    #[cfg(test)]
    pub(crate) fn lasting(left: Duration) -> Self {
        let held = Held { until: Instant::now() + left, term: 1, token: 4 };
        Self { held: watch::channel(Some(held)).1, other: watch::channel(None).1 }
    }

    /// True while the lease is ours for certain.
    pub fn is_leader(&self) -> bool {
        self.held.borrow().is_some_and(|held| Instant::now() < held.until)
    }

    /// Tells this time of holding the lease from earlier ones of this process. None while we do not hold it.
    pub fn term(&self) -> Option<u64> {
        self.held.borrow().map(|held| held.term)
    }

    /// How often the lease had changed hands when it became ours: whoever has a lower one was deposed. None while we do not
    /// hold it.
    pub fn token(&self) -> Option<i64> {
        self.held.borrow().map(|held| held.token)
    }

    /// The replica that held the lease when it was last read, unless that was us.
    pub fn other_leader(&self) -> Option<String> {
        self.other.borrow().clone()
    }

    /// True if a write that takes at most `time_out` would end while the lease is still ours.
    pub fn outlives(&self, time_out: Duration) -> bool {
        self.held.borrow().is_some_and(|held| Instant::now() + time_out < held.until)
    }
}

/// What to do with the lease.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nobody holds it, or the holder has let it expire.
    Take,
    /// It is ours.
    Renew,
    /// Somebody else holds it for at least this long.
    Wait(Duration),
}

/// Decides from the lease as read, and for how long we have seen it unchanged.
fn next(lease: Option<&LeaseSpec>, unchanged_for: Duration, me: &str) -> Step {
    let Some(lease) = lease else { return Step::Take };
    match lease.holder_identity.as_deref() {
        None | Some("") => Step::Take,
        Some(holder) if holder == me => Step::Renew,
        Some(_) => {
            let seconds = lease.lease_duration_seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(0);
            let left = Duration::from_secs(seconds).saturating_sub(unchanged_for);
            if left.is_zero() { Step::Take } else { Step::Wait(left) }
        }
    }
}

/// Keeps the lease until `shutdown` resolves, and then lets go of it so that another replica can
/// take it at once.
pub struct Keeper {
    api: Api<Lease>,
    config: LeaseConfig,
    publish: watch::Sender<Option<Held>>,
    /// How often we gained the lease.
    terms: u64,
    other: watch::Sender<Option<String>>,
    /// The record as last seen, and since when it has been so.
    seen: Option<(LeaseSpec, Instant)>,
}

impl Keeper {
    /// A keeper, and the leadership it publishes.
    pub fn new(client: Client, config: LeaseConfig) -> (Self, Leadership) {
        let (publish, held) = watch::channel(None);
        let (other, other_seen) = watch::channel(None);
        let api = Api::namespaced(client, &config.namespace);
        (Self { api, config, publish, other, terms: 0, seen: None }, Leadership { held, other: other_seen })
    }

    /// Runs until `shutdown` resolves.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let pause = self.step().await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut shutdown => break,
            }
        }
        self.release().await;
    }

    /// Looks once, acts once; answers how long to wait until the next look.
    async fn step(&mut self) -> Duration {
        let started = Instant::now();
        match timeout(self.config.renew_every, self.look()).await {
            Ok(Ok(Some(wait))) => {
                self.publish_lost("another replica holds the lease");
                wait.min(self.config.renew_every)
            }
            Ok(Ok(None)) => {
                // Others count from when they see the renewal, which is after `started`.
                let until = started + self.config.duration;
                let transitions = self.seen.as_ref().and_then(|(lease, _)| lease.lease_transitions);
                self.publish_held(until, transitions.unwrap_or(0).into());
                self.config.renew_every
            }
            Ok(Err(error)) => self.failed(&error.to_string()),
            Err(_) => self.failed("the API server did not answer in time"),
        }
    }

    /// None when the lease is ours now, else how long it is somebody else's.
    async fn look(&mut self) -> Result<Option<Duration>, anyhow::Error> {
        let (api, name) = (self.api.clone(), self.config.name.clone());
        let entry = api.entry(&name).await?;
        let found = entry.get().and_then(|lease| lease.spec.clone());
        let unchanged_for = self.unchanged_for(found.as_ref());
        if let Step::Wait(left) = next(found.as_ref(), unchanged_for, &self.config.identity) {
            self.other.send_replace(found.and_then(|lease| lease.holder_identity));
            return Ok(Some(left));
        }
        self.other.send_replace(None);
        let spec = self.claim(found.as_ref());
        let mut entry = entry
            .and_modify(|lease| lease.spec = Some(spec.clone()))
            .or_insert(|| Lease { metadata: ObjectMeta::default(), spec: Some(spec.clone()) });
        entry.commit(&PostParams::default()).await?;
        self.seen = entry.get().spec.clone().map(|spec| (spec, Instant::now()));
        Ok(None)
    }

    fn unchanged_for(&mut self, found: Option<&LeaseSpec>) -> Duration {
        match (&self.seen, found) {
            (Some((seen, since)), Some(found)) if seen == found => since.elapsed(),
            (_, found) => {
                self.seen = found.map(|found| (found.clone(), Instant::now()));
                Duration::ZERO
            }
        }
    }

    fn claim(&self, found: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let ours = found.filter(|lease| lease.holder_identity.as_deref() == Some(&self.config.identity));
        let transitions = found.and_then(|lease| lease.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.config.identity.clone()),
            lease_duration_seconds: i32::try_from(self.config.duration.as_secs()).ok(),
            acquire_time: ours.and_then(|lease| lease.acquire_time.clone()).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if ours.is_some() { transitions } else { transitions.saturating_add(1) }),
            ..found.cloned().unwrap_or_default()
        }
    }

    fn failed(&mut self, error: &str) -> Duration {
        tracing::warn!(lease = %self.config.name, error, "the lease could not be taken or renewed");
        if self.publish.borrow().is_some_and(|held| Instant::now() >= held.until) {
            self.publish_lost("the lease could not be renewed in time");
        }
        // Sooner than a renewal, since time is running out; never a busy loop.
        self.config.renew_every / 4
    }

    /// A lease that ran out before it was renewed, as after a pause of the whole machine, has turned looks away, which wait for
    /// the next term: so one begins. It is replaced while nobody can read it, so that nobody is turned away in between.
    fn publish_held(&mut self, until: Instant, token: i64) {
        let terms = &mut self.terms;
        let mut began = false;
        self.publish.send_modify(|held| {
            began = !held.is_some_and(|held| Instant::now() < held.until);
            *terms += u64::from(began);
            *held = Some(Held { until, term: *terms, token });
        });
        if began {
            tracing::info!(lease = %self.config.name, identity = %self.config.identity, "leading");
        }
    }

    fn publish_lost(&mut self, why: &str) {
        if self.publish.borrow().is_some() {
            tracing::warn!(lease = %self.config.name, why, "no longer leading");
            self.publish.send_replace(None);
        }
    }

    async fn release(&mut self) {
        if self.publish.send_replace(None).is_none() {
            return;
        }
        let identity = self.config.identity.clone();
        let released = timeout(self.config.renew_every.min(Duration::from_secs(2)), async {
            let entry = self.api.entry(&self.config.name).await?;
            if entry.get().and_then(|lease| lease.spec.as_ref()?.holder_identity.as_ref()) != Some(&identity)
            {
                return anyhow::Ok(());
            }
            let mut entry = entry
                .and_modify(|lease| {
                    if let Some(spec) = lease.spec.as_mut() {
                        spec.holder_identity = None;
                    }
                })
                .or_insert(Lease::default);
            entry.commit(&PostParams::default()).await?;
            Ok(())
        })
        .await;
        match released {
            Ok(Ok(())) => tracing::info!(lease = %self.config.name, "let go of the lease"),
            Ok(Err(error)) => tracing::warn!(%error, "the lease was not released; it will expire"),
            Err(_) => tracing::warn!("the lease was not released in time; it will expire"),
        }
    }
}

/// Yields each time leadership is gained, and at once if it is held already.
pub fn gains(leadership: Leadership) -> impl futures::Stream<Item = ()> + Send {
    futures::stream::unfold((leadership.held, None), |(mut held, last)| async move {
        loop {
            let term = held.borrow_and_update().map(|held| held.term);
            if term.is_some() && term != last {
                return Some(((), (held, term)));
            }
            held.changed().await.ok()?;
        }
    })
}

#[cfg(test)]
mod tests;
