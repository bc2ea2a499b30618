//! Pods that look for room, as classes with a count.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::{Announced, Name, PodShape};
use crate::placement::View;
use crate::placement::class::ClassId;
use crate::placement::packing::Packing;

/// Equal pods that look for room.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) class: ClassId,
    pub(crate) count: u32,
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
}

/// All pods that look for room, the first to be served first.
pub(crate) fn demands(view: &View, packing: &mut Packing) -> Vec<Demand> {
    let mut found: BTreeMap<(ClassId, bool), u32> = BTreeMap::new();
    for (key, pods) in &view.dense().waiting {
        found.insert(*key, u32::try_from(pods.len()).unwrap_or(u32::MAX));
    }
    for announced in view.announced() {
        let class = view.dense().seeking_in(packing, &announced.shape);
        let count = found.entry((class, false)).or_default();
        *count = count.saturating_add(announced.count);
    }
    let demands =
        found.into_iter().map(|((class, is_daemons), count)| Demand { class, count, may_order: !is_daemons });
    let mut turns: Vec<(Turn, Demand)> = demands.map(|demand| (turn(packing, &demand), demand)).collect();
    turns.sort_by(|(one, _), (other, _)| one.cmp(other));
    turns.into_iter().map(|(_, demand)| demand).collect()
}

/// Uids of the pods of a class and keys of its announcements, with how many pods each is, in the order of these.
pub(crate) fn names(view: &View, announced: &[(ClassId, Name, u32)], demand: &Demand) -> Vec<(Name, u32)> {
    let pods = view.dense().waiting.get(&(demand.class, !demand.may_order));
    let pods = pods.into_iter().flat_map(BTreeMap::keys).map(|uid| (uid.clone(), 1));
    let announced = announced.iter().filter(|(class, ..)| demand.may_order && *class == demand.class);
    let mut names: Vec<_> = pods.chain(announced.map(|(_, key, count)| (key.clone(), *count))).collect();
    names.sort();
    names
}

/// The classes of all announcements.
pub(crate) fn announced(view: &View, packing: &mut Packing) -> Vec<(ClassId, Name, u32)> {
    let of = |announced: &Announced| {
        let class = view.dense().seeking_in(packing, &announced.shape);
        (class, announced.key.clone(), announced.count)
    };
    view.announced().map(of).collect()
}

/// Whose the pods of a class are. Several owners may have equal pods; the first by name stands for all.
pub(crate) fn owner(view: &View, announced: &[(ClassId, Name, u32)], demand: &Demand) -> Name {
    let pods = view.dense().waiting.get(&(demand.class, !demand.may_order));
    let pods = pods.into_iter().flat_map(BTreeMap::values);
    let owners = pods.map(|pod| pod.owner.as_ref().map_or(&pod.name, |owner| &owner.name));
    let keys = announced.iter().filter(|(class, ..)| *class == demand.class).map(|(_, key, _)| key);
    let workloads = keys.filter_map(|key| view.announced.get(key)).map(|announced| &announced.name);
    owners.chain(workloads).min().cloned().unwrap_or_else(|| "".into())
}

fn turn(packing: &Packing, demand: &Demand) -> Turn {
    let class = packing.class(demand.class);
    let by_host = |tally: &u32| packing.is_by_host(*tally);
    let hardness = if class.is_choosy() || class.anti.iter().any(by_host) {
        0
    } else if class.spread.iter().any(|spread| by_host(&spread.tally)) {
        2
    } else if !class.affinity.is_empty() && !class.befriends_itself {
        5
    } else if !class.affinity.is_empty() {
        3
    } else if class.is_social() {
        4
    } else {
        // Spread constraints of others may count these. Those are then served knowing where they are, and whoever is
        // bound first, the last of them finds an even spread.
        1
    };
    Turn {
        daemons_first: Reverse(!demand.may_order),
        priority: Reverse(class.shape.priority),
        hardness,
        size: Reverse(size(&class.shape)),
        shape: class.shape.clone(),
    }
}

/// The larger of cpu and memory, where a core weighs as much as 4 GiB.
fn size(shape: &PodShape) -> i64 {
    shape.requests.cpu.max(shape.requests.memory >> 22)
}
