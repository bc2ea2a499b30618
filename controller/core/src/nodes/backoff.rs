//! What is remembered of offerings that failed, so that others are tried meanwhile.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cluster::{Name, OfferingKey};
use crate::time::{Span, Timestamp};

/// Why an order of an offering failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OfferingError {
    /// The provider has no machines of it.
    OutOfCapacity,
    /// The account may have no more.
    Quota,
    /// It was ordered and never registered.
    NeverRegistered,
    /// Its nodes are not what was offered; see [`super::promise`].
    NotAsOffered,
    /// Anything else.
    Other,
}

impl OfferingError {
    /// How long the first failure is remembered. Capacity comes and goes; a quota or a broken image stays.
    fn first(self) -> Span {
        Span::from_secs(match self {
            Self::OutOfCapacity => 180,
            Self::Quota | Self::NeverRegistered | Self::NotAsOffered => 300,
            Self::Other => 60,
        })
    }
}

impl fmt::Display for OfferingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfCapacity => "the provider is out of capacity",
            Self::Quota => "a quota is used up",
            Self::NeverRegistered => "its nodes never registered",
            Self::NotAsOffered => "its nodes are not what was offered",
            Self::Other => "the provider failed",
        })
    }
}

/// No failure keeps an offering off for longer than this.
const LONGEST: Span = Span::from_secs(1800);
/// After this long without a failure nothing is remembered.
const FORGOTTEN: Span = Span::from_secs(3 * 3600);

/// The failures of one offering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    /// What failed last.
    pub error: OfferingError,
    /// When.
    pub last: Timestamp,
    /// How many in a row, 1 or more; each doubles the wait.
    pub count: u32,
}

impl Failures {
    /// Until when the offering is avoided.
    pub fn until(&self) -> Timestamp {
        let times = 1_i64 << self.count.saturating_sub(1).min(16);
        let wait = self.error.first().as_millis().saturating_mul(times).min(LONGEST.as_millis());
        self.last + Span::from_millis(wait)
    }
}

/// The failures of all offerings: per pool, type, zone and capacity type.
///
/// An offering that failed is avoided for a few minutes, twice as long each time it fails again, half an hour at most. One
/// step is forgotten for each half hour without a failure, all after three hours, and at once when a node of it registers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Backoff {
    failures: BTreeMap<Name, Vec<(OfferingKey, Failures)>>,
}

impl Backoff {
    /// Takes note of a failure; answers whether it is a new one, and not that for which the offering is avoided already.
    pub fn failed(
        &mut self,
        pool: &Name,
        offering: &OfferingKey,
        error: OfferingError,
        now: Timestamp,
    ) -> bool {
        let of = self.failures.entry(pool.clone()).or_default();
        match of.binary_search_by(|(key, _)| key.cmp(offering)) {
            // Several orders of one moment fail for one reason: they are one failure.
            Ok(at) if of[at].1.until() > now => {
                return std::mem::replace(&mut of[at].1.error, error) != error;
            }
            Ok(at) => {
                let count = remembered(&of[at].1, now).saturating_add(1);
                of[at].1 = Failures { error, last: now, count };
            }
            Err(at) => of.insert(at, (offering.clone(), Failures { error, last: now, count: 1 })),
        }
        true
    }

    /// What is remembered of a pool's offerings, in the order of their keys.
    pub fn of_pool(&self, pool: &str) -> impl Iterator<Item = (&OfferingKey, &Failures)> {
        self.failures.get(pool).into_iter().flatten().map(|(key, failures)| (key, failures))
    }

    /// Remembers what was remembered elsewhere, in place of what is known of the offering.
    pub fn remember(&mut self, pool: &Name, offering: &OfferingKey, failures: Failures) {
        let of = self.failures.entry(pool.clone()).or_default();
        match of.binary_search_by(|(key, _)| key.cmp(offering)) {
            Ok(at) => of[at].1 = failures,
            Err(at) => of.insert(at, (offering.clone(), failures)),
        }
    }

    /// Whether a failure of an offering is remembered at `now`, whether it is still avoided for it or not.
    pub fn remembers(&self, pool: &str, offering: &OfferingKey, now: Timestamp) -> bool {
        self.of_pool(pool).any(|(key, failures)| key == offering && remembered(failures, now) > 0)
    }

