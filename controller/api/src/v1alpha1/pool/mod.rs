//! `CapacityPool`: interchangeable nodes, in zones, from one provider.

// Two printer columns may well have the same type.
#![allow(clippy::duplicated_attributes)]

mod drain;
mod headroom;
mod limits;
mod provider;
mod requirement;
pub(crate) mod resources;
mod scale_down;
mod status;
mod template;
mod window;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use self::resources::share;
pub use self::{
    drain::Drain,
    headroom::{Headroom, HeadroomPods},
    limits::{PoolLimits, ZoneLimits},
    provider::{
        ExternalGrpcProvider, GrpcTls, KwokInstanceType, KwokOffering, KwokProvider, NodeGroup, NodeProvider,
    },
    requirement::{CapacityType, Expander, Requirement, RequirementOperator},
    scale_down::{Budget, DisruptionReason, ScaleDown, ScaleDownPolicy},
    status::{AvoidedOffering, CapacityPoolStatus, NodeCounts, PoolUse, ZoneLossStatus, ZoneStatus},
    template::{Kubelet, NodeTaint, NodeTemplate, TaintEffect},
    window::Window,
};

/// Interchangeable nodes, in zones, from one provider.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "plimsoll.dev",
    version = "v1alpha1",
    kind = "CapacityPool",
    status = "CapacityPoolStatus",
    derive = "PartialEq",
    shortname = "cpool",
    category = "autoscaling",
    doc = "A CapacityPool is nodes that stand in for one another, in zones, from one provider: what they are, how many there may be, and when they go. Plimsoll orders them as pods need them. Its name has at most 63 characters.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("the name must have at most 63 characters: nodes carry it as a label"),
    printcolumn(
        name = "Nodes",
        type_ = "string",
        json_path = ".status.nodes",
        description = "Nodes that are ready, of those that are wanted"
    ),
    printcolumn(
        name = "Zones",
        type_ = "string",
        json_path = ".status.balance",
        description = "Nodes that are ready in each zone"
    ),
    printcolumn(
        name = "Price/h",
        type_ = "string",
        json_path = ".status.pricePerHour",
        description = "What its nodes cost per hour"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether nodes can be ordered"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        priority = 1
    ),
    printcolumn(name = "Limit", type_ = "integer", json_path = ".spec.limits.nodes", priority = 1),
    printcolumn(name = "Weight", type_ = "integer", json_path = ".spec.weight", priority = 1),
    printcolumn(name = "ScaleDown", type_ = "string", json_path = ".spec.scaleDown.policy", priority = 1)
)]
#[x_kube(validation = Rule::new("!has(self.provider.kwok) || !has(self.limits.zones) || self.limits.zones.all(l, l.zone in self.provider.kwok.zones)")
    .message("limits.zones names a zone that the provider does not have: add it to provider.kwok.zones, or take the limit out")
    .field_path(".limits.zones"))]
#[x_kube(validation = Rule::new("!has(self.provider.kwok) || !has(self.requirements) || self.requirements.all(r, r.key != 'topology.kubernetes.io/zone' || r.operator != 'In' || !has(r.values) || r.values.all(v, v in self.provider.kwok.zones))")
    .message("requirements name a zone that the provider does not have: add it to provider.kwok.zones, or take it out of the values")
    .field_path(".requirements"))]
#[x_kube(validation = Rule::new("!has(self.requirements) || !has(self.limits.zones) || self.limits.zones.all(l, !has(l.minNodes) || l.minNodes == 0 || self.requirements.all(r, r.key != 'topology.kubernetes.io/zone' || !has(r.values) || (r.operator != 'In' || l.zone in r.values) && (r.operator != 'NotIn' || !(l.zone in r.values))))")
    .message("limits.zones asks with minNodes for nodes in a zone that requirements rule out")
    .field_path(".limits.zones"))]
#[x_kube(validation = Rule::new("!has(self.headroom) || self.headroom.all(h, self.headroom.exists_one(o, o.name == h.name))")
    .message("each name may be given to one headroom only")
    .field_path(".headroom"))]
#[serde(rename_all = "camelCase")]
pub struct CapacityPoolSpec {
    /// Where nodes come from: kwok or externalGrpc.
    pub provider: NodeProvider,

    /// Labels, annotations and taints of its nodes, and what their kubelets keep from pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<NodeTemplate>,

    /// Which offerings of the provider it takes: instance types, zones, capacity types and whatever else their nodes have
    /// as labels. All requirements must hold. At most 30. Default: all offerings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 30))]
    pub requirements: Vec<Requirement>,

    /// How big it may be, in total and in each zone, and how many nodes a zone has at least. Default: any size, and none.
    #[serde(default)]
    pub limits: PoolLimits,

    /// Pools of a higher weight are tried first. 0 to 100. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub weight: i32,

    /// Which offering is taken where several would do: `least-price` (most pods for least money, zones balanced), or by
    /// the cluster-autoscaler's names `least-waste`, `most-pods`, `price`, `priority` (the weight of pools) and `random`.
    /// Default `least-price`.
    #[serde(default)]
    pub expander: Expander,

    /// Whether nodes are kept even over the zones, when they come and when they go, as far as pods, limits and offerings
    /// allow. Default true.
    #[serde(default = "yes")]
    pub balance_zones: bool,

    /// Room that is kept free, so that pods start at once. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub headroom: Vec<Headroom>,

    /// When nodes go, and how many at the same time.
    #[serde(default)]
    pub scale_down: ScaleDown,

    /// How a node is emptied before it goes.
    #[serde(default)]
    pub drain: Drain,

    /// While more of the pool's nodes than this are not Ready, none is removed or replaced: a network that is cut looks
    /// like that too. A number, or a percentage of the pool, not rounded: of two nodes one is more than `20%`, the default.
    #[serde(default = "fifth")]
    #[schemars(schema_with = "share")]
    pub max_unavailable: IntOrString,

    /// Seconds after which an order whose node has not joined is given back, and its offering avoided for a while. 60 to
    /// 86400. Default 900.
    #[serde(default = "quarter_of_an_hour")]
    #[schemars(range(min = 60, max = 86_400))]
    pub provision_timeout_seconds: i32,

    /// Pods whose priority is lower get no nodes, and do not keep a node from going. Default -10, as for the
    /// cluster-autoscaler.
    #[serde(default = "minus_ten")]
    pub priority_cutoff: i32,
}

fn yes() -> bool {
    true
}

fn fifth() -> IntOrString {
    IntOrString::String("20%".to_owned())
}

fn quarter_of_an_hour() -> i32 {
    900
}

fn minus_ten() -> i32 {
    -10
}
