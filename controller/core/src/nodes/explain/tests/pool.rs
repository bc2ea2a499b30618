//! What is told of a pool.

use super::*;
use crate::cluster::{BudgetReason, NodeBudget, OfferingKey, Order};
use crate::nodes::fixtures::offering;
use crate::nodes::reason::{Cause, Limit, PassedOver, WhyPassedOver, WhyRefused};
use crate::nodes::remove::{Removal, RemovalPlan, Stays, WhyRemoved, WhyStays};
use crate::nodes::{NewNodes, Refused};
use crate::placement::Refusal;

fn told(world: &World) -> PoolExplained {
    world.told(|sight| pool(sight, "p")).unwrap()
}

/// Pool `q`, with offerings that are called like those of `p`.
fn another_pool() -> Pool {
    Pool { name: "q".into(), ..eager() }
}

fn new_nodes(pool: &str, count: u32) -> NewNodes {
    NewNodes { pool: pool.into(), offering: key("m", "a"), count, price: 200_000, pods: 7 }
}

#[test]
fn what_both_plans_order_for_a_pool_is_told() {
    let plan = NodePlan { add: vec![new_nodes("q", 1), new_nodes("p", 2)], ..NodePlan::default() };
    let removal = RemovalPlan { add: vec![new_nodes("p", 3), new_nodes("q", 4)], ..RemovalPlan::default() };
    let world = World::default().with(Change::Pool(eager()));
    let told = world.told(|sight| pool(&Sight { plan: &plan, removal: &removal, ..*sight }, "p")).unwrap();
    assert_eq!(
        told.sentences,
        [
            "The last plan orders 2 × on-demand m in a for 7 pods.",
            "The last plan orders 3 × on-demand m in a for 7 pods.",
        ]
    );
}

#[test]
fn that_nothing_goes_while_much_is_not_ready_is_told() {
    let silent = Node { readiness: Readiness::Unknown { since: NOW }, ..ready_node("b", "b") };
    let world = World::default()
        .with(Change::Pool(eager()))
        .with(Change::Node(ready_node("a", "a")))
        .with(Change::Node(silent));
    assert_eq!(
        told(&world).sentences,
        ["Nothing is removed or replaced: 1 of 2 nodes of pool p are not ready, more than 20 %."]
    );
}

#[test]
fn each_budget_that_is_used_up_is_told_once() {
    let mut of = eager();
    let reasons = BTreeSet::from([BudgetReason::Replaced]);
    of.scale_down.budgets = vec![
        NodeBudget { share: None, nodes: Some(1), ..NodeBudget::default() },
        NodeBudget { share: None, nodes: Some(0), reasons, ..NodeBudget::default() },
    ];
    let world = World::default().with(Change::Pool(of));
    assert!(told(&world).sentences.is_empty(), "without nodes there is nothing to hold back");
    let world = world.with(Change::Node(draining("a", "a"))).with(Change::Node(ready_node("b", "b")));
    assert_eq!(
        told(&world).sentences,
        [
            "No node more may go now: budget 1 nodes of pool p is used by 1 nodes.",
            "No node more may go now: budget 0 nodes of pool p allows no node to go.",
        ]
    );
}

#[test]
fn a_node_that_is_drained_is_not_wanted() {
    let starting = Node { readiness: Readiness::Starting, ..ready_node("c", "a") };
    let mut of = eager();
    of.limits.min_per_zone.insert("a".into(), 1);
    of.limits.nodes_per_zone.insert("a".into(), 9);
    let of_q = Node { pool: Some("q".into()), ..ready_node("d", "a") };
    let world = World::default()
        .with(Change::Pool(of))
        .with(Change::Node(draining("a", "a")))
        .with(Change::Node(ready_node("b", "a")))
        .with(Change::Node(starting))
        .with(Change::Node(of_q));
    let told = told(&world);
    let zones: Vec<_> = told
        .zones
        .iter()
        .map(|row| (&*row.zone, row.wanted, row.ready, row.draining, row.min, row.max))
        .collect();
    assert_eq!(zones, [("a", 2, 2, 1, 1, Some(9)), ("b", 0, 0, 0, 0, None), ("c", 0, 0, 0, 0, None)]);
}

