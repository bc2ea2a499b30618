//! Points in time, between Kubernetes and the core.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff};
use plimsoll_core::time::Timestamp;

/// The core's form of a time of Kubernetes.
pub fn observe_time(time: &Time) -> Timestamp {
    Timestamp::from_millis(time.0.as_millisecond())
}

/// Kubernetes' form of a time of the core, in whole seconds as the API server keeps it: a status that was written equals
/// the one that is read. The epoch when it is beyond what Kubernetes can say.
pub fn from_core_time(time: Timestamp) -> Time {
    let seconds = time.as_millis().div_euclid(1000);
    Time(jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_after_it_was_written_and_read() {
        for millis in [1_795_428_000_000, 1_795_428_000_999, -1, 0, i64::MAX] {
            let time = from_core_time(Timestamp::from_millis(millis));
            let read: Time = serde_json::from_value(serde_json::to_value(&time).unwrap()).unwrap();
            assert_eq!(read, time, "{millis}");
        }
    }
}
