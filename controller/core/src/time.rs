//! Points in time and lengths of time as plain numbers.
//!
//! The core has no clock. Every `now` comes in as an argument, so a decision can be replayed, simulated and
//! tested at any time of day.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch. May be negative. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The point `secs` seconds after the Unix epoch, saturating.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time that has passed from `earlier` until `self`; negative when `earlier` is the later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// A length of time in milliseconds. May be negative. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// `secs` seconds, saturating.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// `millis` milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The length in milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The length in whole seconds, truncated toward zero.
    pub const fn as_secs(self) -> i64 {
        self.0 / 1000
    }

    /// `self`, `factor` times, saturating.
    #[must_use]
    pub const fn times(self, factor: i64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Words for people: `5m`, `1h30m`, `45s`, `1.5s`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            write!(f, "-")?;
        }
        let millis = self.0.unsigned_abs();
        let (hours, minutes, seconds, rest) =
            (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60, millis % 1000);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        if rest > 0 {
            let fraction = format!("{rest:03}");
            write!(f, "{seconds}.{}s", fraction.trim_end_matches('0'))
        } else if seconds > 0 || (hours == 0 && minutes == 0) {
            write!(f, "{seconds}s")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_like_people_write_them() {
        let words = |millis| Span::from_millis(millis).to_string();
        assert_eq!(words(0), "0s");
        assert_eq!(words(45_000), "45s");
        assert_eq!(words(300_000), "5m");
        assert_eq!(words(5_400_000), "1h30m");
        assert_eq!(words(61_500), "1m1.5s");
        assert_eq!(words(-1_000), "-1s");
        assert_eq!(words(60_020), "1m0.02s");
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end + Span::from_secs(1), end);
        assert_eq!(Timestamp::from_millis(i64::MIN) - Span::from_secs(1), Timestamp::from_millis(i64::MIN));
        assert_eq!(end.since(Timestamp::from_millis(-1)), Span::from_millis(i64::MAX));
        assert_eq!(Span::from_secs(i64::MAX).times(3).as_millis(), i64::MAX);
    }
}
