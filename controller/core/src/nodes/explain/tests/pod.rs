//! What is told of a pod.

use super::*;
use crate::cluster::Expander;
use crate::nodes::fixtures::offering;
use crate::nodes::reason::{Cause, Limit, PassedOver, WhyPassedOver, WhyRefused};
use crate::nodes::remove::{RemovalPlan, Stays, WhyStays};
use crate::nodes::{NewNodes, Place, Placement, Refused};
use crate::placement::Refusal;

fn told(world: &World, name: &str) -> PodExplained {
    world.told(|sight| pod(sight, "shop", name)).unwrap()
}

/// What is told of pod `web`, which waits, when this is the plan.
fn told_of(world: World, plan: &NodePlan) -> PodExplained {
    let world = world.with(Change::Pod(waiting("web", 100)));
    world.told(|sight| pod(&Sight { plan, ..*sight }, "shop", "web")).unwrap()
}

fn on(place: Place) -> NodePlan {
    let placements = vec![Placement { pod: "uid-web".into(), count: 1, place }];
    NodePlan { placements, ..NodePlan::default() }
}

fn with_two_nodes() -> World {
    World::default()
        .with(Change::Pool(eager()))
        .with(Change::Node(ready_node("a", "a")))
        .with(Change::Node(ready_node("b", "b")))
}

#[test]
fn only_the_pod_that_keeps_its_node_is_told_so() {
    let mut bare = bound_pod("bare", "a");
    bare.owner = None;
    let mut held = bound_pod("held", "b");
    held.eviction.safe = Some(false);
    let world = with_two_nodes()
        .with(Change::Pod(bare))
        .with(Change::Pod(bound_pod("web", "a")))
        .with(Change::Pod(held));
    for (name, sentences) in [
        (
            "bare",
            &[
                "It runs on node a.",
                "It keeps node a: pod shop/bare has no controller that would make it anew.",
            ][..],
        ),
        ("web", &["It runs on node a."]),
        (
            "held",
            &[
                "It runs on node b.",
                "It keeps node b: pod shop/held has cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\".",
            ],
        ),
    ] {
        let told = told(&world, name);
        assert_eq!((told.sentences, told.outlook, told.place), (to_strings(sentences), Outlook::Bound, None));
    }
}

#[test]
fn a_pod_without_room_is_told_that_it_keeps_its_node() {
    let world = with_two_nodes().with(Change::Pod(bound_pod("web", "a")));
    let pod_of = || "shop/web".to_owned();
    for why in [
        WhyStays::NoRoom { pod: pod_of(), refusals: vec![(Refusal::Unschedulable, 1)] },
        WhyStays::Entangled { pod: pod_of() },
    ] {
        let stays = vec![Stays { node: "a".into(), why: why.clone() }];
        let removal = RemovalPlan { stays, ..RemovalPlan::default() };
        let told = world.told(|sight| pod(&Sight { removal: &removal, ..*sight }, "shop", "web")).unwrap();
        assert_eq!(told.sentences, ["It runs on node a.".to_owned(), format!("It keeps node a: {why}.")]);
    }
}

fn to_strings(sentences: &[&str]) -> Vec<String> {
    sentences.iter().map(ToString::to_string).collect()
}

/// That a pod has room on a node, which is of a zone of the same name.
fn room_on(node: &str) -> String {
    format!("Its room elsewhere: node {node} (on-demand m in {node}, pool p, 0.2 per hour).")
}

#[test]
fn each_pod_of_a_node_that_goes_is_told_where_it_has_room() {
    let world = with_two_nodes()
        .with(Change::Node(ready_node("c", "c")))
        .with(Change::Pod(runs("one", "a", 1500)))
        .with(Change::Pod(runs("two", "a", 1500)))
        .with(Change::Pod(runs("half-of-b", "b", 2000)))
        .with(Change::Pod(runs("half-of-c", "c", 2000)));
    for (name, room) in [("one", "b"), ("two", "c")] {
        let told = told(&world, name);
        assert_eq!(told.outlook, Outlook::Moves);
        assert_eq!(
            told.sentences,
            [
                "It runs on node a.".to_owned(),
                "Node a goes: the pods of 3 nodes fit on 2, which saves 33.3 %.".to_owned(),
                room_on(room),
            ]
        );
    }
    assert_eq!(told(&world, "half-of-b").outlook, Outlook::Bound);
}

#[test]
fn each_pod_of_a_node_that_is_drained_is_told_what_that_waits_for_and_where_it_has_room() {
    let mut world = with_a_drain();
    world.waits.insert("a".into(), "waits for pods".to_owned());
    for (name, room) in [("one", "b"), ("two", "c")] {
        let told = told(&world, name);
        assert_eq!(told.outlook, Outlook::Moves);
        assert_eq!(
            told.sentences,
            [
                "It runs on node a.".to_owned(),
                "Node a is being drained.".to_owned(),
                "The drain waits for pods.".to_owned(),
                room_on(room),
            ]
        );
    }
}

