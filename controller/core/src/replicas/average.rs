//! Metrics that every pod has: utilization of requests, and averages.
//!
//! HPA's `GetResourceReplicas` and `calcPlainMetricReplicas` are the same steps with two ways to measure.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use super::decision::{MetricStatus, PodCounts};
use super::failure::Failure;
use super::grouping::{Groups, group, is_negative, is_stale};
use super::proposal::{Basis, Proposal};
use super::requests::{Requests, requests};
use super::usage::Samples;
use crate::numeric::{
    ceil_to_i32, f64_from_count, f64_from_i64, f64_from_i128, i64_from_count, saturate_to_i32,
    saturate_to_i64, wrap_to_i32,
};

/// What the pods' samples are compared with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a> {
    /// Percent of the requests for a resource, of the pod or of one container.
    Utilization { percent: i32, resource: &'a str, container: Option<&'a str> },
    /// An average in thousandths; with the resource, if it is one.
    Average { milli: i64, resource: Option<&'a str> },
}

/// The size at which the pods' average meets the target.
pub(super) fn propose(ctx: &Context<'_>, samples: &Samples, target: Target<'_>) -> Result<Proposal, Failure> {
    if ctx.pods.is_empty() {
        return Err(Failure::NoPods);
    }
    let resource = match target {
        Target::Utilization { resource, .. } => Some(resource),
        Target::Average { resource, .. } => resource,
    };
    let groups = group(ctx, samples, resource);
    let mut load = believed(ctx, samples, &groups);
    if load.is_empty() {
        return Err(Failure::NoUsableSamples { stale: groups.stale, negative: groups.negative });
    }
    let measure = Measure::new(ctx, target)?;
    let usage = measure.usage(&load)?;
    let (hold, ratio) = (ctx.reserve.hold(), usage.ratio);
    let judged = ctx.reserve.judged(ratio);
    let status = usage.status(&measure);
    let answer = |replicas, basis, ratio| Proposal {
        replicas,
        basis,
        ratio,
        status,
        pods: Some(groups.counts()),
        total: None,
    };

    let grows_with_unready = !groups.unready.is_empty() && judged > 1.0;
    if !grows_with_unready && groups.missing.is_empty() {
        if ctx.tolerance.contains(judged) {
            return Ok(answer(hold, Basis::WithinTolerance, ratio));
        }
        let replicas = ceil_to_i32(ratio * f64_from_count(groups.ready));
        let (replicas, basis) = believable(ctx, ratio, replicas, groups.counts());
        return Ok(answer(replicas, basis, ratio));
    }

    assume(&mut load, &groups, &measure, judged);
    let assumed = measure.usage(&load)?.ratio;
    let judged_anew = ctx.reserve.judged(assumed);
    if ctx.tolerance.contains(judged_anew) {
        return Ok(answer(hold, Basis::WithinTolerance, assumed));
    }
    let replicas = ceil_to_i32(assumed * f64_from_count(load.len()));
    if on_opposite_sides(judged, judged_anew) || would_turn(judged_anew, replicas, hold) {
        return Ok(answer(hold, Basis::WouldTurn, assumed));
    }
    Ok(answer(replicas, Basis::Rebalanced, assumed))
}

/// The load per pod, without the pods that do not count.
fn believed<'a>(ctx: &Context<'a>, samples: &'a Samples, groups: &Groups<'_>) -> BTreeMap<&'a str, i64> {
    let known: BTreeSet<&str> = ctx.pods.iter().map(|pod| pod.name.as_str()).collect();
    samples
        .iter()
        .map(|(name, sample)| (name.as_str(), sample))
        .filter(|(name, _)| !groups.ignored.contains(name) && !groups.unready.contains(name))
        .filter(|(_, sample)| !is_stale(ctx, sample) && !is_negative(ctx, sample.value))
        .filter(|(name, _)| !ctx.rules.unknown_pods_are_dropped() || known.contains(name))
        .map(|(name, sample)| (name, sample.value))
        .collect()
}

/// Fills in the cautious assumption: pods without usable samples are at full load when the others would shrink the
/// workload, and idle when they would grow it.
fn assume<'a>(load: &mut BTreeMap<&'a str, i64>, groups: &Groups<'a>, measure: &Measure<'_>, ratio: f64) {
    if ratio < 1.0 {
        load.extend(groups.missing.iter().map(|pod| (*pod, measure.full_load(pod))));
    } else if ratio > 1.0 {
        load.extend(groups.missing.iter().chain(&groups.unready).map(|pod| (*pod, 0)));
    }
}

