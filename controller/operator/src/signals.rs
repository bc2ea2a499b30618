//! The sources of load numbers, each with limits of its own, so that a slow one delays nobody who
//! asks another.

use std::time::Duration;

use kube::Client;
use plimsoll_signals::{
    CustomMetrics, ExternalMetrics, Limits, Prometheus, ResourceMetrics, Scraper, Shared, Source as _,
};

use crate::{pods::PodIndex, usage::UsageReader};

/// How long a source may take.
const TIME_OUT: Duration = Duration::from_secs(10);

/// How long one pod may take: a look waits for many.
const POD_TIME_OUT: Duration = Duration::from_secs(2);

/// The sources that every PodScaler can use.
pub struct Signals {
    /// `metrics.k8s.io`.
    pub resource_metrics: UsageReader,
    /// `custom.metrics.k8s.io`.
    pub custom_metrics: Shared<CustomMetrics>,
    /// `external.metrics.k8s.io`.
    pub external_metrics: Shared<ExternalMetrics>,
    /// The metrics pages of pods.
    pub scraper: Scraper,
}

impl Signals {
    /// The sources in the labels of metrics.
    pub const NAMES: [&str; 5] =
        [ResourceMetrics::NAME, CustomMetrics::NAME, ExternalMetrics::NAME, Prometheus::NAME, Scraper::NAME];

    /// Sources that are read with `client`. It should not try again by itself: what does not answer
    /// now is asked at the next look.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(client: &Client) -> Result<Self, String> {
        let limits = |concurrency| Limits { time_out: TIME_OUT, concurrency };
        Ok(Self {
            resource_metrics: UsageReader::new(Shared::new(ResourceMetrics::new(client.clone()), limits(32))),
            custom_metrics: Shared::new(CustomMetrics::new(client.clone()), limits(16)),
            external_metrics: Shared::new(ExternalMetrics::new(client.clone()), limits(16)),
            scraper: Scraper::new(Limits { time_out: POD_TIME_OUT, concurrency: 256 })?,
        })
    }

    /// Forgets answers that nobody asks for any more, and adapts to what is asked of `pods`.
    pub fn keep_house(&self, pods: &PodIndex) {
        self.resource_metrics.choose(pods);
        self.custom_metrics.forget_stale();
        self.external_metrics.forget_stale();
        self.scraper.forget_stale();
    }
}
