//! What the audit adds up over several nodes that go, several orders and several pools.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "the number of cases comes from outside; the core reads nothing"
)]

mod broken;
mod cluster;

use std::sync::Arc;

use broken::new_nodes;
use cluster::{Cluster, NOW, Plans, budget, node, offering, pod, pool, shape};
use plimsoll_core::audit::{Audit, Audited, Invariant};
use plimsoll_core::cluster::{
    Daemon, DisruptionBudget, Effect, Node, Offering, Order, PodShape, PodState, Pool, Taint, Toleration,
    TolerationOperator, UnhealthyPods,
};
use plimsoll_core::nodes::drift::Drift;
use plimsoll_core::nodes::remove::{Move, Removal, WhyRemoved};
use plimsoll_core::nodes::{NewNodes, Place, Placement};
use plimsoll_core::placement::Change;

const PRICE: i64 = 200_000;

fn offerings() -> Vec<Offering> {
    ["a", "b", "c"].map(|zone| offering("m", zone, 4, PRICE)).to_vec()
}

/// n1 with two small pods of `web`, n2 with one and n3 with none; what is in the pool decides `change`.
fn fleet(change: impl Fn(&mut Pool)) -> Cluster {
    let mut pool = pool("p", offerings());
    let web = Arc::new(shape("web", 100));
    let mut cluster = Cluster::default();
    for (name, offering) in ["n1", "n2", "n3"].iter().zip(&pool.offerings) {
        cluster.changes.push(Change::Node(node(name, &pool, offering)));
    }
    for (name, node) in [("web-1", "n1"), ("web-2", "n1"), ("web-3", "n2")] {
        cluster.changes.push(Change::Pod(pod(name, "web", &web, node)));
    }
    change(&mut pool);
    cluster.changes.push(Change::Pool(pool));
    cluster
}

/// A node goes, and its pods move.
fn removal(node: &str, why: WhyRemoved, replaced_by: &[u32], moves: &[(&str, Place)]) -> Removal {
    let one = |(pod, to): &(&str, Place)| Move { pod: format!("uid-{pod}").into(), to: to.clone() };
    Removal {
        node: node.into(),
        pool: "p".into(),
        why,
        price: Some(PRICE),
        moves: moves.iter().map(one).collect(),
        replaced_by: replaced_by.to_vec(),
        needs: replaced_by.to_vec(),
        surges: Vec::new(),
    }
}

fn underused() -> WhyRemoved {
    WhyRemoved::Underutilized { utilization: 50 }
}

fn replaced() -> WhyRemoved {
    WhyRemoved::Replaced { nodes: 1, by: 1, saving: 100 }
}

