//! Reasons in words, and when they end.

use super::*;
use crate::cluster::{Breaker, BudgetReason, Unplannable};
use crate::nodes::breaker::Tripped;
use crate::nodes::budget::BudgetUsed;
use crate::nodes::drainability::{Blocker, NodeBlocker};
use crate::nodes::drift::Drift;
use crate::nodes::pdb::Forbidden;
use crate::placement::Refusal;

const LATER: Timestamp = Timestamp::from_secs(1_000_600);

/// A reason to stay, as it is told, and when it ends by itself.
type Told = (WhyStays, &'static str, Option<Timestamp>);

/// What a node or a pod says.
fn said_of_nodes_and_pods() -> Vec<Told> {
    let pod = || "shop/web".to_owned();
    let lacks = || vec![(Refusal::NodeAffinity, 2), (Refusal::Unschedulable, 1)];
    vec![
        (
            WhyStays::Node(NodeBlocker::DoNotDisrupt { until: Some(LATER) }),
            "it has karpenter.sh/do-not-disrupt until 1970-01-12T13:56:40Z",
            Some(LATER),
        ),
        (WhyStays::Node(NodeBlocker::NotReady), "it is not ready, and its pods cannot be told to end", None),
        (WhyStays::Going, "it is being drained", None),
        (
            WhyStays::Breaker(Tripped::NotReady {
                pool: "p".into(),
                not_ready: 1,
                of: 2,
                breaker: Breaker::Share(200),
            }),
            "nothing is removed: 1 of 2 nodes of pool p are not ready, more than 20 %",
            None,
        ),
        (
            WhyStays::GivenUp { until: LATER, why: "it took too long".to_owned() },
            "its drain was given up and is tried again at 1970-01-12T13:56:40Z: it took too long",
            Some(LATER),
        ),
        (
            WhyStays::Pod { pod: pod(), why: Blocker::LeftAlone(Unplannable::Gang) },
            "pod shop/web cannot be planned for: it is scheduled as one of a gang",
            None,
        ),
        (
            WhyStays::Pod { pod: pod(), why: Blocker::DoNotDisrupt { until: Some(LATER) } },
            "pod shop/web has karpenter.sh/do-not-disrupt until 1970-01-12T13:56:40Z",
            Some(LATER),
        ),
        (
            WhyStays::Forbidden {
                pod: pod(),
                why: Forbidden::Exhausted { budget: "web".into(), allowed: 0 },
            },
            "pod shop/web may not be evicted: PodDisruptionBudget web allows no disruption",
            None,
        ),
        (
            WhyStays::NoRoom { pod: pod(), refusals: Vec::new() },
            "pod shop/web fits nowhere else: there is no other node",
            None,
        ),
        (
            WhyStays::NoRoom { pod: pod(), refusals: lacks() },
            "pod shop/web fits nowhere else: 2 nodes do not match the node selector or node affinity, 1 nodes \
             are cordoned",
            None,
        ),
        (
            WhyStays::KeepsFree { of: "buffer shop/web".into(), refusals: Vec::new() },
            "buffer shop/web keeps room free on it, which is not moved",
            None,
        ),
        (
            WhyStays::KeepsFree { of: "buffer shop/web".into(), refusals: lacks() },
            "buffer shop/web keeps room free on it, and has none elsewhere: 2 nodes do not match the node \
             selector or node affinity, 1 nodes are cordoned",
            None,
        ),
    ]
}

/// What its pool and its use say.
fn said_of_pools_and_use() -> Vec<Told> {
    vec![
        (
            WhyStays::OnlyEmpty { pods: 3 },
            "it has 3 pods to move, and its pool lets only empty nodes go",
            None,
        ),
        (WhyStays::Promised { pods: 3 }, "3 pods that wait for a node have room on it", None),
        (
            WhyStays::Used { utilization: 625, below: 500 },
            "its pods ask for 62.5 % of it, not less than 50 %",
            None,
        ),
        (
            WhyStays::SavesTooLittle { saving: 95, at_least: 100 },
            "to move its pods saves 9.5 %, less than 10 %",
            None,
        ),
        (
            WhyStays::NotWorthIt { saving: 5, at_least: 6 },
            "removing it saves 5 millionths per hour and eviction, less than 6",
            None,
        ),
        (
            WhyStays::Unneeded { since: NOW, needs: Span::from_secs(600) },
            "it is not needed since 1970-01-12T13:46:40Z, and has to be for 10m",
            Some(LATER),
        ),
        (
            WhyStays::CoolingDown { until: LATER },
            "its pool has grown lately, nothing goes until 1970-01-12T13:56:40Z",
            Some(LATER),
        ),
        (
            WhyStays::Budget(BudgetUsed {
                pool: "p".into(),
                budget: "10 %".to_owned(),
                most: 1,
                used: 1,
                problem: None,
            }),
            "budget 10 % of pool p is used by 1 nodes",
            None,
        ),
        (WhyStays::Minimum { zone: "a".into(), min: 2 }, "zone a has to keep 2 nodes of its pool", None),
    ]
}

#[test]
fn every_reason_to_stay_is_told_in_words_with_its_end() {
    for (why, words, until) in said_of_nodes_and_pods().into_iter().chain(said_of_pools_and_use()) {
        assert_eq!((why.to_string().as_str(), why.until()), (words, until));
    }
}

#[test]
fn every_reason_to_go_is_told_in_words_and_counts_in_budgets_as_what_it_is() {
    for (why, words, reason) in [
        (WhyRemoved::Interrupted, "its provider takes it away", None),
        (
            WhyRemoved::OrderDeleted("general-1".into()),
            "its order general-1 was deleted",
            Some(BudgetReason::Replaced),
        ),
        (
            WhyRemoved::Drifted(Drift::Label("team".into())),
            "its label team is not that of its pool",
            Some(BudgetReason::Replaced),
        ),
        (WhyRemoved::Empty, "no pods but those of daemons run on it", Some(BudgetReason::Empty)),
        (
            WhyRemoved::Underutilized { utilization: 225 },
            "its pods ask for 22.5 % of it and fit elsewhere",
            Some(BudgetReason::Underutilized),
        ),
        (
            WhyRemoved::Replaced { nodes: 3, by: 2, saving: 333 },
            "the pods of 3 nodes fit on 2, which saves 33.3 %",
            Some(BudgetReason::Replaced),
        ),
        (
            WhyRemoved::Unbalanced { from: "a".into(), to: "b".into() },
            "zone a has more nodes of its pool than zone b",
            Some(BudgetReason::Replaced),
        ),
    ] {
        assert_eq!((why.to_string().as_str(), why.budget_reason()), (words, reason));
    }
}

#[test]
fn the_next_look_is_when_the_first_reason_ends() {
    let mut world = World::new()
        .pool(|pool| pool.scale_down.unneeded_for = Span::from_secs(900))
        .node_as("n1", "a", &[], |node| node.do_not_disrupt = Some(Span::from_secs(1_000_700)))
        .node("n2", "a", &[])
        .node("n3", "b", &[3000]);
    world.memory.gave_up("uid-n2".into(), NOW - Span::from_secs(60), "it took too long".to_owned());
    assert_eq!(world.plan().next_look, Some(NOW + Span::from_secs(540)));
}
