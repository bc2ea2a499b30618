//! The audit refuses each kind of broken plan, and says which invariant it breaks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "the number of cases comes from outside; the core reads nothing"
)]

mod broken;
mod cluster;

use std::collections::BTreeMap;
use std::sync::Arc;

use broken::{
    Break, Then as _, base, new_nodes, on_node, on_plans, on_pod, on_pool, on_shape, refuses, to, with,
};
use cluster::{Cluster, NOW, Plans, budget, evenly, offering, pod, pool, shape, term};
use plimsoll_core::audit::Invariant;
use plimsoll_core::cluster::{
    Affinity, Breaker, Effect, HOSTNAME, HostPort, NodeBudget, Order, PodShape, PodState, Pool, Readiness,
    Resources, Spread, Taint, VolumeNeed, ZONE,
};
use plimsoll_core::nodes::remove::WhyRemoved;
use plimsoll_core::nodes::{NewNodes, Place, Placement};
use plimsoll_core::placement::Change;
use plimsoll_core::time::{Span, Timestamp};

#[test]
fn nodes_that_are_not_ours_to_remove() {
    refuses(
        Invariant::OnlyOurs,
        vec![
            on_node("n1", |node| node.order = None),
            on_node("n1", |node| node.pool = None),
            on_node("n1", |node| node.scale_down_disabled = true),
            on_node("n1", |node| node.do_not_disrupt = Some(Span::from_millis(i64::MAX))),
            on_node("n1", |node| node.readiness = Readiness::Starting),
            on_pool(|pool| pool.scale_down.mode = plimsoll_core::cluster::ScaleDownMode::Never),
            on_plans(|plans| plans.removing.remove.push(plans.removing.remove[0].clone())),
            on_plans(|plans| plans.removing.remove[0].node = "n9".into()),
            on_plans(|plans| plans.removing.remove[0].why = WhyRemoved::Interrupted),
        ],
    );
}

#[test]
fn removals_in_a_partition() {
    let silent = |zone: &'static str| {
        on_node(zone, |node| node.readiness = Readiness::Unknown { since: Timestamp::from_secs(1) })
    };
    let both: Break = Box::new(move |cluster, plans| {
        silent("n2")(cluster, plans);
        silent("n3")(cluster, plans);
        on_pool(|pool| pool.scale_down.breaker = Breaker::Share(1000))(cluster, plans);
    });
    let one = on_node("n3", |node| node.readiness = Readiness::NotReady { since: NOW });
    refuses(Invariant::NoPartition, vec![both, one]);
}

#[test]
fn more_nodes_than_zones_and_budgets_can_spare() {
    refuses(
        Invariant::LeastSize,
        vec![on_pool(|pool| {
            pool.limits.min_per_zone.insert("a".into(), 1);
        })],
    );
    let budget = |change: fn(&mut NodeBudget)| {
        on_pool(move |pool| {
            let mut budget = NodeBudget { share: Some(0), ..NodeBudget::default() };
            change(&mut budget);
            pool.scale_down.budgets = vec![budget];
        })
    };
    refuses(
        Invariant::NodeBudget,
        vec![
            budget(|_| ()),
            budget(|budget| budget.schedule = Some("never".to_owned())),
            budget(|budget| (budget.nodes, budget.share) = (Some(0), None)),
        ],
    );
}

#[test]
fn evictions_that_pods_forbid() {
    refuses(
        Invariant::Evictable,
        vec![
            on_pod("web-n1", |pod| pod.eviction.safe = Some(false)),
            on_pod("web-n1", |pod| pod.eviction.do_not_disrupt = Some(Span::from_millis(i64::MAX))),
            on_pod("web-n1", |pod| {
                pod.eviction.local_volumes.insert("data".into());
            }),
            on_pod("web-n1", |pod| pod.owner = None),
            on_pod("web-n1", |pod| pod.unplannable = Some(plimsoll_core::cluster::Unplannable::Gang)),
            on_pod("web-n1", |pod| {
                pod.created = NOW;
                Arc::make_mut(&mut pod.shape).namespace = "kube-system".into();
            }),
        ],
    );
    let with_budget =
        |allowed| with(move |cluster| cluster.changes.push(Change::Budget(budget("web", allowed))));
    let two = with(|cluster| {
        cluster.changes.push(Change::Budget(budget("web", 5)));
        let mut other = budget("web", 5);
        other.name = "other".into();
        cluster.changes.push(Change::Budget(other));
    });
    refuses(Invariant::PodBudget, vec![with_budget(0), two]);
}

