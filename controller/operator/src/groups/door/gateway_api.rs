//! What of the Gateway API (`gateway.networking.k8s.io/v1`) is written and read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::{ApiResource, Object};
use serde::{Deserialize, Serialize};

/// The group of its kinds.
pub(super) const GROUP: &str = "gateway.networking.k8s.io";

/// A Gateway, as far as it is read.
pub type Gateway = Object<GatewaySpec, GatewayStatus>;

/// A class of Gateways, as far as it is read.
pub type GatewayClass = Object<serde::de::IgnoredAny, GatewayClassStatus>;

/// An `HTTPRoute`, as far as it is written or read.
pub type HttpRoute = Object<HttpRouteSpec, HttpRouteStatus>;

fn resource(kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: GROUP.to_owned(),
        version: "v1".to_owned(),
        api_version: format!("{GROUP}/v1"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

/// How the API server is asked about `HTTPRoute`s.
pub fn http_routes() -> ApiResource {
    resource("HTTPRoute", "httproutes")
}

/// How the API server is asked about Gateways.
pub fn gateways() -> ApiResource {
    resource("Gateway", "gateways")
}

/// How the API server is asked about classes of Gateways.
pub fn gateway_classes() -> ApiResource {
    resource("GatewayClass", "gatewayclasses")
}

/// What is asked of an `HTTPRoute`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// The Gateways.
    #[serde(default)]
    pub parent_refs: Vec<ParentRef>,
    /// None is any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// At most 16.
    #[serde(default)]
    pub rules: Vec<HttpRouteRule>,
}

/// A Gateway, or one of its listeners.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// None is that of the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The name of a listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// The port of a listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

/// Where requests go that match.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRule {
    /// At most 64; any one is enough.
    #[serde(default)]
    pub matches: Vec<HttpRouteMatch>,
    /// Where to.
    #[serde(default)]
    pub backend_refs: Vec<BackendRef>,
    /// How long it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<HttpRouteTimeouts>,
    /// Whether clients stay with their pods. Only in the experimental channel of the CRDs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_persistence: Option<SessionPersistence>,
}

/// A path, and a method.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRouteMatch {
    /// The path.
    #[serde(default)]
    pub path: Option<HttpPathMatch>,
    /// None is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// A path.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpPathMatch {
    /// `Exact` or `PathPrefix`.
    #[serde(default)]
    pub r#type: String,
    /// The path.
    #[serde(default)]
    pub value: String,
}

/// A Service.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendRef {
    /// Its name.
    pub name: String,
    /// Its port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

/// How long a request may take. Durations are texts such as `10s`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteTimeouts {
    /// For the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// For the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_request: Option<String>,
}

/// How clients stay with their pods.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SessionPersistence {
    /// Name of the cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
    /// `Cookie`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// How long it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absolute_timeout: Option<String>,
    /// What ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_config: Option<CookieConfig>,
}

/// What ends a cookie.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CookieConfig {
    /// `Session` or `Permanent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_type: Option<String>,
}

/// What Gateways say of a route.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct HttpRouteStatus {
    /// One of each parent.
    #[serde(default)]
    pub parents: Vec<RouteParentStatus>,
}

/// What one Gateway says.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// Which.
    pub parent_ref: ParentRef,
    /// `Accepted`, `ResolvedRefs` and others.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// What is asked of a Gateway.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// Its class.
    #[serde(default)]
    pub gateway_class_name: String,
}

/// What is said of a Gateway.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayStatus {
    /// Where it is.
    #[serde(default)]
    pub addresses: Vec<GatewayAddress>,
}

/// A name or an address.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayAddress {
    /// The name or the address.
    #[serde(default)]
    pub value: String,
}

/// What is said of a class of Gateways.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassStatus {
    /// What its controller can do beyond the core; none where it does not say.
    #[serde(default)]
    pub supported_features: Vec<SupportedFeature>,
}

/// Something that a controller can do.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(untagged)]
pub enum SupportedFeature {
    /// As it is written since version 1.2.
    Named {
        /// Its name.
        name: String,
    },
    /// As it was written before.
    Plain(String),
}

impl SupportedFeature {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Named { name } | Self::Plain(name) => name,
        }
    }
}
