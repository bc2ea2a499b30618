//! Generated policies, pods and readings.

use std::collections::BTreeMap;

use plimsoll_core::replicas::{
    Algorithm, Behavior, ContainerView, Fallback, FallbackBehavior, Input, Memory, MetricOptions, MetricSpec,
    Obstacle, PodPhase, PodPort, PodTarget, PodView, Policy, RatePolicy, Reading, ReadingError,
    ReadyCondition, ReadyStatus, Sample, ScalingRules, Schedule, Scrape, ScrapeValue, SelectPolicy, Settings,
    SourceName, TargetView, ValueTarget,
};
use plimsoll_core::time::{Span, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_secs(100_000);

/// Inputs as a cluster may produce them, with a valid policy.
pub(super) fn inputs() -> impl Strategy<Value = Input> {
    let bounds = (0_i32..4, 0_i32..40).prop_map(|(min, more)| (min, min.max(1) + more));
    let metrics = prop::collection::vec(metric_and_reading(), 1..4);
    let pods = prop::collection::vec(pod(), 0..12);
    let target = (0_i32..50, 0_i32..50);
    let rest = (algorithms(), prop::option::of(behaviors()), any::<bool>(), obstacles(), extensions());
    (bounds, metrics, pods, target, rest).prop_map(
        |((min_replicas, max_replicas), metrics, pods, (spec_replicas, status_replicas), rest)| {
            let (algorithm, behavior, scaled_to_zero, obstacle, extended) = rest;
            let (metrics, readings) = metrics.into_iter().unzip();
            Input {
                now: NOW,
                settings: Settings::default(),
                namespace: "shop".to_owned(),
                policy: Policy { algorithm, min_replicas, max_replicas, metrics, behavior, ..extended },
                target: TargetView { spec_replicas, status_replicas },
                pods: named(pods),
                readings,
                scaled_to_zero,
                obstacle,
                zones: None,
                nodes: None,
            }
        },
    )
}

/// Policies that say nothing but what an HPA cannot; half of them say nothing at all.
fn extensions() -> impl Strategy<Value = Policy> {
    let extended =
        (metric_options(), schedules(), prop::option::of(fallbacks()), prop::option::of(formulas()));
    let extended = extended.prop_map(|(metric_options, schedules, fallback, formula)| Policy {
        // Formulas know the first metric only, and that it has a name.
        formula: formula.filter(|_| !metric_options.is_empty()),
        metric_options,
        schedules,
        fallback,
        ..Policy::default()
    });
    prop_oneof![Just(Policy::default()), extended]
}

fn metric_options() -> impl Strategy<Value = Vec<MetricOptions>> {
    let bound = || prop::option::of(0_i32..20);
    let options = (bound(), bound(), prop::option::of(0_i64..400));
    prop::collection::vec(options, 0..4).prop_map(|all| {
        let named = |(i, (min_replicas, max_replicas, activation))| MetricOptions {
            name: Some(format!("m{i}")),
            min_replicas,
            max_replicas,
            activation,
        };
        all.into_iter().enumerate().map(named).collect()
    })
}

/// Windows of hours of a day; NOW lies within some of them.
fn schedules() -> impl Strategy<Value = Vec<Schedule>> {
    let bound = || prop::option::of(0_i32..30);
    let zone = prop::sample::select(vec!["UTC", "Europe/Berlin", "Pacific/Apia"]);
    let schedule = (0_u32..24, 0_u32..24, zone, bound(), bound());
    prop::collection::vec(schedule, 0..3).prop_map(|all| {
        let named =
            |(i, (start, end, zone, min_replicas, max_replicas)): (usize, (u32, u32, &str, _, _))| Schedule {
                name: format!("s{i}"),
                start: format!("0 {start} * * *"),
                end: format!("30 {end} * * *"),
                time_zone: zone.to_owned(),
                min_replicas,
                max_replicas,
            };
        all.into_iter().enumerate().map(named).collect()
    })
}

fn fallbacks() -> impl Strategy<Value = Fallback> {
    let behavior = prop_oneof![
        Just(FallbackBehavior::Hold),
        (0_i32..60).prop_map(FallbackBehavior::Static),
        (0_i32..60).prop_map(FallbackBehavior::StaticIfHigher),
        Just(FallbackBehavior::ScheduledMinimum),
    ];
    (1_i32..4, behavior).prop_map(|(after_failures, behavior)| Fallback { after_failures, behavior })
}

fn formulas() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "m0.replicas",
        "min(m0.replicas, 5) + 1",
        "m0.ratio > 1 ? m0.replicas : 3",
        "m0.value / m0.target",
        "1 / (m0.replicas - 3)",
    ])
    .prop_map(str::to_owned)
}

