//! Events on a PodScaler or an HPA.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Resource as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use plimsoll_api::PodScaler;
use plimsoll_core::{reason::EventKind, replicas};

use crate::{
    context::Context,
    hpa::Hpa,
    podscaler::{Kind, Subject},
};

/// Who says it.
const CONTROLLER: &str = "plimsoll-operator";

/// Publishes one event.
///
/// A recorder folds events that differ only in their note into one series under the first note,
/// so that «New size: 8» after «New size: 4» would never be read. What repeats is held back by
/// the caller; each event that reaches this has something new to say, and gets a fresh recorder.
pub(super) async fn publish(
    context: &Context,
    subject: &Subject<'_>,
    event: &replicas::Event,
) -> Result<(), kube::Error> {
    let reporter =
        Reporter { controller: CONTROLLER.to_owned(), instance: Some(context.options.pod_name.clone()) };
    let recorder = Recorder::new(context.client.clone(), reporter);
    let event = Event {
        type_: match event.kind {
            EventKind::Normal => EventType::Normal,
            EventKind::Warning => EventType::Warning,
        },
        reason: event.reason.to_string(),
        note: Some(truncated(&event.message)),
        action: "Scale".to_owned(),
        secondary: None,
    };
    recorder.publish(&event, &regarding(subject)).await
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

/// The API server refuses notes of more than a kibibyte.
pub(crate) fn truncated(note: &str) -> String {
    const MOST: usize = 1000;
    if note.len() <= MOST {
        return note.to_owned();
    }
    let cut: String = note.char_indices().take_while(|(at, _)| *at < MOST - 4).map(|(_, c)| c).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        assert!(truncated(&"é".repeat(900)).len() <= 1024);
        assert_eq!(truncated("short"), "short");
    }
}
