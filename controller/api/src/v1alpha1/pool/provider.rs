//! Where the nodes of a pool come from.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CapacityType, resources::resources};
use crate::v1alpha1::{labels::labels, quantity::quantity};

/// Where nodes come from: exactly one of the fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.kwok) != has(self.externalGrpc)")
    .message("set exactly one of kwok and externalGrpc"))]
#[serde(rename_all = "camelCase")]
pub struct NodeProvider {
    /// Nodes that kwok plays: objects without a machine, for the test bed, for kind and for trying a pool out. kwok itself
    /// must run in the cluster, else its Nodes never become Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kwok: Option<KwokProvider>,
    /// A server that speaks the cluster-autoscaler's protocol `externalgrpc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_grpc: Option<ExternalGrpcProvider>,
}

/// A cloud that exists only here: what it sells, where, for how much, and what it has run out of.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("self.zones.all(z, self.zones.exists_one(o, o == z))")
    .message("each zone may be named once only")
    .field_path(".zones"))]
#[x_kube(validation = Rule::new("self.instanceTypes.all(t, !has(t.zones) || t.zones.all(z, z in self.zones))")
    .message("an instance type is sold in a zone that zones does not name: add it there, or take it out of the type's zones")
    .field_path(".instanceTypes"))]
#[x_kube(validation = Rule::new("self.instanceTypes.all(t, !has(t.offerings) || t.offerings.all(o, o.zone in (has(t.zones) ? t.zones : self.zones)))")
    .message("an entry of offerings names a zone in which its instance type is not sold")
    .field_path(".instanceTypes"))]
#[serde(rename_all = "camelCase")]
pub struct KwokProvider {
    /// The zones it has, as in the label `topology.kubernetes.io/zone`. 1 to 12.
    #[schemars(
        length(min = 1, max = 12),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub zones: Vec<String>,
    /// What it sells. 1 to 500, each name once.
    #[schemars(length(min = 1, max = 500))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub instance_types: Vec<KwokInstanceType>,
    /// Seconds from an order to the Node object. 0 to 3600. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3600))]
    pub boot_delay_seconds: i32,
}

/// One type of node.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("'cpu' in self.capacity && 'memory' in self.capacity")
    .message("capacity must name cpu and memory")
    .field_path(".capacity"))]
#[x_kube(validation = Rule::new("self.capacity.all(name, isQuantity(string(self.capacity[name])) && quantity(string(self.capacity[name])).compareTo(quantity('0')) >= 0)")
    .message("capacity must be quantities of at least 0, such as 4 or 16Gi")
    .field_path(".capacity"))]
#[x_kube(validation = Rule::new("isQuantity(string(self.price)) && quantity(string(self.price)).compareTo(quantity('0')) >= 0")
    .message("price must be a quantity of at least 0, such as \"0.096\"")
    .field_path(".price"))]
#[x_kube(validation = Rule::new("!has(self.spotPrice) || (isQuantity(string(self.spotPrice)) && quantity(string(self.spotPrice)).compareTo(quantity('0')) >= 0)")
    .message("spotPrice must be a quantity of at least 0, such as \"0.03\"")
    .field_path(".spotPrice"))]
#[x_kube(validation = Rule::new("!has(self.offerings) || has(self.spotPrice) || self.offerings.all(o, o.capacityType != 'spot' || has(o.price))")
    .message("an entry of offerings for spot needs a price, or the instance type a spotPrice")
    .field_path(".offerings"))]
#[serde(rename_all = "camelCase")]
pub struct KwokInstanceType {
    /// Its name, the value of the label `node.kubernetes.io/instance-type`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?$"))]
    pub name: String,
    /// What a node of it has, as in a Node's `status.capacity`: cpu and memory, and where it matters pods (default 110),
    /// ephemeral-storage and extended resources. At most 24.
    #[schemars(schema_with = "resources")]
    pub capacity: BTreeMap<String, Quantity>,
    /// Its processor, the value of `kubernetes.io/arch`. Default amd64.
    #[serde(default = "amd64")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?$"))]
    pub arch: String,
    /// Its operating system, the value of `kubernetes.io/os`. Default linux.
    #[serde(default = "linux")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?$"))]
    pub os: String,
    /// More labels of its nodes, for requirements and for pods to choose by. At most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub labels: BTreeMap<String, String>,
    /// What a node costs per hour on demand, such as `"0.096"`: a quantity, so a fraction is written in quotes. The
    /// currency does not matter as long as all pools use the same.
    #[schemars(schema_with = "quantity")]
    pub price: Quantity,
    /// What it costs per hour as spot. Left out: it is sold as spot only where `offerings` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub spot_price: Option<Quantity>,
    /// The zones in which it is sold. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 12), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub zones: Option<Vec<String>>,
    /// What differs in one zone for one capacity type: the price, and how many there are. At most 24.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 24))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["zone".to_owned(), "capacityType".to_owned()]))]
    pub offerings: Vec<KwokOffering>,
}

