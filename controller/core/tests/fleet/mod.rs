//! Clusters to plan for, in few words. Shared by tests and benchmarks.

#![allow(dead_code, unreachable_pub, reason = "each test uses some of it")]

pub mod large;
pub mod used;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plimsoll_core::cluster::{
    Affinity, CAPACITY_POOL, Capacity, CapacityType, Expander, HOSTNAME, INSTANCE_TYPE, Labels, Limits, Name,
    Node, NodeTemplate, Offering, OfferingKey, Operator, Owner, OwnerKind, Pod, PodShape, PodState, PodTerm,
    Policy, Pool, Readiness, Record, Requirement, Resources, ScaleDown, Selector, Spread, WhenUnsatisfiable,
    ZONE,
};
use plimsoll_core::placement::{Change, View};
use plimsoll_core::time::Timestamp;

pub const NOW: Timestamp = Timestamp::from_secs(1_000_000);
pub const MIB: i64 = 1 << 20;
pub const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

/// Numbers that look like chance and are the same everywhere (`SplitMix64`).
pub struct Draw(pub u64);

impl Draw {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| (Name::from(*key), Name::from(*value))).collect()
}

pub fn resources(cpu: i64, memory_mib: i64, pods: i64) -> Resources {
    Resources { cpu, memory: memory_mib * MIB, pods, ..Resources::default() }
}

pub fn selects(pairs: &[(&str, &str)]) -> Selector {
    let of = |(key, value): &(&str, &str)| Requirement {
        key: Name::from(*key),
        operator: Operator::In(BTreeSet::from([Name::from(*value)])),
    };
    Selector(pairs.iter().map(of).collect())
}

/// A shape in namespace `shop` that asks for this much.
pub fn shape(cpu: i64, memory_mib: i64, pairs: &[(&str, &str)]) -> PodShape {
    PodShape {
        namespace: "shop".into(),
        labels: labels(pairs),
        requests: resources(cpu, memory_mib, 1),
        ..PodShape::default()
    }
}

pub fn spread(key: &str, max_skew: i32, pairs: &[(&str, &str)]) -> Spread {
    Spread {
        max_skew,
        topology_key: key.into(),
        selector: Some(selects(pairs)),
        min_domains: None,
        node_affinity: Policy::Honor,
        node_taints: Policy::Ignore,
        when: WhenUnsatisfiable::DoNotSchedule,
    }
}

pub fn term(key: &str, pairs: &[(&str, &str)]) -> PodTerm {
    PodTerm {
        selector: Some(selects(pairs)),
        namespaces: BTreeSet::from(["shop".into()]),
        namespace_selector: None,
        topology_key: key.into(),
    }
}

pub fn together(key: &str, pairs: &[(&str, &str)]) -> Affinity {
    Affinity { pods: vec![term(key, pairs)], ..Affinity::default() }
}

pub fn apart(key: &str, pairs: &[(&str, &str)]) -> Affinity {
    Affinity { anti_pods: vec![term(key, pairs)], ..Affinity::default() }
}

pub fn pod(uid: &str, shape: &Arc<PodShape>) -> Pod {
    Pod {
        uid: uid.into(),
        name: uid.into(),
        shape: shape.clone(),
        state: PodState::Pending,
        owner: Some(Owner { kind: OwnerKind::ReplicaSet, name: owner_of(uid), uid: owner_of(uid) }),
        created: NOW,
        unplannable: None,
        eviction: plimsoll_core::cluster::Eviction::default(),
    }
}

fn owner_of(uid: &str) -> Name {
    uid.rsplit_once('-').map_or(uid, |(owner, _)| owner).into()
}

/// `count` pods named `owner-00000` and so on.
pub fn pods(owner: &str, count: usize, shape: PodShape) -> Vec<Pod> {
    let shape = Arc::new(shape);
    (0..count).map(|index| pod(&format!("{owner}-{index:05}"), &shape)).collect()
}

pub fn bound(mut pod: Pod, node: &str) -> Pod {
    pod.state = PodState::Bound { node: node.into(), ready: true };
    pod
}

pub fn offering(kind: &str, zone: &str, allocatable: Resources, price: i64) -> Offering {
    Offering {
        key: OfferingKey {
            instance_type: kind.into(),
            zone: zone.into(),
            capacity_type: CapacityType::OnDemand,
        },
        price,
        allocatable,
        labels: labels(&[("kubernetes.io/arch", "amd64"), ("kubernetes.io/os", "linux")]),
        taints: Vec::new(),
        attach_limits: BTreeMap::new(),
        capacity: Capacity::Unknown,
    }
}