fn order(pool: &str, offering: OfferingKey, missing: u32) -> Change {
    let name = format!("{pool}-{offering}").into();
    Change::Order(Order { name, pool: pool.into(), offering, missing, asked: NOW })
}

#[test]
fn orders_of_another_pool_do_not_count() {
    let world = World::default().with(Change::Pool(eager())).with(Change::Pool(another_pool())).with(order(
        "q",
        key("m", "a"),
        2,
    ));
    assert!(told(&world).zones.iter().all(|row| (row.wanted, row.ordered) == (0, 0)));
}

#[test]
fn every_resource_that_is_limited_is_told_with_what_nodes_and_orders_have_of_it() {
    let mut of = eager();
    let mut large = offering("l", "a", 8, 300_000);
    large.allocatable.extended.insert("gpu".into(), 1);
    large.allocatable.ephemeral_storage = 1 << 30;
    of.offerings.push(large);
    for resource in ["cpu", "memory", "ephemeral-storage", "pods", "gpu", "licence"] {
        of.limits.resources.insert(resource.into(), 1 << 40);
    }
    let world = World::default()
        .with(Change::Pool(of))
        .with(Change::Pool(another_pool()))
        .with(Change::Node(ready_node("a", "a")))
        .with(order("p", key("l", "a"), 2))
        .with(order("q", key("m", "a"), 4));
    let told = told(&world);
    let used: Vec<_> = told.limits.iter().map(|row| (row.what.as_str(), row.used.as_str())).collect();
    assert_eq!(
        used,
        [
            ("cpu", "20"),
            ("ephemeral-storage", "2Gi"),
            ("gpu", "2"),
            ("licence", "0"),
            ("memory", "80Gi"),
            ("pods", "330"),
        ]
    );
}

/// The plan is of 10:00, and is asked about later.
#[test]
fn an_offering_is_considered_unless_the_plan_passed_it_over_or_it_failed_since() {
    let (past, soon) = (NOW - Span::from_secs(1), NOW + Span::from_secs(1));
    let avoided = |until: &str| format!("avoided until {until} after an error");
    for (capacity, passed, considered, state, until) in [
        (Capacity::Unknown, None, true, "can be ordered".to_owned(), None),
        (Capacity::Left(3), None, true, "3 more can be ordered".to_owned(), None),
        (Capacity::AvoidedUntil(past), None, true, "can be ordered".to_owned(), None),
        (Capacity::AvoidedUntil(NOW), None, true, "can be ordered".to_owned(), None),
        (Capacity::AvoidedUntil(soon), None, false, avoided("2026-11-23T10:00:01Z"), Some(soon)),
        (
            Capacity::Left(0),
            Some(WhyPassedOver::NoneLeft),
            false,
            "the provider has no more of it".to_owned(),
            None,
        ),
        (
            Capacity::AvoidedUntil(soon),
            Some(WhyPassedOver::AvoidedUntil(past)),
            false,
            avoided("2026-11-23T09:59:59Z"),
            Some(past),
        ),
    ] {
        let mut of = eager();
        of.offerings[0].capacity = capacity;
        let offering = of.offerings[0].key.clone();
        let passed_over = passed.map(|why| PassedOver { pool: "p".into(), offering, why });
        let plan = NodePlan { passed_over: passed_over.into_iter().collect(), ..NodePlan::default() };
        let world = World::default().with(Change::Pool(of));
        let told = world.told(|sight| pool(&Sight { plan: &plan, ..*sight }, "p")).unwrap();
        let row = &told.offerings[0];
        assert_eq!(
            (row.considered, row.state.clone(), row.until),
            (considered, state, until),
            "{capacity:?}"
        );
        assert!(told.offerings[1].considered);
    }
}

#[test]
fn an_offering_of_another_pool_is_another() {
    let passed = PassedOver { pool: "q".into(), offering: key("m", "a"), why: WhyPassedOver::NoneLeft };
    let plan = NodePlan { passed_over: vec![passed], ..NodePlan::default() };
    let world = World::default().with(Change::Pool(eager())).with(Change::Pool(another_pool()));
    let considered = |name: &str| {
        let told = world.told(|sight| pool(&Sight { plan: &plan, ..*sight }, name)).unwrap();
        told.offerings.iter().map(|row| row.considered).collect::<Vec<_>>()
    };
    assert_eq!(considered("p"), [true, true, true]);
    assert_eq!(considered("q"), [false, true, true]);
}

