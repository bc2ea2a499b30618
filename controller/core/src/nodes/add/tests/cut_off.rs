//! Pods that are less important than pools order nodes for.

use pretty_assertions::assert_eq;

use super::*;
use crate::cluster::Unplannable;
use crate::nodes::reason::{Cause, WhyPassedOver};

fn of_priority(priority: i32, pod: Pod) -> Change {
    Change::Pod(with(pod, |shape| shape.priority = priority))
}

/// Pool `p` with a cut-off of 0, and a dearer one with -10.
fn pools() -> [Change; 2] {
    let important = Pool { priority_cutoff: 0, ..pool() };
    let mut any = Pool { name: "q".into(), ..pool() };
    any.offerings = vec![offering("m", "a", 4, 300_000)];
    [important, any].map(Change::Pool)
}

fn causes(plan: &NodePlan) -> Vec<Cause> {
    plan.refused.iter().flat_map(|refused| &refused.why).map(|why| why.cause.clone()).collect()
}

#[test]
fn a_pod_below_the_cut_offs_of_all_pools_is_left_alone_wherever_there_is_room() {
    let [important, any] = pools();
    let there = Change::Node(node("n", "a"));
    let plan = planned([important, any, there, of_priority(-11, waiting("low", "low", 100))]);
    assert_eq!((&plan.add, &plan.placements), (&vec![], &vec![]));
    let why = Unplannable::BelowCutOff { priority: -11, cut_off: -10 };
    assert_eq!(causes(&plan), [Cause::LeftAlone(why)]);
    assert_eq!(plan.refused[0].pods, ["uid-low".into()]);
}

#[test]
fn a_pod_gets_nodes_of_the_pools_whose_cut_off_it_reaches() {
    for (priority, from) in [(0, "p"), (-1, "q"), (-10, "q")] {
        let [important, any] = pools();
        let plan = planned([important, any, of_priority(priority, waiting("web", "web", 100))]);
        assert_eq!(plan.add.iter().map(|new| &*new.pool).collect::<Vec<_>>(), [from], "{priority}");
    }
}

#[test]
fn why_a_pool_orders_no_node_for_a_pod_is_said() {
    let [important, any] = pools();
    let web = with(waiting("web", "web", 100), |shape| {
        shape.node_selector = Labels::from([(ZONE.into(), "b".into())]);
    });
    let plan = planned([important, any, of_priority(-5, web)]);
    let why = WhyPassedOver::BelowCutOff { priority: -5, cut_off: 0 };
    assert!(causes(&plan).contains(&Cause::PassedOver("p".into(), why)), "{:?}", plan.refused);
}

#[test]
fn a_pod_below_a_cut_off_has_no_place_on_a_node_that_comes_for_another() {
    let [important, _] = pools();
    let never = Change::Pool(Pool { name: "q".into(), offerings: vec![], ..pool() });
    let plan = planned([
        important,
        never,
        of_priority(0, waiting("high", "high", 3000)),
        of_priority(-1, waiting("low", "low", 100)),
    ]);
    assert_eq!(places(&plan), BTreeMap::from([("uid-high".to_owned(), Place::New(0, 0))]));
}

#[test]
fn a_pod_that_gets_no_node_where_no_pool_offers_anything_is_told_so() {
    for pools in [vec![], vec![Change::Pool(Pool { offerings: vec![], ..pool() })]] {
        let waits = of_priority(0, waiting("web", "web", 100));
        assert_eq!(causes(&planned(pools.into_iter().chain([waits]))), [Cause::NoPool]);
    }
}

#[test]
fn no_node_is_ordered_for_a_pod_below_the_cut_off_when_its_own_goes() {
    for (priority, nodes) in [(-10, 1), (-11, 0)] {
        let gone = Change::Node(Node { interrupted: true, ..node("n", "a") });
        let plan =
            planned([Change::Pool(pool()), gone, of_priority(priority, running("web", "web", 100, "n"))]);
        assert_eq!(plan.add.len(), nodes, "{priority}");
    }
}

#[test]
fn room_is_kept_free_whatever_the_cut_off() {
    let requests = Resources { cpu: 100, ..Resources::default() };
    let headroom = crate::cluster::Headroom {
        name: "burst".into(),
        size: crate::cluster::HeadroomSize::Pods { count: 1, requests },
        schedule: None,
        time_zone: None,
        duration: Span::ZERO,
    };
    let plan = planned([Change::Pool(Pool { priority_cutoff: 1000, headroom: vec![headroom], ..pool() })]);
    assert_eq!(plan.add.len(), 1);
}
