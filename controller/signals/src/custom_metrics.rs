//! `custom.metrics.k8s.io`: values of pods and of other objects, such as requests per second.

mod resources;
mod version;

use std::borrow::Cow;

use kube::Client;

use self::{resources::Resources, version::PreferredVersion};
use crate::{
    MetricValue, SignalError, Source,
    api_server::MetricsApi,
    metric_values,
    paths::{query, segment},
};

const API: MetricsApi = MetricsApi {
    title: "the custom metrics API (custom.metrics.k8s.io)",
    way_out: "is an adapter that serves it, such as prometheus-adapter, installed and ready?",
};

/// Bytes of the values of the pods of a large workload: some ten thousand pods.
const MOST_OF_PODS: usize = 32 * 1024 * 1024;

/// Bytes of the value of one object.
const MOST_OF_OBJECT: usize = 1024 * 1024;

/// Values of custom metrics.
pub struct CustomMetrics {
    client: Client,
    version: PreferredVersion,
    resources: Resources,
}

/// A custom metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CustomMetric {
    /// Namespace of who asks, and of what is described.
    pub namespace: String,
    /// What the metric describes.
    pub of: Described,
    /// The metric.
    pub metric: String,
    /// Which of its series; empty for all.
    pub selector: String,
}

/// What a custom metric describes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Described {
    /// The pods with these labels: a selector as text.
    Pods(String),
    /// One object.
    Object {
        /// `group/version`; of the core group the version alone, or empty.
        api_version: String,
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
}

impl CustomMetrics {
    /// A reader that uses `client`.
    pub fn new(client: Client) -> Self {
        Self { version: PreferredVersion::default(), resources: Resources::default(), client }
    }

    /// The path below the version, as the HPA's client builds it.
    async fn path(&self, asked: &CustomMetric) -> Result<String, SignalError> {
        let CustomMetric { namespace, of, metric, selector } = asked;
        let named = |name: &str| segment(name).map_err(|error| API.failed(error));
        let metric = named(metric)?;
        Ok(match of {
            Described::Pods(labels) => {
                let query = query(&[("labelSelector", labels), ("metricLabelSelector", selector)]);
                format!("namespaces/{namespace}/pods/*/{metric}{query}")
            }
            // A reference does not lead out of the namespace, so its name does not count.
            Described::Object { api_version, kind, .. }
                if kind == "Namespace" && group(api_version).is_empty() =>
            {
                let query = query(&[("metricLabelSelector", selector)]);
                format!("namespaces/{namespace}/metrics/{metric}{query}")
            }
            Described::Object { api_version, kind, name } => {
                let resource = self.resources.of(&self.client, group(api_version), kind).await?;
                let (name, query) = (named(name)?, query(&[("metricLabelSelector", selector)]));
                format!("namespaces/{namespace}/{resource}/{name}/{metric}{query}")
            }
        })
    }
}

/// The group of an `apiVersion`.
fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

impl Source for CustomMetrics {
    type Question = CustomMetric;
    /// A value per pod that has one, at least one; or the value of the object.
    type Answer = Vec<MetricValue>;

    const NAME: &'static str = "custom_metrics";

    fn title(&self) -> Cow<'static, str> {
        API.title.into()
    }

    async fn ask(&self, asked: &CustomMetric) -> Result<Vec<MetricValue>, SignalError> {
        let path = self.path(asked).await?;
        let version = self.version.now(&self.client).await?;
        let path = format!("/apis/custom.metrics.k8s.io/{version}/{path}");
        let most = match asked.of {
            Described::Pods(_) => MOST_OF_PODS,
            Described::Object { .. } => MOST_OF_OBJECT,
        };
        let values = metric_values::list(API, &self.client, "MetricValueList", &path, most).await?;
        match asked.of {
            Described::Pods(_) if values.is_empty() => Err(SignalError::Empty),
            Described::Object { .. } if values.len() != 1 => Err(SignalError::Refused(format!(
                "the custom metrics API server returned {} results when we asked for exactly one",
                values.len()
            ))),
            _ => Ok(values),
        }
    }
}