#[test]
fn orders_that_cannot_be_had() {
    refuses(
        Invariant::Offered,
        vec![
            on_plans(|plans| plans.adding.add.push(new_nodes(1, 199_999))),
            on_plans(|plans| {
                let mut new = new_nodes(1, 200_000);
                new.offering.instance_type = "x".into();
                plans.adding.add.push(new);
            }),
            Box::new(|cluster, plans| {
                plans.adding.add.push(new_nodes(2, 200_000));
                on_pool(|pool| pool.offerings[1].capacity = plimsoll_core::cluster::Capacity::Left(1))(
                    cluster, plans,
                );
            }),
        ],
    );
    let limited = |change: fn(&mut Pool)| -> Break {
        Box::new(move |cluster, plans| {
            plans.adding.add.push(new_nodes(1, 200_000));
            on_pool(change)(cluster, plans);
        })
    };
    refuses(
        Invariant::Limits,
        vec![
            limited(|pool| pool.limits.nodes = Some(3)),
            limited(|pool| {
                pool.limits.nodes_per_zone.insert("b".into(), 1);
            }),
            limited(|pool| {
                pool.limits.resources.insert("cpu".into(), 15_999);
            }),
            limited(|pool| {
                let bounds = BTreeMap::from([("cpu".into(), 7_999)]);
                pool.limits.resources_per_zone.insert("b".into(), bounds);
            }),
        ],
    );
}

#[test]
fn replacements_that_save_too_little() {
    refuses(
        Invariant::Savings,
        vec![
            on_plans(|plans| {
                plans.removing.add.push(new_nodes(1, 200_000));
                plans.removing.remove[0].why = WhyRemoved::Replaced { nodes: 1, by: 1, saving: 100 };
                plans.removing.remove[0].replaced_by = vec![0];
            }),
            on_plans(|plans| plans.removing.add.push(new_nodes(1, 200_000))),
            on_plans(|plans| {
                plans.removing.remove[0].why = WhyRemoved::Replaced { nodes: 1, by: 1, saving: 100 };
                plans.removing.remove[0].replaced_by = vec![3];
            }),
        ],
    );
}

#[test]
fn pods_without_a_place_or_with_two() {
    refuses(
        Invariant::Placed,
        vec![
            on_plans(|plans| plans.removing.remove[0].moves.clear()),
            to("n1"),
            to("n9"),
            on_plans(|plans| plans.removing.remove[0].moves[0].to = Place::New(0, 0)),
            on_plans(|plans| {
                let moves = &mut plans.removing.remove[0].moves;
                moves.push(moves[0].clone());
            }),
            on_plans(|plans| plans.removing.remove[0].moves[0].pod = "uid-api-n2".into()),
        ],
    );
}

#[test]
fn more_pods_than_fit() {
    refuses(
        Invariant::Overcommitted,
        vec![
            on_shape("web-n1", |shape| shape.requests.cpu = 1201),
            on_node("n2", |node| node.allocatable = Resources::default()).then(to("n2")),
        ],
    );
}

#[test]
fn pods_where_their_node_forbids_them() {
    let taint = || Taint { key: "gpu".into(), value: "".into(), effect: Effect::NoSchedule };
    let port = || HostPort { ip: "0.0.0.0".into(), protocol: "TCP".into(), port: 80 };
    let attached = |id: &str| VolumeNeed {
        id: id.into(),
        driver: Some("disk".into()),
        bound: true,
        ..VolumeNeed::default()
    };
    refuses(
        Invariant::NodeRules,
        vec![
            on_node("n2", move |node| node.taints.push(taint())).then(to("n2")),
            on_node("n2", |node| node.unschedulable = true).then(to("n2")),
            on_shape("web-n1", |shape| {
                shape.node_selector.insert("disk".into(), "fast".into());
            }),
            on_shape("web-n1", |shape| shape.affinity.nodes = Some(Vec::new())),
            on_shape("web-n1", move |shape| {
                shape.host_ports.insert(port());
            })
            .then(on_shape("web-n2", move |shape| {
                shape.host_ports.insert(port());
            }))
            .then(to("n2")),
            on_shape("web-n1", move |shape| shape.volumes.push(attached("one")))
                .then(on_shape("web-n2", move |shape| shape.volumes.push(attached("two"))))
                .then(on_node("n2", |node| {
                    node.attach_limits.insert("disk".into(), 1);
                }))
                .then(to("n2")),
            on_shape("web-n1", |shape| {
                shape.volumes.push(VolumeNeed { reachable: Some(Vec::new()), ..VolumeNeed::default() });
            }),
        ],
    );
}

