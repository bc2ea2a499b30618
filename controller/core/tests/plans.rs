//! Stories of plans: what is asked of a cluster, and what is ordered.
//!
//! `UPDATE_GOLDENS=1 cargo test -p plimsoll-core --test plans` writes the answers anew, and the diff is the review.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "the harness reads and writes the stories; the core does no IO"
)]

mod fleet;

use std::collections::BTreeMap;
use std::path::Path;

use fleet::{
    NOW, ZONES, apart, bound, in_zones, node, offering, pods, pool, resources, shape, spread, together, view,
};
use plimsoll_core::audit::{Audit, Audited};
use plimsoll_core::cluster::{
    Buffer, Capacity, Daemon, Effect, Expander, HOSTNAME, Headroom, HeadroomSize, Order, Pod, PodShape, Pool,
    Taint, Toleration, TolerationOperator, Unplannable, ZONE,
};
use plimsoll_core::nodes::remove::RemovalPlan;
use plimsoll_core::nodes::{NodePlan, Place, add};
use plimsoll_core::placement::Change;
use plimsoll_core::time::Span;
use pretty_assertions::assert_eq;

const TYPES: [(&str, i64, i64, i64); 3] =
    [("m.large", 2, 8, 100_000), ("m.xlarge", 4, 16, 200_000), ("m.2xlarge", 8, 32, 400_000)];

fn general() -> Pool {
    pool("general", in_zones(&ZONES, &TYPES))
}

fn changes(pods: impl IntoIterator<Item = Pod>) -> Vec<Change> {
    pods.into_iter().map(Change::Pod).collect()
}

fn plan(changes: Vec<Change>) -> NodePlan {
    add::plan(&view(changes), &add::Settings::default(), NOW)
}

/// Compares a plan with what was written down for it.
fn told(name: &str, story: &str, plan: &NodePlan) {
    let mut zones: BTreeMap<&str, u32> = BTreeMap::new();
    for placement in &plan.placements {
        if let Place::New(entry, _) = placement.place {
            *zones.entry(&plan.add[entry as usize].offering.zone).or_default() += placement.count;
        }
    }
    let zones: Vec<_> = zones.iter().map(|(zone, pods)| format!("{zone}: {pods}")).collect();
    let text = format!("{story}\n\n{plan}pods on new nodes by zone: {}\n", zones.join(", "));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/plans").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&file, text).unwrap();
    } else {
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(written, text, "{}: UPDATE_GOLDENS=1 if this is meant", file.display());
    }
}

#[test]
fn zonal_spread_is_planned_whole() {
    let web = [("app", "web")];
    let web = PodShape { spread: vec![spread(ZONE, 1, &web)], ..shape(500, 1024, &web) };
    let mut all = changes(pods("web", 300, web));
    all.push(Change::Pool(general()));
    told(
        "zonal_spread",
        "300 pods of 500m and 1 GiB, spread over zones with a skew of 1; no node is there.",
        &plan(all),
    );
}

#[test]
fn a_zone_that_is_out_of_capacity_holds_nobody_up() {
    let mut general = general();
    for offering in general.offerings.iter_mut().filter(|offering| &*offering.key.zone == ZONES[1]) {
        offering.capacity = Capacity::AvoidedUntil(NOW + Span::from_secs(180));
    }
    let web = [("app", "web")];
    let web = PodShape { spread: vec![spread(ZONE, 1, &web)], ..shape(500, 1024, &web) };
    let mut all = changes(pods("web", 12, web));
    all.push(Change::Pool(general));
    told(
        "zone_out_of_capacity",
        "12 pods spread over zones with a skew of 1; every type in zone-b failed a moment ago, and no node is there.",
        &plan(all),
    );
}

#[test]
fn pods_that_keep_apart_get_a_node_each() {
    let db = [("app", "db")];
    let db = PodShape { affinity: apart(HOSTNAME, &db), ..shape(1000, 4096, &db) };
    let mut all = changes(pods("db", 5, db));
    all.extend(changes(pods("web", 10, shape(400, 512, &[("app", "web")]))));
    all.push(Change::Pool(general()));
    told(
        "hostname_anti_affinity",
        "5 pods of 1 cpu that keep apart by hostname, and 10 of 400m that fill what these leave.",
        &plan(all),
    );
}

