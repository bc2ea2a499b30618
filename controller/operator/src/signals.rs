//! The sources of load numbers, each with limits of its own, so that a slow one delays nobody who
//! asks another.

use std::time::Duration;

use kube::Client;
use plimsoll_signals::{Limits, ResourceMetrics, Shared, Source as _};

/// How long a source may take.
const TIME_OUT: Duration = Duration::from_secs(10);

/// The sources that every PodScaler can use.
pub struct Signals {
    /// `metrics.k8s.io`.
    pub resource_metrics: Shared<ResourceMetrics>,
}

impl Signals {
    /// The sources in the labels of metrics.
    pub const NAMES: [&str; 1] = [ResourceMetrics::NAME];

    /// Sources that are read with `client`. It should not try again by itself: what does not answer
    /// now is asked at the next look.
    pub fn new(client: &Client) -> Self {
        let limits = |concurrency| Limits { time_out: TIME_OUT, concurrency };
        Self { resource_metrics: Shared::new(ResourceMetrics::new(client.clone()), limits(32)) }
    }

    /// Forgets answers that nobody asks for any more.
    pub fn forget_stale(&self) {
        self.resource_metrics.forget_stale();
    }
}
