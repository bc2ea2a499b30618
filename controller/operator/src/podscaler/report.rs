//! Report: status, events, metrics and logs, all with the words of the decision.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc, time::Duration};

use kube::{
    Resource as _,
    api::{Patch, PatchParams},
    core::Request,
};
use plimsoll_api::{PodScaler, v1alpha1::PodScalerStatus};
use plimsoll_core::{
    reason::{ConditionStatus, EventKind, EventReason, RescaleReason},
    replicas::{
        ConditionUpdate, Decision, Event, MetricOutcome, MetricSpec, PodTarget, PodView, Policy, ValueTarget,
    },
    time::Timestamp,
};
use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::{
    context::Context,
    hpa,
    podscaler::{
        Error, Kind, Subject, events,
        memory::{Remembered, Written},
        status::{self, Change},
    },
    targets::{FIELD_MANAGER, TIME_OUT, WRITE_TIME},
};

/// When values that are only shown are first written after something was decided differently.
const SHOWN_SOON: Duration = Duration::from_mins(1);

/// How often they are written after that: at a period of 15 s, less than one write for ten decisions.
const SHOWN_EVERY: Duration = Duration::from_mins(3);

/// How often they are written while they hardly move. A write costs the API server as much as dozens of looks.
const SLIGHTLY_EVERY: Duration = Duration::from_mins(10);

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

