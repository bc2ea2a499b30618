//! Windows of time that open by a cron expression and last for a span.

use crate::replicas::InvalidPolicy;
use crate::time::{Span, Timestamp};

/// Whether a window is open: always without a schedule; otherwise when the last start of it lies no further back than
/// `duration`.
///
/// # Errors
/// Where the schedule or the time zone is not understood; the text says what is wrong.
pub fn is_open(
    schedule: Option<&str>,
    time_zone: Option<&str>,
    duration: Span,
    now: Timestamp,
) -> Result<bool, InvalidPolicy> {
    let Some(schedule) = schedule else { return Ok(true) };
    crate::replicas::started_within(schedule, time_zone.unwrap_or("UTC"), duration, now)
}
