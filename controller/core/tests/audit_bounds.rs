//! The audit lets through what is just allowed, and refuses what is one step more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "the number of cases comes from outside; the core reads nothing"
)]

mod broken;
mod cluster;

use std::collections::BTreeSet;
use std::sync::Arc;

use broken::{
    Break, Then as _, accepts, base, new_nodes, on_node, on_plans, on_pod, on_pool, refuses, to, with,
};
use cluster::{Cluster, NOW, Plans, budget, node, offering, pod, pool, shape};
use plimsoll_core::audit::{Audit, Audited, Invariant};
use plimsoll_core::cluster::{
    Announced, Breaker, BudgetReason, Capacity, DRAINING, Effect, Node, NodeBudget, Order, OwnerKind,
    PodState, Pool, Readiness, Record, Resources, Taint, UnhealthyPods,
};
use plimsoll_core::nodes::remove::WhyRemoved;
use plimsoll_core::nodes::{NewNodes, Place, Placement};
use plimsoll_core::placement::Change;
use plimsoll_core::time::{Span, Timestamp};

const SINCE_THE_START: Span = Span::from_secs(1_800_000_000);

fn a_moment_longer(span: Span) -> Span {
    span + Span::from_millis(1)
}

/// One more node in zone b is ordered, under this change of the pool.
fn ordering(count: u32, change: impl Fn(&mut Pool) + 'static) -> Break {
    on_plans(move |plans| plans.adding.add.push(new_nodes(count, 200_000))).then(on_pool(change))
}

fn drain(node: &mut Node) {
    node.taints.push(Taint { key: DRAINING.into(), value: "".into(), effect: Effect::NoSchedule });
}

#[test]
fn a_node_is_kept_for_as_long_as_it_says() {
    accepts(vec![on_node("n1", |node| node.do_not_disrupt = Some(SINCE_THE_START))]);
    refuses(
        Invariant::OnlyOurs,
        vec![on_node("n1", |node| node.do_not_disrupt = Some(a_moment_longer(SINCE_THE_START)))],
    );
}

#[test]
fn a_breaker_holds_from_one_node_more_than_it_allows() {
    let breaker = |most: Breaker| {
        on_node("n3", |node| node.readiness = Readiness::NotReady { since: NOW })
            .then(on_pool(move |pool| pool.scale_down.breaker = most))
            .then(to("n2"))
    };
    let none_is_bad = on_pool(|pool| pool.scale_down.breaker = Breaker::Nodes(0));
    accepts(vec![breaker(Breaker::Share(334)), breaker(Breaker::Nodes(1)), none_is_bad]);
    refuses(Invariant::NoPartition, vec![breaker(Breaker::Share(333)), breaker(Breaker::Nodes(0))]);
}

#[test]
fn zones_fall_silent_together_within_five_minutes() {
    let silent = |of: &'static str, since: i64| {
        let since = Timestamp::from_secs(since);
        on_node(of, move |node| node.readiness = Readiness::Unknown { since })
    };
    let both = |later: i64| {
        silent("n2", 100)
            .then(silent("n3", 100 + later))
            .then(on_pool(|pool| pool.scale_down.breaker = Breaker::Share(1000)))
    };
    let of_one_zone = on_node("n3", |node| node.labels = base().0.nodes()[1].labels.clone());
    accepts(vec![both(301), both(0).then(of_one_zone)]);
    refuses(Invariant::NoPartition, vec![both(300), both(0)]);
}

#[test]
fn nodes_that_were_given_back_may_fall_silent() {
    let silent = |of: &'static str, given_back: bool| {
        on_node(of, move |node| {
            node.readiness = Readiness::Unknown { since: NOW };
            node.given_back = given_back.then_some(NOW);
        })
    };
    let no_breaker = || on_pool(|pool| pool.scale_down.breaker = Breaker::Share(1000));
    accepts(vec![
        silent("n3", true).then(to("n2")).then(on_pool(|pool| pool.scale_down.breaker = Breaker::Nodes(0))),
        silent("n2", false).then(silent("n3", true)).then(no_breaker()),
    ]);
    refuses(Invariant::NoPartition, vec![silent("n2", false).then(silent("n3", false)).then(no_breaker())]);
}

