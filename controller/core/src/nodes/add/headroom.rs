//! Room that is kept free.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::demand::Demand;
use super::solve::Solver;
use crate::cluster::{
    Effect, Headroom, HeadroomSize, Labels, Pod, PodShape, Pool, Resources, Toleration, TolerationOperator,
};
use crate::nodes::HeadroomOf;
use crate::placement::class::ClassId;
use crate::placement::packing::{NodeIx, Packing};
use crate::placement::{Placed, View};
use crate::time::Timestamp;
use crate::window::{Cron, time_zone};

/// Room that is to be kept free: whose, for pods of which shape, and for how many.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) of: HeadroomOf,
    pub(crate) shape: Arc<PodShape>,
    pub(crate) count: u32,
}

/// Room that was looked for.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) wanted: Wanted,
    pub(crate) class: ClassId,
    pub(crate) placed: Placed,
    pub(crate) left: u32,
}

/// Finds room for the headroom of all pools and for buffers, as pods that nobody sees. Everything else has its room by now.
pub(crate) fn serve(
    solver: &mut Solver<'_>,
    elsewhere: &[NodeIx],
    wanted: Vec<(Wanted, ClassId)>,
) -> Vec<Served> {
    let mut served = Vec::new();
    for (wanted, class) in wanted {
        let demand = Demand { class, count: wanted.count, may_order: true };
        let mut placed = Placed::new();
        let left = solver.packing.place(class, wanted.count, elsewhere, &mut placed);
        let left = solver.serve(&demand, left, elsewhere, &mut placed);
        served.push(Served { wanted, class, placed, left });
    }
    served
}

/// Takes room off the nodes that are there for nothing else, and says that it is missing; `used` are those of pods.
pub(crate) fn give_back(solver: &mut Solver<'_>, served: &mut [Served], used: &BTreeSet<NodeIx>) {
    let new = solver.new.iter().filter(|new| !new.gone && !new.kept).map(|new| new.node);
    let only_room: BTreeSet<NodeIx> = new.filter(|node| !used.contains(node)).collect();
    for Served { class, placed, left, .. } in served {
        placed.retain(|(node, count)| {
            let goes = only_room.contains(node);
            if goes {
                solver.packing.take(*node, *class, *count);
                *left += count;
            }
            !goes
        });
    }
}

/// What is to be kept free, with its class: that has to be known before nodes are made that could hold it.
pub(crate) fn classes(view: &View, packing: &mut Packing, now: Timestamp) -> Vec<(Wanted, ClassId)> {
    let with_class = wanted(view, now).into_iter().map(|wanted| {
        let class = view.dense().seeking_in(packing, &wanted.shape);
        (wanted, class)
    });
    with_class.collect()
}

/// The headroom of all pools at `now`, and all buffers.
pub(crate) fn wanted(view: &View, now: Timestamp) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for pool in view.pools() {
        for headroom in pool.headroom.iter().filter(|headroom| is_open(headroom, now)) {
            let (requests, count) = pieces(view, pool, &headroom.size);
            let of = HeadroomOf::Pool { pool: pool.name.clone(), name: headroom.name.clone() };
            wanted.push(Wanted { of, shape: Arc::new(shape(pool, requests)), count });
        }
    }
    wanted.extend(view.buffers().map(|buffer| Wanted {
        of: HeadroomOf::Buffer(buffer.key.clone()),
        shape: Arc::clone(&buffer.shape),
        count: buffer.count,
    }));
    wanted.retain(|wanted| wanted.count > 0);
    wanted
}

/// A schedule that is not understood keeps room: the pool's own conditions say what is wrong with it.
fn is_open(headroom: &Headroom, now: Timestamp) -> bool {
    let Some(schedule) = &headroom.schedule else { return true };
    let zone = time_zone(headroom.time_zone.as_deref().unwrap_or("UTC"));
    let cron = zone.and_then(|zone| Cron::parse(schedule, &zone));
    cron.map_or(true, |cron| cron.open_for(headroom.duration, now).open)
}

/// How many pods of which size the headroom is.
fn pieces(view: &View, pool: &Pool, size: &HeadroomSize) -> (Resources, u32) {
    match size {
        HeadroomSize::Pods { count, requests } => (Resources { pods: 1, ..requests.clone() }, *count),
        HeadroomSize::Share(thousandths) => {
            let nodes = view.nodes().filter(|node| node.pool.as_ref() == Some(&pool.name));
            let on_them = |pod: &&Pod| {
                let daemon = crate::cluster::OwnerKind::DaemonSet;
                pod.owner.as_ref().is_none_or(|owner| owner.kind != daemon)
            };
            let pods = nodes.flat_map(|node| view.pods_on(&node.name)).filter(on_them);
            let (mut total, mut count) = (Resources::default(), 0_i64);
            for pod in pods {
                total.add(&pod.shape.requests);
                count += 1;
            }
            if count == 0 {
                return (Resources::default(), 0);
            }
            let wanted = count.saturating_mul(*thousandths).saturating_add(999) / 1000;
            (mean(&total, count), u32::try_from(wanted.max(0)).unwrap_or(u32::MAX))
        }
    }
}

/// A pod of middling size, rounded up.
fn mean(total: &Resources, count: i64) -> Resources {
    let each = |amount: i64| amount.max(0).saturating_add(count - 1) / count;
    Resources {
        cpu: each(total.cpu),
        memory: each(total.memory),
        ephemeral_storage: each(total.ephemeral_storage),
        pods: 1,
        extended: total.extended.iter().map(|(name, amount)| (name.clone(), each(*amount))).collect(),
    }
}