#[test]
fn a_pod_that_has_a_replica_more_in_its_place_is_told_so_with_its_node() {
    let world = with_a_drain().with(Change::Surplus(BTreeSet::from(["uid-one".into()])));
    let of_pod = told(&world, "one");
    assert_eq!((of_pod.outlook, of_pod.place), (Outlook::Moves, None));
    assert_eq!(
        of_pod.sentences,
        [
            "It runs on node a.",
            "Node a is being drained.",
            "Its Deployment has one replica more in its place, so it needs no room elsewhere.",
        ]
    );
    let of_node = world.told(|sight| node(sight, "a")).unwrap();
    let verdicts: Vec<&str> = of_node.pods.iter().map(|row| row.verdict.as_str()).collect();
    let goes = "goes, and its Deployment has one replica more in its place";
    assert_eq!(verdicts, [goes, "is evicted, and needs room elsewhere"]);
}

#[test]
fn a_pod_that_ends_is_told_by_when() {
    let state = PodState::Terminating { node: "a".into(), until: NOW };
    let world = with_two_nodes().with(Change::Pod(Pod { state, ..bound_pod("web", "a") }));
    let told = told(&world, "web");
    assert_eq!(told.outlook, Outlook::Ends);
    assert_eq!(told.sentences, ["It is ending on node a, until 2026-11-23T10:00:00Z at the latest."]);
}

#[test]
fn a_pod_for_which_room_is_held_is_told_where() {
    let state = PodState::Nominated { node: "a".into() };
    let world = with_two_nodes().with(Change::Pod(Pod { state, ..bound_pod("web", "a") }));
    let told = told(&world, "web");
    assert_eq!(told.outlook, Outlook::HasPlace);
    assert_eq!(told.sentences, ["Room is held for it on node a; the scheduler has not bound it yet."]);
    assert_eq!(told.place.unwrap().offering.as_deref(), Some("on-demand m in a"));
}

#[test]
fn a_pod_that_waits_is_told_for_what() {
    let pending = Pod { state: PodState::Pending, ..waiting("pending", 100) };
    let world = World::default().with(Change::Pod(waiting("web", 100))).with(Change::Pod(pending));
    for (name, waits) in [
        ("web", "It waits: since 2026-11-23T10:00:00Z the scheduler finds no node for it."),
        ("pending", "It waits: the scheduler has not bound it, and has not said that it fits nowhere."),
    ] {
        let plan = NodePlan::default();
        let told = world.told(|sight| pod(&Sight { plan: &plan, ..*sight }, "shop", name)).unwrap();
        assert_eq!(told.outlook, Outlook::NotPlanned);
        assert_eq!(told.sentences, [waits, "The last plan, of 2026-11-23T10:00:00Z, does not know it yet."]);
    }
}

#[test]
fn each_pod_that_waits_is_told_its_own_place() {
    let world = with_two_nodes()
        .with(Change::Pod(runs("most-of-a", "a", 3500)))
        .with(Change::Pod(runs("half-of-b", "b", 2000)))
        .with(Change::Pod(waiting("little", 500)))
        .with(Change::Pod(waiting("more", 1500)));
    for (name, place) in [("little", "node a"), ("more", "node b")] {
        assert_eq!(told(&world, name).place.unwrap().place, place);
    }
}

#[test]
fn a_pod_with_room_on_a_node_that_is_there_is_told_which_and_not_what_was_passed_over() {
    let mut plan = on(Place::Node("a".into()));
    plan.passed_over = vec![passed_over("p")];
    let told = told_of(with_two_nodes(), &plan);
    assert_eq!(
        told.sentences[1],
        "There is room for it on node a (on-demand m in a, pool p, 0.2 per hour); the scheduler may bind it \
         there, or where it likes better."
    );
    assert!(told.passed_over.is_empty());
}

fn passed_over(pool: &str) -> PassedOver {
    PassedOver { pool: pool.into(), offering: key("m", "b"), why: WhyPassedOver::NoneLeft }
}