/// What differs for one instance type in one zone for one capacity type.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.price) || (isQuantity(string(self.price)) && quantity(string(self.price)).compareTo(quantity('0')) >= 0)")
    .message("price must be a quantity of at least 0, such as \"0.096\"")
    .field_path(".price"))]
#[serde(rename_all = "camelCase")]
pub struct KwokOffering {
    /// The zone.
    #[schemars(length(min = 1, max = 63))]
    pub zone: String,
    /// The capacity type.
    pub capacity_type: CapacityType,
    /// What a node costs here per hour. Default: the price of the instance type for this capacity type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub price: Option<Quantity>,
    /// How many nodes there can be here at the same time; who asks for more is told that this is out of capacity. 0: it
    /// is sold out. Default: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub nodes: Option<i32>,
}

/// A server that speaks the cluster-autoscaler's protocol `externalgrpc`, and which of its node groups are this pool's.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new(r"self.address.matches('^([-a-zA-Z0-9._]+|\\[[0-9a-fA-F:.]+\\]):[0-9]{1,5}$')")
    .message("address must be a host and a port, such as nodes.kube-system.svc:8086")
    .field_path(".address"))]
#[x_kube(validation = Rule::new("!has(self.nodeGroups) || self.nodeGroups.all(g, self.nodeGroups.exists_one(o, o.name == g.name))")
    .message("each node group may be named once only")
    .field_path(".nodeGroups"))]
#[serde(rename_all = "camelCase")]
pub struct ExternalGrpcProvider {
    /// Host and port of the server, such as `nodes.kube-system.svc:8086`.
    #[schemars(length(min = 3, max = 260))]
    pub address: String,
    /// How to speak TLS. Left out: in plain text, which lets whoever stands between order and delete nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<GrpcTls>,
    /// Seconds after which a request is given up; a call takes four times as long at most. A call starts only while our
    /// lease will outlive it and its record (6 s): with the chart's default lease at most 10; for more, raise
    /// `nodes.leaderElection.leaseDurationSeconds`. 1 to 60. Default 5.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: i32,
    /// The node groups of the server that are this pool's. At most 100. Default: all. A node group belongs to one pool
    /// only; of two that name it the older has it, and the other says so in its conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub node_groups: Vec<NodeGroup>,
}

/// TLS to a server of node groups.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GrpcTls {
    /// Name of a Secret in the operator's namespace, one of the chart's `nodes.secrets`: `ca.crt` has the authorities to
    /// trust (left out: the public ones), `tls.crt` and `tls.key` say who we are (left out: nobody).
    #[schemars(length(min = 1, max = 253))]
    pub secret: String,
    /// The name that the certificate must have, if it is not that of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_name: Option<String>,
}

/// Node groups of a server, and what the protocol does not say about them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.price) || (isQuantity(string(self.price)) && quantity(string(self.price)).compareTo(quantity('0')) >= 0)")
    .message("price must be a quantity of at least 0, such as \"0.096\"")
    .field_path(".price"))]
#[serde(rename_all = "camelCase")]
pub struct NodeGroup {
    /// Its id on the server; `*` stands for any text, as in `web-*`. Where several entries fit, the first counts.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its capacity type. Default: what the labels of its template say, else on-demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_type: Option<CapacityType>,
    /// What a node of it costs per hour. Default: what the server says; where it does not know prices, 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub price: Option<Quantity>,
}

fn amd64() -> String {
    "amd64".to_owned()
}

fn linux() -> String {
    "linux".to_owned()
}

fn five() -> i32 {
    5
}
