//! What the operator says of a `CapacityPool`.

use k8s_openapi::{
    apimachinery::pkg::api::resource::Quantity,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CapacityType;
use crate::v1alpha1::quantity::quantity;

/// What the pool is, and what stands in its way.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CapacityPoolStatus {
    /// The generation of the spec that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Nodes that are ready, of those that are wanted, as `12/14`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
    /// Nodes that are ready in each zone, as `zone-a:4 zone-b:4 zone-c:4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<String>,
    /// What its nodes cost per hour, those that are ordered included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub price_per_hour: Option<Quantity>,
    /// Its nodes, all zones together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<NodeCounts>,
    /// Its nodes in each zone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["zone".to_owned()]))]
    pub zones: Vec<ZoneStatus>,
    /// How much of its limits is in use, orders included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_use: Option<PoolUse>,
    /// Offerings that are avoided after an error, the latest error first. At most 100 are shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub avoided: Vec<AvoidedOffering>,
    /// The zones of which pods would find no room in the others if the zone were lost now. Of the whole cluster, and so the
    /// same on each pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["zone".to_owned()]))]
    pub zone_losses: Vec<ZoneLossStatus>,
    /// Ready: whether nodes can be ordered (if not: InvalidProvider, MissingSecret, SecretNotRead, ProviderUnavailable or
    /// NoOfferings, and Asking until it was heard for the first time). LimitReached: whether pods wait because of a limit.
    /// Disruptable: whether nodes may be removed and replaced; not in what may be a partition. RoomForZoneLoss:
    /// whether the pods of any zone would find room in the others; not said where there are not several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
}

/// Numbers of nodes.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeCounts {
    /// How many there should be.
    pub wanted: i32,
    /// How many are ordered and not yet ready.
    pub ordered: i32,
    /// How many are ready.
    pub ready: i32,
    /// How many are being drained or deleted.
    pub draining: i32,
}

/// The nodes of a pool in one zone.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ZoneStatus {
    /// The zone.
    pub zone: String,
    /// How many there should be.
    pub wanted: i32,
    /// How many are ordered and not yet ready.
    pub ordered: i32,
    /// How many are ready.
    pub ready: i32,
    /// How many are being drained or deleted.
    pub draining: i32,
    /// What the pool's limits leave no room for here, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<String>,
}

/// A zone of which pods would find no room in the others.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ZoneLossStatus {
    /// The zone.
    pub zone: String,
    /// How many of its pods would find no room.
    pub without_room: i32,
    /// In which namespaces these are, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub namespaces: Vec<String>,
    /// Whether they are in more than those.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_namespaces: bool,
}

/// How much of its limits a pool uses.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PoolUse {
    /// Nodes.
    pub nodes: i32,
    /// The cpu that they have.
    #[schemars(schema_with = "quantity")]
    pub cpu: Quantity,
    /// The memory that they have.
    #[schemars(schema_with = "quantity")]
    pub memory: Quantity,
}

/// An offering that is avoided after an error. The time grows with each error in a row, and the error is forgotten when
/// an order there succeeds.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AvoidedOffering {
    /// The instance type.
    pub instance_type: String,
    /// The zone.
    pub zone: String,
    /// The capacity type.
    pub capacity_type: CapacityType,
    /// What kind of error it was: `OutOfCapacity`, `QuotaReached`, `NeverJoined`, `NotAsOffered` or `ProviderFailed`.
    pub reason: String,
    /// The error in the provider's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Errors in a row.
    pub failures: i32,
    /// When the last one was.
    pub last_failure: Time,
    /// Until when the offering is avoided.
    pub until: Time,
}
