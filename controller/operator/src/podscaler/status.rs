//! The status that a decision means. Pure.

use k8s_openapi::{
    apimachinery::pkg::api::resource::Quantity as ApiQuantity, apimachinery::pkg::apis::meta::v1::Condition,
};
use plimsoll_api::v1alpha1::{
    CurrentContainerResource, CurrentExternal, CurrentMetric, CurrentObject, CurrentPods, CurrentPrometheus,
    CurrentResource, CurrentScrape, CurrentValue, LastDecision, Metric, MetricIdentifier, MetricProposal,
    MetricType, PodScalerSpec, PodScalerStatus, TargetType,
};
use plimsoll_core::{
    quantity::{Format, Quantity},
    reason::ConditionKind,
    replicas::{ConditionUpdate, Decision, MetricStatus},
    time::Timestamp,
};
use plimsoll_observe::from_core_time;

use crate::podscaler::{Subject, availability::is_asked};

/// How a new status differs from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Not at all.
    None,
    /// Only in values that are shown, and that have hardly moved.
    Slight,
    /// Only in values that are shown.
    Shown,
    /// In what was decided, or why.
    Decided,
}

/// The status after a decision.
///
/// What a decision does not speak of stays as it was: conditions that were not touched, the
/// desired replicas when none were decided, the metrics when none were looked at.
pub(crate) fn after(
    before: &PodScalerStatus,
    subject: &Subject<'_>,
    decision: &Decision,
    conditions: &[ConditionUpdate],
    rescaled: bool,
    now: Timestamp,
) -> PodScalerStatus {
    let metrics = subject.spec.map(PodScalerSpec::metrics_or_default).unwrap_or_default();
    let looked = !decision.metrics.is_empty();
    let generation = subject.metadata.generation;
    PodScalerStatus {
        observed_generation: generation,
        last_scale_time: if rescaled { Some(from_core_time(now)) } else { before.last_scale_time.clone() },
        current_replicas: if knows_size(decision) { Some(decision.current) } else { before.current_replicas },
        desired_replicas: if decision.is_decided() { decision.desired } else { before.desired_replicas },
        current_metrics: if looked || decision.is_decided() {
            looked.then(|| current_metrics(&metrics, decision))
        } else {
            before.current_metrics.clone()
        },
        conditions: merge(&still_asked(&before.conditions, subject), conditions, generation, now),
        reference: subject
            .spec
            .map(|spec| format!("{}/{}", spec.scale_target_ref.kind, spec.scale_target_ref.name)),
        targets: subject.spec.map(|_| shown_targets(&metrics, decision)),
        last_decision: Some(last_decision(decision, now)),
    }
}

/// The status with one condition set.
pub(super) fn with(
    before: &PodScalerStatus,
    update: ConditionUpdate,
    generation: Option<i64>,
    now: Timestamp,
) -> PodScalerStatus {
    PodScalerStatus { conditions: merge(&before.conditions, &[update], generation, now), ..before.clone() }
}

/// Whether writing `after` is worth it now, or only once in a while.
pub(super) fn change(before: &PodScalerStatus, after: &PodScalerStatus) -> Change {
    if decided(before) != decided(after) {
        Change::Decided
    } else if shown(before) == shown(after) {
        Change::None
    } else if told(before) == told(after) && are_near(before, after) {
        Change::Slight
    } else {
        Change::Shown
    }
}

/// The sentences of a status.
fn told(status: &PodScalerStatus) -> impl PartialEq + use<'_> {
    let last_decision = status.last_decision.as_ref().map(|decision| {
        let LastDecision { time: _, reason, recommendation, proposals, reserve, limits } = decision;
        (reason, recommendation, proposals, reserve, limits)
    });
    (&status.conditions, last_decision)
}

/// Whether no metric differs by more than a tenth from what is shown of it.
fn are_near(before: &PodScalerStatus, after: &PodScalerStatus) -> bool {
    let (Some(before), Some(after)) = (&before.current_metrics, &after.current_metrics) else { return false };
    let is_near = |(before, after): (&CurrentMetric, &CurrentMetric)| {
        before.r#type == after.r#type
            && numbers(before).iter().zip(numbers(after)).all(|numbers| match numbers {
                (Some(before), Some(after)) => before.abs_diff(after) <= before.unsigned_abs() / 10,
                (before, after) => *before == after,
            })
    };
    before.len() == after.len() && before.iter().zip(after).all(is_near)
}

