//! The metrics of a `PodScaler`: field for field those of `autoscaling/v2`, and those that are read directly.

use k8s_openapi::{
    apimachinery::pkg::api::resource::Quantity, apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PrometheusMetric, ScrapeMetric, quantity::quantity};

/// One signal to scale on: `type` says which of the other fields is set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("(self.type == 'Resource') == has(self.resource)")
    .message("resource must be set when type is Resource, and only then")
    .field_path(".resource"))]
#[x_kube(validation = Rule::new("(self.type == 'ContainerResource') == has(self.containerResource)")
    .message("containerResource must be set when type is ContainerResource, and only then")
    .field_path(".containerResource"))]
#[x_kube(validation = Rule::new("(self.type == 'Pods') == has(self.pods)")
    .message("pods must be set when type is Pods, and only then")
    .field_path(".pods"))]
#[x_kube(validation = Rule::new("(self.type == 'Object') == has(self.object)")
    .message("object must be set when type is Object, and only then")
    .field_path(".object"))]
#[x_kube(validation = Rule::new("(self.type == 'External') == has(self.external)")
    .message("external must be set when type is External, and only then")
    .field_path(".external"))]
#[x_kube(validation = Rule::new("(self.type == 'Prometheus') == has(self.prometheus)")
    .message("prometheus must be set when type is Prometheus, and only then")
    .field_path(".prometheus"))]
#[x_kube(validation = Rule::new("(self.type == 'Scrape') == has(self.scrape)")
    .message("scrape must be set when type is Scrape, and only then")
    .field_path(".scrape"))]
#[x_kube(validation = Rule::new("!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas")
    .message("minReplicas must not be larger than maxReplicas of the same metric")
    .field_path(".minReplicas"))]
#[x_kube(validation = Rule::new("!has(self.activation) || (isQuantity(string(self.activation)) && quantity(string(self.activation)).compareTo(quantity('0')) >= 0)")
    .message("activation must be a quantity of at least 0, such as 5 or 500m")
    .field_path(".activation"))]
#[x_kube(validation = Rule::new("!has(self.name) || !(self.name in ['as', 'break', 'const', 'continue', 'else', 'false', 'for', 'function', 'if', 'import', 'in', 'let', 'loop', 'namespace', 'null', 'package', 'return', 'true', 'var', 'void', 'while'])")
    .message("name must not be a reserved word of CEL")
    .field_path(".name"))]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// Where the signal comes from.
    pub r#type: MetricType,
    /// Usage of a resource (cpu, memory) by the pods of the target, all containers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceMetric>,
    /// Usage of a resource by one container of each pod of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_resource: Option<ContainerResourceMetric>,
    /// A custom metric of each pod of the target, averaged over them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodsMetric>,
    /// A custom metric of one object, such as requests per second of an Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectMetric>,
    /// A metric of something outside the cluster, such as the length of a queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalMetric>,
    /// The answer of a Prometheus to a query, without an adapter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusMetric>,
    /// A metric that the pods of the target serve themselves, averaged over them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrape: Option<ScrapeMetric>,
    /// The name by which `formula` knows this metric, unique in this PodScaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub name: Option<String>,
    /// The fewest replicas this metric proposes while it is active. It does not keep other metrics
    /// from winning with more, nor a metric that is not above its activation from proposing 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_replicas: Option<i32>,
    /// The most replicas this metric proposes. Other metrics may propose more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_replicas: Option<i32>,
    /// The value up to which, inclusive, this metric is inactive: it proposes 0, so it does not wake
    /// the workload from 0 replicas, and lets it go there. The total of an Object, External or
    /// Prometheus metric, else the average per pod. At least 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub activation: Option<Quantity>,
}

/// Where a signal comes from.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricType {
    /// metrics.k8s.io, all containers of a pod together.
    #[default]
    Resource,
    /// metrics.k8s.io, one container of a pod.
    ContainerResource,
    /// custom.metrics.k8s.io, a value per pod.
    Pods,
    /// custom.metrics.k8s.io, a value of one object.
    Object,
    /// external.metrics.k8s.io.
    External,
    /// A query to a Prometheus.
    Prometheus,
    /// The metrics page of each pod.
    Scrape,
}

impl MetricType {
    /// The name as it is written in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "Resource",
            Self::ContainerResource => "ContainerResource",
            Self::Pods => "Pods",
            Self::Object => "Object",
            Self::External => "External",
            Self::Prometheus => "Prometheus",
            Self::Scrape => "Scrape",
        }
    }
}

