//! Random specs: values that matter, such as bounds and edges, come up often.

use plimsoll_core::quantity::{Format, Quantity};
use plimsoll_core::replicas::{
    Algorithm, Behavior, LabelRequirement, LabelSelector, MetricSpec, PodTarget, Policy, RatePolicy,
    ScalingRules, SelectPolicy, Settings, ValueTarget,
};
use plimsoll_core::time::Span;

use super::dice::Dice;

pub(crate) fn settings(dice: &mut Dice) -> Settings {
    if dice.chance(60.0) {
        return Settings::default();
    }
    Settings {
        tolerance: dice.of(&[0.1, 0.0, 0.05, 0.2]),
        downscale_stabilization: Span::from_millis(dice.of(&[300_000, 0, 15_000, 45_000, 60_000, 90_500])),
        cpu_initialization_period: Span::from_secs(dice.of(&[300, 60, 120, 0])),
        initial_readiness_delay: Span::from_secs(dice.of(&[30, 10, 0])),
    }
}

pub(crate) fn policy(dice: &mut Dice) -> Policy {
    let metrics: Vec<MetricSpec> = {
        let count = dice.of(&[1, 1, 1, 1, 1, 2, 2, 2, 3, 4]);
        let count = if dice.chance(0.7) { 0 } else { count };
        (0..count).map(|_| metric(dice)).collect()
    };
    let from_zero =
        metrics.iter().any(|m| matches!(m, MetricSpec::Object { .. } | MetricSpec::External { .. }));
    let min_replicas = if from_zero { dice.of(&[0, 0, 0, 1, 2, 5]) } else { dice.of(&[1, 1, 1, 2, 3, 6, 0]) };
    let above = dice.of(&[0, 1, 2, 5, 10, 10, 20, 30, 50, 100]);
    let max_replicas = if dice.chance(3.0) { i32::MAX } else { (min_replicas + above).max(1) };
    Policy {
        algorithm: Algorithm::Hpa137,
        min_replicas,
        max_replicas,
        metrics,
        behavior: behavior(dice),
        ..Policy::default()
    }
}

pub(crate) fn metric(dice: &mut Dice) -> MetricSpec {
    let resource = |dice: &mut Dice| {
        dice.of(&["cpu", "cpu", "cpu", "cpu", "memory", "memory", "nvidia.com/gpu"]).to_owned()
    };
    match dice.index(0, 99) {
        0..35 => MetricSpec::Resource { name: resource(dice), target: pod_target(dice) },
        35..48 => MetricSpec::ContainerResource {
            name: resource(dice),
            container: dice.of(&["app", "app", "app", "app", "mesh", "log", "app", "none"]).to_owned(),
            target: pod_target(dice),
        },
        48..60 => MetricSpec::Pods {
            metric: "rps".to_owned(),
            selector: selector(dice),
            average: dice.of(&[100, 1_000, 1_500, 3, 1, 250_000]),
        },
        60..77 => MetricSpec::Object {
            kind: dice.of(&["Ingress", "Service", "Namespace"]).to_owned(),
            name: "main".to_owned(),
            metric: "hits".to_owned(),
            selector: selector(dice),
            target: value_target(dice),
        },
        77..98 => MetricSpec::External {
            metric: "queue".to_owned(),
            selector: selector(dice),
            target: value_target(dice),
        },
        _ => MetricSpec::Unknown { kind: "Sundial".to_owned() },
    }
}

fn pod_target(dice: &mut Dice) -> PodTarget {
    match dice.index(0, 99) {
        0..65 => PodTarget::Utilization(dice.of(&[50, 80, 30, 10, 1, 70, 60, 100, 120, 150, 300])),
        65..98 => PodTarget::AverageValue(dice.of(&[100, 200, 350, 1_000, 7, 1, 128_000_000])),
        _ => PodTarget::Unset,
    }
}

fn value_target(dice: &mut Dice) -> ValueTarget {
    let amount = dice.of(&[100, 1_000, 2_500, 30_000, 1, 7]);
    match dice.index(0, 99) {
        0..49 => ValueTarget::Value(amount),
        49..98 => ValueTarget::AverageValue(amount),
        _ => ValueTarget::Unset,
    }
}

fn selector(dice: &mut Dice) -> Option<LabelSelector> {
    let requirement = |key: &str, operator: &str, values: &[&str]| LabelRequirement {
        key: key.to_owned(),
        operator: operator.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    match dice.index(0, 99) {
        0..60 => None,
        60..65 => Some(LabelSelector::default()),
        65..85 => Some(LabelSelector::labels([("topic", "orders"), ("env", "prod")])),
        85..96 => Some(LabelSelector {
            match_expressions: vec![
                requirement("zone", "In", &["b", "a"]),
                requirement("tier", "NotIn", &["test"]),
                requirement("app", "Exists", &[]),
                requirement("old", "DoesNotExist", &[]),
            ],
            ..LabelSelector::labels([("env", "prod")])
        }),
        _ => Some(LabelSelector {
            match_expressions: vec![requirement("zone", "Near", &["a"])],
            ..LabelSelector::default()
        }),
    }
}

pub(crate) fn behavior(dice: &mut Dice) -> Option<Behavior> {
    match dice.index(0, 99) {
        0..40 => None,
        40..50 => Some(Behavior::default()),
        _ => Some(Behavior { scale_up: rules(dice, true), scale_down: rules(dice, false) }),
    }
}

fn rules(dice: &mut Dice, up: bool) -> ScalingRules {
    let window = if up {
        dice.of(&[Some(0), Some(0), None, Some(15), Some(30), Some(60), Some(300)])
    } else {
        dice.of(&[Some(0), Some(0), None, Some(15), Some(30), Some(60), Some(300), Some(3600)])
    };
    let policies = match dice.index(0, 9) {
        0 => vec![RatePolicy::percent(dice.of(&[100, 50]), 60)],
        1 => vec![RatePolicy::pods(4, 15), RatePolicy::percent(100, 15)],
        _ => (0..dice.of(&[1, 1, 2, 2, 3])).map(|_| rate_policy(dice)).collect(),
    };
    ScalingRules {
        stabilization_window_seconds: window,
        select_policy: dice.of(&[
            SelectPolicy::Max,
            SelectPolicy::Max,
            SelectPolicy::Max,
            SelectPolicy::Min,
            SelectPolicy::Min,
            SelectPolicy::Disabled,
        ]),
        policies,
        tolerance: dice
            .of(&[None, None, None, Some(0), Some(50), Some(100), Some(200), Some(333), Some(1_000)])
            .map(|milli| Quantity::from_milli(milli, Format::DecimalSI).approximate()),
    }
}

fn rate_policy(dice: &mut Dice) -> RatePolicy {
    let period = dice.of(&[15, 15, 30, 60, 60, 120, 300, 1, 1800]);
    if dice.chance(50.0) {
        let pods = dice.of(&[1, 2, 3, 4, 5, 10, 25, 100]);
        RatePolicy::pods(if dice.chance(4.0) { i32::MAX - dice.within_i32(0, 5) } else { pods }, period)
    } else {
        RatePolicy::percent(dice.of(&[1, 5, 10, 33, 50, 100, 100, 150, 900]), period)
    }
}
