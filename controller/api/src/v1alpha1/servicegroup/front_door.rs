//! How requests from outside reach the services of a group.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::v1alpha1::quantity::quantity;

/// One Ingress or one `HTTPRoute` for all services.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.ingress) != has(self.gateway)")
    .message("set exactly one of ingress and gateway"))]
#[x_kube(validation = Rule::new("!has(self.hosts) || self.hosts.all(h, !h.matches('^[0-9.]+$'))")
    .message("a host is a DNS name, not an address")
    .field_path(".hosts"))]
#[serde(rename_all = "camelCase")]
pub struct FrontDoor {
    /// The hosts that it answers to: DNS names, the first part of which may be `*`. At most 16. Left out: any host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(
            length(min = 1, max = 253),
            regex(pattern = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub hosts: Vec<String>,
    /// An Ingress. Either this or gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressDoor>,
    /// An `HTTPRoute` of the Gateway API. Either this or ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayDoor>,
    /// Requests of one client go to the same pod, as long as it is there: by a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_affinity: Option<SessionAffinity>,
    /// How long a request may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// The largest body that a request may have, such as `8Mi`. Left out: what the controller has by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub max_request_body: Option<Quantity>,
}

/// An Ingress, for the controller of its class.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct IngressDoor {
    /// Its `IngressClass`. Left out: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,
    /// TLS ends here. Left out: plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<IngressTls>,
    /// Annotations beyond those that the other fields need. One that such a field would set too is taken from here. At
    /// most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations")]
    pub annotations: BTreeMap<String, String>,
}

/// Where the certificate is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IngressTls {
    /// Name of a Secret of type `kubernetes.io/tls` in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}

/// A route of Gateways. TLS ends at their listeners.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GatewayDoor {
    /// The Gateways. 1 to 8.
    #[schemars(length(min = 1, max = 8))]
    pub parent_refs: Vec<ParentReference>,
}

/// A Gateway, or one of its listeners.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// Name of the Gateway.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace. Left out: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// The name of its listener. Left out: all that allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
    /// The port of its listener. Left out: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}

/// A cookie that names the pod.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SessionAffinity {
    /// Name of the cookie. Default `plimsoll`.
    #[serde(default = "plimsoll")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub cookie_name: String,
    /// Seconds for which the client keeps it. Left out: until the browser is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub max_age_seconds: Option<i32>,
}

/// How long a request may take.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("!has(self.requestSeconds) || !has(self.backendSeconds) || self.backendSeconds <= self.requestSeconds")
    .message("backendSeconds must not be longer than requestSeconds")
    .field_path(".backendSeconds"))]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// Seconds from a request to the whole answer. 1 to 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub request_seconds: Option<i32>,
    /// Seconds for which a pod may take over its answer. 1 to 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub backend_seconds: Option<i32>,
}

impl SessionAffinity {
    /// The name of a cookie that was given none.
    pub const COOKIE_NAME: &str = "plimsoll";
}

fn plimsoll() -> String {
    SessionAffinity::COOKIE_NAME.to_owned()
}

/// The schema of annotations: Kubernetes takes any text as the value of one.
fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": { "type": "string", "maxLength": 16384 },
    })
}
