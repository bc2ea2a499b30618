//! What the operator says of a `PodScaler`: the status of `autoscaling/v2`, and why.

use k8s_openapi::{
    apimachinery::pkg::api::resource::Quantity,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DescribedObject, SourceReference, metric::MetricIdentifier, quantity::quantity};

/// What was last seen and decided.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodScalerStatus {
    /// The generation of the spec that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the number of replicas was last changed by this PodScaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scale_time: Option<Time>,
    /// The replicas that the target asked for when it was last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_replicas: Option<i32>,
    /// The replicas last decided.
    #[serde(default)]
    pub desired_replicas: i32,
    /// The last value of each metric, in the order of `spec.metrics`; a metric that could not
    /// be read has an entry with an empty type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_metrics: Option<Vec<CurrentMetric>>,
    /// AbleToScale, ScalingActive, ScalingLimited and, where it applies, ScaledToZero; with availability CanLoseZone,
    /// Spread, DisruptionBudget and, where the loss of a node is to be survived, CanLoseNode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
    /// What is scaled, as `Kind/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Each metric's value against its target, as `kubectl get hpa` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<String>,
    /// How the last decision came about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_decision: Option<LastDecision>,
}

/// How a decision came about: what each metric proposed, and what cut it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastDecision {
    /// When it was taken. Refreshed when something else changes, and at most once a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// Why the number is what it is, in words.
    pub reason: String,
    /// The replicas that the metrics alone would have; left out when no metric could say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<i32>,
    /// What each metric proposed, in the order of `spec.metrics`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proposals: Vec<MetricProposal>,
    /// How many of the replicas are there for the loss of a zone or a node, where availability asks for that, and what
    /// cut it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<String>,
    /// What changed the recommendation on the way to the decision, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
}

/// What one metric proposed, or why it could not.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MetricProposal {
    /// The metric.
    pub metric: String,
    /// The replicas it proposes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Why it proposes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The last value of one metric; `type` says which of the other fields is set.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CurrentMetric {
    /// The type of the metric; empty when it could not be read.
    #[serde(default)]
    pub r#type: String,
    /// A Resource metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<CurrentResource>,
    /// A ContainerResource metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_resource: Option<CurrentContainerResource>,
    /// A Pods metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<CurrentPods>,
    /// An Object metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<CurrentObject>,
    /// An External metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<CurrentExternal>,
    /// A Prometheus metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<CurrentPrometheus>,
    /// A Scrape metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrape: Option<CurrentScrape>,
}

/// The last value of a Resource metric.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct CurrentResource {
    /// Name of the resource.
    pub name: String,
    /// Its value.
    pub current: CurrentValue,
}

/// The last value of a ContainerResource metric.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct CurrentContainerResource {
    /// Name of the resource.
    pub name: String,
    /// Name of the container.
    pub container: String,
    /// Its value.
    pub current: CurrentValue,
}

/// The last value of a Pods metric.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct CurrentPods {
    /// The metric.
    pub metric: MetricIdentifier,
    /// Its value.
    pub current: CurrentValue,
}

/// The last value of an Object metric.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CurrentObject {
    /// The metric.
    pub metric: MetricIdentifier,
    /// Its value.
    pub current: CurrentValue,
    /// The object that it describes.
    pub described_object: DescribedObject,
}

/// The last value of an External metric.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct CurrentExternal {
    /// The metric.
    pub metric: MetricIdentifier,
    /// Its value.
    pub current: CurrentValue,
}

/// The last value of a Prometheus metric.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct CurrentPrometheus {
    /// Who was asked.
    pub source: SourceReference,
    /// What was asked.
    pub query: String,
    /// Its value.
    pub current: CurrentValue,
}

/// The last value of a Scrape metric.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct CurrentScrape {
    /// The metric.
    pub metric: MetricIdentifier,
    /// Its value.
    pub current: CurrentValue,
}

/// A value in the terms of the target.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CurrentValue {
    /// The metric itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub value: Option<Quantity>,
    /// The metric divided by the number of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub average_value: Option<Quantity>,
    /// Usage in percent of what the pods request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_utilization: Option<i32>,
}