#[test]
fn free_room_and_ordered_nodes_come_first() {
    let general = general();
    let mut all = changes(pods("web", 8, shape(900, 1024, &[("app", "web")])));
    let offering = offering("m.large", ZONES[0], resources(2000, 8192, 110), 100_000);
    all.push(Change::Node(node("node-a", "general", &offering)));
    all.extend(
        pods("old", 1, shape(1000, 1024, &[])).into_iter().map(|pod| Change::Pod(bound(pod, "node-a"))),
    );
    let key = general.offerings[0].key.clone();
    let (name, pool) = ("order-1".into(), "general".into());
    all.push(Change::Order(Order { name, pool, offering: key, missing: 1, asked: NOW }));
    all.push(Change::Pool(general));
    told(
        "free_room_first",
        "8 pods of 900m; one node with room for one of them, and one node ordered.",
        &plan(all),
    );
}

#[test]
fn headroom_is_room_beside_the_pods() {
    let mut general = general();
    general.headroom = vec![Headroom {
        name: "burst".into(),
        size: HeadroomSize::Pods { count: 4, requests: resources(1000, 2048, 0) },
        schedule: None,
        time_zone: None,
        duration: Span::ZERO,
    }];
    let mut all = changes(pods("web", 2, shape(1000, 1024, &[])));
    all.push(Change::Pool(general));
    told("headroom", "2 pods of 1 cpu, and headroom for 4 more of that size.", &plan(all));
}

#[test]
fn limits_are_said_and_never_passed() {
    let mut general = general();
    general.limits.nodes = Some(3);
    general.limits.nodes_per_zone = BTreeMap::from([(ZONES[0].into(), 1)]);
    let db = [("app", "db")];
    let db = PodShape { affinity: apart(HOSTNAME, &db), ..shape(1000, 1024, &db) };
    let mut all = changes(pods("db", 5, db));
    all.push(Change::Pool(general));
    told(
        "limits",
        "5 pods that keep apart by hostname, from a pool of at most 3 nodes and at most 1 in zone-a.",
        &plan(all),
    );
}

/// The limit of the cluster counts nodes of no pool too.
#[test]
fn the_limit_of_the_whole_cluster_is_said_and_never_passed() {
    let db = [("app", "db")];
    let db = PodShape { affinity: apart(HOSTNAME, &db), ..shape(1000, 1024, &db) };
    let mut all = changes(pods("db", 5, db));
    let small = offering("m.small", ZONES[0], resources(500, 512, 110), 50_000);
    all.push(Change::Node(node("elsewhere", "other", &small)));
    all.push(Change::Pool(general()));
    let settings = add::Settings { most_nodes: Some(4) };
    told(
        "total_limit",
        "5 pods that keep apart by hostname, in a cluster of at most 4 nodes with a small one of no pool.",
        &add::plan(&view(all), &settings, NOW),
    );
}

#[test]
fn a_zone_has_limits_of_its_own_for_cpu_and_memory() {
    let mut general = pool("general", in_zones(&ZONES[..2], &TYPES));
    let bounds = |name: &str, most: i64| BTreeMap::from([(name.into(), most)]);
    general.limits.resources_per_zone = BTreeMap::from([
        (ZONES[0].into(), bounds("cpu", 5000)),
        (ZONES[1].into(), bounds("memory", 8 << 30)),
    ]);
    let mut all = changes(pods("web", 9, shape(1000, 1024, &[("app", "web")])));
    all.push(Change::Pool(general));
    told(
        "limits_per_zone",
        "9 pods of 1 cpu, at most 5 cpus in zone-a, and at most 8 GiB in zone-b.",
        &plan(all),
    );
}

#[test]
fn a_buffer_is_room_beside_all_pods_and_takes_none_of_theirs() {
    let mut general = general();
    general.limits.nodes = Some(2);
    let web = [("app", "web")];
    let web = PodShape { spread: vec![spread(ZONE, 1, &web)], ..shape(1000, 1024, &web) };
    let mut all = changes(pods("web", 4, web.clone()));
    let buffer = |key: &str, shape: PodShape, count| {
        Change::Buffer(Buffer { key: key.into(), shape: shape.into(), count })
    };
    all.push(buffer("shop/web", web, 3));
    all.push(buffer("shop/large", shape(7000, 1024, &[]), 1));
    all.push(buffer("shop/none", shape(7000, 1024, &[]), 0));
    all.push(Change::Pool(general));
    told(
        "buffers",
        "4 pods of 1 cpu spread over zones with a skew of 1, a buffer for 3 more, and one for a pod of 7 cpus; at most 2 nodes.",
        &plan(all),
    );
}