#[test]
fn a_zone_keeps_its_least_size_counting_what_comes() {
    let least = || {
        on_pool(|pool| {
            pool.limits.min_per_zone.insert("a".into(), 1);
        })
    };
    let replaced = |count: u32| {
        on_pool(|pool| pool.offerings[0].price = 180_000).then(on_plans(move |plans| {
            let mut new = new_nodes(count, 180_000);
            new.offering.zone = "a".into();
            plans.removing.add.push(new);
            plans.removing.remove[0].why =
                WhyRemoved::Drifted(plimsoll_core::nodes::drift::Drift::Label("x".into()));
            plans.removing.remove[0].replaced_by = vec![0];
        }))
    };
    refuses(Invariant::LeastSize, vec![least(), replaced(0).then(least())]);
    let (mut cluster, mut plans) = base();
    replaced(1).then(least())(&mut cluster, &mut plans);
    let verdict = cluster.verdict(&plans);
    assert_ne!(verdict, Err(Invariant::LeastSize));
}

#[test]
fn a_node_goes_with_its_order_only_if_that_was_deleted() {
    let with_its_order = |record: Record, order: &'static str| {
        on_node("n1", move |node| node.record = record).then(on_plans(move |plans| {
            plans.removing.remove[0].why = WhyRemoved::OrderDeleted(order.into());
        }))
    };
    accepts(vec![with_its_order(Record::Deleted, "order-n1")]);
    refuses(
        Invariant::OnlyOurs,
        vec![
            with_its_order(Record::Kept, "order-n1"),
            with_its_order(Record::Gone, "order-n1"),
            with_its_order(Record::Deleted, "other"),
            on_node("n1", |node| node.record = Record::Gone),
        ],
    );
}

#[test]
fn budgets_of_nodes_count_those_that_go_already() {
    let budget = |budget: NodeBudget| on_pool(move |pool| pool.scale_down.budgets = vec![budget.clone()]);
    let nodes = |nodes: u32| NodeBudget { nodes: Some(nodes), share: None, ..NodeBudget::default() };
    let share = |share: i64| NodeBudget { share: Some(share), ..NodeBudget::default() };
    let for_reason = |reason: BudgetReason| NodeBudget { reasons: BTreeSet::from([reason]), ..nodes(0) };
    let one_goes = || on_node("n3", drain).then(to("n2"));
    let at_two =
        NodeBudget { schedule: Some("0 2 * * *".to_owned()), duration: Span::from_secs(60), ..nodes(0) };
    accepts(vec![
        budget(nodes(1)),
        budget(share(1)),
        budget(share(334)),
        one_goes().then(budget(nodes(2))),
        budget(for_reason(BudgetReason::Replaced)),
        budget(at_two.clone()),
    ]);
    refuses(
        Invariant::NodeBudget,
        vec![
            one_goes().then(budget(nodes(1))),
            one_goes().then(budget(share(333))),
            budget(NodeBudget { nodes: Some(0), ..share(1000) }),
            budget(NodeBudget { nodes: Some(9), ..share(0) }),
            budget(for_reason(BudgetReason::Underutilized)),
            // Where none binds, a tenth may go: one of three.
            one_goes().then(budget(for_reason(BudgetReason::Replaced))),
            one_goes().then(budget(at_two)),
        ],
    );
}