pub fn pool(name: &str, offerings: Vec<Offering>) -> Pool {
    Pool {
        name: name.into(),
        weight: 0,
        offerings,
        template: NodeTemplate::default(),
        limits: Limits::default(),
        expander: Expander::default(),
        balance: plimsoll_core::cluster::Balance::default(),
        scale_down: ScaleDown::default(),
        headroom: Vec::new(),
        priority_cutoff: i32::MIN,
    }
}

/// The same types in every zone: name, cpus, GiB, price.
pub fn in_zones(zones: &[&str], types: &[(&str, i64, i64, i64)]) -> Vec<Offering> {
    let of = |zone: &&str| {
        let zone = (*zone).to_owned();
        types.iter().map(move |(kind, cpu, gib, price)| {
            offering(kind, &zone, resources(cpu * 1000, gib * 1024, 110), *price)
        })
    };
    zones.iter().flat_map(of).collect()
}

pub fn node(name: &str, pool: &str, offering: &Offering) -> Node {
    let mut labels = offering.labels.clone();
    for (key, value) in [
        (HOSTNAME, name),
        (CAPACITY_POOL, pool),
        (ZONE, &*offering.key.zone),
        (INSTANCE_TYPE, &*offering.key.instance_type),
        (plimsoll_core::cluster::CAPACITY_TYPE, &*offering.key.capacity_type.to_string()),
    ] {
        labels.insert(key.into(), value.into());
    }
    Node {
        name: name.into(),
        uid: name.into(),
        labels,
        allocatable: offering.allocatable.clone(),
        taints: offering.taints.clone(),
        unschedulable: false,
        readiness: Readiness::Ready,
        created: NOW,
        attach_limits: offering.attach_limits.clone(),
        pool: Some(pool.into()),
        order: Some("order".into()),
        scale_down_disabled: false,
        do_not_disrupt: None,
        interrupted: false,
        ordered: None,
        record: Record::Kept,
        given_back: None,
    }
}

pub fn view(changes: impl IntoIterator<Item = Change>) -> View {
    let mut view = View::default();
    for change in changes {
        view.apply(change);
    }
    view
}

/// The offerings of Karpenter's benchmark: type `i` has `i + 1` cpus, twice as many GiB and ten times as many pods.
pub fn karpenter_types(types: i64) -> Vec<Offering> {
    let mut offerings = Vec::new();
    for index in 0..types {
        let cpu = index + 1;
        // 0.1 per cpu and per 10^9 bytes, in millionths.
        let price = 100_000 * cpu + cpu * 2 * 1024 * MIB / 10_000;
        for (zone, capacity_type) in [
            (ZONES[0], CapacityType::Spot),
            (ZONES[1], CapacityType::Spot),
            (ZONES[0], CapacityType::OnDemand),
            (ZONES[1], CapacityType::OnDemand),
            (ZONES[2], CapacityType::OnDemand),
        ] {
            let allocatable = resources(cpu * 1000 - 100, cpu * 2048 - 10, cpu * 10);
            let mut offering = offering(&format!("fake-it-{index}"), zone, allocatable, price);
            offering.key.capacity_type = capacity_type;
            offerings.push(offering);
        }
    }
    offerings
}

const LETTERS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

/// The mix of Karpenter's scheduling benchmark: a fifth each generic, zonal spread, hostname spread, zonal affinity to
/// themselves and hostname anti-affinity to themselves. With `distinct` no two pods are equal.
pub fn diverse(count: usize, distinct: bool) -> Vec<Pod> {
    let mut draw = Draw(42);
    let mut shapes: BTreeMap<PodShape, Arc<PodShape>> = BTreeMap::new();
    let mut pods = Vec::with_capacity(count);
    let fifth = count / 5;
    for index in 0..count {
        let cpu = draw.of(&[100, 250, 500, 1000, 1500]);
        let memory = draw.of(&[100, 256, 512, 1024, 2048, 4096]);
        let letter = draw.of(&LETTERS);
        let of = [("my-label", letter)];
        let kind = if index >= 5 * fifth { 0 } else { index / fifth };
        let mut shape = match kind {
            0 => shape(cpu, memory, &of),
            1 | 2 => {
                let other = draw.of(&LETTERS);
                let key = if kind == 1 { ZONE } else { HOSTNAME };
                PodShape { spread: vec![spread(key, 1, &[("my-label", other)])], ..shape(cpu, memory, &of) }
            }
            3 => {
                let of = [("my-affininity", letter)];
                PodShape { affinity: together(ZONE, &of), ..shape(cpu, memory, &of) }
            }
            _ => {
                let of = [("app", "nginx")];
                PodShape { affinity: apart(HOSTNAME, &of), ..shape(cpu, memory, &of) }
            }
        };
        if distinct {
            shape.requests.memory += i64::try_from(index).unwrap();
        }
        let shape = shapes.entry(shape.clone()).or_insert_with(|| Arc::new(shape)).clone();
        pods.push(pod(&format!("diverse-{index:05}"), &shape));
    }
    pods
}
