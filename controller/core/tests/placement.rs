//! What holds for every plan of nodes.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "the number of cases comes from outside; the core reads nothing"
)]

mod draws;
mod fleet;

use std::collections::BTreeMap;
use std::sync::Arc;

use draws::same_everywhere;
use fleet::{
    Draw, NOW, ZONES, apart, bound, in_zones, node, offering, pod, pool, resources, spread, together, view,
};
use plimsoll_core::cluster::{
    Affinity, Capacity, Daemon, Effect, HOSTNAME, HostPort, Name, Node, NodeTerm, Offering, Operator, Order,
    Owner, OwnerKind, Pod, PodShape, PodState, Pool, Requirement, Resources, Spread, Taint, Toleration,
    TolerationOperator, VolumeNeed, ZONE,
};
use plimsoll_core::nodes::{NodePlan, Place, add, reason::Cause};
use plimsoll_core::placement::{Change, View, fits};
use plimsoll_core::time::Span;
use proptest::prelude::*;

const APPS: [&str; 3] = ["web", "db", "cache"];

fn taint(key: &str) -> Taint {
    Taint { key: key.into(), value: "".into(), effect: Effect::NoSchedule }
}

fn tolerates(key: &str) -> Toleration {
    Toleration { key: key.into(), operator: TolerationOperator::Exists, value: "".into(), effect: None }
}

fn in_zone(zone: &str) -> NodeTerm {
    let requirement = Requirement { key: ZONE.into(), operator: Operator::In([Name::from(zone)].into()) };
    NodeTerm { labels: vec![requirement], fields: Vec::new() }
}

fn a_shape(draw: &mut Draw) -> PodShape {
    let app = draw.of(&APPS);
    let other = draw.of(&APPS);
    let mut shape =
        fleet::shape(draw.of(&[0, 100, 500, 1500]), draw.of(&[0, 128, 1024, 3000]), &[("app", app)]);
    let key = draw.of(&[ZONE, ZONE, HOSTNAME]);
    match draw.below(12) {
        0 | 1 => shape.spread = vec![spread(key, draw.of(&[1, 1, 2]), &[("app", app)])],
        2 => shape.spread = vec![spread(ZONE, 1, &[("app", app)]), spread(HOSTNAME, 2, &[("app", other)])],
        3 => shape.affinity = apart(key, &[("app", app)]),
        4 => shape.affinity = apart(HOSTNAME, &[("app", other)]),
        5 => shape.affinity = together(key, &[("app", app)]),
        6 => shape.affinity = together(ZONE, &[("app", other)]),
        7 => shape.affinity = Affinity { nodes: Some(vec![in_zone(draw.of(&ZONES))]), ..Affinity::default() },
        8 => {
            let port = HostPort { ip: "0.0.0.0".into(), protocol: "TCP".into(), port: draw.of(&[80, 81]) };
            shape.host_ports = [port].into();
        }
        9 => {
            shape.volumes = vec![VolumeNeed {
                id: draw.of(&["v1", "v2", "v3"]).into(),
                driver: Some("csi".into()),
                reachable: Some(vec![in_zone(draw.of(&ZONES))]),
                one_pod: draw.below(4) == 0,
                bound: true,
            }];
        }
        _ => {}
    }
    if draw.below(4) == 0 {
        shape.tolerations = vec![tolerates("reserved")];
    }
    if draw.below(8) == 0 {
        let min_domains = Some(draw.of(&[1, 2, 3]));
        shape.spread.iter_mut().for_each(|spread| *spread = Spread { min_domains, ..spread.clone() });
    }
    shape.priority = draw.of(&[0, 0, 10]);
    shape
}

fn an_offering(draw: &mut Draw, zone: &str, size: i64) -> Offering {
    let mut offering =
        offering(&format!("m{size}"), zone, resources(size * 1000, size * 2048, 8 + size), 100 * size);
    offering.price += i64::try_from(draw.below(60)).unwrap();
    if draw.below(5) == 0 {
        offering.taints = vec![taint("reserved")];
    }
    if draw.below(4) == 0 {
        offering.attach_limits = BTreeMap::from([("csi".into(), 1)]);
    }
    offering.capacity = match draw.below(10) {
        0 => Capacity::AvoidedUntil(NOW + Span::from_secs(60)),
        1 => Capacity::Left(u32::try_from(draw.below(3)).unwrap()),
        _ => Capacity::Unknown,
    };
    offering
}

