//! How fast a plan is that removes nodes: 2,000 nodes with 80,000 pods of 50 kinds, each node a third in use. And one
//! where nothing can be removed, which is the usual case.

#![allow(missing_docs, reason = "criterion's macros declare undocumented items")]
#![allow(clippy::expect_used, reason = "a benchmark of nothing is none")]

#[allow(clippy::unwrap_used, reason = "made-up clusters, shared with tests")]
#[path = "../tests/fleet/mod.rs"]
mod fleet;

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use plimsoll_core::audit::{Audit, Audited};
use plimsoll_core::nodes::NodePlan;
use plimsoll_core::nodes::add::{self, Settings};
use plimsoll_core::nodes::remove::{Input, Memory, plan};
use plimsoll_core::placement::View;
use plimsoll_core::time::Timestamp;

use self::fleet::used::{NODES, changes};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn view(share: i64) -> View {
    let mut view = View::default();
    for change in changes(share) {
        view.apply(change);
    }
    black_box(view.packing());
    view
}

fn bench(criterion: &mut Criterion) {
    let (settings, workloads, nothing) = (Settings::default(), BTreeMap::new(), NodePlan::default());
    let mut group = criterion.benchmark_group("remove");
    group.sample_size(10);
    for (name, share) in [("a third in use", 330), ("nothing to remove", 950)] {
        let view = view(share);
        let input = Input {
            view: &view,
            adding: &nothing,
            settings: &settings,
            workloads: &workloads,
            surging: 0,
            now: NOW,
        };
        let (first, memory) = plan(&input, &Memory::default());
        // What is measured says how much of it there was.
        let name = format!("{name}, {} of {NODES} nodes go", first.remove.len());
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(plan(black_box(&input), &memory)));
        });
    }
    let changes = changes(330);
    let mut audit = Audit::default();
    for change in &changes {
        audit.apply(change);
    }
    let view = view(330);
    let adding = add::plan(&view, &settings, NOW);
    let input = Input {
        view: &view,
        adding: &adding,
        settings: &settings,
        workloads: &workloads,
        surging: 0,
        now: NOW,
    };
    let (removing, _) = plan(&input, &Memory::default());
    group.bench_function("audit of that plan", |bencher| {
        bencher.iter_batched(
            || Audited { adding: &adding, removing: &removing, most_nodes: None, now: NOW },
            |plan| audit.check(&plan).expect("is accepted"),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
