//! Report: status, events, metrics and logs, all with the words of the decision.

use std::collections::BTreeSet;

use plimsoll_core::{
    reason::{EventKind, EventReason},
    replicas::{ConditionUpdate, Decision, Event, PodView, Policy},
    time::Timestamp,
};

use crate::{
    context::Context,
    podscaler::{
        Error, Kind, Subject, events,
        gauges::set_metrics,
        memory::Remembered,
        write_status::{in_time, write_hpa_status, write_status},
    },
};

/// What there is to report.
pub(super) struct Report<'a> {
    pub(super) decision: &'a Decision,
    /// The conditions to set, those that followed from acting included.
    pub(super) conditions: Vec<ConditionUpdate>,
    /// The events to publish, those that followed from acting included.
    pub(super) events: Vec<Event>,
    /// Whether a new size was written.
    pub(super) rescaled: bool,
    /// Whether the subject was written to since it was read.
    pub(super) rewritten: bool,
    /// The policy and the pods, where it came to that.
    pub(super) seen: Option<(&'a Policy, &'a [PodView])>,
    pub(super) now: Timestamp,
    /// Whether the status is ours to write.
    pub(super) status: bool,
}

/// Tells everybody. What is remembered is updated with what was told. Answers whether the status says it.
///
/// # Errors
/// When the status or an event could not be written; the metrics are set all the same.
pub(super) async fn report(
    context: &Context,
    subject: &Subject<'_>,
    report: &Report<'_>,
    remembered: &mut Remembered,
) -> Result<bool, Error> {
    set_metrics(context, subject, report);
    let written = match subject.kind {
        _ if !report.status => Ok(false),
        Kind::PodScaler => write_status(context, subject, report, remembered).await,
        Kind::Hpa => write_hpa_status(context, subject, report).await,
    };
    // Where the one cannot be told, the other is all that a person sees.
    let published = publish_events(context, subject, report, remembered).await;
    let is_told = written?;
    published.map(|()| is_told)
}

async fn publish_events(
    context: &Context,
    subject: &Subject<'_>,
    report: &Report<'_>,
    remembered: &mut Remembered,
) -> Result<(), Error> {
    let mut warned = BTreeSet::new();
    let mut result = Ok(());
    // Who has alerts on the events of an HPA has them on each reason.
    let is_told = |event: &&Event| subject.kind == Kind::Hpa || !repeats_the_cause(event, &report.events);
    for event in report.events.iter().filter(is_told) {
        let is_warning = event.kind == EventKind::Warning;
        if is_warning && remembered.warned.contains(&event.reason) {
            warned.insert(event.reason);
            continue;
        }
        log(subject, report.decision, event);
        match in_time(context, events::publish(context, subject, event)).await {
            Ok(Some(())) if is_warning => _ = warned.insert(event.reason),
            // A warning that was not published is new at the next look too.
            Ok(_) => {}
            Err(error) => result = Err(error),
        }
    }
    remembered.warned = warned;
    result
}

/// HPA follows each warning about a metric by one about the whole, with the same text in it. One
/// change is one event here.
fn repeats_the_cause(event: &Event, events: &[Event]) -> bool {
    event.reason == EventReason::FailedComputeMetricsReplicas
        && events.iter().any(|other| other.kind == EventKind::Warning && other.reason != event.reason)
}

fn log(subject: &Subject<'_>, decision: &Decision, event: &Event) {
    let Subject { namespace, name, .. } = *subject;
    let (from, to, reason, message) = (decision.current, decision.desired, event.reason, &event.message);
    match event.kind {
        EventKind::Normal => {
            tracing::info!(%namespace, %name, from, to, %reason, %message, "decision");
        }
        EventKind::Warning => {
            tracing::warn!(%namespace, %name, from, to, %reason, %message, "decision");
        }
    }
}
