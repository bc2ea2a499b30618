//! Section 1.5: what each metric makes of its reading.

use plimsoll_core::replicas::{
    Basis, Input, MetricOutcome, MetricSpec, PodCounts, PodTarget, Reading, Samples, ValueTarget,
};

use super::Branch as B;
use super::{Sync, pods, requests};
use crate::case::{Observed, bad_operator, has_no_target, selector_of};

pub(super) fn classify(sync: Sync<'_>, hit: &mut impl FnMut(B)) {
    for (index, outcome) in sync.outcomes() {
        let input = &sync.synced.input;
        let metric = &sync.step.policy.metrics[index];
        if selector_of(metric).is_some_and(|selector| bad_operator(selector).is_some()) {
            hit(B::BadMetricSelector);
        } else if has_no_target(metric) {
            hit(match metric {
                MetricSpec::Resource { .. } => B::ResourceUnset,
                MetricSpec::ContainerResource { .. } => B::ContainerUnset,
                MetricSpec::Object { .. } => B::ObjectUnset,
                _ => B::ExternalUnset,
            });
        } else if matches!(metric, MetricSpec::Unknown { .. }) {
            hit(B::UnknownType);
        } else {
            read(sync, index, outcome, &input.readings[index], hit);
        }
    }
}

fn read(sync: Sync<'_>, index: usize, outcome: &MetricOutcome, reading: &Reading, hit: &mut impl FnMut(B)) {
    let (step, input) = (sync.step, &sync.synced.input);
    match (&step.observed[index], reading) {
        (Observed::Fails(_), _) => return hit(B::FetchFails),
        (_, Reading::Failed(_)) => return hit(B::FetchEmpty),
        (Observed::Usages(usages), _) => pods::usages(&step.policy.metrics[index], usages, hit),
        _ => {}
    }
    match (&step.policy.metrics[index], reading) {
        (MetricSpec::Resource { name, target }, Reading::Pods(samples)) => {
            per_pod(input, outcome, *target, (name, None), samples, hit);
        }
        (MetricSpec::ContainerResource { name, container, target }, Reading::Pods(samples)) => {
            per_pod(input, outcome, *target, (name, Some(container)), samples, hit);
        }
        (MetricSpec::Pods { average, .. }, Reading::Pods(samples)) => {
            per_pod(input, outcome, PodTarget::AverageValue(*average), ("", None), samples, hit);
        }
        (MetricSpec::Object { target, .. }, Reading::Value(value)) => {
            total(input, outcome, *target, &[*value], false, hit);
        }
        (MetricSpec::External { target, .. }, Reading::Series(series)) => {
            total(input, outcome, *target, series, true, hit);
        }
        _ => {}
    }
}

/// B and C.
fn per_pod(
    input: &Input,
    outcome: &MetricOutcome,
    target: PodTarget,
    (resource, container): (&str, Option<&String>),
    samples: &Samples,
    hit: &mut impl FnMut(B),
) {
    let percent = match target {
        PodTarget::Utilization(percent) => Some(percent),
        _ => None,
    };
    let either = |utilization, average| if percent.is_some() { utilization } else { average };
    if input.pods.is_empty() {
        return hit(either(B::UtilizationNoPods, B::AverageNoPods));
    }
    let groups = pods::group(input, samples, resource, hit);
    if groups.believed == 0 {
        return hit(either(B::UtilizationNoSamples, B::AverageNoSamples));
    }
    if percent.is_some() && !requests::classify(input, outcome, resource, container, hit) {
        return;
    }
    let (Ok(_), Some(basis), Some(counts)) = (&outcome.proposal, outcome.basis, outcome.pods) else { return };
    if samples.keys().any(|name| !input.pods.iter().any(|pod| pod.name == *name)) {
        hit(either(B::UtilizationUnknownPods, B::AverageUnknownPods));
    }
    if percent.is_some() && resource == "memory" {
        hit(B::MemoryUtilization);
    }
    let status = outcome.status.unwrap_or_default();
    let first = match (percent, target) {
        (Some(percent), _) => f64::from(status.average_utilization.unwrap_or_default()) / f64::from(percent),
        (None, PodTarget::AverageValue(target)) => ratio(status.average_value.unwrap_or_default(), target),
        _ => return,
    };
    if groups.sum % i128::from(groups.believed) != 0 {
        hit(either(B::UtilizationTruncated, B::AverageTruncated));
    }
    path(input, outcome, basis, counts, first, percent, hit);
}