/// Usage of a resource by the pods of the target.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.target.averageUtilization) != has(self.target.averageValue)")
    .message("set exactly one of averageUtilization (percent of the request) and averageValue")
    .field_path(".target"))]
#[serde(rename_all = "camelCase")]
pub struct ResourceMetric {
    /// Name of the resource, such as `cpu` or `memory`.
    #[schemars(length(min = 1, max = 317))]
    pub name: String,
    /// The value to hold: averageUtilization or averageValue.
    pub target: MetricTarget,
}

/// Usage of a resource by one container of each pod of the target.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.target.averageUtilization) != has(self.target.averageValue)")
    .message("set exactly one of averageUtilization (percent of the request) and averageValue")
    .field_path(".target"))]
#[x_kube(validation = Rule::new("self.name in ['cpu', 'memory', 'ephemeral-storage'] || self.name.startsWith('hugepages-') || self.name.contains('/')")
    .message("name must be a standard container resource (cpu, memory, ephemeral-storage, hugepages-…) or fully qualified (example.com/gpu)")
    .field_path(".name"))]
#[serde(rename_all = "camelCase")]
pub struct ContainerResourceMetric {
    /// Name of the resource, such as `cpu` or `memory`.
    #[schemars(length(min = 1, max = 317))]
    pub name: String,
    /// Name of the container in the pods of the target.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub container: String,
    /// The value to hold: averageUtilization or averageValue.
    pub target: MetricTarget,
}

/// A custom metric of each pod of the target.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.target.averageValue)")
    .message("a Pods metric needs averageValue")
    .field_path(".target.averageValue"))]
#[serde(rename_all = "camelCase")]
pub struct PodsMetric {
    /// The metric.
    pub metric: MetricIdentifier,
    /// The value to hold per pod: averageValue.
    pub target: MetricTarget,
}

/// A custom metric of one object in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.target.value) || has(self.target.averageValue)")
    .message("an Object metric needs value or averageValue")
    .field_path(".target"))]
#[serde(rename_all = "camelCase")]
pub struct ObjectMetric {
    /// The object that the metric describes.
    pub described_object: DescribedObject,
    /// The metric.
    pub metric: MetricIdentifier,
    /// The value to hold: value, or averageValue (value divided by the number of pods).
    pub target: MetricTarget,
}

/// A metric of something outside the cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.target.value) != has(self.target.averageValue)")
    .message("set exactly one of value and averageValue (value divided by the number of pods)")
    .field_path(".target"))]
#[serde(rename_all = "camelCase")]
pub struct ExternalMetric {
    /// The metric.
    pub metric: MetricIdentifier,
    /// The value to hold: value, or averageValue (value divided by the number of pods).
    pub target: MetricTarget,
}

/// Names an object that a metric describes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DescribedObject {
    /// Group and version of the object; `v1` or left out for the core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub api_version: Option<String>,
    /// Kind of the object.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[^/%]*$"))]
    pub kind: String,
    /// Name of the object.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[^/%]*$"))]
    pub name: String,
}

/// Names a metric, and which of its series.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MetricIdentifier {
    /// Name of the metric.
    #[schemars(length(min = 1, max = 317), regex(pattern = r"^[^/%]*$"))]
    pub name: String,
    /// Which series of the metric. Left out: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// The value that a metric should have.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.value) || (isQuantity(string(self.value)) && quantity(string(self.value)).isGreaterThan(quantity('0')))")
    .message("value must be a quantity greater than 0, such as 100, 1500m or 2Gi")
    .field_path(".value"))]
#[x_kube(validation = Rule::new("!has(self.averageValue) || (isQuantity(string(self.averageValue)) && quantity(string(self.averageValue)).isGreaterThan(quantity('0')))")
    .message("averageValue must be a quantity greater than 0, such as 100, 1500m or 2Gi")
    .field_path(".averageValue"))]
#[serde(rename_all = "camelCase")]
pub struct MetricTarget {
    /// How the target is expressed. The field that is set decides; for an Object metric this
    /// says which one counts when both are set.
    pub r#type: TargetType,
    /// The metric itself should have this value. Greater than 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub value: Option<Quantity>,
    /// The metric divided by the number of pods should have this value. Greater than 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub average_value: Option<Quantity>,
    /// Usage over all pods should be this percentage of what they request. At least 1.
    /// Only for Resource and ContainerResource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub average_utilization: Option<i32>,
}

/// How a target is expressed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetType {
    /// Percent of what the pods request.
    #[default]
    Utilization,
    /// The metric itself.
    Value,
    /// The metric divided by the number of pods.
    AverageValue,
}
