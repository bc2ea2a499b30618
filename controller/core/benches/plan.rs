//! How fast nodes are planned for.
//!
//! `diverse` is the mix of Karpenter's scheduling benchmark on its 400 types; `distinct` the same with no two pods equal;
//! `two_classes` the input of the cluster-autoscaler's estimator benchmark; `large` a cluster of 5,000 nodes and 150,000 pods.

#![allow(missing_docs, reason = "criterion's macros declare undocumented items")]
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark")]

#[path = "../tests/fleet/mod.rs"]
mod fleet;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fleet::{MIB, NOW, ZONES, diverse, in_zones, karpenter_types, pods, pool, resources, shape, view};
use plimsoll_core::cluster::{Pod, PodShape, ZONE};
use plimsoll_core::nodes::{NodePlan, add};
use plimsoll_core::placement::{Change, View};

fn plan(view: &View) -> NodePlan {
    add::plan(view, &add::Settings::default(), NOW)
}

/// What a plan costs beside what it would cost if pods could be cut into pieces.
fn tell(name: &str, plan: &NodePlan, pods: &[Pod]) {
    let nodes: u32 = plan.add.iter().map(|of| of.count).sum();
    let refused: u32 = plan.refused.iter().map(|of| of.count).sum();
    let (cpu, memory) = pods.iter().fold((0, 0), |(cpu, memory), pod| {
        (cpu + pod.shape.requests.cpu, memory + pod.shape.requests.memory)
    });
    let bound = (cpu / 1000).max(memory / (2048 * MIB)) * (100_000 + 2 * 1024 * MIB / 10_000);
    eprintln!(
        "{name}: {nodes} nodes, price {}, at least {bound} ({:.3} times), {refused} pods refused",
        plan.price,
        plan.price as f64 / bound as f64
    );
}

fn karpenter(c: &mut Criterion) {
    let mut group = c.benchmark_group("karpenter");
    group.sample_size(10);
    for (kind, distinct) in [("diverse", false), ("distinct", true)] {
        for count in [500, 1000, 2000, 5000, 10_000, 20_000] {
            let pods = diverse(count, distinct);
            let fresh = || {
                let all = pods.iter().cloned().map(Change::Pod);
                view(all.chain([Change::Pool(pool("default", karpenter_types(400)))]))
            };
            tell(&format!("{kind}/{count}"), &plan(&fresh()), &pods);
            group.throughput(Throughput::Elements(count as u64));
            // Counting the pods for the first time is part of it.
            group.bench_with_input(BenchmarkId::new(kind, count), &count, |bencher, _| {
                bencher.iter_batched(fresh, |view| black_box(plan(&view)), BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

fn two_classes(c: &mut Criterion) {
    let offerings = in_zones(&ZONES[..1], &[("big", 8, 16, 400_000)]);
    let mut all = pods("small", 34_000, shape(200, 300, &[]));
    all.extend(pods("large", 17_000, shape(820, 1700, &[])));
    let view = view(all.iter().cloned().map(Change::Pod).chain([Change::Pool(pool("general", offerings))]));
    tell("two_classes/51000", &plan(&view), &all);
    c.bench_function("two_classes/51000", |bencher| bencher.iter(|| black_box(plan(&view))));
}

fn large_cluster(c: &mut Criterion) {
    let mut group = c.benchmark_group("large");
    group.sample_size(10);
    let changes = fleet::large::changes().collect::<Vec<_>>();
    group.bench_function("from_scratch", |bencher| {
        bencher.iter_batched(
            || changes.clone(),
            |changes| black_box(plan(&view(changes))),
            BatchSize::PerIteration,
        );
    });
    let mut kept = view(changes);
    plan(&kept);
    let spread = PodShape {
        spread: vec![fleet::spread(ZONE, 1, &[("app", "app-8")])],
        ..shape(2000, 4096, &[("app", "app-8")])
    };
    let mut number = 0;
    let one = Arc::new(spread);
    let big = Arc::new(PodShape { requests: resources(14_000, 60_000, 1), ..shape(0, 0, &[]) });
    for (name, shape) in [("one_pod_fits", &one), ("one_pod_needs_a_node", &big)] {
        group.bench_function(format!("after_one_change/{name}"), |bencher| {
            bencher.iter(|| {
                number += 1;
                let pod = fleet::pod(&format!("new-{number}"), shape);
                let uid = pod.uid.clone();
                kept.apply(Change::Pod(pod));
                black_box(plan(&kept));
                kept.apply(Change::PodGone(uid));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, karpenter, two_classes, large_cluster);
criterion_main!(benches);
