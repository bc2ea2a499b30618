//! Metrics that have one value for all pods together: Object and External.

use super::Context;
use super::average::believable;
use super::decision::{MetricStatus, PodCounts};
use super::failure::Failure;
use super::proposal::{Basis, Proposal};
use super::rules::Rules;
use super::view::PodPhase;
use crate::numeric::{ceil_to_i32, ceil_to_i64, f64_from_count, f64_from_i64};

/// The size at which the value meets the target, if the value falls as the pods get more. From zero, where no pod
/// tells anything, the value divided by the target. HPA's `getUsageRatioReplicaCount`.
pub(super) fn propose_for_value(ctx: &Context<'_>, value: i64, target: i64) -> Result<Proposal, Failure> {
    let spec = ctx.input.target.spec_replicas;
    let ratio = f64_from_i64(value) / f64_from_i64(target);
    let status = MetricStatus { value: Some(value), ..MetricStatus::default() };
    let answer =
        |replicas, basis, pods| Proposal { replicas, basis, ratio, status, pods, total: Some(value) };
    if spec == 0 {
        return Ok(answer(ceil_to_i32(ratio), Basis::Value, None));
    }
    if ctx.tolerance.contains(ctx.reserve.judged(ratio)) {
        return Ok(answer(ctx.reserve.hold(), Basis::WithinTolerance, None));
    }
    if ctx.pods.is_empty() {
        return Err(Failure::NoPods);
    }
    let counts = PodCounts { ready: ready_pods(ctx), ..PodCounts::default() };
    let replicas = ceil_to_i32(ratio * f64_from_count(counts.ready));
    let (replicas, basis) = believable(ctx, ratio, replicas, counts);
    Ok(answer(replicas, basis, Some(counts)))
}

/// The size at which the value per pod meets the target. HPA's `Get…PerPodMetricReplicas`.
pub(super) fn propose_for_value_per_pod(ctx: &Context<'_>, value: i64, target: i64) -> Proposal {
    let existing = ctx.input.target.status_replicas;
    let compared_at =
        if ctx.rules.per_pod_targets_hold_at_spec() { ctx.input.target.spec_replicas } else { existing };
    let ratio = f64_from_i64(value) / (f64_from_i64(target) * f64::from(compared_at));
    let (replicas, basis) = if ctx.tolerance.contains(ctx.reserve.judged(ratio)) {
        let hold =
            if compared_at == ctx.input.target.spec_replicas { ctx.reserve.hold() } else { compared_at };
        (hold, Basis::WithinTolerance)
    } else {
        (ceil_to_i32(f64_from_i64(value) / f64_from_i64(target)), Basis::Value)
    };
    // Without any pod HPA divides by zero, and what it shows depends on the processor. The undivided value is what
    // kubernetes#140958 made of it later.
    let average = match existing {
        0 => value,
        _ if value == i64::MAX => value,
        existing => ceil_to_i64(f64_from_i64(value) / f64::from(existing)),
    };
    let status = MetricStatus { average_value: Some(average), ..MetricStatus::default() };
    Proposal { replicas, basis, ratio, status, pods: None, total: Some(value) }
}

fn ready_pods(ctx: &Context<'_>) -> usize {
    ctx.pods
        .iter()
        .filter(|pod| pod.phase == PodPhase::Running && pod.is_ready())
        .filter(|pod| !(ctx.rules.terminating_pods_are_not_ready() && pod.deleting))
        .count()
}

/// The sum of the series of an External metric whose target is a value.
pub(super) fn sum_for_value(rules: Rules, series: &[i64]) -> i64 {
    let mut sum = 0_i64;
    for value in series {
        if *value > 0 && sum > i64::MAX - *value {
            return i64::MAX;
        }
        sum = rules.add_milli(sum, *value);
    }
    sum
}

/// The sum of the series of an External metric whose target is an average. HPA takes any negative subtotal for an
/// overflow.
pub(super) fn sum_for_average(rules: Rules, series: &[i64]) -> i64 {
    if rules.arithmetic_saturates() {
        return sum_for_value(rules, series);
    }
    let mut sum = 0_i64;
    for value in series {
        sum = sum.wrapping_add(*value);
        if sum < 0 {
            return i64::MAX;
        }
    }
    sum
}

#[cfg(test)]
mod tests;