#[test]
fn pods_that_may_be_evicted_after_all() {
    let in_kube_system = |age: Span| {
        on_pod("web-n1", move |pod| {
            pod.created = NOW - age;
            Arc::make_mut(&mut pod.shape).namespace = "kube-system".into();
        })
    };
    let budget_there = with(|cluster| {
        let mut there = budget("web", 1);
        there.namespace = "kube-system".into();
        cluster.changes.push(Change::Budget(there));
    });
    let hour = Span::from_secs(3600);
    accepts(vec![
        on_pod("web-n1", |pod| pod.eviction.do_not_disrupt = Some(SINCE_THE_START)),
        on_pod("web-n1", |pod| {
            pod.eviction.safe = Some(true);
            pod.eviction.local_volumes.insert("data".into());
        }),
        on_pod("web-n1", |pod| {
            pod.eviction.safe = Some(true);
            pod.owner = None;
        }),
        on_pod("web-n1", |pod| {
            pod.eviction.local_volumes.insert("data".into());
            pod.eviction.safe_local_volumes.insert("data".into());
        }),
        on_pod("web-n1", |pod| pod.owner.as_mut().unwrap().kind = OwnerKind::DaemonSet)
            .then(on_plans(|plans| plans.removing.remove[0].moves.clear())),
        on_pod("web-n1", |pod| pod.owner.as_mut().unwrap().kind = OwnerKind::Node)
            .then(on_plans(|plans| plans.removing.remove[0].moves.clear())),
        on_pod("web-n1", |pod| {
            Arc::make_mut(&mut pod.shape).priority = -20;
        })
        .then(on_plans(|plans| plans.removing.remove[0].moves.clear())),
        on_pod("web-n1", |pod| pod.state = PodState::Terminating { node: "n1".into(), until: NOW })
            .then(on_plans(|plans| plans.removing.remove[0].moves.clear())),
        in_kube_system(hour),
        in_kube_system(Span::ZERO).then(budget_there),
    ]);
    refuses(
        Invariant::Evictable,
        vec![
            on_pod("web-n1", |pod| pod.eviction.do_not_disrupt = Some(a_moment_longer(SINCE_THE_START))),
            in_kube_system(hour - Span::from_millis(1)),
            on_pod("web-n1", |pod| {
                pod.eviction.local_volumes.insert("data".into());
                pod.eviction.safe_local_volumes.insert("other".into());
            }),
            on_pod("web-n1", |pod| pod.state = PodState::Nominated { node: "n1".into() }),
        ],
    );
}

#[test]
fn budgets_of_pods_are_spent_by_pods_that_serve() {
    let with_budget = |allowed: i32, unhealthy: UnhealthyPods, healthy: i32| {
        with(move |cluster| {
            let budget = budget("web", allowed);
            cluster.changes.push(Change::Budget(plimsoll_core::cluster::DisruptionBudget {
                unhealthy,
                healthy,
                ..budget
            }));
        })
    };
    let unready = || on_pod("web-n1", |pod| pod.state = PodState::Bound { node: "n1".into(), ready: false });
    let elsewhere = with(|cluster| {
        let mut other = budget("web", 0);
        other.namespace = "elsewhere".into();
        cluster.changes.push(Change::Budget(other));
        let mut of_nobody = budget("web", 0);
        of_nobody.selector = None;
        cluster.changes.push(Change::Budget(of_nobody));
    });
    let counted = with(|cluster| {
        let mut budget = budget("web", 0);
        budget.disrupted.insert("web-n1".into());
        cluster.changes.push(Change::Budget(budget));
    });
    let healthy = UnhealthyPods::IfHealthyBudget;
    accepts(vec![
        with_budget(1, healthy, 3),
        elsewhere,
        counted,
        unready().then(with_budget(0, UnhealthyPods::AlwaysAllow, 0)),
        unready().then(with_budget(0, healthy, 3)),
        with_budget(0, healthy, 3)
            .then(on_plans(|plans| plans.removing.remove[0].surges.push("uid-web".into()))),
        on_node("n3", drain).then(to("n2")).then(with_budget(2, healthy, 3)),
    ]);
    refuses(
        Invariant::PodBudget,
        vec![
            unready().then(with_budget(0, healthy, 2)),
            with_budget(0, UnhealthyPods::AlwaysAllow, 3),
            with_budget(0, healthy, 3)
                .then(on_plans(|plans| plans.removing.remove[0].surges.push("uid-api".into()))),
            on_node("n3", drain).then(to("n2")).then(with_budget(1, healthy, 3)),
        ],
    );
}

