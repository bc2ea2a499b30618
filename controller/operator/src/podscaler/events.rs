//! Events on a PodScaler or an HPA.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Resource as _,
    runtime::events::{Event, EventType},
};
use plimsoll_api::PodScaler;
use plimsoll_core::{reason::EventKind, replicas};

use crate::{
    context::Context,
    events::{self, OPERATOR},
    hpa::Hpa,
    podscaler::{Kind, Subject},
};

/// Publishes one event.
pub(super) async fn publish(
    context: &Context,
    subject: &Subject<'_>,
    event: &replicas::Event,
) -> Result<(), kube::Error> {
    let event = Event {
        type_: match event.kind {
            EventKind::Normal => EventType::Normal,
            EventKind::Warning => EventType::Warning,
        },
        reason: event.reason.to_string(),
        note: Some(event.message.clone()),
        action: "Scale".to_owned(),
        secondary: None,
    };
    events::publish(&context.client, OPERATOR, &context.options.pod_name, event, &regarding(subject)).await
}

/// The object that the event is about, known even where the object does not decode.
fn regarding(subject: &Subject<'_>) -> ObjectReference {
    let (api_version, kind) = match subject.kind {
        Kind::PodScaler => (PodScaler::api_version(&()), PodScaler::kind(&())),
        Kind::Hpa => (Hpa::api_version(&()), Hpa::kind(&())),
    };
    ObjectReference {
        api_version: Some(api_version.into_owned()),
        kind: Some(kind.into_owned()),
        namespace: Some(subject.namespace.to_owned()),
        name: Some(subject.name.to_owned()),
        uid: subject.metadata.uid.clone(),
        resource_version: subject.metadata.resource_version.clone(),
        ..ObjectReference::default()
    }
}
