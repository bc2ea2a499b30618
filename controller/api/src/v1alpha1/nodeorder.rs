//! `NodeOrder`: nodes that were asked of a provider, recorded before they are asked for.

// Two printer columns may well have the same type.
#![allow(clippy::duplicated_attributes)]

use k8s_openapi::{
    apimachinery::pkg::api::resource::Quantity,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{pool::CapacityType, quantity::quantity};

/// Nodes of one offering for one pool, as they were decided on. It never changes.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "plimsoll.dev",
    version = "v1alpha1",
    kind = "NodeOrder",
    status = "NodeOrderStatus",
    derive = "PartialEq",
    shortname = "norder",
    category = "autoscaling",
    doc = "A NodeOrder is nodes that Plimsoll asks of a provider. Plimsoll makes it before it asks, so that a crash between the two loses and repeats nothing; people read it. Deleting one gives its nodes back, after a drain.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name must have at most 63 characters: nodes carry it as a label"),
    selectable = ".spec.pool",
    printcolumn(name = "Pool", type_ = "string", json_path = ".spec.pool"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.offering.instanceType"),
    printcolumn(name = "Zone", type_ = "string", json_path = ".spec.offering.zone"),
    printcolumn(name = "Capacity", type_ = "string", json_path = ".spec.offering.capacityType"),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".spec.count"),
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "How far it is: the phase of its node that is least far"
    ),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Why", type_ = "string", json_path = ".spec.reason", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1)
)]
#[x_kube(validation = Rule::new("self == oldSelf")
    .message("the spec of a NodeOrder never changes: it is the record of what was asked for"))]
#[x_kube(validation = Rule::new("!has(self.names) || self.names.size() == self.count")
    .message("names must be as many as count says")
    .field_path(".names"))]
#[serde(rename_all = "camelCase")]
pub struct NodeOrderSpec {
    /// Name of the `CapacityPool` that the nodes are for.
    #[schemars(length(min = 1, max = 63))]
    pub pool: String,
    /// What is asked for.
    pub offering: OrderedOffering,
    /// How many nodes. 1 to 1000. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub count: i32,
    /// The names that the nodes get, where the provider lets us choose: asking for the same names again orders nothing
    /// again. As many as `count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Option<Vec<String>>,
    /// Why it was decided on, in the words of the plan.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// Who asks: how often the lease of the operator had changed hands when this was recorded. A process whose own
    /// number is lower has been deposed.
    #[schemars(range(min = 0))]
    pub fencing_token: i64,
    /// What the nodes were planned for, the most pods first. At most 50 are recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub created_for: Vec<PlannedFor>,
}

/// An offering: instance type × zone × capacity type, with its price.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("isQuantity(string(self.price)) && quantity(string(self.price)).compareTo(quantity('0')) >= 0")
    .message("price must be a quantity of at least 0, such as \"0.096\"")
    .field_path(".price"))]
#[serde(rename_all = "camelCase")]
pub struct OrderedOffering {
    /// The instance type, as in the label `node.kubernetes.io/instance-type`.
    #[schemars(length(min = 1, max = 63))]
    pub instance_type: String,
    /// The zone, as in the label `topology.kubernetes.io/zone`.
    #[schemars(length(min = 1, max = 63))]
    pub zone: String,
    /// The capacity type.
    pub capacity_type: CapacityType,
    /// What one node cost per hour when it was decided on.
    #[schemars(schema_with = "quantity")]
    pub price: Quantity,
    /// The provider's own name for what is asked, such as the id of a node group, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub node_group: Option<String>,
}

/// Pods that a node was planned for.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PlannedFor {
    /// Kind of what owns the pods, such as `Deployment`; `Pod` for a bare one, `CapacityPool` for its headroom and
    /// minNodes, `CapacityBuffer` for a buffer.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its namespace; left out where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// How many of its pods were planned onto the nodes.
    #[schemars(range(min = 0))]
    pub pods: i32,
}

/// How far an order is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeOrderStatus {
    /// How far it is: the phase of its node that is least far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<OrderPhase>,
    /// Why it is there, as a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it is there, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many nodes the provider said to have when it was asked, where it takes no key for an order: what it says after
    /// a crash, compared with this, tells whether the call arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_before: Option<i32>,
    /// When the provider was first asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Time>,
    /// How many nodes the provider took; left out while its answer is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<i32>,
    /// How many nodes the provider made beyond those that were ordered; they are given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surplus: Option<i32>,
    /// How many requests to which no instance came were taken back from the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<i32>,
    /// Instances that the node group had when it was asked and that no order had: they are never taken for ours. Left out
    /// where the provider says of which order an instance is, and once all instances of this order are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), inner(length(max = 512)))]
    pub not_ours: Vec<String>,
    /// When all its nodes took pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Time>,
    /// Its nodes, as far as they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub nodes: Vec<OrderedNode>,
    /// Asked: whether the provider took the order. Registered: whether all its nodes have joined. Ready: whether all
    /// take pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
}

/// One node of an order.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OrderedNode {
    /// Name of the Node; left out until it has joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The provider's id of the instance, the Node's `spec.providerID`.
    #[serde(default, rename = "providerID", skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// How far it is.
    pub phase: OrderPhase,
    /// Since when its provider no longer lists it, or lists it without the Node that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Time>,
}

// The description of the enum is that of `status.phase` in the CRD, since that is optional.
/// How far an order or a node of it is; an order is as far as its node that is least far. `Recorded`: the provider was not
/// asked yet. `Asked`: its answer is not known. `Creating`: the provider makes it. `Registered`: the Node has joined and
/// takes no pods yet. `Ready`: it takes pods. `Draining`: it is emptied. `Deleting`: the provider deletes it. `GivenBack`: it
/// is gone. `Failed`: the provider refused it, or lost it.
#[derive(
    JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum OrderPhase {
    /// Written down; the provider was not asked yet.
    #[default]
    Recorded,
    /// The provider was asked; its answer is not known.
    Asked,
    /// The provider makes it.
    Creating,
    /// The Node has joined and takes no pods yet: it is not Ready, has a taint that goes when it has started, or has not
    /// reported its devices.
    Registered,
    /// The Node is Ready and takes pods.
    Ready,
    /// It is emptied.
    Draining,
    /// It is empty, and the provider deletes it.
    Deleting,
    /// It is gone: at the end of its use, or because it never joined.
    GivenBack,
    /// The provider refused it, or lost it.
    Failed,
}

impl OrderPhase {
    /// The name as it is written in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "Recorded",
            Self::Asked => "Asked",
            Self::Creating => "Creating",
            Self::Registered => "Registered",
            Self::Ready => "Ready",
            Self::Draining => "Draining",
            Self::Deleting => "Deleting",
            Self::GivenBack => "GivenBack",
            Self::Failed => "Failed",
        }
    }
}

fn one() -> i32 {
    1
}