/// Inputs that no API server would let through.
pub(super) fn wild_inputs() -> impl Strategy<Value = Input> {
    let numbers = (wild_i32(), wild_i32(), wild_i32(), wild_i32());
    let values = prop::collection::vec(wild_i64(), 3);
    let rates = prop::collection::vec((any::<bool>(), wild_i32(), wild_i32()), 0..3);
    let rest = (any::<f64>(), wild_i32(), wild_i64(), wild_i64());
    (inputs(), numbers, values, rates, rest).prop_map(|(mut input, numbers, values, rates, rest)| {
        let (tolerance, window, now, measured_at) = rest;
        (input.policy.min_replicas, input.policy.max_replicas) = (numbers.0, numbers.1);
        (input.target.spec_replicas, input.target.status_replicas) = (numbers.2, numbers.3);
        for (i, options) in input.policy.metric_options.iter_mut().enumerate() {
            (options.min_replicas, options.max_replicas) = (Some(numbers.0), Some(numbers.3));
            options.activation = Some(values[i % 3]);
        }
        for schedule in &mut input.policy.schedules {
            (schedule.min_replicas, schedule.max_replicas) = (Some(numbers.1), Some(numbers.2));
        }
        if let Some(fallback) = &mut input.policy.fallback {
            *fallback = Fallback { after_failures: numbers.3, behavior: FallbackBehavior::Static(numbers.0) };
        }
        input.now = Timestamp::from_millis(now);
        for reading in &mut input.readings {
            match reading {
                Reading::Pods(samples) => {
                    for (i, sample) in samples.values_mut().enumerate() {
                        sample.value = values[i % 3];
                        sample.timestamp = Timestamp::from_millis(measured_at);
                        sample.window = Span::from_millis(values[(i + 1) % 3]);
                    }
                }
                Reading::Timed(series) => {
                    for (i, sample) in series.iter_mut().enumerate() {
                        sample.value = values[i % 3];
                        sample.timestamp = Timestamp::from_millis(measured_at);
                    }
                }
                Reading::Value(value) => *value = values[0],
                Reading::Series(series) => series.clone_from(&values),
                Reading::Failed(_) => {}
            }
        }
        for pod in &mut input.pods {
            for container in &mut pod.containers {
                for request in container.requests.values_mut() {
                    *request = values[1];
                }
            }
            pod.overhead = BTreeMap::from([("cpu".to_owned(), values[2])]);
        }
        for metric in &mut input.policy.metrics {
            match metric {
                MetricSpec::Resource { target, .. } | MetricSpec::ContainerResource { target, .. } => {
                    *target = match target {
                        PodTarget::Utilization(_) => PodTarget::Utilization(numbers.0),
                        _ => PodTarget::AverageValue(values[0]),
                    }
                }
                MetricSpec::Pods { average, .. } | MetricSpec::Scrape { average, .. } => {
                    *average = values[1];
                }
                MetricSpec::Object { target, .. }
                | MetricSpec::External { target, .. }
                | MetricSpec::Prometheus { target, .. } => {
                    *target = match target {
                        ValueTarget::Value(_) => ValueTarget::Value(values[2]),
                        _ => ValueTarget::AverageValue(values[2]),
                    }
                }
                MetricSpec::Unknown { .. } => {}
            }
        }
        if let Some(behavior) = &mut input.policy.behavior {
            for rules in [&mut behavior.scale_up, &mut behavior.scale_down] {
                rules.tolerance = Some(tolerance);
                rules.stabilization_window_seconds = Some(window);
                let rate = |(pods, value, period): &(bool, i32, i32)| {
                    if *pods {
                        RatePolicy::pods(*value, *period)
                    } else {
                        RatePolicy::percent(*value, *period)
                    }
                };
                rules.policies = rates.iter().map(rate).collect();
            }
        }
        input
    })
}

