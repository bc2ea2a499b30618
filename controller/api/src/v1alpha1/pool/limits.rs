//! How big a pool may be, and how small.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::v1alpha1::quantity::quantity;

/// How big a pool may be. A limit that is left out does not exist; one that is passed by what is there already removes
/// nothing and adds nothing.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.cpu) || (isQuantity(string(self.cpu)) && quantity(string(self.cpu)).compareTo(quantity('0')) >= 0)")
    .message("cpu must be a quantity of at least 0, such as 400")
    .field_path(".cpu"))]
#[x_kube(validation = Rule::new("!has(self.memory) || (isQuantity(string(self.memory)) && quantity(string(self.memory)).compareTo(quantity('0')) >= 0)")
    .message("memory must be a quantity of at least 0, such as 1600Gi")
    .field_path(".memory"))]
#[x_kube(validation = Rule::new("!has(self.zones) || self.zones.all(z, self.zones.exists_one(o, o.zone == z.zone))")
    .message("each zone may be named once only")
    .field_path(".zones"))]
#[x_kube(validation = Rule::new("!has(self.nodes) || !has(self.zones) || self.zones.map(z, has(z.minNodes) ? z.minNodes : 0).sum() <= self.nodes")
    .message("nodes must not be less than the minNodes of all zones together: raise nodes or lower minNodes")
    .field_path(".nodes"))]
#[serde(rename_all = "camelCase")]
pub struct PoolLimits {
    /// The most nodes of the pool, those that are ordered included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub nodes: Option<i32>,
    /// The most cpu of all its nodes together, by what they have for pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub cpu: Option<Quantity>,
    /// The most memory of all its nodes together, by what they have for pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub memory: Option<Quantity>,
    /// Limits of single zones. At most 24, each zone once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 24))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["zone".to_owned()]))]
    pub zones: Vec<ZoneLimits>,
}

/// How big a pool may be in one zone, and how small.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.minNodes) || !has(self.nodes) || self.minNodes <= self.nodes")
    .message("minNodes must not be larger than nodes of the same zone: lower minNodes or raise nodes")
    .field_path(".minNodes"))]
#[x_kube(validation = Rule::new("!has(self.cpu) || (isQuantity(string(self.cpu)) && quantity(string(self.cpu)).compareTo(quantity('0')) >= 0)")
    .message("cpu must be a quantity of at least 0, such as 400")
    .field_path(".cpu"))]
#[x_kube(validation = Rule::new("!has(self.memory) || (isQuantity(string(self.memory)) && quantity(string(self.memory)).compareTo(quantity('0')) >= 0)")
    .message("memory must be a quantity of at least 0, such as 1600Gi")
    .field_path(".memory"))]
#[serde(rename_all = "camelCase")]
pub struct ZoneLimits {
    /// The zone, as in the label `topology.kubernetes.io/zone`.
    #[schemars(length(min = 1, max = 63))]
    pub zone: String,
    /// The fewest nodes here, whatever the load. Kept even where they are empty. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub min_nodes: Option<i32>,
    /// The most nodes here, those that are ordered included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub nodes: Option<i32>,
    /// The most cpu of all nodes here together, by what they have for pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub cpu: Option<Quantity>,
    /// The most memory of all nodes here together, by what they have for pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub memory: Option<Quantity>,
}