/// What is shown of a metric, in thousandths.
fn numbers(metric: &CurrentMetric) -> [Option<i64>; 3] {
    let CurrentMetric { r#type: _, resource, container_resource, pods, object, external, prometheus, scrape } =
        metric;
    let current = resource.as_ref().map(|metric| &metric.current);
    let current = current.or_else(|| container_resource.as_ref().map(|metric| &metric.current));
    let current = current.or_else(|| pods.as_ref().map(|metric| &metric.current));
    let current = current.or_else(|| object.as_ref().map(|metric| &metric.current));
    let current = current.or_else(|| external.as_ref().map(|metric| &metric.current));
    let current = current.or_else(|| prometheus.as_ref().map(|metric| &metric.current));
    let Some(current) = current.or_else(|| scrape.as_ref().map(|metric| &metric.current)) else {
        return [None; 3];
    };
    let milli = |quantity: &ApiQuantity| Quantity::parse(&quantity.0).ok().map(Quantity::milli);
    [
        current.value.as_ref().and_then(milli),
        current.average_value.as_ref().and_then(milli),
        current.average_utilization.map(|percent| i64::from(percent) * 1000),
    ]
}

/// What was decided, and why.
fn decided(status: &PodScalerStatus) -> impl PartialEq + use<'_> {
    let conditions = status.conditions.iter();
    (
        status.observed_generation,
        status.last_scale_time.as_ref(),
        status.current_replicas,
        status.desired_replicas,
        status.reference.as_ref(),
        conditions.map(|told| (&told.type_, &told.status, &told.reason)).collect::<Vec<_>>(),
    )
}

/// Everything but the time of the look.
fn shown(status: &PodScalerStatus) -> impl PartialEq + use<'_> {
    let PodScalerStatus {
        observed_generation,
        last_scale_time,
        current_replicas,
        desired_replicas,
        current_metrics,
        conditions,
        reference,
        targets,
        last_decision,
    } = status;
    let last_decision = last_decision.as_ref().map(|decision| {
        let LastDecision { time: _, reason, recommendation, proposals, reserve, limits } = decision;
        (reason, recommendation, proposals, reserve, limits)
    });
    let sizes = (observed_generation, last_scale_time, current_replicas, desired_replicas);
    (sizes, current_metrics, conditions, reference, targets, last_decision)
}

/// A size of 0 in an undecided decision may only mean that it could not be read.
pub(super) fn knows_size(decision: &Decision) -> bool {
    decision.is_decided() || decision.current > 0
}

/// Those that have a meaning for the spec as it is now.
fn still_asked(before: &[Condition], subject: &Subject<'_>) -> Vec<Condition> {
    before.iter().filter(|condition| is_asked(&condition.type_, subject.spec)).cloned().collect()
}

/// Updates in place and appends, so that the order is that of the first setting. The transition
/// time changes only with the status.
fn merge(
    before: &[Condition],
    updates: &[ConditionUpdate],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    // Those of others are theirs: what we apply becomes ours. Recommending is there only while it holds.
    let recommending = ConditionKind::Recommending;
    let recommends = updates.iter().any(|update| update.kind == recommending);
    let mut conditions: Vec<_> = before
        .iter()
        .filter(|condition| is_ours(&condition.type_))
        .filter(|condition| recommends || condition.type_ != recommending.to_string())
        .cloned()
        .collect();
    for update in updates {
        let (kind, status) = (update.kind.to_string(), update.status.to_string());
        let position = conditions.iter().position(|condition| condition.type_ == kind);
        let since = position
            .and_then(|position| conditions.get(position))
            .filter(|condition| condition.status == status)
            .map_or_else(|| from_core_time(now), |condition| condition.last_transition_time.clone());
        let condition = Condition {
            type_: kind,
            status,
            reason: update.reason.to_string(),
            message: update.message.clone(),
            last_transition_time: since,
            observed_generation: generation,
        };
        match position.and_then(|position| conditions.get_mut(position)) {
            Some(slot) => *slot = condition,
            None => conditions.push(condition),
        }
    }
    conditions
}

fn is_ours(kind: &str) -> bool {
    use ConditionKind::{
        AbleToScale, CanLoseNode, CanLoseZone, DisruptionBudget, Recommending, ScaledToZero, ScalingActive,
        ScalingLimited, Spread,
    };
    let of_hpas = [AbleToScale, ScalingActive, ScalingLimited, ScaledToZero];
    let further = [Recommending, CanLoseZone, CanLoseNode, Spread, DisruptionBudget];
    of_hpas.iter().chain(&further).any(|ours| ours.to_string() == kind)
}

fn last_decision(decision: &Decision, now: Timestamp) -> LastDecision {
    LastDecision {
        time: Some(from_core_time(now)),
        reason: decision.why(),
        recommendation: decision.recommendation,
        proposals: decision
            .metrics
            .iter()
            .map(|metric| MetricProposal {
                metric: metric.name.clone(),
                replicas: metric.proposal.as_ref().ok().copied(),
                error: metric.proposal.as_ref().err().map(ToString::to_string),
            })
            .collect(),
        reserve: decision.reserve.as_ref().map(ToString::to_string),
        limits: decision.limits.iter().map(ToString::to_string).collect(),
    }
}

fn current_metrics(metrics: &[Metric], decision: &Decision) -> Vec<CurrentMetric> {
    metrics
        .iter()
        .zip(&decision.metrics)
        .map(|(metric, outcome)| match &outcome.status {
            Some(status) => current_metric(metric, status),
            None => CurrentMetric::default(),
        })
        .collect()
}

