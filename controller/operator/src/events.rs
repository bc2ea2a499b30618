//! How events are published, whatever they are about.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, Recorder, Reporter},
};

/// Who says what is said of PodScalers, HPAs and ServiceGroups.
pub(crate) const OPERATOR: &str = "plimsoll-operator";

/// Publishes one event of a controller, which runs in the pod of this name.
///
/// A recorder folds events that differ only in their note into one series under the first note,
/// so that «New size: 8» after «New size: 4» would never be read. What repeats is held back by
/// the caller; each event that reaches this has something new to say, and gets a fresh recorder.
pub(crate) async fn publish(
    client: &Client,
    controller: &str,
    pod: &str,
    event: Event,
    regarding: &ObjectReference,
) -> Result<(), kube::Error> {
    let reporter = Reporter { controller: controller.to_owned(), instance: Some(pod.to_owned()) };
    let event = Event { note: event.note.as_deref().map(truncated), ..event };
    Recorder::new(client.clone(), reporter).publish(&event, regarding).await
}

/// The API server refuses notes of more than a kibibyte.
fn truncated(note: &str) -> String {
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
