//! `Source` and `ClusterSource`: where signals are asked for, and as whom.

// Two printer columns may well have the same type.
#![allow(clippy::duplicated_attributes)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One endpoint for signals, for the PodScalers of its namespace.
///
/// Its Secrets are those of its namespace.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "plimsoll.dev",
    version = "v1alpha1",
    kind = "Source",
    namespaced,
    status = "SourceStatus",
    derive = "PartialEq",
    category = "autoscaling",
    doc = "A Source is one endpoint for signals, and the credentials for it, for the PodScalers of its namespace. Credentials are used with the address beside which they are named, and with no other.",
    printcolumn(name = "Address", type_ = "string", json_path = ".spec.prometheus.address"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether it answered when it was last asked"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct SourceSpec {
    /// A Prometheus, or what answers like one (Thanos, Mimir, VictoriaMetrics).
    pub prometheus: PrometheusSource,
    /// Seconds after which a request is given up. 1 to 60. Default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: i32,
    /// Requests under way at the same time. 1 to 100. Default 8.
    #[serde(default = "eight")]
    #[schemars(range(min = 1, max = 100))]
    pub max_concurrency: i32,
}

/// One endpoint for signals, for the PodScalers of the namespaces that it allows.
///
/// Its Secrets are those of the operator's namespace.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "plimsoll.dev",
    version = "v1alpha1",
    kind = "ClusterSource",
    status = "SourceStatus",
    derive = "PartialEq",
    category = "autoscaling",
    doc = "A ClusterSource is one endpoint for signals, and the credentials for it, for the PodScalers of the namespaces that it allows. Its Secrets are those of the operator's namespace.",
    printcolumn(name = "Address", type_ = "string", json_path = ".spec.prometheus.address"),
    printcolumn(name = "Namespaces", type_ = "string", json_path = ".spec.namespaces"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether it answered when it was last asked"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSourceSpec {
    /// The namespaces whose PodScalers may use it: names, in which `*` stands for any text. At
    /// least one, at most 100; `['*']` is all.
    #[schemars(
        length(min = 1, max = 100),
        inner(length(min = 1, max = 63), regex(pattern = r"^[-a-z0-9*]+$"))
    )]
    pub namespaces: Vec<String>,
    /// A Prometheus, or what answers like one (Thanos, Mimir, VictoriaMetrics).
    pub prometheus: PrometheusSource,
    /// Seconds after which a request is given up. 1 to 60. Default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: i32,
    /// Requests under way at the same time. 1 to 100. Default 8.
    #[serde(default = "eight")]
    #[schemars(range(min = 1, max = 100))]
    pub max_concurrency: i32,
}

/// A Prometheus: its address, and as whom to ask.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.address.matches('^https?://[^/@?# ]+(/[^?# ]*)?$')")
    .message("address must be http:// or https://, a host, and at most a port and a path; credentials have fields of their own")
    .field_path(".address"))]
#[x_kube(validation = Rule::new("[has(self.basicAuth), has(self.bearerToken), has(self.header)].filter(is, is).size() <= 1")
    .message("set at most one of basicAuth, bearerToken and header"))]
#[x_kube(validation = Rule::new("!has(self.tls) || self.address.startsWith('https://')")
    .message("tls needs an address that begins with https://")
    .field_path(".tls"))]
#[serde(rename_all = "camelCase")]
pub struct PrometheusSource {
    /// Where it answers, such as `http://prometheus.monitoring:9090`; with the path before
    /// `/api/v1/query`, if it has one. Redirects are not followed.
    #[schemars(length(min = 1, max = 2048))]
    pub address: String,
    /// How to speak TLS. Left out: the address's certificate must be of a public authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<SourceTls>,
    /// A user name and a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// A token, sent as `Authorization: Bearer …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<SecretKey>,
    /// A header whose value is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<SecretHeader>,
    /// The tenant, for servers with several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
}

/// How to speak TLS.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("!(has(self.ca) && has(self.insecureSkipVerify) && self.insecureSkipVerify)")
    .message("ca is of no use while insecureSkipVerify is true: leave one of them out")
    .field_path(".insecureSkipVerify"))]
#[serde(rename_all = "camelCase")]
pub struct SourceTls {
    /// The authorities to trust instead of the public ones: PEM in a key of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<SecretKey>,
    /// DANGEROUS: takes any certificate. Whoever can answer at the address, or stands between,
    /// receives the credentials and decides how many pods there are. For trying things out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
    /// The name that the certificate must have, if it is not that of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_name: Option<String>,
    /// Name of a Secret of type `kubernetes.io/tls`, whose `tls.crt` and `tls.key` say who we are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub client_certificate: Option<String>,
}

/// A user name and a password in a Secret.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// Name of a Secret of type `kubernetes.io/basic-auth`: its keys are `username` and
    /// `password`.
    #[schemars(length(min = 1, max = 253))]
    pub secret: String,
}

/// A header whose value is secret.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretHeader {
    /// Name of the header, such as `X-Api-Key`.
    #[schemars(length(min = 1, max = 100), regex(pattern = "^[A-Za-z0-9-]+$"))]
    pub name: String,
    /// Its value.
    pub value: SecretKey,
}

/// A key of a Secret.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Names the tenant in a header.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// Name of the header. Default `X-Scope-OrgID`.
    #[serde(default = "scope_header")]
    #[schemars(length(min = 1, max = 100), regex(pattern = "^[A-Za-z0-9-]+$"))]
    pub header: String,
    /// The tenant.
    #[schemars(length(min = 1, max = 150), regex(pattern = "^[!-~]+$"))]
    pub value: String,
}

/// What the operator says of a Source or ClusterSource.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// Ready: whether it answered when it was last asked, and if not, why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
}

fn ten() -> i32 {
    10
}

fn eight() -> i32 {
    8
}

fn scope_header() -> String {
    "X-Scope-OrgID".to_owned()
}