/// Room in a pool asks for its nodes and tolerates what they are tainted with.
fn shape(pool: &Pool, requests: Resources) -> PodShape {
    let taints = pool.template.taints.iter().chain(pool.offerings.iter().flat_map(|of| &of.taints));
    let constrains = taints.filter(|taint| taint.effect != Effect::PreferNoSchedule);
    let mut tolerations: Vec<_> = constrains
        .map(|taint| Toleration {
            key: taint.key.clone(),
            operator: TolerationOperator::Equal,
            value: taint.value.clone(),
            effect: Some(taint.effect),
        })
        .collect();
    tolerations.sort();
    tolerations.dedup();
    PodShape {
        node_selector: Labels::from([(crate::cluster::CAPACITY_POOL.into(), pool.name.clone())]),
        requests,
        tolerations,
        // No cut-off is about it; that everything else comes first is the order of the plan.
        priority: i32::MAX,
        ..PodShape::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Node, OwnerKind, Taint};
    use crate::nodes::fixtures::{node, owner, pod, pool};
    use crate::placement::Change;
    use crate::time::Span;

    /// Ten in the morning.
    const NOW: Timestamp = Timestamp::from_secs(1_795_428_000);

    fn headroom(size: HeadroomSize) -> Headroom {
        Headroom { name: "burst".into(), size, schedule: None, time_zone: None, duration: Span::ZERO }
    }

    fn wanted_of(pool: Pool, change: impl FnOnce(&mut View)) -> Vec<Wanted> {
        let mut view = View::default();
        view.apply(Change::Pool(pool));
        change(&mut view);
        wanted(&view, NOW)
    }

    #[test]
    fn room_in_a_pool_is_that_of_pods_which_only_its_nodes_take() {
        let mut pool = pool();
        let taint = |key: &str, effect| Taint { key: key.into(), value: "x".into(), effect };
        pool.template.taints =
            vec![taint("team", Effect::NoSchedule), taint("crowded", Effect::PreferNoSchedule)];
        pool.offerings[0].taints = vec![taint("gpu", Effect::NoExecute)];
        let requests = Resources { cpu: 500, ..Resources::default() };
        pool.headroom = vec![headroom(HeadroomSize::Pods { count: 3, requests: requests.clone() })];
        pool.priority_cutoff = 1_000_000_000;
        let wanted_in = pool.clone();
        let wanted = wanted_of(pool, |_| ());
        assert_eq!((wanted.len(), wanted[0].count), (1, 3));
        let shape = &wanted[0].shape;
        assert_eq!(shape.requests, Resources { pods: 1, ..requests });
        assert!(!wanted_in.cuts_off(shape.priority), "no cut-off is about room");
        assert_eq!(shape.node_selector, Labels::from([(crate::cluster::CAPACITY_POOL.into(), "p".into())]));
        let mut tolerated: Vec<&str> = shape.tolerations.iter().map(|of| &*of.key).collect();
        tolerated.sort_unstable();
        assert_eq!(tolerated, ["gpu", "team"]);
    }

    #[test]
    fn a_share_is_that_of_the_pods_of_the_pool_in_pods_of_middling_size() {
        let on = |view: &mut View, node: &str, name: &str, kind, cpu, memory| {
            let mut pod = pod(name, node);
            pod.owner = Some(owner(kind, "x"));
            Arc::make_mut(&mut pod.shape).requests =
                Resources { cpu, memory, pods: 1, ..Resources::default() };
            view.apply(Change::Pod(pod));
        };
        for (thousandths, count) in [(0, None), (1, Some(1)), (333, Some(1)), (334, Some(2)), (1000, Some(3))]
        {
            let mut pool = pool();
            pool.headroom = vec![headroom(HeadroomSize::Share(thousandths))];
            let wanted = wanted_of(pool, |view| {
                view.apply(Change::Node(node("n", "a")));
                view.apply(Change::Node(Node { pool: Some("q".into()), ..node("other", "a") }));
                on(view, "n", "web-0", OwnerKind::ReplicaSet, 100, 100);
                on(view, "n", "web-1", OwnerKind::ReplicaSet, 200, 200);
                on(view, "n", "web-2", OwnerKind::ReplicaSet, 300, 301);
                on(view, "n", "agent", OwnerKind::DaemonSet, 3000, 3000);
                on(view, "other", "db", OwnerKind::StatefulSet, 3000, 3000);
            });
            assert_eq!(wanted.first().map(|wanted| wanted.count), count, "{thousandths}");
            if let Some(wanted) = wanted.first() {
                let each = Resources { cpu: 200, memory: 201, pods: 1, ..Resources::default() };
                assert_eq!(wanted.shape.requests, each, "rounded up");
            }
        }
        let mut empty = pool();
        empty.headroom = vec![headroom(HeadroomSize::Share(500))];
        assert!(wanted_of(empty, |_| ()).is_empty(), "a share of nothing");
    }

    #[test]
    fn headroom_is_wanted_while_its_window_is_open() {
        for (schedule, time_zone, hours, open) in [
            (None, None, 0, true),
            (Some("0 9 * * *"), None, 2, true),
            (Some("0 9 * * *"), None, 1, false),
            (Some("0 11 * * *"), None, 2, false),
            (Some("0 11 * * *"), Some("Europe/Berlin"), 2, true),
            (Some("nonsense"), None, 0, true),
        ] {
            let mut pool = pool();
            let size = HeadroomSize::Pods { count: 1, requests: Resources::default() };
            pool.headroom = vec![Headroom {
                schedule: schedule.map(str::to_owned),
                time_zone: time_zone.map(str::to_owned),
                duration: Span::from_secs(hours * 3600),
                ..headroom(size)
            }];
            assert_eq!(!wanted_of(pool, |_| ()).is_empty(), open, "{schedule:?} {time_zone:?} {hours}");
        }
    }
}
