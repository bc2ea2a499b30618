//! Amounts, prices and limits at the edges of what they can be: a plan is made, the audit accepts it, and nothing panics.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "the number of cases comes from outside; the core reads nothing"
)]

mod cluster;
mod draws;

use std::sync::Arc;

use draws::same_everywhere;
use plimsoll_core::cluster::{Pod, Pool, Resources};
use plimsoll_core::placement::Change;
use proptest::collection::vec;
use proptest::prelude::*;

use cluster::{Cluster, NOW, clusters};

/// What the API server lets through, and what sums and products make of it.
const EDGES: [i64; 6] = [0, 1, i64::MAX, i64::MAX - 1, i64::MAX / 2, i64::MAX / 1000];

/// Takes an edge for some of the amounts, in turn.
struct Bend<'a> {
    picks: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl Bend<'_> {
    /// One in three stays as it is.
    fn bend(&mut self, amount: &mut i64) {
        if let Some(edge) = self.picks.next().and_then(|pick| EDGES.get(*pick)) {
            *amount = *edge;
        }
    }

    fn resources(&mut self, of: &mut Resources) {
        self.bend(&mut of.cpu);
        self.bend(&mut of.memory);
        self.bend(&mut of.ephemeral_storage);
    }

    fn pod(&mut self, pod: &mut Pod) {
        let mut shape = (*pod.shape).clone();
        self.resources(&mut shape.requests);
        pod.shape = Arc::new(shape);
    }

    fn pool(&mut self, pool: &mut Pool) {
        for offering in &mut pool.offerings {
            self.resources(&mut offering.allocatable);
            self.bend(&mut offering.allocatable.pods);
            self.bend(&mut offering.price);
        }
        for limit in pool.limits.resources.values_mut() {
            self.bend(limit);
        }
        self.bend(&mut pool.scale_down.savings_per_eviction);
    }

    fn cluster(&mut self, cluster: &mut Cluster) {
        for change in &mut cluster.changes {
            match change {
                Change::Pod(pod) => self.pod(pod),
                Change::Node(node) => self.resources(&mut node.allocatable),
                Change::Pool(pool) => self.pool(pool),
                Change::Announced(announced) => {
                    let mut shape = (*announced.shape).clone();
                    self.resources(&mut shape.requests);
                    announced.shape = Arc::new(shape);
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(same_everywhere(512))]

    #[test]
    fn amounts_at_the_edge_make_no_plan_panic(
        cluster in clusters(false),
        picks in vec(0..EDGES.len() * 3 / 2, 64),
    ) {
        let mut cluster = cluster;
        Bend { picks: picks.iter().cycle() }.cluster(&mut cluster);
        let plans = cluster.plan(NOW);
        let verdict = cluster.audit(&plans, NOW);
        prop_assert!(verdict.is_ok(), "{}\n{:?}\n{:?}", verdict.unwrap_err(), plans.removing.remove, plans.adding);
    }
}