/// The pods of n1 and of n2, moved to one place each.
fn moved(of_n1: &Place, of_n2: &Place) -> [Vec<(&'static str, Place)>; 2] {
    [vec![("web-1", of_n1.clone()), ("web-2", of_n1.clone())], vec![("web-3", of_n2.clone())]]
}

/// A plan that removes these and orders those.
fn removing(remove: Vec<Removal>, add: Vec<NewNodes>) -> Plans {
    let mut plans = Plans::nothing();
    (plans.removing.remove, plans.removing.add) = (remove, add);
    plans
}

#[test]
fn nodes_that_go_together_share_the_budget_of_their_pods() {
    let n3 = Place::Node("n3".into());
    let [of_n1, of_n2] = moved(&n3, &n3);
    let plans = removing(
        vec![removal("n1", underused(), &[], &of_n1), removal("n2", underused(), &[], &of_n2)],
        Vec::new(),
    );
    let with = |allowed: i32| {
        let mut cluster = fleet(|_| ());
        cluster.changes.push(Change::Budget(budget("web", allowed)));
        cluster.verdict(&plans)
    };
    assert_eq!(with(3), Ok(()));
    // n1 takes two of it.
    assert_eq!(with(2), Err(Invariant::PodBudget));
    assert_eq!(with(1), Err(Invariant::PodBudget));
}

#[test]
fn a_pod_that_is_not_ready_costs_a_budget_that_wants_none() {
    let n3 = Place::Node("n3".into());
    let plans = removing(vec![removal("n2", underused(), &[], &moved(&n3, &n3)[1])], Vec::new());
    let with = |unhealthy: UnhealthyPods| {
        let mut cluster = fleet(|_| ());
        let none = budget("web", 0);
        let none = DisruptionBudget { healthy: 0, desired: 0, unhealthy, ..none };
        cluster.changes.push(Change::Budget(none));
        for change in &mut cluster.changes {
            if let Change::Pod(pod) = change
                && &*pod.name == "web-3"
            {
                pod.state = PodState::Bound { node: "n2".into(), ready: false };
            }
        }
        cluster.verdict(&plans)
    };
    assert_eq!(with(UnhealthyPods::IfHealthyBudget), Err(Invariant::PodBudget));
    assert_eq!(with(UnhealthyPods::AlwaysAllow), Ok(()));
}

#[test]
fn a_pod_that_has_not_started_costs_no_budget() {
    let n3 = Place::Node("n3".into());
    let plans = removing(vec![removal("n2", underused(), &[], &moved(&n3, &n3)[1])], Vec::new());
    let with = |starting: bool| {
        let mut cluster = fleet(|_| ());
        cluster.changes.push(Change::Budget(budget("web", 0)));
        for change in &mut cluster.changes {
            if let Change::Pod(pod) = change
                && &*pod.name == "web-3"
            {
                pod.eviction.starting = starting;
            }
        }
        cluster.verdict(&plans)
    };
    assert_eq!(with(false), Err(Invariant::PodBudget));
    assert_eq!(with(true), Ok(()));
}

/// New nodes of a zone at a price that the pool has there.
fn in_zone(zone: &str, count: u32, price: i64) -> NewNodes {
    NewNodes { offering: offering("m", zone, 4, price).key, ..new_nodes(count, price) }
}

#[test]
fn nodes_that_share_a_new_one_are_paid_for_together() {
    let (first, second) = (Place::New(0, 0), Place::New(1, 0));
    let together = |price: i64| {
        let [of_n1, of_n2] = moved(&first, &first);
        let remove = vec![removal("n1", replaced(), &[0], &of_n1), removal("n2", replaced(), &[0], &of_n2)];
        fleet(|pool| pool.offerings[1].price = price).verdict(&removing(remove, vec![in_zone("b", 1, price)]))
    };
    assert_eq!(together(190_000), Ok(()), "one for two");
    let apart = |one: i64, other: i64| {
        let [of_n1, of_n2] = moved(&first, &second);
        let remove = vec![removal("n1", replaced(), &[0], &of_n1), removal("n2", replaced(), &[1], &of_n2)];
        let cluster = fleet(|pool| {
            pool.offerings[2].price = one;
            pool.offerings.push(offering("s", "c", 4, other));
        });
        let small = NewNodes { offering: offering("s", "c", 4, other).key, ..new_nodes(1, other) };
        cluster.verdict(&removing(remove, vec![in_zone("c", 1, one), small]))
    };
    assert_eq!(apart(100_000, 100_000), Ok(()));
    assert_eq!(apart(10_000, 199_000), Err(Invariant::Savings), "what one saves does not pay for the other");
    assert_eq!(apart(199_000, 10_000), Err(Invariant::Savings));
}

#[test]
fn each_new_node_costs_its_price() {
    let first = Place::New(0, 0);
    let [of_n1, _] = moved(&first, &first);
    let plan = |count: u32, price: i64| {
        let remove = vec![removal("n1", replaced(), &[0], &of_n1)];
        fleet(|pool| pool.offerings[1].price = price)
            .verdict(&removing(remove, vec![in_zone("b", count, price)]))
    };
    assert_eq!(plan(2, 90_000), Ok(()));
    assert_eq!(plan(2, 95_000), Err(Invariant::Savings));
}

#[test]
fn evictions_are_paid_for_pod_by_pod() {
    let first = Place::New(0, 0);
    let [of_n1, _] = moved(&first, &first);
    let worth = |per_eviction: i64| {
        let cluster = fleet(|pool| {
            pool.offerings[1].price = 100_000;
            pool.scale_down.savings_per_eviction = per_eviction;
        });
        cluster
            .verdict(&removing(vec![removal("n1", replaced(), &[0], &of_n1)], vec![in_zone("b", 1, 100_000)]))
    };
    assert_eq!(worth(50_000), Ok(()));
    assert_eq!(worth(50_001), Err(Invariant::Savings));
}

#[test]
fn drift_is_paid_for_and_moving_to_what_is_there_costs_nothing() {
    let (n3, first) = (Place::Node("n3".into()), Place::New(0, 0));
    let greedy = || {
        fleet(|pool| {
            pool.offerings[1].price = 300_000;
            pool.scale_down.savings_per_eviction = i64::MAX / 4;
        })
    };
    let drifted = removal("n1", WhyRemoved::Drifted(Drift::Label("x".into())), &[0], &moved(&first, &n3)[0]);
    assert_eq!(greedy().verdict(&removing(vec![drifted], vec![in_zone("b", 1, 300_000)])), Ok(()));
    let moves = removal("n1", underused(), &[], &moved(&n3, &n3)[0]);
    assert_eq!(greedy().verdict(&removing(vec![moves], Vec::new())), Ok(()));
}

#[test]
fn a_zone_keeps_its_least_size_of_what_stays_and_what_comes_there() {
    let (n3, first) = (Place::Node("n3".into()), Place::New(0, 0));
    let drifted =
        |to: &Place| removal("n1", WhyRemoved::Drifted(Drift::Label("x".into())), &[0], &moved(to, to)[0]);
    let with = |least: u32, second: Option<bool>, plans: &Plans| {
        let mut cluster = fleet(|pool| {
            pool.limits.min_per_zone.insert("a".into(), least);
        });
        if let Some(interrupted) = second {
            let of = node("n4", &pool("p", offerings()), &offerings()[0]);
            cluster.changes.push(Change::Node(Node { interrupted, ..of }));
        }
        cluster.verdict(plans)
    };
    let replaced = removing(vec![drifted(&first)], vec![in_zone("a", 1, PRICE)]);
    assert_eq!(with(2, None, &replaced), Ok(()), "one that has too few may lose as many as it gets");
    let in_other_zone = removing(vec![drifted(&first)], vec![in_zone("b", 1, PRICE)]);
    assert_eq!(with(1, None, &in_other_zone), Err(Invariant::LeastSize));
    let one_of_two_replaced = removing(
        vec![drifted(&first), removal("n4", WhyRemoved::Empty, &[], &[])],
        vec![in_zone("a", 1, PRICE)],
    );
    assert_eq!(with(1, Some(false), &one_of_two_replaced), Ok(()));
    assert_eq!(with(2, Some(false), &one_of_two_replaced), Err(Invariant::LeastSize));
    let emptied = removing(vec![removal("n1", underused(), &[], &moved(&n3, &n3)[0])], Vec::new());
    assert_eq!(with(1, Some(true), &emptied), Ok(()), "what is not taken away yet is there");
}

#[test]
fn daemons_take_room_of_the_new_nodes_that_they_run_on() {
    let placed = |daemon: fn(&mut PodShape)| {
        let mut cluster = fleet(|pool| {
            pool.template.taints =
                vec![Taint { key: "gpu".into(), value: "".into(), effect: Effect::NoSchedule }];
        });
        let mut shape_of_daemon = shape("logs", 2000);
        daemon(&mut shape_of_daemon);
        let logs = Daemon { uid: "logs".into(), name: "logs".into(), shape: Arc::new(shape_of_daemon) };
        cluster.changes.push(Change::Daemon(logs));
        let mut wanted = shape("web", 3000);
        wanted.tolerations.push(everything());
        let mut pod = pod("waits", "web", &Arc::new(wanted), "none");
        pod.state = PodState::Pending;
        cluster.changes.push(Change::Pod(pod));
        let mut plans = removing(Vec::new(), Vec::new());
        plans.adding.add = vec![in_zone("b", 1, PRICE)];
        plans.adding.placements =
            vec![Placement { pod: "uid-waits".into(), count: 1, place: Place::New(0, 0) }];
        cluster.verdict(&plans)
    };
    let elsewhere = |shape: &mut PodShape| {
        shape.node_selector.insert("disk".into(), "fast".into());
    };
    assert_eq!(placed(|shape| shape.tolerations.push(everything())), Err(Invariant::Overcommitted));
    assert_eq!(placed(|_| ()), Ok(()), "the taint keeps it off");
    assert_eq!(
        placed(|shape| {
            shape.tolerations.push(everything());
            shape.node_selector.insert("disk".into(), "fast".into());
        }),
        Ok(()),
        "it selects other nodes"
    );
    assert_eq!(placed(elsewhere), Ok(()));
}

fn everything() -> Toleration {
    Toleration { key: "".into(), operator: TolerationOperator::Exists, value: "".into(), effect: None }
}

#[test]
fn a_refusal_says_what_is_broken_and_where() {
    let mut plans = removing(vec![removal("n1", underused(), &[], &[])], Vec::new());
    let breach = fleet(|_| ()).audit(&plans, NOW).unwrap_err();
    assert_eq!(
        breach.to_string(),
        "the plan is refused, since it breaks Placed: shop/web-1 of n1 has no place"
    );
    plans.removing.remove[0].node = "n9".into();
    let breach = fleet(|_| ()).audit(&plans, NOW).unwrap_err();
    assert_eq!(breach.invariant.to_string(), "OnlyOurs");
}

#[test]
fn what_costs_nothing_may_be_ordered() {
    let mut plans = removing(Vec::new(), Vec::new());
    plans.adding.add = vec![in_zone("b", 1, 0)];
    assert_eq!(fleet(|pool| pool.offerings[1].price = 0).verdict(&plans), Ok(()));
}

#[test]
fn what_is_ordered_already_counts_for_the_bound_of_the_cluster() {
    let mut cluster = fleet(|_| ());
    let offering = offerings().remove(0).key;
    cluster.changes.push(Change::Order(Order {
        name: "o".into(),
        pool: "p".into(),
        offering,
        missing: 2,
        asked: NOW,
    }));
    let mut plans = removing(Vec::new(), Vec::new());
    plans.adding.add = vec![in_zone("b", 1, PRICE)];
    let within = |most: u32| {
        let mut audit = Audit::default();
        cluster.changes.iter().for_each(|change| audit.apply(change));
        let (adding, removing) = (&plans.adding, &plans.removing);
        let verdict = audit.check(&Audited { adding, removing, most_nodes: Some(most), now: NOW });
        verdict.map_err(|breach| breach.invariant)
    };
    assert_eq!(within(6), Ok(()));
    assert_eq!(within(5), Err(Invariant::Limits));
}

#[test]
fn a_zone_that_is_past_its_limit_forbids_what_would_grow_it() {
    let crowded = |pool: &mut Pool| {
        pool.limits.nodes_per_zone.insert("c".into(), 0);
        pool.limits.resources_per_zone.insert("c".into(), [("cpu".into(), 0)].into());
    };
    let mut cluster = fleet(crowded);
    cluster.changes.push(Change::Pool(pool("other", offerings())));
    let plan = |add: Vec<NewNodes>| {
        let mut plans = removing(Vec::new(), Vec::new());
        plans.adding.add = add;
        cluster.verdict(&plans)
    };
    let of_other = NewNodes { pool: "other".into(), ..in_zone("c", 1, PRICE) };
    assert_eq!(plan(vec![in_zone("b", 1, PRICE), of_other]), Ok(()), "another pool may grow there");
    assert_eq!(plan(vec![in_zone("b", 1, PRICE), in_zone("c", 0, PRICE)]), Ok(()), "nothing is no growth");
    assert_eq!(plan(vec![in_zone("c", 1, PRICE)]), Err(Invariant::Limits));
}
