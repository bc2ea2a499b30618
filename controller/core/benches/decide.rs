//! How fast a decision is: one look at a workload of 1, 100 and 1000 pods, in the steady state and in a spike.

#![allow(missing_docs, reason = "criterion's macros declare undocumented items")]

use std::{collections::BTreeMap, hint::black_box};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use plimsoll_core::{
    replicas::{
        Algorithm, Behavior, ContainerView, Input, Memory, MetricSpec, PodPhase, PodTarget, PodView, Policy,
        Reading, ReadyCondition, ReadyStatus, Sample, Settings, TargetView, decide,
    },
    time::{Span, Timestamp},
};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn pod(index: usize) -> PodView {
    let start = NOW - Span::from_secs(3600);
    PodView {
        name: format!("web-{index:04}"),
        phase: PodPhase::Running,
        start_time: Some(start),
        ready: Some(ReadyCondition { status: ReadyStatus::True, last_transition: start }),
        containers: vec![ContainerView {
            name: "app".into(),
            requests: BTreeMap::from([("cpu".into(), 500)]),
        }],
        ..PodView::default()
    }
}

/// `pods` pods that request 500m each, use `milli` each, and should use half of what they request.
fn input(algorithm: Algorithm, pods: usize, milli: i64) -> Input {
    let size = i32::try_from(pods).unwrap_or(i32::MAX);
    let pods: Vec<_> = (0..pods).map(pod).collect();
    let sample = Sample { value: milli, timestamp: NOW - Span::from_secs(10), window: Span::from_secs(15) };
    let samples = pods.iter().map(|pod| (pod.name.clone(), sample)).collect();
    Input {
        now: NOW,
        settings: Settings::default(),
        namespace: "shop".into(),
        policy: Policy {
            algorithm,
            min_replicas: 1,
            max_replicas: 100_000,
            metrics: vec![MetricSpec::Resource { name: "cpu".into(), target: PodTarget::Utilization(50) }],
            behavior: Some(Behavior::default()),
            ..Policy::default()
        },
        target: TargetView { spec_replicas: size, status_replicas: size },
        pods,
        readings: vec![Reading::Pods(samples)],
        scaled_to_zero: false,
        obstacle: None,
        zones: None,
        nodes: None,
    }
}

/// A memory of five minutes of looks.
fn memory(input: &Input) -> Memory {
    (0..20).fold(Memory::default(), |memory, look| {
        let earlier = Input { now: NOW - Span::from_secs(15 * (20 - look)), ..input.clone() };
        decide(&earlier, &memory).1
    })
}

fn decisions(criterion: &mut Criterion) {
    for algorithm in [Algorithm::Hpa137, Algorithm::Plimsoll1] {
        for (case, milli) in [("steady", 250), ("spike", 900)] {
            let mut group = criterion.benchmark_group(format!("{algorithm} {case}"));
            group.throughput(Throughput::Elements(1));
            for pods in [1, 100, 1000] {
                let input = input(algorithm, pods, milli);
                let memory = memory(&input);
                group.bench_with_input(BenchmarkId::new("pods", pods), &input, |bencher, input| {
                    bencher.iter(|| decide(black_box(input), black_box(&memory)));
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, decisions);
criterion_main!(benches);
