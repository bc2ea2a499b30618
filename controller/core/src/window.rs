//! Times that come again and again: cron expressions in a time zone, and windows that open at them.
//!
//! A time of day is one of the clock on the wall of the schedule's zone. When that clock is put forward, a time it jumps
//! over counts at the moment of the jump; when it is put back, a time that comes twice counts at the first.

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions, parse_crontab_with};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use crate::time::{Span, Timestamp};

/// A cron expression that comes at some time, in a time zone.
#[derive(Clone, Debug)]
pub(crate) struct Cron {
    crontab: Crontab,
    zone: TimeZone,
}

/// Where a moment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) open: bool,
    /// The next time the window may open or close.
    pub(crate) until: Option<Timestamp>,
}

/// A clock that is put back repeats an hour, or, where a country changes sides of the date line, a day.
const MOST_REPEATED_MINUTES: usize = 24 * 60;

/// Any moment serves to see whether an expression ever comes.
const SOME_MOMENT: Timestamp = Timestamp::from_secs(1_700_000_000);

/// The time zone of this name in the IANA database, or what is wrong with the name.
pub(crate) fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZoneDatabase::bundled().get(name).map_err(|_| {
        format!("{name:?} is no time zone: name one of the IANA database, such as Europe/Berlin or UTC")
    })
}

impl Cron {
    /// Understands an expression of five fields, or says what is wrong with it.
    pub(crate) fn parse(text: &str, zone: &TimeZone) -> Result<Self, String> {
        const FIELDS: &str = "minute hour day-of-month month day-of-week";
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        if fields.len() != 5 {
            return Err(format!("{text:?} has {} fields, not the five of cron: {FIELDS}", fields.len()));
        }
        // In UTC the clock on the wall is never put forward or back: the zone comes into it in `moment`.
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let crontab = parse_crontab_with(&fields.join(" "), options).map_err(|error| {
            // The last line of three says what is wrong, behind a mark under the place.
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start().trim_start_matches("^ ");
            format!("{text:?} is no cron expression ({FIELDS}): {reason}")
        })?;
        let cron = Self { crontab, zone: zone.clone() };
        match cron.next(SOME_MOMENT) {
            Some(_) => Ok(cron),
            None => Err(format!("{text:?} names a day that never comes")),
        }
    }

    /// The first time after `now`; `None` if there is none within four years.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let now = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?;
        let mut on_the_wall = self.zone.to_datetime(now);
        for _ in 0..=MOST_REPEATED_MINUTES {
            let as_if_utc = TimeZone::UTC.to_timestamp(on_the_wall).ok()?;
            on_the_wall = self.crontab.find_next(MakeTimestamp(as_if_utc)).ok()?.datetime();
            let moment = self.moment(on_the_wall)?;
            if moment > now {
                return Some(Timestamp::from_millis(moment.as_millisecond()));
            }
        }
        None
    }

    /// The last time after `since` and not after `now`.
    pub(crate) fn last(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let mut found = None;
        let mut from = since;
        while let Some(at) = self.next(from).filter(|at| *at <= now) {
            (found, from) = (Some(at), at);
        }
        found
    }

    /// Whether it came within the `duration` before `now`, or now: a window that opens each time is open then.
    pub(crate) fn open_for(&self, duration: Span, now: Timestamp) -> State {
        let opened = self.next(now - duration).filter(|at| *at <= now);
        let closes = opened.map(|at| at + duration);
        State { open: opened.is_some(), until: closes.into_iter().chain(self.next(now)).min() }
    }

    /// When the clock on the wall shows this for the first time, or jumps over it.
    fn moment(&self, on_the_wall: DateTime) -> Option<jiff::Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(on_the_wall);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => {
                let before = ambiguous.earlier().ok()?;
                self.zone.following(before).next().map(|jump| jump.timestamp())
            }
            _ => ambiguous.earlier().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().expect("a moment");
        Timestamp::from_millis(moment.as_millisecond())
    }

    #[test]
    fn a_window_with_a_duration_is_open_from_its_start_until_before_its_end() {
        let berlin = time_zone("Europe/Berlin").expect("exists");
        let office = Cron::parse("0 8 * * 1-5", &berlin).expect("is valid");
        for (now, open, until) in [
            ("2026-11-23T06:59:59Z", false, "2026-11-23T07:00:00Z"),
            ("2026-11-23T07:00:00Z", true, "2026-11-23T17:00:00Z"),
            ("2026-11-23T16:59:59.999Z", true, "2026-11-23T17:00:00Z"),
            ("2026-11-23T17:00:00Z", false, "2026-11-24T07:00:00Z"),
        ] {
            let expected = State { open, until: Some(at(until)) };
            assert_eq!(office.open_for(Span::from_secs(10 * 3600), at(now)), expected, "at {now}");
        }
    }

    /// Ask whether the next start lies ahead instead and the overlap reads as closed.
    #[test]
    fn windows_that_overlap_leave_no_gap() {
        let hourly = Cron::parse("0 * * * *", &TimeZone::UTC).expect("is valid");
        let state = hourly.open_for(Span::from_secs(2 * 3600), at("2026-11-23T10:30:00Z"));
        assert_eq!(state, State { open: true, until: Some(at("2026-11-23T11:00:00Z")) });
    }

    #[test]
    fn an_expression_out_of_range_is_told_its_range() {
        let out_of_range = Cron::parse("0 24 * * *", &TimeZone::UTC).expect_err("is wrong");
        assert!(out_of_range.ends_with("must be in range 0..=23; found 24"), "{out_of_range}");
    }
}
