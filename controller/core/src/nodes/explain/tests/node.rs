//! What is told of a node.

use super::*;
use crate::cluster::{DisruptionBudget, OwnerKind, PodShape, Record, Selector, UnhealthyPods};
use crate::nodes::drain::Surge;
use crate::nodes::fixtures::{offering, owner};
use crate::nodes::remove::RemovalPlan;

fn told(world: &World, name: &str) -> NodeExplained {
    world.told(|sight| node(sight, name)).unwrap()
}

fn moves(told: &NodeExplained) -> Vec<(&str, &str)> {
    told.moves.iter().map(|row| (row.pod.as_str(), row.to.as_str())).collect()
}

fn reasons(told: &NodeExplained) -> Vec<&str> {
    told.stays.iter().map(|row| row.why.as_str()).collect()
}

#[test]
fn a_node_that_goes_is_told_why_and_where_its_pods_fit() {
    let world = World::default()
        .with(Change::Pool(eager()))
        .with(Change::Node(ready_node("a", "a")))
        .with(Change::Node(ready_node("b", "b")))
        .with(Change::Pod(runs("web", "a", 400)))
        .with(Change::Pod(runs("db", "b", 3000)));
    let goes = told(&world, "a");
    assert_eq!(goes.sentences, ["It is ready.", "It goes: its pods ask for 10 % of it and fit elsewhere."]);
    assert_eq!(moves(&goes), [("shop/web", "node b (on-demand m in b, pool p, 0.2 per hour)")]);
    assert!(goes.goes && goes.stays.is_empty());
    let stays = told(&world, "b");
    assert_eq!(
        stays.sentences,
        ["It is ready.", "It stays: pod shop/db fits nowhere else: there is no other node."]
    );
    assert!(!stays.goes && stays.moves.is_empty());
}

#[test]
fn a_node_that_is_replaced_waits_for_what_is_ordered_in_its_place() {
    let mut pool = eager();
    pool.offerings = vec![offering("m2", "b", 4, 250_000)];
    let world = World::default()
        .with(Change::Pool(pool))
        .with(Change::Node(ready_node("a", "a")))
        .with(Change::Pod(runs("web", "a", 3500)));
    let told = told(&world, "a");
    assert_eq!(
        told.sentences,
        [
            "It is ready.",
            "It goes: its pool no longer offers on-demand m in a.",
            "It waits until what is ordered in its place is ready.",
        ]
    );
    assert_eq!(moves(&told), [("shop/web", "a new node (on-demand m2 in b, pool p, 0.25 per hour)")]);
}

#[test]
fn each_node_is_told_its_own_reason_to_stay() {
    let mut kept = ready_node("a", "a");
    kept.scale_down_disabled = true;
    let mut bare = bound_pod("bare", "b");
    bare.owner = None;
    let world = World::default()
        .with(Change::Pool(eager()))
        .with(Change::Node(kept))
        .with(Change::Node(ready_node("b", "b")))
        .with(Change::Pod(bare));
    assert_eq!(reasons(&told(&world, "a")), ["it has cluster-autoscaler.kubernetes.io/scale-down-disabled"]);
    assert_eq!(reasons(&told(&world, "b")), ["pod shop/bare has no controller that would make it anew"]);
}

/// Alone it would be tried on both other nodes; the plan has tried it when one of them was gone.
#[test]
fn that_a_pod_has_no_room_is_told_once_with_the_numbers_of_the_plan() {
    let world = World::default()
        .with(Change::Pool(eager()))
        .with(Change::Node(ready_node("a", "a")))
        .with(Change::Node(ready_node("b", "b")))
        .with(Change::Node(ready_node("c", "c")))
        .with(Change::Pod(runs("large", "a", 3500)))
        .with(Change::Pod(runs("one", "b", 1000)))
        .with(Change::Pod(runs("two", "c", 1000)));
    assert_eq!(reasons(&told(&world, "a")), ["pod shop/large fits nowhere else: 1 nodes lack cpu"]);
}

#[test]
fn a_node_that_joined_after_the_plan_is_not_known_to_it() {
    let world = World::default().with(Change::Pool(eager())).with(Change::Node(ready_node("a", "a")));
    let told = world.told(|sight| node(&Sight { removal: &RemovalPlan::default(), ..*sight }, "a")).unwrap();
    assert_eq!(
        told.sentences,
        ["It is ready.", "The last plan, of 2026-11-23T10:00:00Z, does not know it yet."]
    );
    assert!(!told.goes);
}

