//! Points in time, between Kubernetes and the core.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff};
use plimsoll_core::time::Timestamp;

/// The core's form of a time of Kubernetes.
pub fn observe_time(time: &Time) -> Timestamp {
    Timestamp::from_millis(time.0.as_millisecond())
}

/// Kubernetes' form of a time of the core; the epoch when it is beyond what Kubernetes can say.
pub fn from_core_time(time: Timestamp) -> Time {
    Time(jiff::Timestamp::from_millisecond(time.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}