/// Begins no write that might end when the lease is no longer ours, and gives up one that takes too long:
/// after a look that was slow, what there is to tell is the next leader's. None if it was not begun.
pub(super) async fn in_time<T>(
    context: &Context,
    write: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Option<T>, Error> {
    if !context.leadership.outlives(WRITE_TIME) {
        return Ok(None);
    }
    match timeout(TIME_OUT, write).await {
        Ok(written) => written.map(Some).map_err(Error::Report),
        Err(_) => Err(Error::ReportTimedOut),
    }
}

/// Writes the status of a PodScaler where that is due. Answers whether it says now what was decided: not where the lease
/// might end before the write does.
async fn write_status(
    context: &Context,
    subject: &Subject<'_>,
    report: &Report<'_>,
    remembered: &mut Remembered,
) -> Result<bool, Error> {
    let written = remembered.written.as_ref();
    let nothing = PodScalerStatus::default();
    let before = written.map(|written| &*written.status).or(subject.status).unwrap_or(&nothing);
    let Report { decision, conditions, rescaled, now, .. } = report;
    let after = status::after(before, subject, decision, conditions, *rescaled, *now);
    let change = status::change(before, &after);
    let shown_every = if written.is_some_and(|written| written.shown) { SHOWN_EVERY } else { SHOWN_SOON };
    let due = match change {
        Change::None => false,
        Change::Slight => {
            let uid = subject.metadata.uid.as_deref().unwrap_or_default();
            let since = written.map(|written| written.at);
            context.schedule.has_passed(uid, SLIGHTLY_EVERY, since, Instant::now())
        }
        Change::Shown => written.is_none_or(|written| written.at.elapsed() >= shown_every),
        Change::Decided => true,
    };
    if !due {
        return Ok(true);
    }
    match in_time(context, patch_status(context, subject, &after)).await {
        Ok(None) => return Ok(false),
        Ok(Some(())) => {}
        // The API server writes no status to an object whose spec it would not take. The event tells it all.
        Err(Error::Report(kube::Error::Api(refused)))
            if subject.spec.is_none() && [422, 500].contains(&refused.code) =>
        {
            let Subject { namespace, name, .. } = *subject;
            tracing::warn!(%namespace, %name, error = %refused.message, "no status can be written to this object");
        }
        Err(error) => return Err(error),
    }
    let shown = change != Change::Decided;
    remembered.written = Some(Written { status: Arc::new(after), at: Instant::now(), shown });
    Ok(true)
}

/// Like the built-in controller, whenever anything in it has changed. Answers whether it says now what was decided.
async fn write_hpa_status(
    context: &Context,
    subject: &Subject<'_>,
    report: &Report<'_>,
) -> Result<bool, Error> {
    let nothing = PodScalerStatus::default();
    let before = subject.status.unwrap_or(&nothing);
    let Report { decision, conditions, rescaled, rewritten, now, .. } = report;
    let after = status::after(before, subject, decision, conditions, *rescaled, *now);
    let over_all = *rescaled || *rewritten;
    let Some(patch) = hpa::status::patch(subject, &after, conditions, over_all, *now) else {
        return Ok(true);
    };
    match in_time(context, hpa::status::write(context, subject, &patch)).await {
        // Somebody has written to it since we read it, which the next look will have seen.
        Err(Error::Report(kube::Error::Api(refused))) if refused.is_conflict() => Ok(false),
        written => written.map(|written| written.is_some()),
    }
}

/// Applies the whole status: what it no longer says is gone.
pub(super) async fn patch_status(
    context: &Context,
    subject: &Subject<'_>,
    status: &PodScalerStatus,
) -> Result<(), kube::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Applied<'a> {
        api_version: Cow<'static, str>,
        kind: Cow<'static, str>,
        metadata: Metadata<'a>,
        status: &'a PodScalerStatus,
    }
    #[derive(Serialize)]
    struct Metadata<'a> {
        name: &'a str,
        /// Keeps us from writing to another object of the same name.
        uid: Option<&'a str>,
    }
    let applied = Applied {
        api_version: PodScaler::api_version(&()),
        kind: PodScaler::kind(&()),
        metadata: Metadata { name: subject.name, uid: subject.metadata.uid.as_deref() },
        status,
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let scalers = Request::new(PodScaler::url_path(&(), Some(subject.namespace)));
    let request = scalers.patch_subresource("status", subject.name, &params, &Patch::Apply(&applied));
    // The answer is the whole object, which nobody needs, and which may not even decode.
    let answer = context.client.request_text(request.map_err(kube::Error::BuildRequest)?).await;
    answer.map(drop)
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

fn set_metrics(context: &Context, subject: &Subject<'_>, report: &Report<'_>) {
    match subject.kind {
        Kind::PodScaler => set_gauges(context, subject, report),
        // The rest of an HPA is what everybody shows of HPAs, such as kube-state-metrics.
        Kind::Hpa if report.decision.is_decided() => {
            context.metrics.hpa.desired.set(subject.namespace, subject.name, report.decision.desired.into());
        }
        Kind::Hpa => {}
    }
    let (direction, reason) = outcome(report.decision, &report.conditions);
    context.metrics.decisions.with_label_values(&[direction, &reason]).inc();
    if report.rescaled {
        context.metrics.rescales.with_label_values(&[direction]).inc();
    }
}

fn set_gauges(context: &Context, subject: &Subject<'_>, report: &Report<'_>) {
    let (namespace, name, decision) = (subject.namespace, subject.name, report.decision);
    let metrics = &context.metrics;
    if decision.is_decided() {
        metrics.desired.set(namespace, name, decision.desired.into());
    }
    if let Some(reserve) = &decision.reserve {
        let loss = reserve.against.to_string();
        metrics.reserve.replace(namespace, name, [([loss.as_str()], f64::from(reserve.replicas()))]);
    }
    if status::knows_size(decision) {
        metrics.current.set(namespace, name, decision.current.into());
    }
    if let Some(spec) = subject.spec {
        let scheduled = decision.bounds.as_ref().map(|bounds| (bounds.min_replicas, bounds.max_replicas));
        let (min, max) = scheduled.unwrap_or((spec.min_replicas, spec.max_replicas));
        metrics.min.set(namespace, name, min.into());
        metrics.max.set(namespace, name, max.into());
    }
    let conditions = report.conditions.iter().map(|condition| {
        let holds = if condition.status == ConditionStatus::True { 1.0 } else { 0.0 };
        (condition.kind.to_string(), condition.reason.to_string(), holds)
    });
    let conditions: Vec<_> = conditions.collect();
    let conditions =
        conditions.iter().map(|(kind, reason, holds)| ([kind.as_str(), reason.as_str()], *holds));
    metrics.condition.replace(namespace, name, conditions);
    if let Some((policy, pods)) = report.seen {
        let ready = pods.iter().filter(|pod| pod.is_ready() && !pod.deleting).count();
        metrics.ready.set(namespace, name, u32::try_from(ready).unwrap_or(u32::MAX).into());
        let signals: Vec<_> = policy.metrics.iter().zip(&decision.metrics).filter_map(signal).collect();
        let labelled = |value: fn(&Signal<'_>) -> f64| {
            signals.iter().map(move |signal| ([signal.metric.as_ref(), signal.unit], value(signal)))
        };
        metrics.value.replace(namespace, name, labelled(|signal| signal.value));
        metrics.target.replace(namespace, name, labelled(|signal| signal.target));
    }
}

/// Direction and reason of a decision, from enums only.
fn outcome(decision: &Decision, conditions: &[ConditionUpdate]) -> (&'static str, String) {
    if !decision.is_decided() {
        let failed = conditions.iter().find(|condition| condition.status == ConditionStatus::False);
        return ("blocked", failed.map_or_else(|| "Unknown".to_owned(), |failed| failed.reason.to_string()));
    }
    let reason = match decision.reason {
        RescaleReason::AboveMaxReplicas => "AboveMaxReplicas",
        RescaleReason::BelowMinReplicas => "BelowMinReplicas",
        RescaleReason::MetricAboveTarget(_) => "MetricAboveTarget",
        RescaleReason::ReserveTooSmall(..) => "ReserveTooSmall",
        RescaleReason::AllMetricsBelowTarget => "AllMetricsBelowTarget",
        RescaleReason::RecentRecommendations => "RecentRecommendations",
        RescaleReason::AboveScheduledMax(_) => "AboveScheduledMax",
        RescaleReason::BelowScheduledMin(_) => "BelowScheduledMin",
        RescaleReason::Formula => "Formula",
        RescaleReason::Fallback => "Fallback",
        RescaleReason::None => "WithinTolerance",
    };
    let direction = match decision.desired.cmp(&decision.current) {
        std::cmp::Ordering::Greater => "up",
        std::cmp::Ordering::Less => "down",
        std::cmp::Ordering::Equal => "hold",
    };
    (direction, reason.to_owned())
}

struct Signal<'a> {
    metric: Cow<'a, str>,
    unit: &'static str,
    value: f64,
    target: f64,
}