#[test]
fn offerings_are_had_until_they_run_out() {
    let capacity =
        |count: u32, capacity: Capacity| ordering(count, move |pool| pool.offerings[1].capacity = capacity);
    accepts(vec![
        capacity(1, Capacity::Left(1)),
        capacity(1, Capacity::AvoidedUntil(NOW)),
        ordering(1, |pool| pool.offerings[1].price = 200_000),
    ]);
    refuses(
        Invariant::Offered,
        vec![
            capacity(2, Capacity::Left(1)),
            capacity(1, Capacity::Left(1)).then(ordering(1, |_| ())),
            capacity(1, Capacity::AvoidedUntil(NOW + Span::from_millis(1))),
            on_pool(|pool| pool.offerings[1].price = -1)
                .then(on_plans(|plans| plans.adding.add.push(new_nodes(1, -1)))),
            on_plans(|plans| {
                let mut new = new_nodes(1, 200_000);
                new.pool = "q".into();
                plans.adding.add.push(new);
            }),
        ],
    );
}

#[test]
fn limits_may_be_reached_and_not_passed() {
    let ordered = |missing: u32| {
        with(move |cluster| {
            cluster.changes.push(Change::Order(Order {
                name: "o".into(),
                pool: "p".into(),
                offering: offering("m", "b", 4, 0).key,
                missing,
                asked: NOW,
            }));
        })
    };
    let nodes = |most: u32| ordering(1, move |pool| pool.limits.nodes = Some(most));
    let in_zone = |most: u32| {
        ordering(1, move |pool| {
            pool.limits.nodes_per_zone.insert("b".into(), most);
        })
    };
    let in_other_zone = ordering(1, |pool| {
        pool.limits.nodes_per_zone.insert("c".into(), 0);
        pool.limits.resources_per_zone.insert("c".into(), [("cpu".into(), 0)].into());
    });
    let cpu = |most: i64| {
        ordering(1, move |pool| {
            pool.limits.resources.insert("cpu".into(), most);
        })
    };
    let cpu_in_zone = |most: i64| {
        ordering(1, move |pool| {
            pool.limits.resources_per_zone.insert("b".into(), [("cpu".into(), most)].into());
        })
    };
    accepts(vec![
        nodes(4),
        in_zone(2),
        in_other_zone,
        cpu(16_000),
        cpu_in_zone(8000),
        ordered(1).then(nodes(5)),
        ordered(1).then(in_zone(3)),
        ordered(1).then(cpu(20_000)),
        ordered(1).then(cpu_in_zone(12_000)),
        on_pool(|pool| pool.limits.nodes = Some(2)),
    ]);
    refuses(
        Invariant::Limits,
        vec![
            nodes(3),
            in_zone(1),
            cpu(15_999),
            cpu_in_zone(7999),
            ordered(1).then(nodes(4)),
            ordered(1).then(in_zone(2)),
            ordered(1).then(cpu(19_999)),
            ordered(1).then(cpu_in_zone(11_999)),
        ],
    );
}

#[test]
fn the_cluster_has_a_bound_of_its_own() {
    let verdict = |most: u32, adds: bool| {
        let (mut cluster, mut plans) = base();
        if adds {
            ordering(1, |_| ())(&mut cluster, &mut plans);
        }
        let mut audit = Audit::default();
        cluster.changes.iter().for_each(|change| audit.apply(change));
        let plan =
            Audited { adding: &plans.adding, removing: &plans.removing, most_nodes: Some(most), now: NOW };
        audit.check(&plan).map_err(|breach| breach.invariant)
    };
    assert_eq!(verdict(4, true), Ok(()));
    assert_eq!(verdict(3, true), Err(Invariant::Limits));
    assert_eq!(verdict(1, false), Ok(()), "what is there already is not refused");
}