/// A cluster as the changes that make it.
fn a_cluster(seed: u64) -> Vec<Change> {
    let mut draw = Draw(seed);
    let mut changes = Vec::new();
    let zones = &ZONES[..=draw.below(3)];
    let mut offerings = Vec::new();
    for zone in zones {
        for size in [2, 4] {
            if draw.below(5) > 0 {
                offerings.push(an_offering(&mut draw, zone, size));
            }
        }
    }
    let mut general = pool("general", offerings.clone());
    if draw.below(4) == 0 {
        general.limits.nodes = Some(u32::try_from(draw.below(6)).unwrap());
    }
    if draw.below(4) == 0 {
        general.limits.nodes_per_zone = BTreeMap::from([(ZONES[0].into(), 1)]);
    }
    if draw.below(4) == 0 {
        general.limits.resources = BTreeMap::from([("cpu".into(), 8000)]);
    }
    let is_offered = draw.below(5) > 0;
    if is_offered {
        changes.push(Change::Pool(general));
    }
    if draw.below(3) == 0 {
        let shape =
            PodShape { tolerations: vec![tolerates("")], ..fleet::shape(100, 64, &[("app", "agent")]) };
        changes.push(Change::Daemon(Daemon {
            uid: "agent".into(),
            name: "agent".into(),
            shape: shape.into(),
        }));
    }
    let there = draw.below(5);
    for index in 0..there {
        let zone = draw.of(zones);
        let mut node = node(&format!("node-{index}"), "general", &an_offering(&mut draw, zone, 4));
        node.unschedulable = draw.below(8) == 0;
        changes.push(Change::Node(node));
    }
    if let Some(offering) = offerings.first()
        && is_offered
        && draw.below(4) == 0
    {
        let (name, pool) = ("order-0".into(), "general".into());
        changes.push(Change::Order(Order {
            name,
            pool,
            offering: offering.key.clone(),
            missing: 1,
            asked: NOW,
        }));
    }
    for index in 0..=draw.below(5) {
        let shape = Arc::new(a_shape(&mut draw));
        for number in 0..=draw.below(6) {
            let pod = pod(&format!("pod{index}-{number}"), &shape);
            let on = draw.below(there * 2 + 1);
            // Not all that runs would be let in today; that is so in real clusters too.
            changes.push(Change::Pod(if on < there { bound(pod, &format!("node-{on}")) } else { pod }));
        }
    }
    if draw.below(4) == 0 {
        let cpu = [4000, 5000, 6000][draw.below(3)];
        let per_zone = BTreeMap::from([(ZONES[1].into(), BTreeMap::from([("cpu".into(), cpu)]))]);
        for change in &mut changes {
            if let Change::Pool(pool) = change {
                pool.limits.resources_per_zone.clone_from(&per_zone);
            }
        }
    }
    changes
}

fn plan(view: &View) -> NodePlan {
    add::plan(view, &add::Settings::default(), NOW)
}

fn bytes(view: &View) -> String {
    serde_json::to_string(&plan(view)).unwrap()
}

fn offering_of<'a>(pool: &'a Pool, key: &plimsoll_core::cluster::OfferingKey) -> &'a Offering {
    pool.offerings.iter().find(|offering| offering.key == *key).unwrap()
}

/// The node that a provider would make, with the pods that daemons would put on it.
fn make(view: &mut View, name: &str, pool: &str, key: &plimsoll_core::cluster::OfferingKey) {
    let made: Node = node(name, pool, offering_of(view.pool(pool).unwrap(), key));
    view.apply(Change::Node(made));
    let daemons: Vec<Daemon> = view.daemons().cloned().collect();
    for daemon in daemons {
        let mut pod = pod(&format!("{}-on-{name}", daemon.uid), &daemon.shape);
        pod.owner = Some(Owner { kind: OwnerKind::DaemonSet, name: daemon.name, uid: daemon.uid });
        if fits(view, &pod, name).is_ok() {
            view.apply(Change::Pod(bound(pod, name)));
        }
    }
}

/// Lets a scheduler that follows nominations bind what was promised: on nodes that are there at once, then on those that
/// were ordered and on all new ones when they have come. Says what it would not bind.
fn carry_out(view: &mut View, plan: &NodePlan) -> Vec<String> {
    bind(view, plan, |place| matches!(place, Place::Node(_)));
    let orders: Vec<Order> = view.orders().cloned().collect();
    for order in orders {
        for number in 0..order.missing {
            make(view, &format!("{}-{number}", order.name), &order.pool, &order.offering);
        }
        view.apply(Change::OrderGone(order.name));
    }
    for (entry, group) in plan.add.iter().enumerate() {
        for number in 0..group.count {
            make(view, &format!("new-{entry}-{number}"), &group.pool, &group.offering);
        }
    }
    bind(view, plan, |_| true)
}

