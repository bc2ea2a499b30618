//! The metrics of a `PodScaler` that are read directly, without a metrics API: from a Prometheus, and from the pods
//! themselves.

use k8s_openapi::{
    apimachinery::pkg::api::resource::Quantity, apimachinery::pkg::apis::meta::v1::LabelSelector,
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{metric::MetricTarget, quantity::quantity};

/// The answer of a Prometheus to a query: one number for all pods together.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.target.value) != has(self.target.averageValue)")
    .message("set exactly one of value and averageValue (value divided by the number of pods)")
    .field_path(".target"))]
#[serde(rename_all = "camelCase")]
pub struct PrometheusMetric {
    /// Where to ask: a Source of the same namespace, or a ClusterSource that allows it.
    pub source: SourceReference,
    /// What to ask, in PromQL. The answer is a scalar or a vector of exactly one series, such
    /// as that of `sum(rate(http_requests_total{app="web"}[1m]))`. At most 4096 bytes.
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,
    /// The value to hold: value, or averageValue (value divided by the number of pods).
    pub target: MetricTarget,
}

/// Names the Source or ClusterSource to ask.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SourceReference {
    /// `Source` (of the same namespace) or `ClusterSource`. Default `Source`.
    #[serde(default)]
    pub kind: SourceKind,
    /// Name of the Source or ClusterSource.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[^/%]*$"))]
    pub name: String,
}

/// The kind of a source of signals.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceKind {
    /// Of the same namespace.
    #[default]
    Source,
    /// For all namespaces that it allows.
    ClusterSource,
}

impl SourceKind {
    /// The name as it is written in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "Source",
            Self::ClusterSource => "ClusterSource",
        }
    }
}

/// A metric that the pods of the target serve themselves, in the text format of Prometheus.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("(self.readAs == 'Quantile') == has(self.quantile)")
    .message("quantile must be set when readAs is Quantile, and only then")
    .field_path(".quantile"))]
#[x_kube(validation = Rule::new("!has(self.quantile) || (isQuantity(string(self.quantile)) && !quantity(string(self.quantile)).isLessThan(quantity('1m')) && !quantity(string(self.quantile)).isGreaterThan(quantity('999m')))")
    .message("quantile must be from 0.001 to 0.999, such as 0.95")
    .field_path(".quantile"))]
#[x_kube(validation = Rule::new("has(self.target.averageValue)")
    .message("a Scrape metric needs averageValue")
    .field_path(".target.averageValue"))]
#[serde(rename_all = "camelCase")]
pub struct ScrapeMetric {
    /// Where the pods answer: a port number, or the name of a container's port.
    #[schemars(schema_with = "port")]
    pub port: IntOrString,
    /// The path of the metrics. Default `/metrics`.
    #[serde(default = "metrics_path")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^/[!-~]*$"))]
    pub path: String,
    /// `HTTP`, or `HTTPS`, where the pod's certificate is not verified (as for probes of the
    /// kubelet: pods are asked by their IP, and nothing secret is sent). Default `HTTP`.
    #[serde(default)]
    pub scheme: ScrapeScheme,
    /// Name of the metric; for a histogram without `_bucket`.
    #[schemars(length(min = 1, max = 317), regex(pattern = r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"))]
    pub metric: String,
    /// Which series of the metric, by their labels. Left out: all of them. Several are summed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// What to make of the metric: `Rate` (of a counter, per second), `Gauge`, or `Quantile`
    /// (of a histogram). Rates and quantiles are over the time between two looks.
    pub read_as: ReadAs,
    /// Which quantile of the histogram, from 0.001 to 0.999, such as `0.95`; rounded up to a
    /// thousandth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub quantile: Option<Quantity>,
    /// The value to hold on average over the pods: averageValue.
    pub target: MetricTarget,
}

/// How to speak with pods.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScrapeScheme {
    /// Plain text.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// TLS; the certificate is not verified.
    #[serde(rename = "HTTPS")]
    Https,
}

/// What is made of the metric of a pod.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAs {
    /// How fast a counter grows per second. A counter that falls has started again from zero.
    Rate,
    /// The value as it is.
    Gauge,
    /// A quantile of what a histogram with classic buckets has observed since the last look.
    Quantile,
}

fn metrics_path() -> String {
    "/metrics".to_owned()
}

fn port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [{ "type": "integer" }, { "type": "string" }],
        "x-kubernetes-int-or-string": true,
        "maxLength": 63,
    })
}