#[test]
fn daemons_are_counted_on_every_new_node() {
    let everywhere =
        Toleration { key: "".into(), operator: TolerationOperator::Exists, value: "".into(), effect: None };
    let agent = PodShape { tolerations: vec![everywhere], ..shape(500, 1024, &[("app", "agent")]) };
    let mut all = changes(pods("web", 6, shape(1500, 1024, &[])));
    all.push(Change::Daemon(Daemon { uid: "agent".into(), name: "agent".into(), shape: agent.into() }));
    all.push(Change::Pool(general()));
    told("daemons", "6 pods of 1.5 cpu, and a daemon of 500m on every node.", &plan(all));
}

#[test]
fn a_class_is_split_over_types_when_that_is_cheaper() {
    let offerings = in_zones(
        &ZONES[..1],
        &[("small", 2, 8, 110_000), ("big", 16, 64, 640_000), ("memory", 4, 64, 300_000)],
    );
    let mut all = changes(pods("web", 18, shape(1000, 2048, &[])));
    all.extend(changes(pods("cache", 2, shape(500, 24 * 1024, &[]))));
    all.push(Change::Pool(pool("general", offerings)));
    told(
        "mixed_prices",
        "18 pods of 1 cpu, of which the big type takes 16 for less each, and 2 that need much memory.",
        &plan(all),
    );
}

#[test]
fn pods_that_want_to_be_together_share_a_zone() {
    let of = [("app", "ring")];
    let ring = PodShape { affinity: together(ZONE, &of), ..shape(3000, 4096, &of) };
    let mut all = changes(pods("ring", 6, ring));
    all.push(Change::Pool(general()));
    told("together", "6 pods of 3 cpus that have to be in one zone.", &plan(all));
}

#[test]
fn the_audit_accepts_a_mix_of_all_that_pods_ask_of_each_other() {
    for distinct in [false, true] {
        let mut audit = Audit::default();
        let mut all = changes(fleet::diverse(600, distinct));
        all.push(Change::Pool(pool("default", fleet::karpenter_types(40))));
        for change in &all {
            audit.apply(change);
        }
        let (adding, removing) = (plan(all), RemovalPlan::default());
        let audited = Audited { adding: &adding, removing: &removing, most_nodes: None, now: NOW };
        assert_eq!(audit.check(&audited), Ok(()), "distinct: {distinct}");
        assert_eq!(adding.refused, []);
    }
}

#[test]
fn each_cause_is_said_once() {
    let mut general = general();
    general.template.taints =
        vec![Taint { key: "team".into(), value: "store".into(), effect: Effect::NoSchedule }];
    let offering = offering("m.large", ZONES[0], resources(2000, 8192, 110), 100_000);
    let mut all = changes(pods("store-get", 3, shape(9000, 1024, &[])));
    let mut gated = pods("gated", 2, shape(100, 100, &[]));
    for pod in &mut gated {
        pod.unplannable = Some(Unplannable::Gated("quota".into()));
    }
    all.extend(changes(gated));
    all.extend((0..12).map(|index| Change::Node(node(&format!("node-{index:02}"), "other", &offering))));
    all.push(Change::Pool(general));
    told(
        "refused",
        "3 pods of 9 cpus and 2 that are gated; 12 nodes of 2 cpus, and a pool with a taint.",
        &plan(all),
    );
}

#[test]
fn a_pool_with_more_weight_comes_first_where_that_is_asked_for() {
    let mut reserved = pool("reserved", in_zones(&ZONES[..1], &[("r", 4, 16, 900_000)]));
    (reserved.weight, reserved.expander) = (50, Expander::Priority);
    reserved.limits.nodes = Some(1);
    let mut all = changes(pods("web", 8, shape(1000, 1024, &[])));
    all.extend([Change::Pool(reserved), Change::Pool(general())]);
    told("weight", "8 pods of 1 cpu; a pool of weight 50 with one dear node, and a cheaper one.", &plan(all));
}

#[test]
fn a_zone_keeps_its_least_size() {
    let mut general = general();
    general.limits.min_per_zone = ZONES.iter().map(|zone| ((*zone).into(), 1)).collect();
    told("least_size", "No pods; each zone keeps a node.", &plan(vec![Change::Pool(general)]));
}