#[test]
fn orders_are_told_the_newest_first() {
    let mut world = World::default().with(Change::Pool(eager()));
    for (name, pool, age) in [("o1", "p", 60), ("o2", "p", 30), ("o3", "q", 10), ("o4", "p", 30)] {
        let said = OrderSaid {
            pool: pool.into(),
            offering: key("m", "b"),
            count: 2,
            created: NOW - Span::from_secs(age),
            phase: "Creating".to_owned(),
            message: None,
        };
        world.orders.insert(name.into(), said);
    }
    let told = told(&world);
    let orders: Vec<&str> = told.orders.iter().map(|row| &*row.order).collect();
    assert_eq!(orders, ["o2", "o4", "o1"]);
}

#[test]
fn each_node_is_told_why_it_goes_or_stays() {
    let mut world = World::default().with(Change::Pool(eager()));
    for name in ["going", "kept", "new", "waits", "goes-and-waits"] {
        world = world.with(Change::Node(ready_node(name, "a")));
    }
    world = world.with(Change::Node(draining("tainted", "a"))).with(Change::Node(draining("told", "a")));
    let removal = |node: &str, why| Removal {
        node: node.into(),
        pool: "p".into(),
        why,
        price: None,
        moves: Vec::new(),
        replaced_by: Vec::new(),
        needs: Vec::new(),
        surges: Vec::new(),
    };
    let stays = |node: &str, pods| Stays { node: node.into(), why: WhyStays::Promised { pods } };
    let plan = RemovalPlan {
        remove: vec![removal("goes-and-waits", WhyRemoved::Interrupted), removal("going", WhyRemoved::Empty)],
        stays: vec![stays("waits", 1), stays("kept", 2)],
        ..RemovalPlan::default()
    };
    world.drains.insert("waits".into(), Drain::new(NOW, false, BTreeSet::new()));
    for name in ["kept", "waits", "told", "goes-and-waits"] {
        world.waits.insert(name.into(), "for pods".to_owned());
    }
    let told = world.told(|sight| pool(&Sight { removal: &plan, ..*sight }, "p")).unwrap();
    let rows: Vec<_> = told.nodes.iter().map(|row| (&*row.node, row.goes, row.why.as_str())).collect();
    assert_eq!(
        rows,
        [
            ("goes-and-waits", true, "its provider takes it away"),
            ("going", true, "no pods but those of daemons run on it"),
            ("kept", false, "2 pods that wait for a node have room on it"),
            ("new", false, "the last plan does not know it"),
            ("tainted", true, "it is being drained"),
            ("told", true, "it is being drained: for pods"),
            ("waits", true, "it is being drained: for pods"),
        ]
    );
}

#[test]
fn pods_are_told_for_whose_refusal_the_pool_is_a_cause() {
    let why = |cause| WhyRefused { cause, count: 1 };
    let refused = |owner: &str, why| Refused {
        namespace: "shop".into(),
        owner: owner.into(),
        pods: Vec::new(),
        count: 2,
        why,
    };
    let plan = NodePlan {
        refused: vec![
            refused(
                "web",
                vec![
                    why(Cause::Nodes(Refusal::NodeAffinity)),
                    why(Cause::Offerings("p".into(), Refusal::NodeAffinity)),
                    why(Cause::Limit("q".into(), Limit::Nodes(7))),
                    why(Cause::Limit("p".into(), Limit::Nodes(5))),
                    why(Cause::PassedOver("p".into(), WhyPassedOver::NoneLeft)),
                ],
            ),
            refused("db", vec![why(Cause::Limit("q".into(), Limit::Nodes(7))), why(Cause::NoPool)]),
        ],
        ..NodePlan::default()
    };
    let world = World::default().with(Change::Pool(eager()));
    let told = world.told(|sight| pool(&Sight { plan: &plan, ..*sight }, "p")).unwrap();
    let rows: Vec<_> =
        told.refused.iter().map(|row| (row.owner.as_str(), row.count, row.why.as_str())).collect();
    assert_eq!(
        rows,
        [(
            "shop/web",
            2,
            "pool p: 1 offerings do not match the node selector or node affinity; pool p: at its limit of 5 \
             nodes; pool p: 1 offerings passed over: the provider has no more of it"
        )]
    );
}