#[test]
fn a_pod_with_room_on_a_node_that_was_ordered_is_told_how_its_order_stands() {
    let said = |message: Option<&str>| OrderSaid {
        pool: "p".into(),
        offering: key("m", "b"),
        count: 2,
        created: NOW,
        phase: "Creating".to_owned(),
        message: message.map(str::to_owned),
    };
    for (message, sentence) in [
        (None, "The order is of 2026-11-23T10:00:00Z and is Creating."),
        (Some("it boots"), "The order is of 2026-11-23T10:00:00Z and is Creating: it boots."),
    ] {
        let mut world = with_two_nodes();
        world.orders.insert("o".into(), said(message));
        let told = told_of(world, &on(Place::Order("o".into(), 1)));
        assert_eq!(
            told.sentences[1..],
            [
                "No node that is there has room for it. It has room on node 2 of order o (on-demand m in b, \
                 pool p, 0.2 per hour), which is on its way.",
                sentence,
            ]
        );
    }
    let told = told_of(World::default(), &on(Place::Order("o".into(), 0)));
    assert_eq!(
        told.sentences[1..],
        ["No node that is there has room for it. It has room on node 1 of order o, which is on its way."]
    );
}

#[test]
fn a_pod_that_gets_a_new_node_is_told_how_it_was_chosen() {
    for (expander, how) in [
        (Expander::Price, "for the least price per pod"),
        (Expander::LeastWaste, "for the least that is left over"),
        (Expander::MostPods, "for the most pods that it takes"),
        (Expander::Priority, "for the weight of its pool, then the least price"),
        (Expander::Random, "at random, as its pool asks"),
    ] {
        let mut of = pool_p();
        of.expander = expander;
        of.offerings.push(offering("l", "a", 8, 300_000));
        let mut plan = on(Place::New(0, 0));
        let (pool, offering) = ("p".into(), key("l", "a"));
        plan.add = vec![NewNodes { pool, offering, count: 3, price: 300_000, pods: 7 }];
        plan.passed_over = vec![passed_over("p"), passed_over("q")];
        let told = told_of(World::default().with(Change::Pool(of)), &plan);
        assert_eq!(
            told.sentences[1..],
            [
                "No node that is there or ordered has room for it: a new node (on-demand l in a, pool p, 0.3 \
                 per hour) is ordered."
                    .to_owned(),
                format!(
                    "Of what takes it, it is chosen {how}. 3 of these are ordered, for 7 pods in all."
                ),
            ]
        );
        let pools: Vec<&str> = told.passed_over.iter().map(|row| &*row.pool).collect();
        assert_eq!(pools, ["p"]);
    }
}

#[test]
fn a_pod_that_gets_no_node_is_told_how_many_others_get_none_either() {
    for (count, said) in [
        (1, "It gets no node."),
        (2, "It gets no node, and one more pod like it."),
        (3, "It gets no node, and 2 more pods like it."),
    ] {
        let told = told_of(World::default(), &refusing(count, Vec::new()));
        assert_eq!(told.outlook, Outlook::NoPlace);
        assert_eq!(told.sentences[1..], [said, "There is no node, and nothing that could be ordered."]);
    }
}

fn refusing(count: u32, why: Vec<WhyRefused>) -> NodePlan {
    let (namespace, owner, pods) = ("shop".into(), "web".into(), vec!["uid-web".into()]);
    let refused = Refused { namespace, owner, pods, count, why };
    NodePlan { refused: vec![refused], ..NodePlan::default() }
}

#[test]
fn every_cause_for_which_a_pod_gets_no_node_is_told_with_what_refuses_it() {
    let why = |count, cause| WhyRefused { cause, count };
    let causes = vec![
        why(0, Cause::LeftAlone(Unplannable::Gang)),
        why(4, Cause::Nodes(Refusal::NodeAffinity)),
        why(3, Cause::Offerings("p".into(), Refusal::Unschedulable)),
        why(0, Cause::Limit("p".into(), Limit::Nodes(5))),
        why(2, Cause::PassedOver("p".into(), WhyPassedOver::NoneLeft)),
        why(0, Cause::NoPool),
    ];
    let plan = NodePlan { passed_over: vec![passed_over("p"), passed_over("q")], ..refusing(1, causes) };
    let told = told_of(World::default(), &plan);
    let rows: Vec<_> =
        told.refusals.iter().map(|row| (row.what.as_str(), row.count, row.why.as_str())).collect();
    assert_eq!(
        rows,
        [
            ("the pod", 0, "left alone: it is scheduled as one of a gang"),
            ("nodes", 4, "do not match the node selector or node affinity"),
            ("offerings of pool p", 3, "are cordoned"),
            ("pool p", 0, "at its limit of 5 nodes"),
            ("offerings of pool p", 2, "passed over: the provider has no more of it"),
            ("the cluster", 0, "there is no pool to order nodes from"),
        ]
    );
    assert_eq!(told.sentences[2], "Left alone: it is scheduled as one of a gang.");
    let pools: Vec<&str> = told.passed_over.iter().map(|row| &*row.pool).collect();
    assert_eq!(pools, ["p"], "that of a pool that is no cause is not told");
}