fn on_opposite_sides(ratio: f64, other: f64) -> bool {
    (ratio < 1.0 && other > 1.0) || (ratio > 1.0 && other < 1.0)
}

/// Whether a ratio below 1 would grow the workload, or one above 1 shrink it.
fn would_turn(ratio: f64, replicas: i32, hold: i32) -> bool {
    (ratio < 1.0 && replicas > hold) || (ratio > 1.0 && replicas < hold)
}

/// The proposal of a ratio times the counted pods, or the present size if the algorithm does not believe it.
pub(super) fn believable(ctx: &Context<'_>, ratio: f64, replicas: i32, pods: PodCounts) -> (i32, Basis) {
    let (hold, judged) = (ctx.reserve.hold(), ctx.reserve.judged(ratio));
    if ctx.rules.load_without_ready_pods_holds() && pods.ready == 0 && ratio > 0.0 {
        (hold, Basis::NoReadyPods)
    } else if ctx.rules.direction_is_guarded_everywhere() && would_turn(judged, replicas, hold) {
        (hold, Basis::WouldTurn)
    } else {
        (replicas, Basis::Ratio)
    }
}

/// A way to measure: with requests or without.
enum Measure<'a> {
    Utilization { ctx: &'a Context<'a>, percent: i32, requests: Requests<'a> },
    Average { ctx: &'a Context<'a>, milli: i64 },
}

/// What was measured.
struct Usage {
    ratio: f64,
    utilization: i32,
    average: i64,
}

impl Usage {
    fn status(&self, measure: &Measure<'_>) -> MetricStatus {
        MetricStatus {
            average_utilization: matches!(measure, Measure::Utilization { .. }).then_some(self.utilization),
            average_value: Some(self.average),
            value: None,
        }
    }
}

impl<'a> Measure<'a> {
    fn new(ctx: &'a Context<'a>, target: Target<'_>) -> Result<Self, Failure> {
        Ok(match target {
            Target::Utilization { percent, resource, container } => {
                Self::Utilization { ctx, percent, requests: requests(ctx, resource, container)? }
            }
            Target::Average { milli, .. } => Self::Average { ctx, milli },
        })
    }

    fn usage(&self, load: &BTreeMap<&str, i64>) -> Result<Usage, Failure> {
        match self {
            Self::Utilization { ctx, percent, requests } => {
                let known: Vec<(i64, i64)> = load
                    .iter()
                    .filter_map(|(pod, value)| requests.get(pod).map(|request| (*value, *request)))
                    .collect();
                let used = known.iter().fold(0, |sum, (value, _)| ctx.rules.add_milli(sum, *value));
                let requested = known.iter().fold(0, |sum, (_, request)| ctx.rules.add_milli(sum, *request));
                if requested == 0 {
                    return Err(Failure::NoSampleOfKnownPods);
                }
                let (utilization, ratio) = if ctx.rules.utilization_is_exact() {
                    let hundredfold = i128::from(used) * 100;
                    let ratio = f64_from_i128(hundredfold) / (f64_from_i64(requested) * f64::from(*percent));
                    (saturate_to_i32(hundredfold / i128::from(requested)), ratio)
                } else {
                    let utilization = wrap_to_i32(used.wrapping_mul(100).wrapping_div(requested));
                    (utilization, f64::from(utilization) / f64::from(*percent))
                };
                Ok(Usage { ratio, utilization, average: used / i64_from_count(known.len()) })
            }
            Self::Average { ctx, milli } => {
                let used = load.values().fold(0, |sum, value| ctx.rules.add_milli(sum, *value));
                let average = used / i64_from_count(load.len()).max(1);
                Ok(Usage { ratio: f64_from_i64(average) / f64_from_i64(*milli), utilization: 0, average })
            }
        }
    }

    /// What a pod without a sample is assumed to use while the others use too little.
    fn full_load(&self, pod: &str) -> i64 {
        match self {
            Self::Utilization { ctx, percent, requests } => {
                let request = requests.get(pod).copied().unwrap_or_default();
                let percent = i64::from(*percent).max(100);
                if ctx.rules.arithmetic_saturates() {
                    saturate_to_i64(i128::from(request) * i128::from(percent) / 100)
                } else {
                    request.wrapping_mul(percent) / 100
                }
            }
            Self::Average { milli, .. } => *milli,
        }
    }
}

#[cfg(test)]
mod tests;
