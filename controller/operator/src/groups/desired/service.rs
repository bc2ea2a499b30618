//! The Service of a service.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::json;

use super::Part;
use crate::groups::{kind::OwnedKind, object::Object};

/// Traffic prefers pods in the zone it comes from, as long as there are any. Its type is the user's to change.
pub(super) fn service(part: &Part<'_>) -> Object {
    let number = part.service.port;
    let target = part.service.target_port.clone().unwrap_or(IntOrString::Int(number));
    let spec = json!({
        "selector": part.selector,
        "ports": [{ "name": "http", "port": number, "protocol": "TCP", "targetPort": target }],
        "trafficDistribution": "PreferSameZone",
    });
    Object::of_service(OwnedKind::Service, &part.name(), &part.service.name, spec)
}
