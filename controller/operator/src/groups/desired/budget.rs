//! The PodDisruptionBudget of a service.

use serde_json::json;

use super::Part;
use crate::groups::{kind::OwnedKind, object::Object};

/// As maxUnavailable, so that a service of one pod can be drained too. Pods that are not ready may always be evicted: they
/// serve nobody, and would block every drain while a release is broken.
pub(super) fn budget(part: &Part<'_>) -> Object {
    let spec = json!({
        "maxUnavailable": part.availability().max_unavailable,
        "selector": { "matchLabels": part.selector },
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    });
    Object::of_service(OwnedKind::PodDisruptionBudget, &part.name(), &part.service.name, spec)
}
