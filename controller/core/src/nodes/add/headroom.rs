//! Room that is kept free.

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
        priority: i32::MIN,
        ..PodShape::default()
    }
}