fn bind(view: &mut View, plan: &NodePlan, which: impl Fn(&Place) -> bool) -> Vec<String> {
    let mut waiting: Vec<(Pod, String)> = plan
        .placements
        .iter()
        .filter(|placement| which(&placement.place))
        .map(|placement| {
            let node = match &placement.place {
                Place::Node(name) => name.to_string(),
                Place::Order(name, number) => format!("{name}-{number}"),
                Place::New(entry, number) => format!("new-{entry}-{number}"),
            };
            (view.pod(&placement.pod).unwrap().clone(), node)
        })
        .collect();
    waiting.retain(|(pod, _)| pod.state.node().is_none());
    loop {
        let before = waiting.len();
        waiting.retain(|(pod, node)| {
            let refused = fits(view, pod, node).is_err();
            if !refused {
                view.apply(Change::Pod(bound(pod.clone(), node)));
            }
            refused
        });
        if waiting.len() == before {
            let why = |(pod, node): &(Pod, String)| {
                format!("{} on {node}: {}", pod.uid, fits(view, pod, node).unwrap_err())
            };
            return waiting.iter().map(why).collect();
        }
    }
}

proptest! {
    #![proptest_config(same_everywhere(400))]

    /// Take any rule out of `placement/check.rs` and this fails.
    #[test]
    fn what_was_promised_a_place_is_bound(seed: u64) {
        let mut view = view(a_cluster(seed));
        let plan = plan(&view);
        let unbound = carry_out(&mut view, &plan);
        prop_assert!(unbound.is_empty(), "{unbound:?}\n{}", told(seed, &plan));
    }

    #[test]
    fn nothing_is_overcommitted(seed: u64) {
        let mut view = view(a_cluster(seed));
        let before: BTreeMap<Name, Resources> =
            view.nodes().map(|node| (node.name.clone(), used(&view, &node.name))).collect();
        let plan = plan(&view);
        carry_out(&mut view, &plan);
        for node in view.nodes() {
            let used = used(&view, &node.name);
            let was = before.get(&node.name).cloned().unwrap_or_default();
            for (have, used, was) in [
                (node.allocatable.cpu, used.cpu, was.cpu),
                (node.allocatable.memory, used.memory, was.memory),
                (node.allocatable.pods, used.pods, was.pods),
            ] {
                prop_assert!(used <= have || used == was, "{}: {used} of {have}\n{plan:#?}", node.name);
            }
        }
    }

    #[test]
    fn no_limit_is_passed(seed: u64) {
        let view = view(a_cluster(seed));
        let plan = plan(&view);
        let Some(pool) = view.pool("general") else {
            prop_assert!(plan.add.is_empty());
            return Ok(());
        };
        let new: u32 = plan.add.iter().map(|of| of.count).sum();
        let ordered: u32 = view.orders().map(|order| order.missing).sum();
        let there = u32::try_from(view.nodes().count()).unwrap() + ordered;
        prop_assert!(pool.limits.nodes.is_none_or(|most| new == 0 || there + new <= most));
        for (zone, most) in &pool.limits.nodes_per_zone {
            let here = |of: &&plimsoll_core::nodes::NewNodes| of.offering.zone == *zone;
            let new: u32 = plan.add.iter().filter(here).map(|of| of.count).sum();
            let there = view.nodes().filter(|node| node.zone() == Some(zone)).count();
            prop_assert!(new == 0 || u32::try_from(there).unwrap() + new <= *most);
        }
        let cpu = |key| offering_of(pool, key).allocatable.cpu;
        let new: i64 = plan.add.iter().map(|of| cpu(&of.offering) * i64::from(of.count)).sum();
        let there: i64 = view.nodes().map(|node| node.allocatable.cpu).sum::<i64>()
            + view.orders().map(|order| cpu(&order.offering) * i64::from(order.missing)).sum::<i64>();
        prop_assert!(pool.limits.resources.get("cpu").is_none_or(|most| new == 0 || there + new <= *most));
        for (zone, bounds) in &pool.limits.resources_per_zone {
            let new = plan.add.iter().filter(|of| of.offering.zone == *zone);
            let new: i64 = new.map(|of| cpu(&of.offering) * i64::from(of.count)).sum();
            let there = view.nodes().filter(|node| node.zone() == Some(zone)).map(|node| node.allocatable.cpu);
            let ordered = view.orders().filter(|order| order.offering.zone == *zone);
            let ordered: i64 = ordered.map(|order| cpu(&order.offering) * i64::from(order.missing)).sum();
            prop_assert!(new == 0 || there.sum::<i64>() + ordered + new <= bounds["cpu"], "{}", told(seed, &plan));
        }
        for of in &plan.add {
            match offering_of(pool, &of.offering).capacity {
                Capacity::Unknown => {}
                Capacity::Left(left) => prop_assert!(of.count <= left),
                Capacity::AvoidedUntil(_) => prop_assert!(false, "{of:?} is avoided"),
            }
        }
    }

    #[test]
    fn a_plan_that_was_carried_out_leads_to_no_other(seed: u64) {
        let mut changes = a_cluster(seed);
        // Where a zone is full, pods that are spread over hosts may get the rest of their nodes by a later plan.
        for change in &mut changes {
            if let Change::Pool(pool) = change {
                pool.limits.resources_per_zone.clear();
            }
        }
        let mut view = view(changes);
        let first = plan(&view);
        carry_out(&mut view, &first);
        let second = plan(&view);
        prop_assert!(second.add.is_empty(), "{}\n{second:#?}", told(seed, &first));
        prop_assert!(second.placements.is_empty(), "{}\n{second:#?}", told(seed, &first));
    }

    /// Nodes come one after the other: while those of one zone are there, those of another are ordered. The pods that are
    /// spread over them have room on both, in turn.
    #[test]
    fn a_spread_plan_that_is_carried_out_in_part_leads_to_no_other(count in 30..200_usize, there: u8) {
        let web = &[("app", "web")];
        let shape = PodShape { spread: vec![spread(ZONE, 1, web)], ..fleet::shape(900, 512, web) };
        let pool = pool("general", in_zones(&ZONES, &[("m4", 4, 16, 100), ("m8", 8, 32, 190)]));
        let mut view = view(fleet::pods("web", count, shape).into_iter().map(Change::Pod).chain([Change::Pool(pool)]));
        let first = plan(&view);
        for (entry, group) in first.add.iter().enumerate() {
            if there >> (entry % 8) & 1 == 1 {
                for number in 0..group.count {
                    make(&mut view, &format!("new-{entry}-{number}"), &group.pool, &group.offering);
                }
            } else {
                view.apply(Change::Order(Order {
                    name: format!("new-{entry}").as_str().into(),
                    pool: group.pool.clone(),
                    offering: group.offering.clone(),
                    missing: group.count,
                    asked: NOW,
                }));
            }
        }
        let second = plan(&view);
        prop_assert!(second.add.is_empty(), "{:#?}\n{:#?}", first.add, second.add);
    }

    #[test]
    fn every_pod_is_placed_or_refused_with_a_reason(seed: u64) {
        let view = view(a_cluster(seed));
        let plan = plan(&view);
        let placed: u32 = plan.placements.iter().map(|of| of.count).sum();
        let refused: u32 = plan.refused.iter().map(|of| of.count).sum();
        prop_assert_eq!(usize::try_from(placed + refused).unwrap(), view.waiting().count());
        prop_assert!(plan.refused.iter().all(|of| !of.why.is_empty() || view.nodes().next().is_none()));
    }

    /// No node refuses a pod that the scheduler would let in, and no new node of any offering that may be ordered would take
    /// one that got none.
    #[test]
    fn every_refusal_is_justified(seed: u64) {
        let mut view = view(a_cluster(seed));
        let plan = plan(&view);
        carry_out(&mut view, &plan);
        for refused in &plan.refused {
            let pod = view.pod(&refused.pods[0]).unwrap().clone();
            for node in view.nodes() {
                prop_assert!(fits(&view, &pod, &node.name).is_err(), "{} fits {}\n{}", pod.uid, node.name, told(seed, &plan));
            }
            if refused.why.iter().any(|why| matches!(why.cause, Cause::Limit(..) | Cause::PassedOver(..))) {
                continue;
            }
            for offering in view.pool("general").map(|pool| pool.offerings.clone()).unwrap_or_default() {
                if offering.capacity != Capacity::Unknown {
                    continue;
                }
                make(&mut view, "trial", "general", &offering.key);
                let fits = fits(&view, &pod, "trial");
                let on_it: Vec<Name> = view.pods_on("trial").map(|pod| pod.uid.clone()).collect();
                for uid in on_it {
                    view.apply(Change::PodGone(uid));
                }
                view.apply(Change::NodeGone("trial".into()));
                prop_assert!(fits.is_err(), "{} fits {}\n{}", pod.uid, offering.key, told(seed, &plan));
            }
        }
    }

    #[test]
    fn the_order_of_what_is_seen_does_not_matter(seed: u64, shuffle: u64) {
        let mut changes = a_cluster(seed);
        let first = bytes(&view(changes.clone()));
        let mut draw = Draw(shuffle);
        for index in (1..changes.len()).rev() {
            changes.swap(index, draw.below(index + 1));
        }
        prop_assert_eq!(&first, &bytes(&view(changes.clone())));
        // Nor whether the counts are made at once or follow each change.
        let mut slow = View::default();
        for change in changes {
            slow.apply(change);
            plan(&slow);
        }
        prop_assert_eq!(first, bytes(&slow));
    }

    /// A view that has followed changes is as good as one that is made of what is left.
    #[test]
    fn counts_that_follow_changes_are_those_made_anew(from: u64, to: u64) {
        let mut kept = view(a_cluster(from));
        plan(&kept);
        let pods: Vec<Name> = kept.pods().map(|pod| pod.uid.clone()).collect();
        let nodes: Vec<Name> = kept.nodes().map(|node| node.name.clone()).collect();
        let after = a_cluster(to);
        for change in after.clone() {
            kept.apply(change);
        }
        let fresh = view(after);
        for uid in pods.into_iter().filter(|uid| fresh.pod(uid).is_none()) {
            kept.apply(Change::PodGone(uid));
        }
        for name in nodes.into_iter().filter(|name| fresh.node(name).is_none()) {
            kept.apply(Change::NodeGone(name));
        }
        if fresh.orders().next().is_none() {
            kept.apply(Change::OrderGone("order-0".into()));
        }
        if fresh.daemons().next().is_none() {
            kept.apply(Change::DaemonGone("agent".into()));
        }
        if fresh.pools().next().is_none() {
            kept.apply(Change::PoolGone("general".into()));
        }
        prop_assert_eq!(bytes(&kept), bytes(&fresh));
    }
}

