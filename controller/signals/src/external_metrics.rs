//! `external.metrics.k8s.io`: values of what is outside the cluster, such as the length of a queue.

use std::borrow::Cow;

use kube::Client;

use crate::{
    MetricValue, SignalError, Source,
    api_server::MetricsApi,
    metric_values,
    paths::{query, segment},
};

const API: MetricsApi = MetricsApi {
    title: "the external metrics API (external.metrics.k8s.io)",
    way_out: "is an adapter that serves it, such as KEDA's or prometheus-adapter, installed and ready?",
};

/// Bytes of an answer: some thousand series.
const MOST: usize = 4 * 1024 * 1024;

/// Values of external metrics.
#[derive(Clone)]
pub struct ExternalMetrics {
    client: Client,
}

/// An external metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExternalMetric {
    /// Namespace of who asks.
    pub namespace: String,
    /// The metric.
    pub metric: String,
    /// Which of its series; empty for all.
    pub selector: String,
}

impl ExternalMetrics {
    /// A reader that uses `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Source for ExternalMetrics {
    type Question = ExternalMetric;
    /// The series, at least one.
    type Answer = Vec<MetricValue>;

    const NAME: &'static str = "external_metrics";

    fn title(&self) -> Cow<'static, str> {
        API.title.into()
    }

    async fn ask(&self, asked: &ExternalMetric) -> Result<Vec<MetricValue>, SignalError> {
        let ExternalMetric { namespace, metric, selector } = asked;
        let metric = segment(metric).map_err(|error| API.failed(error))?;
        let query = query(&[("labelSelector", selector)]);
        let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}{query}");
        let series = metric_values::list(API, &self.client, "ExternalMetricValueList", &path, MOST).await?;
        if series.is_empty() { Err(SignalError::Empty) } else { Ok(series) }
    }
}