#[test]
fn pods_where_others_forbid_them() {
    let spread = |shape: &mut PodShape| {
        shape.spread.push(Spread { min_domains: Some(3), ..evenly(ZONE, "web") });
    };
    refuses(Invariant::Spread, vec![on_shape("web-n1", spread)]);
    let anti = |shape: &mut PodShape| {
        shape.affinity = Affinity { anti_pods: vec![term(HOSTNAME, "web")], ..Affinity::default() };
    };
    let alone = |shape: &mut PodShape| {
        shape.affinity = Affinity { pods: vec![term(ZONE, "nobody")], ..Affinity::default() };
    };
    refuses(
        Invariant::PodAffinity,
        vec![on_shape("web-n1", anti), on_shape("web-n2", anti).then(to("n2")), on_shape("web-n1", alone)],
    );
}

/// Two nodes to come, and three pods for the first of them: one that wants pods of `api` spread evenly over nodes, itself not
/// counted, and two of `api`. Says what is found where the plan has them in this order.
fn in_turn(order: [&str; 3], ordered_before: bool) -> Result<(), Invariant> {
    let offering = offering("m", "a", 4, 200_000);
    let mut watcher = shape("web", 100);
    watcher.spread.push(evenly(HOSTNAME, "api"));
    let (watcher, api) = (Arc::new(watcher), Arc::new(shape("api", 100)));
    let mut cluster = Cluster::default();
    let pods = [("watcher", &watcher), ("api-1", &api), ("api-2", &api)];
    for mut pod in pods.map(|(name, shape)| pod(name, "owner", shape, "none")) {
        pod.state = PodState::Pending;
        cluster.changes.push(Change::Pod(pod));
    }
    let new = NewNodes { offering: offering.key.clone(), ..new_nodes(2, 200_000) };
    if ordered_before {
        cluster.changes.push(Change::Order(Order {
            name: "o".into(),
            pool: "p".into(),
            offering: offering.key.clone(),
            missing: 2,
            asked: NOW,
        }));
    }
    cluster.changes.push(Change::Pool(pool("p", vec![offering])));
    let place = if ordered_before { Place::Order("o".into(), 0) } else { Place::New(0, 0) };
    let placement =
        |pod: &str| Placement { pod: format!("uid-{pod}").into(), count: 1, place: place.clone() };
    let mut plans = Plans::nothing();
    plans.adding.add = if ordered_before { Vec::new() } else { vec![new] };
    plans.adding.placements = order.iter().map(|pod| placement(pod)).collect();
    cluster.verdict(&plans)
}

#[test]
fn a_spread_is_judged_when_its_pod_is_bound_and_not_when_others_come() {
    for ordered_before in [false, true] {
        assert_eq!(in_turn(["watcher", "api-1", "api-2"], ordered_before), Ok(()));
        assert_eq!(in_turn(["api-1", "watcher", "api-2"], ordered_before), Ok(()));
        assert_eq!(in_turn(["api-1", "api-2", "watcher"], ordered_before), Err(Invariant::Spread));
    }
}

/// The planner counts on the same: a node that is ready loses the taint that said otherwise a moment later.
#[test]
fn a_node_that_has_just_become_ready_takes_pods() {
    let (mut cluster, plans) = base();
    for change in &mut cluster.changes {
        if let Change::Node(node) = change {
            let (key, value) = ("node.kubernetes.io/not-ready".into(), "".into());
            node.taints.push(Taint { key, value, effect: Effect::NoSchedule });
        }
    }
    assert_eq!(cluster.audit(&plans, NOW), Ok(()));
}
