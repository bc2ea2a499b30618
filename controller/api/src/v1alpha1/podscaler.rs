//! `PodScaler`: how many pods a workload should have.

// Two printer columns may well have the same type.
#![allow(clippy::duplicated_attributes)]

use std::borrow::Cow;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Availability, Behavior, Fallback, Metric, MetricTarget, MetricType, PodScalerStatus, ResourceMetric,
    Schedule, TargetType,
};

/// Scales the pods of one workload on the load it carries.
///
/// The spec of an `autoscaling/v2` `HorizontalPodAutoscaler` is valid here as it stands.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "plimsoll.dev",
    version = "v1alpha1",
    kind = "PodScaler",
    namespaced,
    status = "PodScalerStatus",
    derive = "PartialEq",
    shortname = "ps",
    category = "autoscaling",
    doc = "A PodScaler keeps the number of pods of one workload in step with its load. The spec of an autoscaling/v2 HorizontalPodAutoscaler is valid here as it stands.",
    selectable = ".spec.scaleTargetRef.name",
    printcolumn(
        name = "Reference",
        type_ = "string",
        json_path = ".status.reference",
        description = "What is scaled"
    ),
    printcolumn(
        name = "Targets",
        type_ = "string",
        json_path = ".status.targets",
        description = "Each metric's value against its target"
    ),
    printcolumn(name = "MinPods", type_ = "integer", json_path = ".spec.minReplicas"),
    printcolumn(name = "MaxPods", type_ = "integer", json_path = ".spec.maxReplicas"),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        json_path = ".status.currentReplicas",
        description = "The replicas the target had when it was last looked at"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Desired",
        type_ = "integer",
        json_path = ".status.desiredReplicas",
        priority = 1,
        description = "The replicas last decided"
    ),
    printcolumn(
        name = "Active",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='ScalingActive')].reason",
        priority = 1,
        description = "Why scaling is or is not active"
    ),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode", priority = 1),
    printcolumn(name = "Algorithm", type_ = "string", json_path = ".spec.algorithm", priority = 1)
)]
#[x_kube(validation = Rule::new("self.minReplicas <= self.maxReplicas")
    .message("minReplicas must not be larger than maxReplicas: lower minReplicas or raise maxReplicas")
    .field_path(".minReplicas"))]
#[x_kube(validation = Rule::new("self.minReplicas != 0 || self.metrics.exists(m, m.type in ['Object', 'External', 'Prometheus'])")
    .message("minReplicas 0 needs at least one metric of type Object, External or Prometheus: with no pods left, pod metrics cannot say when to come back")
    .field_path(".minReplicas"))]
#[x_kube(validation = Rule::new("self.metrics.all(m, !has(m.name) || self.metrics.exists_one(n, has(n.name) && n.name == m.name))")
    .message("each name may be given to one metric only")
    .field_path(".metrics"))]
#[x_kube(validation = Rule::new("!has(self.formula) || self.metrics.exists(m, has(m.name))")
    .message("formula needs metrics with a name: give those it uses a name in metrics")
    .field_path(".formula"))]
#[x_kube(validation = Rule::new("!has(self.podDeletionCost) || self.podDeletionCost != 'Managed' || self.scaleTargetRef.kind in ['Deployment', 'ReplicaSet']")
    .message("podDeletionCost Managed needs a Deployment or a ReplicaSet as target: the controllers of other kinds do not read the cost of a pod. Leave it out")
    .field_path(".podDeletionCost"))]
#[x_kube(validation = Rule::new("!has(self.availability) || self.availability.survive == 'None' || self.algorithm != 'HPA-1.37'")
    .message("survive needs algorithm Plimsoll-1: HPA-1.37 decides as the HPA does, which takes replicas that are kept for a loss for ones that the load needs. Leave survive out, or change algorithm")
    .field_path(".availability.survive"))]
#[serde(rename_all = "camelCase")]
pub struct PodScalerSpec {
    /// The workload to scale: any object in the same namespace that has a scale subresource
    /// (a Deployment, StatefulSet or ReplicaSet, or a custom resource).
    pub scale_target_ref: ObjectReference,

    /// The fewest replicas. At least 0; 0 needs a metric of type Object, External or Prometheus.
    /// Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0))]
    pub min_replicas: i32,

    /// The most replicas. At least 1 and not below minReplicas.
    #[schemars(range(min = 1))]
    pub max_replicas: i32,

    /// The signals to scale on. Each proposes a number of replicas and the highest proposal
    /// wins. At most 30. Default: 80 % of the requested cpu on average.
    #[serde(default = "default_metrics", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 30))]
    pub metrics: Vec<Metric>,