fn signal<'a>((spec, outcome): (&'a MetricSpec, &MetricOutcome)) -> Option<Signal<'a>> {
    let status = outcome.status?;
    let metric: Cow<'_, str> = match spec {
        MetricSpec::Resource { name, .. } => name.into(),
        MetricSpec::ContainerResource { name, container, .. } => format!("{name} of {container}").into(),
        MetricSpec::Pods { metric, .. }
        | MetricSpec::Object { metric, .. }
        | MetricSpec::External { metric, .. } => metric.into(),
        MetricSpec::Prometheus { query, .. } => query.into(),
        MetricSpec::Scrape { scrape, .. } => scrape.to_string().into(),
        MetricSpec::Unknown { .. } => return None,
    };
    let (unit, value, target) = match spec {
        MetricSpec::Resource { target: PodTarget::Utilization(target), .. }
        | MetricSpec::ContainerResource { target: PodTarget::Utilization(target), .. } => {
            ("percent", status.average_utilization?.into(), f64::from(*target))
        }
        MetricSpec::Resource { name, target: PodTarget::AverageValue(target) }
        | MetricSpec::ContainerResource { name, target: PodTarget::AverageValue(target), .. } => {
            let unit = match name.as_str() {
                "cpu" => "cores",
                "memory" => "bytes",
                _ => "value",
            };
            (unit, units(status.average_value?), units(*target))
        }
        MetricSpec::Pods { average, .. } | MetricSpec::Scrape { average, .. } => {
            ("value", units(status.average_value?), units(*average))
        }
        MetricSpec::Object { target: ValueTarget::Value(target), .. }
        | MetricSpec::External { target: ValueTarget::Value(target), .. }
        | MetricSpec::Prometheus { target: ValueTarget::Value(target), .. } => {
            ("value", units(status.value?), units(*target))
        }
        MetricSpec::Object { target: ValueTarget::AverageValue(target), .. }
        | MetricSpec::External { target: ValueTarget::AverageValue(target), .. }
        | MetricSpec::Prometheus { target: ValueTarget::AverageValue(target), .. } => {
            ("value", units(status.average_value?), units(*target))
        }
        _ => return None,
    };
    Some(Signal { metric, unit, value, target })
}

/// Thousandths as a number for a gauge, which is a float anyway.
fn units(milli: i64) -> f64 {
    use plimsoll_core::quantity::{Format, Quantity};
    Quantity::from_milli(milli, Format::DecimalSI).approximate()
}