    /// Takes note of a node that has registered: the offering works.
    pub fn worked(&mut self, pool: &Name, offering: &OfferingKey) {
        if let Some(of) = self.failures.get_mut(pool) {
            of.retain(|(key, _)| key != offering);
            if of.is_empty() {
                self.failures.remove(pool);
            }
        }
    }

    /// Forgets pools that are gone.
    pub fn keep_only(&mut self, is_there: impl Fn(&str) -> bool) {
        self.failures.retain(|pool, _| is_there(pool));
    }

    /// What failed last with an offering that is avoided at `now`, and until when it is.
    pub fn avoided(
        &self,
        pool: &Name,
        offering: &OfferingKey,
        now: Timestamp,
    ) -> Option<(OfferingError, Timestamp)> {
        let of = self.failures.get(pool)?;
        let at = of.binary_search_by(|(key, _)| key.cmp(offering)).ok()?;
        let failures = &of[at].1;
        let until = failures.until();
        (until > now).then_some((failures.error, until))
    }

    /// When the next offering may be tried again; None where none is avoided.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let all = self.failures.values().flatten().map(|(_, failures)| failures.until());
        all.filter(|until| *until > now).min()
    }

    /// Drops what is forgotten by now. What lies in the future, as after a clock that was set back, is of now.
    pub fn forget(&mut self, now: Timestamp) {
        for of in self.failures.values_mut() {
            of.retain_mut(|(_, failures)| {
                failures.last = failures.last.min(now);
                remembered(failures, now) > 0
            });
        }
        self.failures.retain(|_, of| !of.is_empty());
    }
}

