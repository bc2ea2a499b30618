//! Windows of time in which other bounds hold. What a time of day is stands in [`crate::window`].

use serde::{Deserialize, Serialize};

use super::invalid::InvalidPolicy;
use crate::time::{Span, Timestamp};
use crate::window::{Cron, State, time_zone};

/// Bounds that hold from each `start` until the next `end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name, unique in the policy.
    pub name: String,
    /// When the window opens: a cron expression of five fields.
    pub start: String,
    /// When it closes: a cron expression of five fields. Where both come at once, it opens.
    pub end: String,
    /// The zone of both, by its name in the IANA database.
    pub time_zone: String,
    /// The lowest size within the window, 0 or more.
    pub min_replicas: Option<i32>,
    /// The highest size within the window, 0 or more.
    pub max_replicas: Option<i32>,
}

/// A schedule that was understood.
#[derive(Clone, Debug)]
pub(super) struct Window {
    start: Cron,
    end: Cron,
}

/// How far to look back for the last opening and the last closing, in hours: short first, since most lie near, and long
/// enough for what comes on 29 February only.
const LOOK_BACK_HOURS: [i64; 5] = [1, 24, 8 * 24, 367 * 24, 1500 * 24];

impl Schedule {
    /// Understands the schedule. `field` is its path.
    pub(super) fn window(&self, field: &str) -> Result<Window, InvalidPolicy> {
        let zone = time_zone(&self.time_zone)
            .map_err(|problem| InvalidPolicy::new(format!("{field}.timeZone"), problem))?;
        let cron = |text: &str, end: &str| {
            Cron::parse(text, &zone).map_err(|problem| InvalidPolicy::new(format!("{field}.{end}"), problem))
        };
        Ok(Window { start: cron(&self.start, "start")?, end: cron(&self.end, "end")? })
    }
}

impl Window {
    pub(super) fn at(&self, now: Timestamp) -> State {
        let (opens, closes) = (self.start.next(now), self.end.next(now));
        State { open: self.opened_last(now), until: opens.into_iter().chain(closes).min() }
    }