    /// How fast to scale in each direction. Default, when it is left out: up at most to the
    /// larger of double and 4 at each look, down at once to the highest recommendation of the
    /// last 5 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<Behavior>,

    /// Windows of time with narrower bounds, such as a higher minReplicas in office hours. At most 30.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 30))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub schedules: Vec<Schedule>,

    /// What to do after several looks in a row at metrics that could not be trusted. Default: the
    /// replicas stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,

    /// How many replicas the named metrics ask for together, as a CEL expression, instead of the
    /// highest proposal: `min(web.replicas, queue.replicas)`. Each name has `.value`, `.target`,
    /// `.ratio` and `.replicas`; the result is rounded up. While a metric that it uses cannot be
    /// read, the replicas stay as they are. Other metrics are only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub formula: Option<String>,

    /// Seconds between two looks at the load, 1 to 3600. Default: what the operator is started with, 15
    /// seconds unless that was changed. Resource and ContainerResource metrics gain nothing below the
    /// resolution of metrics-server, 15 seconds by default; signals that are read directly do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub sync_period_seconds: Option<i32>,

    /// The named and versioned rules that turn metrics into replicas. `HPA-1.37` decides as the
    /// HorizontalPodAutoscaler of Kubernetes 1.37 does. `Plimsoll-1` decides likewise without
    /// its known traps. Default `Plimsoll-1`.
    #[serde(default)]
    pub algorithm: Algorithm,

    /// What to do with decisions. `Active` writes them to the target; `Recommend` computes and
    /// publishes them and writes no replicas; `Paused` does not look at all. Default `Active`.
    #[serde(default)]
    pub mode: Mode,

    /// Who says which pods of a Deployment or ReplicaSet go first when it shrinks. Default `Unmanaged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_deletion_cost: Option<PodDeletionCost>,

    /// What may be lost without the load noticing, and how pods leave. Left out: as many replicas as the load needs, and
    /// nothing is asked of how they are spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
}

// The description of the enum is that of the field in the CRD, since the field is optional.
/// Who says which pods of a Deployment or ReplicaSet go first when it shrinks. `Unmanaged`: Kubernetes chooses, which
/// means the pods on the fullest nodes, then the youngest. `Managed`: idle pods go first, and among pods that are
/// about as busy those in the zone that has most. For that the pods that are to go carry the annotation
/// `controller.kubernetes.io/pod-deletion-cost` for some seconds; one that somebody else has set is left alone.
/// Needs the chart's value `podDeletionCost.enabled`. Default `Unmanaged`.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodDeletionCost {
    /// Kubernetes chooses.
    Unmanaged,
    /// Idle pods go first, then pods in the zone that has most.
    Managed,
}

/// Names the workload to scale, in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[x_kube(validation = Rule::new("self.kind == 'ReplicationController' || (has(self.apiVersion) && self.apiVersion.contains('/'))")
    .message("apiVersion must name the group and version of the target, such as apps/v1 for a Deployment")
    .field_path(".apiVersion"))]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// Group and version of the target, such as `apps/v1`. May be left out, or be `v1`, only for
    /// a ReplicationController.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317), regex(pattern = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[a-z0-9]+$"))]
    pub api_version: Option<String>,

    /// Kind of the target, such as `Deployment`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[^/%]*$"))]
    pub kind: String,

    /// Name of the target.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[^/%]*$"))]
    pub name: String,
}

/// The named and versioned rules that turn metrics into replicas.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// Decides as the HorizontalPodAutoscaler of Kubernetes 1.37 does, quirks included.
    #[serde(rename = "HPA-1.37")]
    Hpa137,
    /// Decides as `HPA-1.37` does, without its known traps.
    #[default]
    #[serde(rename = "Plimsoll-1")]
    Plimsoll1,
}

/// What to do with decisions.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Write decisions to the target.
    #[default]
    Active,
    /// Compute and publish decisions, write no replicas.
    Recommend,
    /// Do not look and do not write.
    Paused,
}

fn one() -> i32 {
    1
}

/// The metrics of a PodScaler that names none: 80 % of the requested cpu on average.
pub(super) fn default_metrics() -> Vec<Metric> {
    vec![Metric {
        r#type: MetricType::Resource,
        resource: Some(ResourceMetric {
            name: "cpu".to_owned(),
            target: MetricTarget {
                r#type: TargetType::Utilization,
                average_utilization: Some(80),
                ..MetricTarget::default()
            },
        }),
        ..Metric::default()
    }]
}

impl PodScalerSpec {
    /// The metrics to scale on: an explicitly empty list means the default, as it does for the HPA.
    pub fn metrics_or_default(&self) -> Cow<'_, [Metric]> {
        if self.metrics.is_empty() { default_metrics().into() } else { self.metrics.as_slice().into() }
    }
}
