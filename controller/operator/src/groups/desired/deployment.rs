//! The Deployment of a service that has a template.

use plimsoll_api::v1alpha1::PodTemplate;
use serde_json::json;

use super::{Part, template};
use crate::groups::{kind::OwnedKind, object::Object};

/// Without replicas: how many there are is written to `/scale`, under another field manager.
pub(super) fn deployment(part: &Part<'_>, given: &PodTemplate) -> Object {
    let spec = json!({
        "selector": { "matchLabels": part.selector },
        // The present load needs the replicas that there are: a new pod is ready before an old one goes.
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": "25%" } },
        "template": template::template(given, &part.selector, &part.availability()),
    });
    Object::of_service(OwnedKind::Deployment, &part.name(), &part.service.name, spec)
}