/// How many failures still count at `now`.
fn remembered(failures: &Failures, now: Timestamp) -> u32 {
    let quiet = now.since(failures.until()).as_millis().max(0);
    if quiet >= FORGOTTEN.as_millis() {
        return 0;
    }
    let steps = u32::try_from(quiet / LONGEST.as_millis()).unwrap_or(u32::MAX);
    failures.count.saturating_sub(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::CapacityType;

    fn key(zone: &str) -> OfferingKey {
        OfferingKey { instance_type: "m".into(), zone: zone.into(), capacity_type: CapacityType::Spot }
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_secs(minutes * 60)
    }

    #[test]
    fn each_failure_in_a_row_doubles_the_wait_up_to_half_an_hour() {
        let (pool, mut backoff) = (Name::from("p"), Backoff::default());
        let mut now = at(0);
        for minutes in [3, 6, 12, 24, 30, 30] {
            backoff.failed(&pool, &key("a"), OfferingError::OutOfCapacity, now);
            let until = now + Span::from_secs(minutes * 60);
            assert_eq!(backoff.avoided(&pool, &key("a"), now), Some((OfferingError::OutOfCapacity, until)));
            assert_eq!(backoff.avoided(&pool, &key("a"), until), None);
            now = until;
        }
    }

    #[test]
    fn another_zone_and_another_pool_are_not_avoided() {
        let mut backoff = Backoff::default();
        backoff.failed(&"p".into(), &key("a"), OfferingError::Quota, at(0));
        assert!(backoff.avoided(&"p".into(), &key("a"), at(1)).is_some());
        assert_eq!(backoff.avoided(&"p".into(), &key("b"), at(1)), None);
        assert_eq!(backoff.avoided(&"q".into(), &key("a"), at(1)), None);
    }

    #[test]
    fn several_failures_at_once_are_one() {
        let (pool, mut backoff) = (Name::from("p"), Backoff::default());
        for _ in 0..5 {
            backoff.failed(&pool, &key("a"), OfferingError::OutOfCapacity, at(0));
        }
        assert_eq!(backoff.next(at(0)), Some(at(3)));
    }

    #[test]
    fn a_failure_is_new_unless_the_offering_is_avoided_for_it_already() {
        use OfferingError::{OutOfCapacity, Quota};
        let (pool, mut backoff) = (Name::from("p"), Backoff::default());
        for (error, minute, is_new) in [
            (OutOfCapacity, 0, true),
            (OutOfCapacity, 2, false),
            (Quota, 2, true),
            (Quota, 4, false),
            (Quota, 5, true),
        ] {
            assert_eq!(backoff.failed(&pool, &key("a"), error, at(minute)), is_new, "{error} at {minute}");
        }
    }

    #[test]
    fn failures_are_forgotten_step_by_step_and_at_once_when_a_node_registers() {
        let (pool, mut backoff) = (Name::from("p"), Backoff::default());
        backoff.failed(&pool, &key("a"), OfferingError::OutOfCapacity, at(0));
        backoff.failed(&pool, &key("a"), OfferingError::OutOfCapacity, at(3));
        // The wait ended after 9 minutes; half an hour later one of the two is forgotten.
        backoff.failed(&pool, &key("a"), OfferingError::OutOfCapacity, at(39));
        assert_eq!(backoff.next(at(39)), Some(at(45)));
        backoff.worked(&pool, &key("a"));
        assert_eq!(backoff, Backoff::default());
        backoff.failed(&pool, &key("a"), OfferingError::Other, at(0));
        backoff.forget(at(30));
        assert_ne!(backoff, Backoff::default());
        backoff.forget(at(200));
        assert_eq!(backoff, Backoff::default());
    }

    #[test]
    fn a_failure_is_remembered_for_half_an_hour_longer_than_its_offering_is_avoided() {
        let (pool, mut backoff) = (Name::from("p"), Backoff::default());
        backoff.failed(&pool, &key("a"), OfferingError::OutOfCapacity, at(0));
        let remembered = [0, 3, 32, 33].map(|minute| backoff.remembers("p", &key("a"), at(minute)));
        assert_eq!(remembered, [true, true, true, false]);
        assert!(!backoff.remembers("p", &key("b"), at(0)) && !backoff.remembers("q", &key("a"), at(0)));
        backoff.worked(&pool, &key("a"));
        assert!(!backoff.remembers("p", &key("a"), at(0)));
    }

    #[test]
    fn an_offering_may_be_tried_again_when_its_wait_is_over() {
        let (pool, mut backoff) = (Name::from("p"), Backoff::default());
        backoff.failed(&pool, &key("a"), OfferingError::OutOfCapacity, at(0));
        assert_eq!(backoff.next(at(2)), Some(at(3)));
        assert_eq!(backoff.next(at(3)), None, "from then on it is not avoided");
    }

    #[test]
    fn after_three_hours_of_quiet_nothing_is_remembered() {
        let pool = Name::from("p");
        let ten = Failures { error: OfferingError::OutOfCapacity, last: at(0), count: 10 };
        // The wait ends after half an hour.
        for (failed_again, waits) in [(209, 30), (210, 3)] {
            let mut backoff = Backoff::default();
            backoff.remember(&pool, &key("a"), ten.clone());
            backoff.failed(&pool, &key("a"), OfferingError::OutOfCapacity, at(failed_again));
            assert_eq!(backoff.next(at(failed_again)), Some(at(failed_again + waits)), "at {failed_again}");
        }
    }

    #[test]
    fn a_failure_that_lies_in_the_future_is_avoided_from_now_on() {
        let (pool, mut backoff) = (Name::from("p"), Backoff::default());
        backoff.failed(&pool, &key("a"), OfferingError::OutOfCapacity, at(60));
        backoff.forget(at(0));
        assert_eq!(backoff.next(at(0)), Some(at(3)));
    }

    #[test]
    fn what_was_remembered_elsewhere_takes_the_place_of_what_is_known() {
        let (pool, mut backoff) = (Name::from("p"), Backoff::default());
        backoff.failed(&pool, &key("b"), OfferingError::Other, at(0));
        let failures = |count| Failures { error: OfferingError::Quota, last: at(1), count };
        backoff.remember(&pool, &key("b"), failures(2));
        backoff.remember(&pool, &key("a"), failures(1));
        let known: Vec<_> =
            backoff.of_pool("p").map(|(key, failures)| (key.clone(), failures.clone())).collect();
        assert_eq!(known, [(key("a"), failures(1)), (key("b"), failures(2))]);
        assert_eq!(backoff.of_pool("q").count(), 0);
    }

    #[test]
    fn an_error_is_said_in_words() {
        for (error, words) in [
            (OfferingError::OutOfCapacity, "the provider is out of capacity"),
            (OfferingError::Quota, "a quota is used up"),
            (OfferingError::NeverRegistered, "its nodes never registered"),
            (OfferingError::NotAsOffered, "its nodes are not what was offered"),
            (OfferingError::Other, "the provider failed"),
        ] {
            assert_eq!(error.to_string(), words);
        }
    }
}
