//! When a PodScaler is looked at again.
//!
//! Each has a grid in time: a point every period, shifted by a part of the period that follows from its
//! uid. However many were created at once, looks are spread evenly, and no look drifts with the time that
//! looks take.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use plimsoll_core::time::Span;
use tokio::time::Instant;

/// A grid point nearer than this is left out: the look of a moment ago has seen the same.
const TOO_NEAR: Duration = Duration::from_millis(500);

/// What a decision asks for is granted no earlier than this.
const SOONEST: Duration = Duration::from_secs(1);

/// The grids of all PodScalers.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    start: Instant,
}

impl Schedule {
    /// Grids that begin now.
    pub fn starting_now() -> Self {
        Self { start: Instant::now() }
    }

    /// When the object with this uid is due after a look that ended at `now`: at the next point of its
    /// grid, or when its decision asked to be looked at again, whichever is earlier.
    ///
    /// That is at most half a second more than `period` after `now`; half a second at least, and one
    /// second where the decision asked.
    pub fn next(&self, uid: &str, period: Duration, asked: Option<Span>, now: Instant) -> Instant {
        let period = period.max(SOONEST);
        let point = self.next_point(uid, period, now + TOO_NEAR);
        let asked = asked.and_then(|asked| u64::try_from(asked.as_millis()).ok()).map(Duration::from_millis);
        asked.map_or(point, |asked| point.min(now + asked.max(SOONEST)))
    }

    /// Whether a point of the grid of this uid with this `period` lies between `since`, or the beginning, and `now`: to do
    /// for each object now and then what must not be done for all at once.
    pub fn has_passed(&self, uid: &str, period: Duration, since: Option<Instant>, now: Instant) -> bool {
        self.next_point(uid, period, since.unwrap_or(self.start)) <= now
    }

    /// The first point of a grid at or after `earliest`.
    fn next_point(&self, uid: &str, period: Duration, earliest: Instant) -> Instant {
        let mut hasher = DefaultHasher::new();
        uid.hash(&mut hasher);
        // The upper half of the hash as a fraction of the period.
        let fraction = u32::try_from(hasher.finish() >> 32).unwrap_or(u32::MAX);
        let shift = period.mul_f64(f64::from(fraction) / 2_f64.powi(32));
        let since = earliest.saturating_duration_since(self.start + shift);
        let missing = (period.as_nanos() - since.as_nanos() % period.as_nanos()) % period.as_nanos();
        let missing = Duration::from_nanos(u64::try_from(missing).unwrap_or(u64::MAX));
        earliest.max(self.start + shift) + if since.is_zero() { Duration::ZERO } else { missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(15);

    fn uid(number: usize) -> String {
        format!("5b0c1f5e-0000-4000-8000-{number:012}")
    }

    #[test]
    fn looks_follow_each_other_by_the_period_however_long_they_take() {
        let schedule = Schedule::starting_now();
        let mut due = schedule.next(&uid(1), PERIOD, None, schedule.start);
        for took in [0, 3, 200, 9000] {
            let next = schedule.next(&uid(1), PERIOD, None, due + Duration::from_millis(took));
            assert_eq!(next, due + PERIOD);
            due = next;
        }
    }

    #[test]
    fn the_next_look_is_never_later_than_a_period_and_a_little() {
        let schedule = Schedule::starting_now();
        for number in 0..500 {
            let now = schedule.start + Duration::from_millis(37 * u64::try_from(number).unwrap());
            let after = schedule.next(&uid(number), PERIOD, None, now) - now;
            assert!(after >= TOO_NEAR && after <= PERIOD + TOO_NEAR, "{after:?}");
        }
    }

    #[test]
    fn a_thousand_at_once_are_spread_over_the_period() {
        let schedule = Schedule::starting_now();
        let now = schedule.start + 4 * PERIOD;
        let mut seconds = [0; 15];
        for number in 0..1500 {
            let after = schedule.next(&uid(number), PERIOD, None, now) - now;
            seconds[usize::try_from(after.saturating_sub(TOO_NEAR).as_secs()).unwrap().min(14)] += 1;
        }
        assert!(seconds.iter().all(|looks| (60..=140).contains(looks)), "{seconds:?}");
    }

    #[test]
    fn a_decision_may_ask_for_an_earlier_look_but_not_within_a_second() {
        let schedule = Schedule::starting_now();
        let due = schedule.next(&uid(1), PERIOD, None, schedule.start);
        let asked = |millis| schedule.next(&uid(1), PERIOD, Some(Span::from_millis(millis)), due) - due;
        assert_eq!(asked(4000), Duration::from_secs(4));
        assert_eq!(asked(10), SOONEST);
        assert_eq!(asked(-5), PERIOD, "what is past is nothing to wait for");
        assert_eq!(asked(60_000), PERIOD);
    }

    #[test]
    fn what_is_due_now_and_then_is_due_once_a_period_and_spread_over_it() {
        let schedule = Schedule::starting_now();
        let mut minutes = [0; 10];
        for number in 0..1000 {
            let begun = schedule.start + Duration::from_secs(1);
            let passed = |minute: u64| {
                let now = begun + Duration::from_mins(minute);
                schedule.has_passed(&uid(number), Duration::from_mins(10), Some(begun), now)
            };
            let due = (0..=10).find(|minute| passed(*minute)).expect("once in ten minutes");
            minutes[usize::try_from(due.saturating_sub(1)).unwrap()] += 1;
        }
        assert!(minutes.iter().all(|due| (60..=140).contains(due)), "{minutes:?}");
    }

    #[test]
    fn a_period_of_a_second_is_kept() {
        let schedule = Schedule::starting_now();
        let period = Duration::from_secs(1);
        let due = schedule.next(&uid(1), period, None, schedule.start);
        assert_eq!(schedule.next(&uid(1), period, None, due + Duration::from_millis(20)), due + period);
    }
}
