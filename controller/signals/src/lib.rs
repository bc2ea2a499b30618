//! Where load numbers come from: one file per source.
//!
//! A source reads over the network and answers in values of the core. It knows nothing of
//! PodScalers, reconcilers or policy. A failure is an error with words for people; it is never
//! an empty answer, since no samples and no load are not the same.
//!
//! [`Source`] is what a source implements; [`Shared`] is how everybody reads it.

mod any_certificate;
mod api_server;
mod custom_metrics;
mod error;
mod exposition;
mod external_metrics;
mod growth;
mod http_client;
mod metric_values;
mod number;
mod paths;
mod prometheus;
mod resource_metrics;
mod scrape;
mod shared;

pub use custom_metrics::{CustomMetric, CustomMetrics, Described};
pub use error::SignalError;
pub use external_metrics::{ExternalMetric, ExternalMetrics};
pub use http_client::Tls;
pub use metric_values::MetricValue;
pub use prometheus::{Endpoint, Prometheus};
pub use resource_metrics::{ResourceMetrics, Usage, UsageOf};
pub use scrape::{PodEndpoint, Scraper};
pub use shared::{Limits, Shared, Source};
