//! What the nodes of a pool carry.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resources::resources;
use crate::v1alpha1::labels::labels;

/// What the nodes of a pool carry beside what the provider gives them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.labels) || self.labels.all(key, key.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?$'))")
    .message("labels must have keys such as team or example.com/team")
    .field_path(".labels"))]
#[x_kube(validation = Rule::new("!has(self.labels) || self.labels.all(key, !key.startsWith('plimsoll.dev/') && !(key in ['kubernetes.io/hostname', 'topology.kubernetes.io/zone', 'topology.kubernetes.io/region', 'node.kubernetes.io/instance-type', 'kubernetes.io/arch', 'kubernetes.io/os']))")
    .message("labels must leave plimsoll.dev/* and what the offering says (hostname, zone, region, instance type, arch, os) to Plimsoll: choose offerings with requirements")
    .field_path(".labels"))]
#[x_kube(validation = Rule::new("!has(self.annotations) || self.annotations.all(key, !key.startsWith('plimsoll.dev/'))")
    .message("annotations must leave plimsoll.dev/* to Plimsoll")
    .field_path(".annotations"))]
#[serde(rename_all = "camelCase")]
pub struct NodeTemplate {
    /// Labels of its nodes; pods choose nodes by them. At most 64. A label that a node group's own template lacks is set
    /// once the node has joined.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of its nodes. At most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations")]
    pub annotations: BTreeMap<String, String>,
    /// Taints of its nodes, for good: only pods that tolerate them are planned onto the pool. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".to_owned(), "effect".to_owned()]))]
    pub taints: Vec<NodeTaint>,
    /// Taints that its nodes have at first and that something else takes away when the node is fit for pods, such as a
    /// network plugin. Pods are planned as if they were not there; the pods of another node move there, and its drain goes
    /// on, once they are gone. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".to_owned(), "effect".to_owned()]))]
    pub startup_taints: Vec<NodeTaint>,
    /// What the kubelet keeps from pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubelet: Option<Kubelet>,
}

/// A taint.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.key.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?$')")
    .message("key must be like dedicated or example.com/dedicated")
    .field_path(".key"))]
#[x_kube(validation = Rule::new("!self.key.startsWith('plimsoll.dev/') && !self.key.startsWith('node.kubernetes.io/')")
    .message("key must leave plimsoll.dev/* to Plimsoll and node.kubernetes.io/* to Kubernetes")
    .field_path(".key"))]
#[serde(rename_all = "camelCase")]
pub struct NodeTaint {
    /// Its key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// Its value. Default: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63), regex(pattern = r"^([a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?)?$"))]
    pub value: String,
    /// What happens to pods that do not tolerate it.
    pub effect: TaintEffect,
}

/// What happens to pods that do not tolerate a taint.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaintEffect {
    /// They are not scheduled here.
    NoSchedule,
    /// They are scheduled here only if there is no better node.
    PreferNoSchedule,
    /// They are not scheduled here, and those that run here are evicted.
    NoExecute,
}

impl TaintEffect {
    /// The name as it is written in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// What the kubelets of a pool keep from pods. It says how much room to plan with on a node that does not exist yet, and
/// what a node has that the provider kwok makes; a node that exists says it itself (`status.allocatable`), and so does
/// the template of a node group.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.reserved) || self.reserved.all(name, isQuantity(string(self.reserved[name])) && quantity(string(self.reserved[name])).compareTo(quantity('0')) >= 0)")
    .message("reserved must be quantities of at least 0, such as 100m or 512Mi")
    .field_path(".reserved"))]
#[serde(rename_all = "camelCase")]
pub struct Kubelet {
    /// What is not for pods, by resource: kubeReserved, systemReserved and the hard eviction threshold together. At most
    /// 24 resources. Default: nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "resources")]
    pub reserved: BTreeMap<String, Quantity>,
    /// The most pods on a node, if that is fewer than the instance type's. 1 to 1024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub max_pods: Option<i32>,
}

fn annotations(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
    })
}