/// Policies for a queue with one pod per ten jobs, with windows that do not get in the way.
pub(super) fn sane_policies() -> impl Strategy<Value = (Algorithm, Policy)> {
    (algorithms(), behaviors()).prop_map(|(algorithm, mut behavior)| {
        behavior.scale_up.stabilization_window_seconds = Some(0);
        behavior.scale_down.stabilization_window_seconds = Some(0);
        let metric = MetricSpec::External {
            metric: "jobs".to_owned(),
            selector: None,
            target: ValueTarget::AverageValue(10_000),
        };
        let (min_replicas, max_replicas) = (1, 1000);
        let metrics = vec![metric];
        let behavior = Some(behavior);
        (algorithm, Policy { algorithm, min_replicas, max_replicas, metrics, behavior, ..Policy::default() })
    })
}

pub(super) fn empty_input(algorithm: Algorithm, policy: Policy) -> Input {
    Input {
        now: Timestamp::from_secs(0),
        settings: Settings::default(),
        namespace: "shop".to_owned(),
        policy: Policy { algorithm, ..policy },
        target: TargetView::default(),
        pods: Vec::new(),
        readings: Vec::new(),
        scaled_to_zero: false,
        obstacle: None,
        zones: None,
        nodes: None,
    }
}

/// A past of whole numbers, as it was stored by someone.
pub(super) fn memories() -> impl Strategy<Value = Memory> {
    let events = || prop::collection::vec((1_i32..20, 99_000_000_i64..100_000_000), 0..5);
    let recommendations = prop::collection::vec((0_i32..60, 99_000_000_i64..100_000_000), 0..8);
    (recommendations, events(), events(), 0_i32..4).prop_map(|(recs, ups, downs, fails)| {
        let stored = serde_json::json!({ "recs": recs, "ups": ups, "downs": downs, "fails": fails });
        serde_json::from_value(stored).unwrap()
    })
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(vec![Algorithm::Hpa137, Algorithm::Plimsoll1])
}

fn obstacles() -> impl Strategy<Value = Option<Obstacle>> {
    prop_oneof![
        20 => Just(None),
        1 => Just(Some(Obstacle::SelectorRequired)),
        1 => Just(Some(Obstacle::Conflicting { others: vec!["other".to_owned()] })),
    ]
}

fn behaviors() -> impl Strategy<Value = Behavior> {
    (rules(), rules()).prop_map(|(scale_up, scale_down)| Behavior { scale_up, scale_down })
}

fn rules() -> impl Strategy<Value = ScalingRules> {
    let select = prop::sample::select(vec![SelectPolicy::Max, SelectPolicy::Min, SelectPolicy::Disabled]);
    let pods = (1_i32..20, 1_i32..200).prop_map(|(value, period)| RatePolicy::pods(value, period));
    let percent = (1_i32..250, 1_i32..200).prop_map(|(value, period)| RatePolicy::percent(value, period));
    let policies = prop::collection::vec(prop_oneof![pods, percent], 1..4);
    let tolerance = prop::option::of((0_i32..120).prop_map(|percent| f64::from(percent) / 100.0));
    (prop::option::of(0_i32..600), select, policies, tolerance).prop_map(
        |(stabilization_window_seconds, select_policy, policies, tolerance)| ScalingRules {
            stabilization_window_seconds,
            select_policy,
            policies,
            tolerance,
        },
    )
}

/// One metric of every kind and target.
pub(super) fn metric_kinds() -> Vec<MetricSpec> {
    let resource = |name: &str, target| MetricSpec::Resource { name: name.to_owned(), target };
    let object = |target| MetricSpec::Object {
        kind: "Ingress".to_owned(),
        name: "main".to_owned(),
        metric: "rps".to_owned(),
        selector: None,
        target,
    };
    let external = |target| MetricSpec::External { metric: "jobs".to_owned(), selector: None, target };
    let query = |target| MetricSpec::Prometheus {
        source: SourceName::Namespaced("prometheus".to_owned()),
        query: "sum(jobs)".to_owned(),
        target,
    };
    let scrape = |value| MetricSpec::Scrape {
        scrape: Scrape {
            port: PodPort::Name("metrics".to_owned()),
            path: "/metrics".to_owned(),
            tls: false,
            metric: "requests".to_owned(),
            selector: None,
            value,
        },
        average: 100,
    };
    vec![
        resource("cpu", PodTarget::Utilization(50)),
        resource("memory", PodTarget::Utilization(120)),
        resource("cpu", PodTarget::AverageValue(100)),
        resource("cpu", PodTarget::Unset),
        MetricSpec::ContainerResource {
            name: "cpu".to_owned(),
            container: "app".to_owned(),
            target: PodTarget::Utilization(70),
        },
        MetricSpec::Pods { metric: "rps".to_owned(), selector: None, average: 100 },
        object(ValueTarget::Value(100)),
        object(ValueTarget::AverageValue(100)),
        external(ValueTarget::Value(100)),
        external(ValueTarget::AverageValue(100)),
        query(ValueTarget::Value(100)),
        query(ValueTarget::AverageValue(100)),
        scrape(ScrapeValue::Rate),
        scrape(ScrapeValue::Quantile(990)),
        MetricSpec::Unknown { kind: "Vibes".to_owned() },
    ]
}

