//! The bounds that hold at one moment: those of the policy, narrowed by the schedules whose windows are open.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::policy::Policy;
use super::schedule::Window;
use crate::time::Timestamp;

/// The lowest and the highest size at one moment, and the schedules they come from.
///
/// Of all that is open the highest minimum and the lowest maximum count, the policy's own among them. Where the minimum
/// would be above the maximum, the maximum wins: it is what protects others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The lowest size.
    pub min_replicas: i32,
    /// The highest size.
    pub max_replicas: i32,
    /// The schedule that sets `min_replicas`, if one does.
    pub min_from: Option<String>,
    /// The schedule that sets `max_replicas`, if one does.
    pub max_from: Option<String>,
}

impl Bounds {
    /// The bounds at `now`, and until when at least they hold.
    pub(super) fn of(policy: &Policy, windows: &[Window], now: Timestamp) -> (Self, Option<Timestamp>) {
        let (min_replicas, max_replicas) = (policy.min_replicas, policy.max_replicas);
        let mut bounds = Self { min_replicas, max_replicas, min_from: None, max_from: None };
        let mut until: Option<Timestamp> = None;
        for (schedule, window) in policy.schedules.iter().zip(windows) {
            let state = window.at(now);
            until = until.into_iter().chain(state.until).min();
            if !state.open {
                continue;
            }
            if let Some(min) = schedule.min_replicas.filter(|min| *min > bounds.min_replicas) {
                (bounds.min_replicas, bounds.min_from) = (min, Some(schedule.name.clone()));
            }
            if let Some(max) = schedule.max_replicas.filter(|max| *max < bounds.max_replicas) {
                (bounds.max_replicas, bounds.max_from) = (max, Some(schedule.name.clone()));
            }
        }
        if bounds.are_scheduled() {
            bounds.min_replicas = bounds.min_replicas.min(bounds.max_replicas);
        }
        (bounds, until)
    }

    /// Whether a schedule has a part in them.
    pub fn are_scheduled(&self) -> bool {
        self.min_from.is_some() || self.max_from.is_some()
    }
}

/// As logs and `explain` show them: `4..10 (at least 4 by schedule office)`.
impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min_replicas, max_replicas, min_from, max_from } = self;
        write!(f, "{min_replicas}..{max_replicas}")?;
        let min = min_from.as_ref().map(|name| format!("at least {min_replicas} by schedule {name}"));
        let max = max_from.as_ref().map(|name| format!("at most {max_replicas} by schedule {name}"));
        let from: Vec<String> = min.into_iter().chain(max).collect();
        if from.is_empty() { Ok(()) } else { write!(f, " ({})", from.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{BOTH, NOW, input};
    use super::super::schedule::Schedule;
    use super::*;

    /// NOW is 1970-01-12, 13:46:40 UTC, a Monday.
    fn hours(name: &str, from: u32, to: u32, min: Option<i32>, max: Option<i32>) -> Schedule {
        Schedule {
            name: name.to_owned(),
            start: format!("0 {from} * * *"),
            end: format!("0 {to} * * *"),
            time_zone: "UTC".to_owned(),
            min_replicas: min,
            max_replicas: max,
        }
    }

    fn shown(schedules: &[Schedule]) -> String {
        let mut policy = input(BOTH[0], 3).policy;
        (policy.min_replicas, policy.max_replicas) = (2, 20);
        policy.schedules = schedules.to_vec();
        let windows: Vec<Window> = schedules.iter().map(|s| s.window("f").expect("is valid")).collect();
        Bounds::of(&policy, &windows, NOW).0.to_string()
    }

    #[test]
    fn the_highest_minimum_and_the_lowest_maximum_of_what_is_open_count() {
        let closed = hours("night", 20, 22, Some(19), Some(1));
        assert_eq!(shown(&[]), "2..20");
        assert_eq!(shown(std::slice::from_ref(&closed)), "2..20");
        let day = hours("day", 8, 18, Some(5), None);
        let noon = hours("noon", 12, 14, Some(8), Some(15));
        let cheap = hours("cheap", 13, 23, None, Some(12));
        assert_eq!(shown(std::slice::from_ref(&day)), "5..20 (at least 5 by schedule day)");
        for order in [[&day, &noon, &cheap, &closed], [&cheap, &closed, &noon, &day]] {
            let schedules: Vec<Schedule> = order.into_iter().cloned().collect();
            let expected = "8..12 (at least 8 by schedule noon, at most 12 by schedule cheap)";
            assert_eq!(shown(&schedules), expected);
        }
    }

    #[test]
    fn a_schedule_narrows_and_never_widens() {
        assert_eq!(shown(&[hours("wide", 8, 18, Some(1), Some(50))]), "2..20");
    }

    #[test]
    fn a_schedule_that_changes_nothing_is_not_named() {
        assert_eq!(shown(&[hours("same", 8, 18, Some(2), Some(20))]), "2..20");
        let first = hours("first", 8, 18, Some(5), Some(9));
        let second = Schedule { name: "second".to_owned(), ..first.clone() };
        assert_eq!(
            shown(&[first, second]),
            "5..9 (at least 5 by schedule first, at most 9 by schedule first)"
        );
    }

    /// Let the minimum win and this fails.
    #[test]
    fn where_they_cross_the_maximum_wins() {
        let high = hours("high", 8, 18, Some(10), None);
        let low = hours("low", 8, 18, None, Some(4));
        assert_eq!(shown(&[high, low]), "4..4 (at least 4 by schedule high, at most 4 by schedule low)");
        let none = hours("off", 8, 18, None, Some(0));
        assert_eq!(shown(&[none]), "0..0 (at most 0 by schedule off)");
    }

    #[test]
    fn they_hold_until_the_next_window_opens_or_closes() {
        let schedules = vec![hours("day", 8, 18, Some(5), None), hours("tea", 16, 17, Some(6), None)];
        let mut policy = input(BOTH[0], 3).policy;
        let windows: Vec<Window> = schedules.iter().map(|s| s.window("f").expect("is valid")).collect();
        policy.schedules = schedules;
        let until = Bounds::of(&policy, &windows, NOW).1.expect("changes");
        assert_eq!(until.since(NOW).to_string(), "2h13m20s", "at 16:00");
    }
}
