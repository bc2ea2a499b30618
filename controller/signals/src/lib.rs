//! Where load numbers come from: one file per source.
//!
//! A source reads over the network and answers in values of the core. It knows nothing of
//! PodScalers, reconcilers or policy. A failure is an error with words for people; it is never
//! an empty answer, since no samples and no load are not the same.
//!
//! [`Source`] is what a source implements; [`Shared`] is how everybody reads it.

mod api_server;
mod custom_metrics;
mod error;
mod external_metrics;
mod metric_values;
mod paths;
mod resource_metrics;
mod shared;

pub use custom_metrics::{CustomMetric, CustomMetrics, Described};
pub use error::SignalError;
pub use external_metrics::{ExternalMetric, ExternalMetrics};
pub use metric_values::MetricValue;
pub use resource_metrics::ResourceMetrics;
pub use shared::{Limits, Shared, Source};
