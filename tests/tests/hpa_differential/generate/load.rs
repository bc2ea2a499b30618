//! Random answers of the metrics APIs, most of them near a target.

use plimsoll_core::replicas::{ContainerUsage, MetricSpec, PodTarget, PodUsage, PodView, ValueTarget};
use plimsoll_core::time::{Span, Timestamp};

use super::dice::Dice;
use crate::case::{Observed, custom_sample};

/// How much there is to do, as a multiple of what `pods` pods at their target do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) factor: f64,
    pub(crate) pods: f64,
    /// How unlike the pods are, as a fraction.
    pub(crate) noise: f64,
    /// In percent.
    pub(crate) failing: f64,
    /// In percent.
    pub(crate) missing: f64,
    pub(crate) request: i64,
}

/// Usage over target: on the edges of tolerances, on both sides of 1, and far away.
pub(crate) fn factor(dice: &mut Dice) -> f64 {
    dice.of(&[
        0.0, 0.003, 0.1, 0.3, 0.5, 0.8, 0.85, 0.899, 0.9, 0.901, 0.95, 0.99, 1.0, 1.0, 1.01, 1.05, 1.099,
        1.1, 1.101, 1.15, 1.2, 1.333, 1.5, 1.9, 2.0, 2.5, 4.0, 10.0, 100.0,
    ])
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any number will do")]
fn times(amount: i64, factor: f64) -> i64 {
    (amount as f64 * factor).round() as i64
}

pub(crate) fn observe(
    dice: &mut Dice,
    metric: &MetricSpec,
    demand: Demand,
    pods: &[PodView],
    now: Timestamp,
) -> Observed {
    if dice.chance(demand.failing) {
        return Observed::Fails("the server is currently unable to handle the request".to_owned());
    }
    let empty = dice.chance(demand.failing / 2.0);
    match metric {
        MetricSpec::Resource { name, target } | MetricSpec::ContainerResource { name, target, .. } => {
            let each = match target {
                PodTarget::Utilization(percent) => demand.request * i64::from(*percent) / 100,
                PodTarget::AverageValue(average) => *average,
                PodTarget::Unset => 1,
            };
            let named = matches!(metric, MetricSpec::ContainerResource { .. });
            let usages = measured(dice, demand, pods, |dice, pod, noisy| {
                usage(dice, pod, name, times(each, noisy), named, now)
            });
            Observed::Usages(if empty { Vec::new() } else { usages })
        }
        MetricSpec::Pods { average, .. } => {
            let samples = measured(dice, demand, pods, |_, pod, noisy| {
                (pod.to_owned(), custom_sample(times(*average, noisy), now - Span::from_secs(7)))
            });
            Observed::Custom(if empty { <_>::default() } else { samples.into_iter().collect() })
        }
        MetricSpec::Object { target, .. } => Observed::Value(total(dice, *target, demand)),
        MetricSpec::External { target, .. } => {
            let total = total(dice, *target, demand);
            Observed::Series(match dice.index(0, 19) {
                _ if empty => Vec::new(),
                0..8 => vec![total],
                8..12 => vec![total / 3, total - total / 3],
                12..15 => vec![total, 0, total / 7],
                15 => vec![i64::MAX, total.max(1)],
                16 => vec![-total, total],
                17 => vec![total, -total - 1, total],
                18 => vec![i64::MAX / 2, total],
                _ => vec![total; 3],
            })
        }
        // An HPA knows none of these.
        MetricSpec::Prometheus { .. } | MetricSpec::Scrape { .. } | MetricSpec::Unknown { .. } => {
            Observed::Value(0)
        }
    }
}

fn total(dice: &mut Dice, target: ValueTarget, demand: Demand) -> i64 {
    let total = match target {
        ValueTarget::Value(value) => times(value, demand.factor),
        ValueTarget::AverageValue(average) => times(average, demand.factor * demand.pods),
        ValueTarget::Unset => 1,
    };
    match dice.index(0, 99) {
        0 => i64::MAX,
        1 => -total,
        2 => 1 << 50,
        3 => 0,
        4 => 1 << 33,
        _ => total,
    }
}

/// What `of` makes of each pod that has a sample, and now and then of a pod that nobody knows.
fn measured<T>(
    dice: &mut Dice,
    demand: Demand,
    pods: &[PodView],
    of: impl Fn(&mut Dice, &str, f64) -> T,
) -> Vec<T> {
    let mut made = Vec::new();
    let mut unknown = Vec::new();
    if dice.chance(if demand.missing > 0.0 { 20.0 } else { 3.0 }) {
        unknown = vec!["gone-1".to_owned(); 1];
        if dice.chance(20.0) {
            unknown.push("gone-2".to_owned());
        }
    }
    for pod in pods.iter().map(|pod| pod.name.clone()).chain(unknown) {
        if dice.chance(demand.missing) {
            continue;
        }
        #[allow(clippy::cast_precision_loss, reason = "small")]
        let unlike = 1.0 + demand.noise * (dice.within(-100, 100) as f64 / 100.0);
        made.push(of(dice, &pod, demand.factor * unlike));
    }
    made
}

fn usage(dice: &mut Dice, pod: &str, resource: &str, value: i64, named: bool, now: Timestamp) -> PodUsage {
    let of = |name: &str, value: i64| ContainerUsage {
        name: name.to_owned(),
        usage: [(resource.to_owned(), value), ("other".to_owned(), 1)].into(),
    };
    let mut containers = match dice.index(0, 3) {
        0 if !named => vec![of("app", value / 2), of("log", value - value / 2)],
        _ => vec![of("app", value), of("mesh", if named { value / 10 } else { 0 })],
    };
    match dice.index(0, 199) {
        0 => containers.truncate(1),
        1 => containers[1].usage.retain(|name, _| name != resource),
        2 => containers[0].usage.retain(|name, _| name != resource),
        3 => containers.clear(),
        _ => {}
    }
    PodUsage {
        pod: pod.to_owned(),
        timestamp: now - Span::from_millis(dice.of(&[0, 0, 1, 5_000, 15_000, 30_000, 90_000])),
        window: Span::from_secs(dice.of(&[15, 30, 60, 10])),
        containers,
    }
}