fn current_metric(metric: &Metric, status: &MetricStatus) -> CurrentMetric {
    let current = current_value(metric, status);
    CurrentMetric {
        r#type: metric.r#type.as_str().to_owned(),
        resource: metric
            .resource
            .as_ref()
            .map(|resource| CurrentResource { name: resource.name.clone(), current: current.clone() }),
        container_resource: metric.container_resource.as_ref().map(|resource| CurrentContainerResource {
            name: resource.name.clone(),
            container: resource.container.clone(),
            current: current.clone(),
        }),
        pods: metric
            .pods
            .as_ref()
            .map(|pods| CurrentPods { metric: pods.metric.clone(), current: current.clone() }),
        object: metric.object.as_ref().map(|object| CurrentObject {
            metric: object.metric.clone(),
            current: current.clone(),
            described_object: object.described_object.clone(),
        }),
        external: metric
            .external
            .as_ref()
            .map(|external| CurrentExternal { metric: external.metric.clone(), current: current.clone() }),
        prometheus: metric.prometheus.as_ref().map(|prometheus| CurrentPrometheus {
            source: prometheus.source.clone(),
            query: prometheus.query.clone(),
            current: current.clone(),
        }),
        scrape: metric.scrape.as_ref().map(|scrape| CurrentScrape {
            metric: MetricIdentifier { name: scrape.metric.clone(), selector: scrape.selector.clone() },
            current,
        }),
    }
}

fn current_value(metric: &Metric, status: &MetricStatus) -> CurrentValue {
    let quantity = |milli: i64| ApiQuantity(Quantity::from_milli(milli, format_of(metric)).to_string());
    CurrentValue {
        value: status.value.map(quantity),
        average_value: status.average_value.map(quantity),
        average_utilization: status.average_utilization,
    }
}

fn format_of(metric: &Metric) -> Format {
    let resource = metric.resource.as_ref().map(|resource| resource.name.as_str());
    let resource =
        resource.or_else(|| metric.container_resource.as_ref().map(|resource| resource.name.as_str()));
    if resource == Some("memory") { Format::BinarySI } else { Format::DecimalSI }
}

/// As `kubectl get hpa` shows targets: at most two, and how many more there are.
fn shown_targets(metrics: &[Metric], decision: &Decision) -> String {
    let shown: Vec<String> = metrics
        .iter()
        .enumerate()
        .map(|(index, metric)| {
            let status = decision.metrics.get(index).and_then(|outcome| outcome.status.as_ref());
            shown_target(metric, status)
        })
        .collect();
    match shown.len() {
        0..=2 => shown.join(", "),
        more => format!("{} + {} more...", shown[..2].join(", "), more - 2),
    }
}

fn shown_target(metric: &Metric, status: Option<&MetricStatus>) -> String {
    let current = status.map(|status| current_value(metric, status)).unwrap_or_default();
    let text = |quantity: Option<ApiQuantity>| quantity.map_or_else(unknown, |quantity| quantity.0);
    let (name, target) = match metric.r#type {
        MetricType::Resource => {
            let resource = metric.resource.as_ref();
            (resource.map(|r| r.name.as_str()), resource.map(|r| &r.target))
        }
        MetricType::ContainerResource => {
            let resource = metric.container_resource.as_ref();
            (resource.map(|r| r.name.as_str()), resource.map(|r| &r.target))
        }
        MetricType::Pods => (None, metric.pods.as_ref().map(|pods| &pods.target)),
        MetricType::Object => (None, metric.object.as_ref().map(|object| &object.target)),
        MetricType::External => (None, metric.external.as_ref().map(|external| &external.target)),
        MetricType::Prometheus => (None, metric.prometheus.as_ref().map(|prometheus| &prometheus.target)),
        MetricType::Scrape => (None, metric.scrape.as_ref().map(|scrape| &scrape.target)),
    };
    let Some(target) = target else { return unknown() };
    let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
    match (&target.average_utilization, &target.average_value, &target.value) {
        (Some(percent), None, _) => {
            let value = current.average_utilization.map_or_else(unknown, |value| format!("{value}%"));
            format!("{name}{value}/{percent}%")
        }
        (_, _, Some(value)) if target.r#type == TargetType::Value => {
            format!("{name}{}/{}", text(current.value), value.0)
        }
        (_, Some(average), _) => {
            let note = if name.is_empty() && metric.pods.is_none() && metric.scrape.is_none() {
                " (avg)"
            } else {
                ""
            };
            format!("{name}{}/{}{note}", text(current.average_value), average.0)
        }
        (_, None, Some(value)) => format!("{name}{}/{}", text(current.value), value.0),
        (None, None, None) => unknown(),
    }
}

fn unknown() -> String {
    "<unknown>".to_owned()
}

#[cfg(test)]
mod tests;
