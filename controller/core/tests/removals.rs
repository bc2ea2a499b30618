//! What holds for every plan that removes nodes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "the number of cases comes from outside; the core reads nothing"
)]

mod cluster;
mod draws;

use cluster::{NOW, clusters, plain_clusters};
use draws::same_everywhere;
use plimsoll_core::nodes::remove::WhyRemoved;
use proptest::prelude::*;

proptest! {
    #![proptest_config(same_everywhere(512))]

    /// Budgets of pools and pods, evictability, room, spread, limits, savings: all that `audit` checks with code of its own.
    #[test]
    fn the_audit_accepts_every_plan(cluster in clusters(false)) {
        let plans = cluster.plan(NOW);
        let verdict = cluster.audit(&plans, NOW);
        prop_assert!(verdict.is_ok(), "{}\n{:?}\n{:?}", verdict.unwrap_err(), plans.removing.remove, plans.adding);
    }

    #[test]
    fn the_order_of_input_is_irrelevant(cluster in clusters(false), turn in 0..1000_usize) {
        let mut turned = cluster.clone();
        let by = turn % turned.changes.len().max(1);
        turned.changes.rotate_left(by);
        if turn % 2 == 0 {
            turned.changes.reverse();
        }
        let bytes = |cluster: &cluster::Cluster| {
            let plans = cluster.plan(NOW);
            serde_json::to_string(&(plans.removing, plans.memory)).unwrap()
        };
        prop_assert_eq!(bytes(&cluster), bytes(&turned));
    }

    /// Where nothing new is ordered, and no pod's place depends on others, one plan is all: nothing is moved twice.
    #[test]
    fn a_plan_that_only_moves_leads_to_no_further_plan(cluster in plain_clusters()) {
        let plans = cluster.plan(NOW);
        if !plans.removing.add.is_empty() {
            return Ok(());
        }
        let again = cluster.after(&plans).plan(NOW);
        prop_assert!(again.adding.add.is_empty() && again.removing.remove.is_empty(), "{:?}", again.removing.remove);
    }

    /// Each node is told of once: it goes, or stays for a reason.
    #[test]
    fn every_node_has_a_fate(cluster in clusters(false)) {
        let plans = cluster.plan(NOW);
        let goes = plans.removing.remove.iter().map(|removal| removal.node.clone());
        let stays = plans.removing.stays.iter().map(|stays| stays.node.clone());
        let mut told: Vec<_> = goes.chain(stays).collect();
        told.sort();
        let nodes: Vec<_> = cluster.nodes().into_iter().map(|node| node.name).collect();
        prop_assert_eq!(told, nodes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: same_everywhere(512).cases / 4, ..same_everywhere(512) })]

    /// Room that one plan keeps free is not taken away by the next, nor ordered again: soon it is there, and nothing changes.
    #[test]
    fn a_buffer_is_filled_once_and_stays_filled(cluster in plain_clusters(), count in 1..8_u32, cpu in 1..20_i64) {
        let mut cluster = cluster.with_buffer("spare", cpu * 100, count);
        let mut rounds = 0;
        loop {
            let plans = cluster.plan(NOW);
            let kept = &plans.adding.kept_free;
            prop_assert!(kept.iter().all(|kept| kept.missing == 0), "{kept:?}");
            if rounds > 0 {
                prop_assert!(plans.adding.add.is_empty(), "{:?} after {rounds}", plans.adding.add);
                prop_assert_eq!(kept.iter().map(plimsoll_core::nodes::KeptFree::ready).sum::<u32>(), count);
            }
            if plans.adding.add.is_empty() && plans.removing.remove.is_empty() {
                break;
            }
            rounds += 1;
            prop_assert!(rounds < 8, "{:?}", plans.removing.remove);
            cluster = cluster.after(&plans);
        }
    }

    /// Removing does not make the next plan add for pods, nor the other way round: every plan costs less than the one before,
    /// and soon there is none. Nodes that one plan orders are first looked at by the next, so it may take more than one.
    #[test]
    fn plans_carried_out_come_to_an_end(cluster in clusters(true)) {
        let mut cluster = cluster;
        let mut rounds = 0;
        loop {
            let plans = cluster.plan(NOW);
            prop_assert!(plans.adding.add.is_empty(), "{:?}", plans.adding.add);
            if plans.removing.remove.is_empty() {
                break;
            }
            let after = cluster.after(&plans);
            let saves = plans.removing.remove.iter().any(|removal| !matches!(removal.why, WhyRemoved::Unbalanced { .. }));
            prop_assert!(after.price() < cluster.price() || !saves);
            rounds += 1;
            prop_assert!(rounds < 8, "{:?}", plans.removing.remove);
            cluster = after;
        }
    }
}