#[test]
fn a_node_that_is_drained_is_told_how_far_that_is_and_where_its_pods_have_room() {
    let mut world = with_a_drain();
    let surge = |deployment: &str, given_back| Surge {
        namespace: "shop".into(),
        deployment: deployment.into(),
        from: 1,
        pod: "uid-one".into(),
        given_back,
        absorbed: false,
        returned: given_back,
    };
    let drain = world.drains.get_mut("a").unwrap();
    drain.surges.insert("uid-1".into(), surge("till", true));
    drain.surges.insert("uid-2".into(), surge("web", false));
    drain.deleted = Some(NOW);
    let drained = told(&world, "a");
    assert_eq!(
        drained.sentences,
        [
            "It is ready.",
            "It is being drained, since 2026-11-23T09:58:00Z.",
            "Deployment shop/till had one replica more for it, which was given back.",
            "Deployment shop/web has one replica more for it.",
            "Its provider was asked to take it back at 2026-11-23T10:00:00Z.",
        ]
    );
    assert_eq!(
        moves(&drained),
        [
            ("shop/one", "node b (on-demand m in b, pool p, 0.2 per hour)"),
            ("shop/two", "node c (on-demand m in c, pool p, 0.2 per hour)"),
        ]
    );
    assert!(drained.goes && drained.stays.is_empty());
}

#[test]
fn a_node_that_is_drained_and_taken_away_is_told_so() {
    let mut world = with_a_drain();
    world.drains.get_mut("a").unwrap().interrupted = true;
    assert_eq!(told(&world, "a").sentences[2], "Its provider takes it away, so the drain is not given up.");
}

#[test]
fn a_node_whose_order_was_deleted_is_told_so() {
    let deleted = Node { record: Record::Deleted, ..ready_node("a", "a") };
    let world = World::default().with(Change::Node(deleted));
    assert_eq!(
        told(&world, "a").sentences[1],
        "Its order order-a was deleted, so it goes as soon as it may."
    );
}

#[test]
fn what_a_drain_waits_for_is_a_sentence_whoever_says_it() {
    for (waits, said) in [
        ("waits for 2 pods to end", "The drain waits for 2 pods to end."),
        ("nothing is removed", "The drain waits: nothing is removed."),
    ] {
        let mut world = with_a_drain();
        world.waits.insert("a".into(), waits.to_owned());
        assert_eq!(told(&world, "a").sentences[2], said);
    }
}

#[test]
fn each_pod_of_a_node_is_told_what_it_means_for_it() {
    let mut moves = bound_pod("moves", "a");
    moves.shape = Arc::new(PodShape { namespace: "till".into(), ..(*moves.shape).clone() });
    let mut expendable = moves.clone();
    (expendable.name, expendable.uid) = ("expendable".into(), "uid-expendable".into());
    Arc::make_mut(&mut expendable.shape).priority = -20;
    let mut ends = bound_pod("ends", "a");
    ends.state = PodState::Terminating { node: "a".into(), until: NOW };
    let mut daemon = bound_pod("daemon", "a");
    daemon.owner = Some(owner(OwnerKind::DaemonSet, "log"));
    let mut bare = bound_pod("bare", "a");
    bare.owner = None;
    let mut promised = bound_pod("promised", "a");
    promised.state = PodState::Nominated { node: "a".into() };
    let budgeted = bound_pod("budgeted", "a");
    let mut world = World::default()
        .with(Change::Pool(eager()))
        .with(Change::Node(ready_node("a", "a")))
        .with(Change::Budget(DisruptionBudget {
            namespace: "shop".into(),
            name: "all".into(),
            selector: Some(Selector::default()),
            allowed: 0,
            healthy: 1,
            desired: 1,
            unhealthy: UnhealthyPods::IfHealthyBudget,
            disrupted: BTreeSet::new(),
        }));
    for pod in [moves, expendable, ends, daemon, bare, promised, budgeted] {
        world = world.with(Change::Pod(pod));
    }
    let told = told(&world, "a");
    let rows: Vec<_> =
        told.pods.iter().map(|row| (row.pod.as_str(), row.keeps, row.verdict.as_str())).collect();
    assert_eq!(
        rows,
        [
            ("shop/bare", true, "has no controller that would make it anew"),
            ("shop/budgeted", true, "may not be evicted: PodDisruptionBudget all allows no disruption"),
            ("shop/daemon", false, "goes with the node"),
            ("shop/ends", false, "is ending"),
            ("till/expendable", false, "is evicted, and nobody plans room for it"),
            ("till/moves", false, "is evicted, and needs room elsewhere"),
            ("shop/promised", true, "waits, and has room here"),
        ]
    );
}

#[test]
fn a_node_is_told_how_it_is() {
    for (readiness, said) in [
        (Readiness::Starting, "It has not been ready yet."),
        (Readiness::Ready, "It is ready."),
        (Readiness::NotReady { since: NOW }, "It is not ready, since 2026-11-23T10:00:00Z."),
        (Readiness::Unknown { since: NOW }, "It says nothing any more, since 2026-11-23T10:00:00Z."),
    ] {
        let world = World::default().with(Change::Node(Node { readiness, ..ready_node("a", "a") }));
        assert_eq!(told(&world, "a").sentences[0], said);
    }
}