/// A case as a person reads it.
fn told(seed: u64, plan: &NodePlan) -> String {
    let mut text = String::new();
    for change in a_cluster(seed) {
        let line = match change {
            Change::Pod(pod) => format!("{} {:?} {:?}", pod.uid, pod.state, pod.shape),
            Change::Node(node) => format!("{} {:?} {:?}", node.name, node.zone(), node.allocatable),
            Change::Pool(pool) => format!("{:?} {:?}", pool.offerings, pool.limits),
            other => format!("{other:?}"),
        };
        text.push_str(&line.replace("affinity: Affinity { nodes: None, preferred_nodes: [], pods: [], anti_pods: [], preferred_pods: [], preferred_anti_pods: [] }, ", ""));
        text.push('\n');
    }
    for placement in &plan.placements {
        text.push_str(&format!("{} -> {:?}\n", placement.pod, placement.place));
    }
    for refused in &plan.refused {
        text.push_str(&format!("{:?} refused: {:?}\n", refused.pods, refused.why));
    }
    text
}

fn used(view: &View, node: &str) -> Resources {
    let mut used = Resources::default();
    view.pods_on(node).for_each(|pod| used.add(&pod.shape.requests));
    used
}

#[test]
fn labels_that_nobody_reads_do_not_tell_pods_apart() {
    let offerings = fleet::in_zones(&ZONES[..1], &[("m", 64, 256, 100)]);
    let one_by_one = (0..50).map(|index| {
        let name = format!("db-{index}");
        let shape = fleet::shape(100, 100, &[("app", "db"), ("statefulset.kubernetes.io/pod-name", &name)]);
        let shape = PodShape { affinity: apart(HOSTNAME, &[("app", "other")]), ..shape };
        Change::Pod(pod(&name, &Arc::new(shape)))
    });
    let mut view = view(one_by_one.chain([Change::Pool(pool("general", offerings))]));
    assert_eq!(plan(&view).placements.len(), 50);
    view.apply(Change::PoolGone("general".into()));
    assert_eq!(plan(&view).refused.len(), 1, "they are one class");
}

#[test]
fn a_pod_is_counted_where_it_was_seen_last() {
    let shape = Arc::new(fleet::shape(100, 100, &[]));
    let mut view = view([Change::Pod(pod("a-1", &shape))]);
    assert_eq!(view.waiting().count(), 1);
    let mut nominated = pod("a-1", &shape);
    nominated.state = PodState::Nominated { node: "n".into() };
    view.apply(Change::Pod(nominated));
    assert_eq!((view.waiting().count(), view.pods_on("n").count()), (0, 1));
    view.apply(Change::PodGone("a-1".into()));
    assert_eq!((view.pods().count(), view.pods_on("n").count()), (0, 0));
}