    /// Whether it opened since it last closed. What comes next does not tell: it may open, or close, twice in a row.
    fn opened_last(&self, now: Timestamp) -> bool {
        for hours in LOOK_BACK_HOURS {
            let since = now - Span::from_secs(hours * 3600);
            let (opened, closed) = (self.start.last(since, now), self.end.last(since, now));
            if opened.is_some() || closed.is_some() {
                return opened >= closed;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN: &str = "Europe/Berlin";

    fn schedule(start: &str, end: &str, zone: &str) -> Schedule {
        Schedule {
            name: "s".to_owned(),
            start: start.to_owned(),
            end: end.to_owned(),
            time_zone: zone.to_owned(),
            min_replicas: Some(5),
            max_replicas: None,
        }
    }

    fn at(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().expect("a moment");
        Timestamp::from_millis(moment.as_millisecond())
    }

    /// Whether the window is open at the moment, and when that changes.
    fn state(schedule: &Schedule, now: &str) -> (bool, String) {
        let State { open, until } = schedule.window("f").expect("is valid").at(at(now));
        let until = jiff::Timestamp::from_millisecond(until.expect("changes").as_millis()).expect("in range");
        (open, until.to_string())
    }

    fn table(schedule: &Schedule, rows: &[(&str, bool, &str)]) {
        for (now, open, until) in rows {
            assert_eq!(state(schedule, now), (*open, (*until).to_owned()), "at {now}");
        }
    }

    #[test]
    fn a_window_is_open_from_its_start_until_before_its_end() {
        let office = schedule("0 8 * * 1-5", "0 18 * * MON-FRI", BERLIN);
        table(
            &office,
            &[
                ("2026-11-23T06:59:59Z", false, "2026-11-23T07:00:00Z"),
                ("2026-11-23T07:00:00Z", true, "2026-11-23T17:00:00Z"),
                ("2026-11-23T16:59:59.999Z", true, "2026-11-23T17:00:00Z"),
                ("2026-11-23T17:00:00Z", false, "2026-11-24T07:00:00Z"),
                ("2026-11-27T17:00:00Z", false, "2026-11-30T07:00:00Z"),
            ],
        );
    }

    #[test]
    fn a_window_may_reach_over_midnight() {
        let night = schedule("0 22 * * *", "0 6 * * *", "Asia/Kolkata");
        table(
            &night,
            &[
                ("2026-11-23T16:29:00Z", false, "2026-11-23T16:30:00Z"),
                ("2026-11-23T18:30:00Z", true, "2026-11-24T00:30:00Z"),
                ("2026-11-24T00:30:00Z", false, "2026-11-24T16:30:00Z"),
            ],
        );
    }

    /// Five days without a break, each of which ends when the next begins.
    #[test]
    fn where_both_come_at_once_it_opens() {
        let week = schedule("0 0 * * 1-5", "0 0 * * 2-6", "UTC");
        table(
            &week,
            &[
                ("2026-11-22T12:00:00Z", false, "2026-11-23T00:00:00Z"),
                ("2026-11-23T12:00:00Z", true, "2026-11-24T00:00:00Z"),
                ("2026-11-24T00:00:00Z", true, "2026-11-25T00:00:00Z"),
                ("2026-11-27T12:00:00Z", true, "2026-11-28T00:00:00Z"),
                ("2026-11-28T00:00:00Z", false, "2026-11-30T00:00:00Z"),
            ],
        );
        let twice = schedule("0 8 * * *", "0 8,20 * * *", "UTC");
        table(&twice, &[("2026-11-23T19:59:00Z", true, "2026-11-23T20:00:00Z")]);
        table(&twice, &[("2026-11-23T21:00:00Z", false, "2026-11-24T08:00:00Z")]);
        let yearly = schedule("0 0 1 1 *", "0 0 1 1,2 *", "UTC");
        table(&yearly, &[("2026-11-23T21:00:00Z", false, "2027-01-01T00:00:00Z")]);
    }

    /// Look at what comes next instead of what came last and this fails.
    #[test]
    fn a_window_may_be_opened_or_closed_twice() {
        let opened_twice = schedule("0 8,12 * * *", "0 18 * * *", "UTC");
        table(&opened_twice, &[("2026-11-23T09:00:00Z", true, "2026-11-23T12:00:00Z")]);
        let closed_twice = schedule("0 8 * * *", "0 12,18 * * *", "UTC");
        table(&closed_twice, &[("2026-11-23T13:00:00Z", false, "2026-11-23T18:00:00Z")]);
        let always = schedule("* * * * *", "0 0 29 2 *", "UTC");
        table(&always, &[("2026-11-23T13:00:30Z", true, "2026-11-23T13:01:00Z")]);
    }

    /// On 2026-03-29 at 01:00Z the clock in Berlin jumps from 02:00 to 03:00. Take the offset before the jump for a time
    /// within it and the window opens half an hour late.
    #[test]
    fn a_time_that_is_jumped_over_counts_at_the_jump() {
        let gap = schedule("30 2 * * *", "30 3 * * *", BERLIN);
        table(
            &gap,
            &[
                ("2026-03-28T01:29:00Z", false, "2026-03-28T01:30:00Z"),
                ("2026-03-29T00:59:59Z", false, "2026-03-29T01:00:00Z"),
                ("2026-03-29T01:00:00Z", true, "2026-03-29T01:30:00Z"),
                ("2026-03-29T01:30:00Z", false, "2026-03-30T00:30:00Z"),
            ],
        );
        let ends_within = schedule("0 1 * * *", "15 2 * * *", BERLIN);
        table(
            &ends_within,
            &[
                ("2026-03-29T00:30:00Z", true, "2026-03-29T01:00:00Z"),
                ("2026-03-29T01:00:00Z", false, "2026-03-29T23:00:00Z"),
            ],
        );
    }

    /// On 2026-10-25 at 01:00Z the clock in Berlin goes back from 03:00 to 02:00.
    #[test]
    fn a_time_that_comes_twice_counts_at_the_first() {
        let fold = schedule("30 2 * * *", "0 4 * * *", BERLIN);
        table(
            &fold,
            &[
                ("2026-10-25T00:29:00Z", false, "2026-10-25T00:30:00Z"),
                ("2026-10-25T00:30:00Z", true, "2026-10-25T03:00:00Z"),
                ("2026-10-25T01:15:00Z", true, "2026-10-25T03:00:00Z"),
                ("2026-10-25T03:00:00Z", false, "2026-10-26T01:30:00Z"),
            ],
        );
        let every_minute = schedule("* * * * *", "0 5 * * *", BERLIN);
        table(&every_minute, &[("2026-10-25T01:00:10Z", true, "2026-10-25T02:00:00Z")]);
    }

    /// The same hours on the clock are other hours in UTC after the change.
    #[test]
    fn office_hours_follow_the_clock_on_the_wall() {
        let office = schedule("0 8 * * *", "0 18 * * *", "America/New_York");
        table(
            &office,
            &[
                ("2026-03-07T13:00:00Z", true, "2026-03-07T23:00:00Z"),
                ("2026-03-09T12:00:00Z", true, "2026-03-09T22:00:00Z"),
            ],
        );
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let table = [
            (
                schedule("0 8 * *", "0 9 * * *", "UTC"),
                "f.start: \"0 8 * *\" has 4 fields, not the five of cron",
            ),
            (
                schedule("0 8 * * * UTC", "0 9 * * *", "UTC"),
                "f.start: \"0 8 * * * UTC\" has 6 fields, not the five of cron",
            ),
            (schedule("0 8 * * *", "0 24 * * *", "UTC"), "f.end: \"0 24 * * *\" is no cron expression"),
            (
                schedule("0 0 30 2 *", "0 9 * * *", "UTC"),
                "f.start: \"0 0 30 2 *\" names a day that never comes",
            ),
            (
                schedule("0 8 * * *", "0 9 * * *", "Europe/Bonn"),
                "f.timeZone: \"Europe/Bonn\" is no time zone: name one of the IANA database",
            ),
        ];
        for (schedule, expected) in table {
            let error = schedule.window("f").expect_err("is wrong").to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_moment_beyond_all_calendars_is_outside_every_window() {
        let window = schedule("0 8 * * *", "0 9 * * *", "UTC").window("f").expect("is valid");
        for now in [i64::MIN, i64::MAX] {
            assert_eq!(window.at(Timestamp::from_millis(now)), State { open: false, until: None });
        }
    }

    #[test]
    fn what_comes_on_a_leap_day_only_is_looked_back_for() {
        let leap = schedule("0 12 29 2 *", "0 0 29 2 *", "Etc/UTC");
        table(&leap, &[("2026-11-25T00:00:00Z", true, "2028-02-29T00:00:00Z")]);
        // 2100 has no such day, so the window was closed too long ago to be found: it is known to have opened.
        let daily = schedule("0 8 * * *", "0 0 29 2 *", "Etc/UTC");
        table(&daily, &[("2103-01-01T12:00:00Z", true, "2103-01-02T08:00:00Z")]);
    }
}
