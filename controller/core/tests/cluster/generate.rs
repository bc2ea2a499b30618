//! Clusters with a little of everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_core::cluster::{
    Affinity, Breaker, Buffer, Capacity, DRAINING, Daemon, Effect, HOSTNAME, Headroom, HeadroomSize, Node,
    NodeBudget, OwnerKind, Pod, PodShape, PodState, PodTerm, Policy, Pool, Readiness, Record, Resources,
    Spread, Taint, WhenUnsatisfiable, Workload, ZONE,
};
use plimsoll_core::placement::Change;
use plimsoll_core::time::{Span, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;

use super::parts::{budget, evenly, node, offering, pod, pool, selector, shape, term};
use super::{Cluster, NOW};

const ZONES: [&str; 3] = ["a", "b", "c"];
const TYPES: [(&str, i64, i64); 4] =
    [("s", 2, 100_000), ("m", 4, 200_000), ("l", 8, 400_000), ("c", 4, 150_000)];
const APPS: [&str; 5] = ["web", "api", "db", "job", "cache"];

/// What is particular about a pod, by chance.
#[derive(Clone, Copy, Debug)]
struct Seed {
    app: usize,
    size: usize,
    oddity: u32,
}

#[derive(Clone, Copy, Debug)]
struct NodeSeed {
    kind: usize,
    zone: usize,
    oddity: u32,
}

/// Clusters of up to 14 nodes. `calm` ones have nothing that holds a plan back: no budgets, nothing odd.
pub(crate) fn clusters(calm: bool) -> impl Strategy<Value = Cluster> {
    with_pods(calm, 0)
}

/// Calm clusters in which the place of no pod depends on others.
pub(crate) fn plain_clusters() -> impl Strategy<Value = Cluster> {
    with_pods(true, 4)
}

fn with_pods(calm: bool, social_from: u32) -> impl Strategy<Value = Cluster> {
    let seed =
        (0..APPS.len(), 0..4_usize, 0..100_u32).prop_map(|(app, size, oddity)| Seed { app, size, oddity });
    let pods = vec(seed, 0..7);
    let node = (0..TYPES.len(), 0..ZONES.len(), 0..100_u32).prop_map(|(kind, zone, oddity)| NodeSeed {
        kind,
        zone,
        oddity,
    });
    let nodes = vec((node, pods), 0..14);
    let budgets = vec(prop_oneof![3 => Just(None), 1 => (0..4_i32).prop_map(Some)], APPS.len());
    let pending = vec((0..APPS.len(), 0..4_usize), 0..3);
    let social = vec(social_from..6, APPS.len());
    let of_pool = (0..8_u32, 0..4_u32, 0..4_u32);
    (nodes, budgets, pending, social, of_pool).prop_map(move |(nodes, budgets, pending, social, of_pool)| {
        build(&nodes, &budgets, &pending, &social, of_pool, calm)
    })
}

fn build(
    nodes: &[(NodeSeed, Vec<Seed>)],
    budgets: &[Option<i32>],
    pending: &[(usize, usize)],
    social: &[u32],
    (budget_seed, min, spare): (u32, u32, u32),
    calm: bool,
) -> Cluster {
    let mut cluster = Cluster::default();
    let pool = a_pool(budget_seed, min, spare, calm);
    let shapes: Vec<Vec<Arc<PodShape>>> = APPS
        .iter()
        .enumerate()
        .map(|(app, _)| (0..4).map(|size| a_shape(app, size, social[app])).collect())
        .collect();
    let daemon = Daemon {
        uid: "uid-agent".into(),
        name: "agent".into(),
        shape: Arc::new(PodShape {
            namespace: "shop".into(),
            requests: Resources { cpu: 50, memory: 1 << 20, pods: 1, ..Resources::default() },
            ..PodShape::default()
        }),
    };
    for (index, (seed, pods)) in nodes.iter().enumerate() {
        let (kind, _, _) = TYPES[seed.kind];
        let offering = pool
            .offerings
            .iter()
            .find(|offering| &*offering.key.instance_type == kind && &*offering.key.zone == ZONES[seed.zone]);
        let offering = offering.expect("every type is offered in every zone");
        let name = format!("n{index:02}");
        let mut node = node(&name, &pool, offering);
        if !calm {
            make_odd(&mut node, seed.oddity);
        }
        let mut free = node.allocatable.clone();
        let mut agent = pod(&format!("agent-{name}"), "agent", &daemon.shape, &name);
        if let Some(owner) = &mut agent.owner {
            owner.kind = OwnerKind::DaemonSet;
        }
        free.subtract(&agent.shape.requests);
        cluster.changes.push(Change::Pod(agent));
        for (number, seed) in pods.iter().enumerate() {
            let shape = &shapes[seed.app][seed.size];
            if free.fits(&shape.requests) {
                free.subtract(&shape.requests);
                let mut pod = pod(&format!("{name}-{number}"), APPS[seed.app], shape, &name);
                if !calm {
                    make_pod_odd(&mut pod, &name, seed.oddity);
                }
                cluster.changes.push(Change::Pod(pod));
            }
        }
        cluster.changes.push(Change::Node(node));
    }
    for (index, (app, size)) in pending.iter().enumerate() {
        let mut pod = pod(&format!("pending-{index}"), APPS[*app], &shapes[*app][*size], "");
        pod.state = PodState::Unschedulable { since: NOW };
        if !calm {
            cluster.changes.push(Change::Pod(pod));
        }
    }
    for (app, allowed) in APPS.iter().zip(budgets) {
        if let Some(allowed) = allowed.filter(|_| !calm) {
            cluster.changes.push(Change::Budget(budget(app, allowed)));
        }
        let owner: plimsoll_core::cluster::Name = format!("uid-{app}").into();
        let workload = Workload {
            owner: owner.clone(),
            namespace: "shop".into(),
            deployment: Some((*app).into()),
            replicas: 2,
            available: 2,
            in_rollout: *app == "db",
        };
        cluster.workloads.insert(owner, workload);
    }
    if spare > 1 && !calm {
        let (key, shape) = ("shop/spare".into(), Arc::clone(&shapes[0][1]));
        cluster.changes.push(Change::Buffer(Buffer { key, shape, count: spare }));
    }
    cluster.changes.push(Change::Daemon(daemon));
    cluster.changes.push(Change::Pool(pool));
    cluster
}

fn a_pool(kind_of_budget: u32, min: u32, spare: u32, calm: bool) -> Pool {
    let offered = TYPES
        .iter()
        .flat_map(|(kind, cores, price)| ZONES.iter().map(move |zone| offering(kind, zone, *cores, *price)));
    let mut pool = pool("p", offered.collect());
    if calm {
        return pool;
    }
    // A third of what is offered is short.
    for offering in pool.offerings.iter_mut().skip(kind_of_budget as usize % 3).step_by(3) {
        offering.capacity = Capacity::Left(min);
    }
    pool.scale_down.breaker = Breaker::Share(400);
    pool.scale_down.drain.max_surge = min;
    let of = |share| NodeBudget { share: Some(share), ..NodeBudget::default() };
    pool.scale_down.budgets = match kind_of_budget {
        0 => vec![of(100)],
        1 => vec![of(500), NodeBudget { nodes: Some(1), share: None, ..NodeBudget::default() }],
        2 => vec![NodeBudget {
            schedule: Some("0 * * * *".to_owned()),
            duration: Span::from_secs(1800),
            ..of(0)
        }],
        _ => vec![of(1000)],
    };
    pool.scale_down.savings_per_eviction = if kind_of_budget == 4 { 20_000 } else { 0 };
    pool.limits.min_per_zone = BTreeMap::from([("a".into(), min % 3)]);
    if spare == 1 {
        pool.headroom.push(Headroom {
            name: "burst".into(),
            size: HeadroomSize::Pods { count: 2, requests: Resources { cpu: 900, ..Resources::default() } },
            schedule: None,
            time_zone: None,
            duration: Span::ZERO,
        });
    }
    pool
}

fn a_shape(app: usize, size: usize, social: u32) -> Arc<PodShape> {
    let mut shape = shape(APPS[app], [100, 300, 700, 1500][size]);
    let app = APPS[app];
    match social {
        0 => shape.affinity = Affinity { anti_pods: vec![term(HOSTNAME, app)], ..Affinity::default() },
        1 => shape.spread = vec![evenly(ZONE, app)],
        2 => shape.spread = vec![evenly(HOSTNAME, app)],
        3 => shape.affinity = Affinity { pods: vec![term(ZONE, app)], ..Affinity::default() },
        _ => {}
    }
    Arc::new(shape)
}

fn make_odd(node: &mut Node, oddity: u32) {
    let since = NOW - Span::from_secs(i64::from(oddity) * 100);
    match oddity {
        0..4 => node.interrupted = true,
        4..8 => {
            node.taints.push(Taint { key: DRAINING.into(), value: "".into(), effect: Effect::NoSchedule });
        }
        8..11 => node.scale_down_disabled = true,
        11..14 => {
            node.created = NOW - Span::from_secs(10);
            node.do_not_disrupt = Some(Span::from_secs(20));
        }
        14..18 => node.order = None,
        18..22 => node.readiness = Readiness::NotReady { since },
        22..24 => node.readiness = Readiness::Unknown { since },
        24..30 => {
            node.labels.insert("node.kubernetes.io/instance-type".into(), "old".into());
        }
        30..33 => node.unschedulable = true,
        33..36 => node.record = Record::Deleted,
        36..38 => node.record = Record::Gone,
        _ => {}
    }
}

fn make_pod_odd(pod: &mut Pod, node: &str, oddity: u32) {
    match oddity {
        0..2 => pod.eviction.safe = Some(false),
        2..4 => pod.owner = None,
        4..6 => pod.eviction.do_not_disrupt = Some(Span::from_millis(i64::MAX)),
        6..8 => drop(pod.eviction.local_volumes.insert("data".into())),
        8..11 => pod.state = PodState::Terminating { node: node.into(), until: NOW + Span::from_secs(30) },
        11..14 => pod.state = PodState::Bound { node: node.into(), ready: false },
        14..16 => pod.state = PodState::Nominated { node: node.into() },
        16..18 => pod.created = Timestamp::from_millis(NOW.as_millis() - 10),
        _ => {}
    }
}
