//! Numbers and moments as people read them.

use crate::cluster::Pod;
use crate::time::Timestamp;

/// `125` thousandths as `12.5`.
pub(crate) fn percent(thousandths: i64) -> String {
    let (whole, rest) = (thousandths / 10, (thousandths % 10).abs());
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest}") }
}

/// A moment in UTC, by the second.
pub(crate) fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| format!("{} ms", at.as_millis()), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The namespace and name of a pod.
pub(crate) fn full_name(pod: &Pod) -> String {
    format!("{}/{}", pod.shape.namespace, pod.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_moments_read_like_people_write_them() {
        assert_eq!((percent(125).as_str(), percent(100).as_str()), ("12.5", "10"));
        assert_eq!(moment(Timestamp::from_secs(1_795_428_000)), "2026-11-23T10:00:00Z");
        assert_eq!(moment(Timestamp::from_millis(i64::MAX)), "9223372036854775807 ms");
    }
}
