//! Pods that look for room, as classes with a count.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::{Name, OwnerKind, PodShape};
use crate::placement::View;
use crate::placement::class::ClassId;
use crate::placement::packing::Packing;

/// Equal pods that look for room.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) class: ClassId,
    /// Uids of pods and keys of announcements, with how many pods each is, in the order of these.
    pub(crate) pods: Vec<(Name, u32)>,
    pub(crate) count: u32,
    /// Whose they are.
    pub(crate) owner: Name,
    /// Whether nodes may be ordered for them. Daemons' pods are made for a node that is there.
    pub(crate) may_order: bool,
}

/// In which order classes are served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    /// Daemons' pods first: nothing else may take their room.
    daemons_first: Reverse<bool>,
    priority: Reverse<i32>,
    /// The harder to place, the sooner.
    hardness: u8,
    /// The larger, the sooner: what is small fits into what the large leave.
    size: Reverse<i64>,
    shape: Arc<PodShape>,
    owner: Name,
}

/// All pods that look for room, the first to be served first.
pub(crate) fn demands(view: &View, packing: &mut Packing) -> Vec<Demand> {
    let mut found: BTreeMap<(ClassId, bool), Demand> = BTreeMap::new();
    let mut last: Option<(*const PodShape, ClassId)> = None;
    let mut add =
        |packing: &mut Packing, shape: &Arc<PodShape>, pod: &Name, count, owner: &Name, may_order| {
            let class = match last {
                Some((known, class)) if known == Arc::as_ptr(shape) => class,
                _ => view.dense().seeking_in(packing, shape),
            };
            last = Some((Arc::as_ptr(shape), class));
            let demand = found.entry((class, may_order)).or_insert_with(|| Demand {
                class,
                pods: Vec::new(),
                count: 0,
                owner: owner.clone(),
                may_order,
            });
            demand.pods.push((pod.clone(), count));
            demand.count = demand.count.saturating_add(count);
            // A class may be of several owners; which name it goes by must not depend on who came first.
            if *owner < demand.owner {
                demand.owner = owner.clone();
            }
        };
    for pod in view.waiting().filter(|pod| pod.unplannable.is_none()) {
        let owner = pod.owner.as_ref().map_or(&pod.name, |owner| &owner.name);
        let is_daemon = pod.owner.as_ref().is_some_and(|owner| owner.kind == OwnerKind::DaemonSet);
        add(packing, &pod.shape, &pod.uid, 1, owner, !is_daemon);
    }
    for announced in view.announced() {
        add(packing, &announced.shape, &announced.key, announced.count, &announced.name, true);
    }
    let mut turns: Vec<(Turn, Demand)> =
        found.into_values().map(|demand| (turn(packing, &demand), demand)).collect();
    turns.sort_by(|(one, _), (other, _)| one.cmp(other));
    turns.into_iter().map(|(_, demand)| demand).collect()
}

fn turn(packing: &Packing, demand: &Demand) -> Turn {
    let class = packing.class(demand.class);
    let by_host = |tally: &u32| packing.is_by_host(*tally);
    let hardness = if class.is_choosy() || class.anti.iter().any(by_host) {
        0
    } else if class.spread.iter().any(|spread| by_host(&spread.tally)) {
        1
    } else if !class.affinity.is_empty() && !class.befriends_itself {
        5
    } else if !class.affinity.is_empty() {
        2
    } else if class.is_social() {
        3
    } else {
        4
    };
    Turn {
        daemons_first: Reverse(!demand.may_order),
        priority: Reverse(class.shape.priority),
        hardness,
        size: Reverse(size(&class.shape)),
        shape: class.shape.clone(),
        owner: demand.owner.clone(),
    }
}

/// The larger of cpu and memory, where a core weighs as much as 4 GiB.
fn size(shape: &PodShape) -> i64 {
    shape.requests.cpu.max(shape.requests.memory >> 22)
}
