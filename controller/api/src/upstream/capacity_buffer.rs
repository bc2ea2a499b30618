//! `CapacityBuffer` of the group `autoscaling.x-k8s.io`: room for pods that is kept free.
//!
//! Group, version, fields and what they mean are those of the cluster-autoscaler's definition, so that a manifest does for
//! both; the schema that we generate for clusters without it is our own.

// Two printer columns may well have the same type.
#![allow(clippy::duplicated_attributes)]

use std::collections::BTreeMap;

use k8s_openapi::{apimachinery::pkg::api::resource::Quantity, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::v1alpha1::resources;

/// The strategy of a buffer that names none: nodes are ordered for it and kept.
pub const ACTIVE_CAPACITY: &str = "buffer.x-k8s.io/active-capacity";
/// The same, by Plimsoll and nobody else: for clusters in which another autoscaler serves buffers too.
pub const PLIMSOLL_CAPACITY: &str = "plimsoll.dev/active-capacity";

/// How much room is kept free, and for pods of which shape.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "autoscaling.x-k8s.io",
    version = "v1beta1",
    kind = "CapacityBuffer",
    namespaced,
    status = "CapacityBufferStatus",
    derive = "PartialEq",
    derive = "Default",
    shortname = "cb",
    category = "autoscaling",
    doc = "A CapacityBuffer is room that is kept free in the cluster for pods that do not exist yet. Pods that come find it at once, and it is filled again.",
    printcolumn(name = "Strategy", type_ = "string", json_path = ".spec.provisioningStrategy"),
    printcolumn(name = "PodTemplate", type_ = "string", json_path = ".status.podTemplateRef.name"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='ReadyForProvisioning')].status"
    ),
    printcolumn(
        name = "Provisioning",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Provisioning')].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("!(has(self.podTemplateRef) && has(self.scalableRef))")
    .message("podTemplateRef and scalableRef are both set: keep one of them"))]
#[x_kube(validation = Rule::new("!has(self.podTemplateRef) || has(self.replicas) || has(self.limits)")
    .message("with podTemplateRef set replicas or limits, which say how much room is kept"))]
#[serde(rename_all = "camelCase")]
pub struct CapacityBufferSpec {
    /// Whose room it is: nodes are ordered for a buffer of `buffer.x-k8s.io/active-capacity`. A strategy that nobody knows
    /// is left alone.
    #[serde(default = "active_capacity", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub provisioning_strategy: Option<String>,
    /// A PodTemplate of the same namespace: what one pod asks for. Either this or scalableRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template_ref: Option<LocalReference>,
    /// Something with a scale in the same namespace: what its next pod asks for. Either this or podTemplateRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scalable_ref: Option<ScalableReference>,
    /// For how many pods. With a percentage the larger counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
    /// For this percentage of the replicas that scalableRef has, rounded up, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub percentage: Option<i32>,
    /// The most that all its pods together may ask for, by resource. Without replicas and percentage there is room for as
    /// many as fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "limits")]
    pub limits: Option<BTreeMap<String, Quantity>>,
}

/// An object of the same namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalReference {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
}

/// An object of the same namespace that has a scale.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ScalableReference {
    /// Its API group, such as `apps`; empty for that of Pods and Services.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_group: String,
    /// Its kind, such as `Deployment`.
    #[schemars(length(min = 1))]
    pub kind: String,
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
}

/// What is kept free, and what stands in its way.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CapacityBufferStatus {
    /// The PodTemplate whose pods there is to be room for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template_ref: Option<LocalReference>,
    /// Its generation when that was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template_generation: Option<i64>,
    /// For how many pods there is to be room, after limits and quotas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// The strategy that this was decided by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioning_strategy: Option<String>,
    /// ReadyForProvisioning: whether the spec makes sense; if not, which field does not. Provisioning: whether the room is
    /// there (RoomReady) or ordered (RoomOrdered); False if it cannot be had, with the reasons. LimitedByQuotas: whether
    /// ResourceQuotas of the namespace leave less.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
}

#[allow(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn active_capacity() -> Option<String> {
    Some(ACTIVE_CAPACITY.to_owned())
}

fn limits(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    resources(generator)
}