/// n1 is replaced by a new node in b at this price.
fn replaced_at(price: i64, why: impl Fn() -> WhyRemoved + 'static) -> Break {
    on_pool(move |pool| pool.offerings[1].price = price).then(on_plans(move |plans| {
        plans.removing.add.push(new_nodes(1, price));
        let removal = &mut plans.removing.remove[0];
        removal.why = why();
        (removal.replaced_by, removal.needs) = (vec![0], vec![0]);
        removal.moves[0].to = Place::New(0, 0);
    }))
}

#[test]
fn replacements_save_what_the_pool_asks_for() {
    let replaced = |price| replaced_at(price, || WhyRemoved::Replaced { nodes: 1, by: 1, saving: 100 });
    let balanced = |price| replaced_at(price, || WhyRemoved::Unbalanced { from: "a".into(), to: "b".into() });
    let per_eviction = |worth: i64| on_pool(move |pool| pool.scale_down.savings_per_eviction = worth);
    let share = |share: i64| on_pool(move |pool| pool.scale_down.savings_at_least = share);
    accepts(vec![
        replaced(180_000),
        balanced(200_000),
        replaced(180_000).then(per_eviction(20_000)),
        replaced(199_999).then(share(0)),
    ]);
    refuses(
        Invariant::Savings,
        vec![
            replaced(180_001),
            replaced(200_000).then(share(0)),
            balanced(200_001),
            replaced(180_000).then(per_eviction(20_001)),
        ],
    );
}

#[test]
fn a_place_to_come_is_one_that_is_ordered_and_waited_for() {
    let replaced = || replaced_at(180_000, || WhyRemoved::Replaced { nodes: 1, by: 1, saving: 100 });
    let on_first_removal = |change: fn(&mut plimsoll_core::nodes::remove::Removal)| {
        on_plans(move |plans| change(&mut plans.removing.remove[0]))
    };
    accepts(vec![replaced()]);
    refuses(
        Invariant::Placed,
        vec![
            replaced().then(on_first_removal(|removal| removal.moves[0].to = Place::New(0, 1))),
            replaced().then(on_first_removal(|removal| removal.needs.clear())),
            on_first_removal(|removal| removal.moves[0].to = Place::Order("o".into(), 0)),
        ],
    );
}

/// A cluster of n1 alone, with two pods that wait, three announced, and one node on order.
fn waiting() -> (Cluster, Plans) {
    let offering = offering("m", "a", 4, 200_000);
    let pool = pool("p", vec![offering.clone()]);
    let web = Arc::new(shape("web", 1000));
    let mut cluster = Cluster::default();
    cluster.changes.push(Change::Node(node("n1", &pool, &offering)));
    cluster.changes.push(Change::Pod(pod("there", "web", &web, "n1")));
    for name in ["one", "two"] {
        let mut pod = pod(name, "web", &web, "none");
        pod.state = PodState::Unschedulable { since: NOW };
        cluster.changes.push(Change::Pod(pod));
    }
    cluster.changes.push(Change::Announced(Announced {
        key: "web".into(),
        name: "web".into(),
        shape: web,
        count: 3,
    }));
    cluster.changes.push(Change::Order(Order {
        name: "o".into(),
        pool: "p".into(),
        offering: offering.key,
        missing: 1,
        asked: NOW,
    }));
    cluster.changes.push(Change::Pool(pool));
    (cluster, Plans::nothing())
}

/// What is found where these pods are given these places.
fn placing(placements: &[(&str, u32, Place)]) -> Result<(), Invariant> {
    let (cluster, mut plans) = waiting();
    let placement = |(pod, count, place): &(&str, u32, Place)| Placement {
        pod: (*pod).into(),
        count: *count,
        place: place.clone(),
    };
    plans.adding.placements = placements.iter().map(placement).collect();
    cluster.verdict(&plans)
}

