//! Small inputs for unit tests.

use std::collections::BTreeMap;

use super::*;
use crate::time::{Span, Timestamp};

/// The moment of every test.
pub(super) const NOW: Timestamp = Timestamp::from_secs(1_000_000);

pub(super) const BOTH: [Algorithm; 2] = [Algorithm::Hpa137, Algorithm::Plimsoll1];

pub(super) fn ago(secs: i64) -> Timestamp {
    NOW - Span::from_secs(secs)
}

/// `spec` pods asked for and existing, without pods and metrics.
pub(super) fn input(algorithm: Algorithm, spec: i32) -> Input {
    Input {
        now: NOW,
        settings: Settings::default(),
        namespace: "shop".to_owned(),
        policy: Policy { algorithm, min_replicas: 1, max_replicas: 1000, ..Policy::default() },
        target: TargetView { spec_replicas: spec, status_replicas: spec },
        pods: Vec::new(),
        readings: Vec::new(),
        scaled_to_zero: false,
        obstacle: None,
        zones: None,
        nodes: None,
    }
}

impl Input {
    pub(super) fn metric(mut self, metric: MetricSpec, reading: Reading) -> Self {
        self.policy.metrics.push(metric);
        self.readings.push(reading);
        self
    }

    pub(super) fn pods(mut self, pods: impl IntoIterator<Item = PodView>) -> Self {
        self.pods.extend(pods);
        self
    }
}

impl Policy {
    pub(super) fn behavior(&mut self) -> &mut Behavior {
        self.behavior.get_or_insert_default()
    }
}

pub(super) fn context(input: &Input) -> Context<'_> {
    Context::of(input).expect("the policy is valid")
}

pub(super) fn amounts(resource: &str, milli: i64) -> Amounts {
    BTreeMap::from([(resource.to_owned(), milli)])
}

/// A pod that has been ready for long, with one container that requests 100 m CPU.
pub(super) fn pod(name: &str) -> PodView {
    PodView {
        name: name.to_owned(),
        phase: PodPhase::Running,
        start_time: Some(ago(7200)),
        ready: Some(ReadyCondition { status: ReadyStatus::True, last_transition: ago(7100) }),
        containers: vec![ContainerView { name: "app".to_owned(), requests: amounts("cpu", 100) }],
        ..PodView::default()
    }
}

/// `web-0` up to `web-<count - 1>`.
pub(super) fn web(count: usize) -> Vec<PodView> {
    (0..count).map(|i| pod(&format!("web-{i}"))).collect()
}

pub(super) fn sample(value: i64) -> Sample {
    Sample { value, timestamp: ago(10), window: Span::from_secs(30) }
}

/// Fresh samples of `web-0`, `web-1`, …
pub(super) fn load(values: impl IntoIterator<Item = i64>) -> Samples {
    values.into_iter().enumerate().map(|(i, value)| (format!("web-{i}"), sample(value))).collect()
}

pub(super) fn cpu_percent(percent: i32) -> MetricSpec {
    MetricSpec::Resource { name: "cpu".to_owned(), target: PodTarget::Utilization(percent) }
}

pub(super) fn pods_metric(average: i64) -> MetricSpec {
    MetricSpec::Pods { metric: "rps".to_owned(), selector: None, average }
}

pub(super) fn external(target: ValueTarget) -> MetricSpec {
    MetricSpec::External { metric: "queue".to_owned(), selector: None, target }
}

pub(super) fn object(target: ValueTarget) -> MetricSpec {
    MetricSpec::Object {
        kind: "Ingress".to_owned(),
        name: "main".to_owned(),
        metric: "rps".to_owned(),
        selector: None,
        target,
    }
}

/// The answer to `sum(queue)`.
pub(super) fn prometheus(target: ValueTarget) -> MetricSpec {
    let source = SourceName::Namespaced("prom".to_owned());
    MetricSpec::Prometheus { source, query: "sum(queue)".to_owned(), target }
}

/// The rate of `hits`.
pub(super) fn scrape(average: i64) -> MetricSpec {
    let (port, path, metric) = (PodPort::Number(80), "/metrics".to_owned(), "hits".to_owned());
    let value = ScrapeValue::Rate;
    MetricSpec::Scrape { scrape: Scrape { port, path, tls: false, metric, selector: None, value }, average }
}

/// The proposal, and how it came about, of the only metric of `input`.
pub(super) fn proposal(input: &Input) -> (i32, Basis) {
    let outcome = only_outcome(input);
    let replicas = outcome.proposal.unwrap_or_else(|error| panic!("failed: {error}"));
    (replicas, outcome.basis.expect("a proposal has a basis"))
}

/// The text of the failure of the only metric of `input`.
pub(super) fn failure(input: &Input) -> String {
    only_outcome(input).proposal.expect_err("should fail").message
}

pub(super) fn only_outcome(input: &Input) -> MetricOutcome {
    let (metric, reading) = (&input.policy.metrics[0], input.readings.first());
    measure::outcome(&context(input), metric, reading)
}