fn metric_and_reading() -> impl Strategy<Value = (MetricSpec, Reading)> {
    prop::sample::select(metric_kinds()).prop_flat_map(|metric| {
        let value = if metric.has_value_without_pods() {
            prop_oneof![
                (0_i64..5000).prop_map(Reading::Value),
                sample().prop_map(|sample| Reading::Timed(vec![sample])),
                prop::collection::vec(0_i64..2000, 0..4).prop_map(Reading::Series),
                prop::collection::vec(sample(), 1..3).prop_map(Reading::Timed),
            ]
            .boxed()
        } else {
            samples().boxed()
        };
        let reading = prop_oneof![
            8 => value,
            1 => Just(Reading::Failed(ReadingError::Empty)),
            1 => Just(Reading::Failed(ReadingError::Fetch("timeout".to_owned()))),
        ];
        (Just(metric), reading)
    })
}

/// Samples of some of the generated pods, and of pods that do not exist.
fn samples() -> impl Strategy<Value = Reading> {
    prop::collection::btree_map((0_usize..14).prop_map(|i| format!("web-{i}")), sample(), 0..14)
        .prop_map(Reading::Pods)
}

fn sample() -> impl Strategy<Value = Sample> {
    (0_i64..400, 0_i64..400, 10_i64..90).prop_map(|(value, age, window)| Sample {
        value,
        timestamp: NOW - Span::from_secs(age),
        window: Span::from_secs(window),
    })
}

fn named(mut pods: Vec<PodView>) -> Vec<PodView> {
    for (i, pod) in pods.iter_mut().enumerate() {
        pod.name = format!("web-{i}");
    }
    pods
}

fn pod() -> impl Strategy<Value = PodView> {
    use PodPhase::{Failed, Pending, Running, Succeeded, Unknown};
    let phase =
        prop::sample::select(vec![Running, Running, Running, Running, Pending, Succeeded, Failed, Unknown]);
    let status = prop::sample::select(vec![
        ReadyStatus::True,
        ReadyStatus::True,
        ReadyStatus::False,
        ReadyStatus::Unknown,
    ]);
    let ready = prop::option::weighted(0.9, (status, 0_i64..900));
    let start = prop::option::weighted(0.9, 0_i64..900);
    let request = prop::option::weighted(0.97, 1_i64..500);
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    (phase, flags, ready, start, request).prop_map(|(phase, (deleting, foreign), ready, start, request)| {
        let ago = |secs| NOW - Span::from_secs(secs);
        let requests =
            request.into_iter().flat_map(|milli| ["cpu", "memory"].map(|name| (name.to_owned(), milli)));
        PodView {
            phase,
            deleting,
            foreign,
            start_time: start.map(ago),
            ready: ready.map(|(status, age)| ReadyCondition { status, last_transition: ago(age) }),
            containers: vec![ContainerView { name: "app".to_owned(), requests: requests.collect() }],
            ..PodView::default()
        }
    })
}

fn wild_i32() -> impl Strategy<Value = i32> {
    prop_oneof![
        prop::sample::select(vec![0, 1, -1, i32::MAX, i32::MIN, i32::MAX - 1]),
        any::<i32>(),
        0_i32..100
    ]
}

fn wild_i64() -> impl Strategy<Value = i64> {
    prop_oneof![
        prop::sample::select(vec![0, 1, -1, i64::MAX, i64::MIN, i64::MAX - 1]),
        any::<i64>(),
        0_i64..10_000
    ]
}