#[test]
fn each_pod_that_waits_gets_one_place_and_each_announcement_as_many_as_it_has_pods() {
    let n1 = || Place::Node("n1".into());
    let on_order = |number| Place::Order("o".into(), number);
    let misplaced = Err(Invariant::Placed);
    for (placements, verdict) in [
        (vec![("uid-one", 1, n1()), ("uid-two", 1, on_order(0))], Ok(())),
        (vec![("uid-one", 1, n1()), ("uid-one", 1, on_order(0))], misplaced),
        (vec![("uid-one", 2, n1())], misplaced),
        (vec![("uid-there", 1, on_order(0))], misplaced),
        (vec![("uid-nobody", 1, n1())], misplaced),
        (vec![("web", 3, on_order(0))], Ok(())),
        (vec![("web", 1, n1()), ("web", 2, on_order(0))], Ok(())),
        (vec![("web", 2, n1()), ("web", 2, on_order(0))], misplaced),
        (vec![("web", 4, on_order(0))], misplaced),
        (vec![("uid-one", 1, on_order(1))], misplaced),
        (vec![("uid-one", 1, Place::Order("other".into(), 0))], misplaced),
        (vec![("uid-one", 1, Place::New(0, 0))], misplaced),
        (vec![("web", 3, n1())], Ok(())),
        (vec![("web", 3, n1()), ("uid-one", 1, n1())], Err(Invariant::Overcommitted)),
        (vec![("web", 3, on_order(0)), ("uid-one", 1, on_order(0))], Ok(())),
        (
            vec![("web", 3, on_order(0)), ("uid-one", 1, on_order(0)), ("uid-two", 1, on_order(0))],
            Err(Invariant::Overcommitted),
        ),
    ] {
        assert_eq!(placing(&placements), verdict, "{placements:?}");
    }
}

#[test]
fn no_pod_waits_for_a_new_node_of_a_pool_that_cuts_it_off() {
    for (cut_off, verdict) in [(0, Ok(())), (1, Err(Invariant::CutOff))] {
        for (pod, count) in [("uid-one", 1), ("web", 3)] {
            let (mut cluster, mut plans) = waiting();
            for change in &mut cluster.changes {
                if let Change::Pool(pool) = change {
                    pool.priority_cutoff = cut_off;
                    let offering = pool.offerings[0].key.clone();
                    let new = NewNodes { pool: "p".into(), offering, count: 1, price: 200_000, pods: count };
                    plans.adding.add = vec![new];
                }
            }
            plans.adding.placements = vec![Placement { pod: pod.into(), count, place: Place::New(0, 0) }];
            assert_eq!(cluster.verdict(&plans), verdict, "{pod} with {cut_off}");
        }
    }
}

#[test]
fn a_breach_names_the_pod_or_the_announcement() {
    let what = |pod: &str, count| {
        let (cluster, mut plans) = waiting();
        let place = Place::Node("n1".into());
        plans.adding.placements = vec![Placement { pod: pod.into(), count, place }];
        let mut cluster = cluster;
        on_node("n1", |node| node.unschedulable = true)(&mut cluster, &mut plans);
        cluster.audit(&plans, NOW).unwrap_err().what
    };
    assert_eq!(what("uid-one", 1), "shop/one may not run on n1: it is cordoned");
    assert_eq!(what("web", 2), "web may not run on n1: it is cordoned");
}

/// Its pods look for a place before they are evicted, and what they leave is not counted where they go.
#[test]
fn pods_of_a_node_that_is_drained_get_a_place() {
    let (mut cluster, mut plans) = waiting();
    on_node("n1", drain)(&mut cluster, &mut plans);
    let placement = |place| Placement { pod: "uid-there".into(), count: 1, place };
    plans.adding.placements = vec![placement(Place::Order("o".into(), 0))];
    assert_eq!(cluster.audit(&plans, NOW), Ok(()));
    plans.adding.placements = vec![placement(Place::Node("n1".into()))];
    assert_eq!(cluster.audit(&plans, NOW).unwrap_err().invariant, Invariant::Placed);
}

/// Nobody chose that it is too full.
#[test]
fn a_node_that_was_too_full_before_is_no_breach_while_it_gets_nothing() {
    let (mut cluster, mut plans) = waiting();
    on_node("n1", |node| node.allocatable = Resources::default())(&mut cluster, &mut plans);
    assert_eq!(cluster.audit(&plans, NOW), Ok(()));
}
