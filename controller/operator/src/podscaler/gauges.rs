//! The series of a look: sizes, metrics and conditions, and how decisions went.

use std::borrow::Cow;

use plimsoll_core::{
    reason::{ConditionStatus, RescaleReason},
    replicas::{ConditionUpdate, Decision, MetricOutcome, MetricSpec, PodTarget, ValueTarget},
};

use crate::{
    context::Context,
    podscaler::{Kind, Subject, report::Report, status},
};

/// Shows what a look has found, also where nothing of it could be told.
pub(super) fn set_metrics(context: &Context, subject: &Subject<'_>, report: &Report<'_>) {
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