/// The fast path, or the one with assumed samples.
fn path(
    input: &Input,
    outcome: &MetricOutcome,
    basis: Basis,
    counts: PodCounts,
    first: f64,
    percent: Option<i32>,
    hit: &mut impl FnMut(B),
) {
    let either = |utilization, average| if percent.is_some() { utilization } else { average };
    let spec = input.target.spec_replicas;
    let zeroes_unready = counts.unready > 0 && first > 1.0;
    if !zeroes_unready && counts.missing == 0 {
        if counts.unready > 0 {
            hit(either(B::UtilizationUnreadyDropped, B::AverageUnreadyDropped));
        }
        if basis == Basis::WithinTolerance {
            return hit(either(B::UtilizationWithin, B::AverageWithin));
        }
        hit(either(B::UtilizationRatio, B::AverageRatio));
        let proposal = outcome.proposal.as_ref().copied().unwrap_or(spec);
        if (first < 1.0 && proposal > spec) || (first > 1.0 && proposal < spec) {
            hit(B::UtilizationAgainstUsage);
        }
        return;
    }
    if zeroes_unready {
        hit(either(B::UtilizationUnreadyZero, B::AverageUnreadyZero));
    }
    if counts.missing > 0 {
        hit(if first < 1.0 {
            match percent {
                Some(101..) => B::UtilizationMissingTarget,
                Some(_) => B::UtilizationMissingFull,
                None => B::AverageMissingFull,
            }
        } else if first > 1.0 {
            either(B::UtilizationMissingZero, B::AverageMissingZero)
        } else {
            either(B::UtilizationMissingOut, B::AverageMissingOut)
        });
    }
    let second = outcome.ratio.unwrap_or_default();
    hit(match basis {
        Basis::WithinTolerance => either(B::UtilizationRebalancedWithin, B::AverageRebalancedWithin),
        Basis::WouldTurn if (first < 1.0) != (second < 1.0) => {
            either(B::UtilizationOpposite, B::AverageOpposite)
        }
        Basis::WouldTurn if second < 1.0 => either(B::UtilizationTurnedDown, B::AverageTurnedDown),
        Basis::WouldTurn => either(B::UtilizationTurnedUp, B::AverageTurnedUp),
        _ => either(B::UtilizationRebalanced, B::AverageRebalanced),
    });
}

/// D and E.
fn total(
    input: &Input,
    outcome: &MetricOutcome,
    target: ValueTarget,
    series: &[i64],
    external: bool,
    hit: &mut impl FnMut(B),
) {
    if series.len() > 1 {
        hit(B::SeriesSummed);
    }
    let exact: i128 = series.iter().copied().map(i128::from).sum();
    let proposal = outcome.proposal.as_ref().ok().copied();
    match target {
        ValueTarget::Value(_) => {
            if external && exact > i128::from(i64::MAX) {
                hit(B::SeriesSaturate);
            }
            if exact < 0 {
                hit(B::ValueNegative);
            }
            value(input, outcome, proposal, hit);
        }
        ValueTarget::AverageValue(_) => {
            let (status, spec) = (input.target.status_replicas, input.target.spec_replicas);
            let negative = series.iter().scan(0_i64, |sum, v| {
                Some({
                    *sum = sum.wrapping_add(*v);
                    *sum
                })
            });
            if external && exact < 0 && negative.clone().any(|sum| sum < 0) {
                hit(B::PerPodSeriesNegative);
            }
            if status == 0 {
                return hit(if exact == 0 { B::PerPodNoPodsIdle } else { B::PerPodNoPods });
            }
            if external && proposal == Some(i32::MAX) {
                hit(B::PerPodSaturates);
            }
            if external && outcome.status.is_some_and(|s| s.average_value == Some(i64::MAX)) {
                hit(B::PerPodOverflowShown);
            }
            match outcome.basis {
                Some(Basis::WithinTolerance) => {
                    hit(B::PerPodWithin);
                    if status != spec {
                        hit(B::PerPodSurge);
                    }
                }
                _ => hit(B::PerPodRatio),
            }
        }
        ValueTarget::Unset => {}
    }
}

fn value(input: &Input, outcome: &MetricOutcome, proposal: Option<i32>, hit: &mut impl FnMut(B)) {
    match outcome.basis {
        Some(Basis::Value) => return hit(B::ValueFromZero),
        Some(Basis::WithinTolerance) => return hit(B::ValueWithin),
        None => return hit(B::ValueNoPods),
        _ => hit(B::ValueRatio),
    }
    if proposal == Some(i32::MAX) {
        hit(B::ValueSaturates);
    }
    if outcome.pods.is_some_and(|pods| pods.ready == 0) && outcome.ratio > Some(0.0) {
        hit(B::ValueNoneReady);
    }
    if input.pods.iter().any(|pod| pod.deleting && pod.is_ready()) {
        hit(B::ValueDeletingCounts);
    }
}

#[allow(clippy::cast_precision_loss, reason = "as HPA does it")]
fn ratio(value: i64, target: i64) -> f64 {
    value as f64 / target as f64
}
