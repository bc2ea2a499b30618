//! One service of a group.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::opaque::{PodTemplate, Scaling};

/// One service: what runs, where it listens, what it answers, and how it scales.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("has(self.template) != has(self.workloadRef)")
    .message("set exactly one of template and workloadRef"))]
#[x_kube(validation = Rule::new("!has(self.methods) || has(self.paths)")
    .message("methods are of no use without paths: name the paths too")
    .field_path(".methods"))]
#[serde(rename_all = "camelCase")]
pub struct GroupService {
    /// Its name: a DNS label that begins with a letter. With that of the group it names what belongs to it:
    /// `GROUP-NAME`.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Its pods, as the `template` of a Deployment: a Deployment is kept for them. Either this or workloadRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,
    /// A workload of the same namespace that exists. It is scaled, and not changed otherwise. Either this or template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_ref: Option<WorkloadReference>,
    /// The port of its Service. 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// The port of its pods, by number or by name. Default: the same number as port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "port")]
    pub target_port: Option<IntOrString>,
    /// The paths that it answers at the front door. At most 16. Left out: it is not reached from outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub paths: Vec<PathMatch>,
    /// The methods that it answers there. Left out: all. Needs a Gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 9))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub methods: Vec<Method>,
    /// How many pods: the spec of a PodScaler, without scaleTargetRef.
    pub scaling: Scaling,
}

/// A workload of the same namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadReference {
    /// `Deployment` or `StatefulSet`.
    pub kind: WorkloadKind,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The kinds of workloads, all of `apps/v1`.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkloadKind {
    /// Pods that stand in for one another.
    Deployment,
    /// Pods with names and volumes of their own.
    StatefulSet,
}

/// One path.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[x_kube(validation = Rule::new("self.path.startsWith('/') && !self.path.contains('//') && !self.path.contains('/./') && !self.path.contains('/../')")
    .message("a path begins with / and has no empty, . or .. parts")
    .field_path(".path"))]
#[serde(rename_all = "camelCase")]
pub struct PathMatch {
    /// The path, such as `/store/get`.
    #[schemars(length(min = 1, max = 1024))]
    pub path: String,
    /// `Prefix`: the path and everything below it, by whole parts. `Exact`: this path alone. Default `Prefix`.
    #[serde(default, rename = "type")]
    pub r#type: PathType,
}

/// What of a path has to agree.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathType {
    /// All of it.
    Exact,
    /// Its beginning, by whole parts.
    #[default]
    Prefix,
}

/// A method of HTTP, as the Gateway API knows them.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// CONNECT.
    Connect,
    /// OPTIONS.
    Options,
    /// TRACE.
    Trace,
    /// PATCH.
    Patch,
}

/// The schema of a port by number or by name.
fn port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [{ "type": "integer" }, { "type": "string" }],
        "x-kubernetes-int-or-string": true,
        "minimum": 1,
        "maximum": 65535,
        "maxLength": 15,
        "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    })
}
