//! Pods that look for room, as classes with a count.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::is_lost;
use crate::cluster::{Name, OwnerKind, Pod, PodShape, PodState};
use crate::nodes::drainability::{Question, Verdict, of_pod};
use crate::nodes::pdb::Ledger;
use crate::placement::View;
use crate::placement::class::ClassId;
use crate::placement::packing::Packing;
use crate::time::Timestamp;

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

/// Pods that look for room otherwise than by waiting: by class, their uid or key of announcement, and how many.
pub(crate) type Others = BTreeMap<ClassId, Vec<(Name, u32)>>;

/// All pods that look for room, the first to be served first.
pub(crate) fn demands(view: &View, packing: &mut Packing, others: &Others) -> Vec<Demand> {
    let mut found: BTreeMap<(ClassId, bool), u32> = BTreeMap::new();
    for (key, pods) in &view.dense().waiting {
        found.insert(*key, u32::try_from(pods.len()).unwrap_or(u32::MAX));
    }
    for (class, pods) in others {
        let count = found.entry((*class, false)).or_default();
        *count = pods.iter().fold(*count, |count, (_, more)| count.saturating_add(*more));
    }
    found.retain(|(class, _), _| view.cuts_off(packing.class(*class).shape.priority).is_none());
    let demands =
        found.into_iter().map(|((class, is_daemons), count)| Demand { class, count, may_order: !is_daemons });
    let mut turns: Vec<(Turn, Demand)> = demands.map(|demand| (turn(packing, &demand), demand)).collect();
    turns.sort_by(|(one, _), (other, _)| one.cmp(other));
    turns.into_iter().map(|(_, demand)| demand).collect()
}

/// Uids of the pods of a class and keys of its announcements, with how many pods each is, in the order of these.
pub(crate) fn names<'a>(view: &'a View, others: &'a Others, demand: &Demand) -> Vec<(&'a Name, u32)> {
    let pods = view.dense().waiting.get(&(demand.class, !demand.may_order));
    let pods = pods.into_iter().flat_map(BTreeMap::keys).map(|uid| (uid, 1));
    let others = others.get(&demand.class).filter(|_| demand.may_order).into_iter().flatten();
    let mut names: Vec<_> = pods.collect();
    let waiting = names.len();
    names.extend(others.map(|(key, count)| (key, *count)));
    if names.len() > waiting {
        names.sort();
    }
    names
}

/// All announcements, pods that will be evicted from nodes that are being drained or taken away, which look for room before
/// they are evicted, and those of a zone that is taken for lost.
pub(crate) fn others(view: &View, packing: &mut Packing, now: Timestamp, lost: Option<&str>) -> Others {
    let announced = view.announced().map(|of| (&of.shape, &of.key, of.count));
    let uprooted = uprooted(view, now, lost);
    let displaced = lost.into_iter().flat_map(|lost| displaced(view, lost));
    let all = announced.chain(uprooted.into_iter().chain(displaced).map(|pod| (&pod.shape, &pod.uid, 1)));
    // Most pods share their shape with others.
    let mut known: BTreeMap<*const PodShape, ClassId> = BTreeMap::new();
    let mut others = Others::new();
    for (shape, key, count) in all {
        let class =
            *known.entry(Arc::as_ptr(shape)).or_insert_with(|| view.dense().seeking_in(packing, shape));
        others.entry(class).or_default().push((key.clone(), count));
    }
    others
}

/// The pods that come again elsewhere when a zone is lost, and for which a place can be planned.
fn displaced<'v>(view: &'v View, lost: &str) -> impl Iterator<Item = &'v Pod> + use<'v> {
    come_again(view, lost).filter(|pod| pod.unplannable.is_none())
}

/// The pods that come again elsewhere when a zone is lost: neither daemons, which go with their nodes, nor pods that nobody
/// makes anew, nor those below the cut-off. Budgets and other rules of drains do not ask whether a zone may be lost.
pub(crate) fn come_again<'v>(view: &'v View, lost: &str) -> impl Iterator<Item = &'v Pod> + use<'v> {
    let comes_again = |pod: &&Pod, cut_off: Option<i32>| {
        let owner = pod.owner.as_ref().map(|owner| owner.kind);
        matches!(pod.state, PodState::Bound { .. })
            && owner.is_some_and(|owner| !matches!(owner, OwnerKind::DaemonSet | OwnerKind::Node))
            && cut_off.is_none_or(|cut_off| pod.shape.priority >= cut_off)
            && view.cuts_off(pod.shape.priority).is_none()
    };
    let lost = Name::from(lost);
    let nodes = view.nodes().filter(move |node| node.zone() == Some(&lost));
    nodes.flat_map(move |node| {
        let cut_off = view.cut_off_of(node);
        view.pods_on(&node.name).filter(move |pod| comes_again(pod, cut_off))
    })
}

/// The pods of nodes that go for which others come, but those of a zone that is taken for lost.
fn uprooted<'v>(view: &'v View, now: Timestamp, lost: Option<&str>) -> Vec<&'v Pod> {
    let going = view.nodes().filter(|node| (node.interrupted || node.is_draining()) && !is_lost(node, lost));
    let ledger = Ledger::new(view.budgets());
    let moves = |pod: &Pod, cut_off| {
        let is_bound = matches!(pod.state, PodState::Bound { .. });
        is_bound
            && !view.surplus.contains(&pod.uid)
            && of_pod(&Question { pod, covered: ledger.covers(pod), cut_off, now }) == Verdict::Moves
    };
    let uprooted = going.flat_map(|node| {
        let cut_off = view.cut_off_of(node);
        view.pods_on(&node.name).filter(move |pod| moves(pod, cut_off))
    });
    uprooted.collect()
}

/// Whose the pods of a class are. Several owners may have equal pods; the first by name stands for all.
pub(crate) fn owner(view: &View, others: &Others, demand: &Demand) -> Name {
    let pods = view.dense().waiting.get(&(demand.class, !demand.may_order));
    let pods = pods.into_iter().flat_map(BTreeMap::values);
    let owner =
        |pod: &'_ Pod| pod.owner.as_ref().map_or_else(|| pod.name.clone(), |owner| owner.name.clone());
    let owners = pods.map(|pod| owner(pod));
    let keys = others.get(&demand.class).into_iter().flatten().map(|(key, _)| key);
    let workloads = keys.filter_map(|key| {
        let announced = view.announced.get(key).map(|announced| announced.name.clone());
        announced.or_else(|| view.pod(key).map(&owner))
    });
    owners.chain(workloads).min().unwrap_or_else(|| "".into())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Affinity, HOSTNAME, HostPort, Name, Resources, ZONE};
    use crate::nodes::fixtures::{evenly, owner, pod, term};
    use crate::placement::Change;

    /// Adds a pod that waits, named like its app.
    fn wait(
        view: &mut View,
        app: &str,
        (cpu, memory): (i64, i64),
        change: impl FnOnce(&mut Pod, &mut PodShape),
    ) {
        let mut pod = pod(app, "");
        pod.state = PodState::Unschedulable { since: Timestamp::default() };
        let mut shape = PodShape {
            namespace: "shop".into(),
            labels: [("app".into(), app.into())].into(),
            requests: Resources { cpu, memory, pods: 1, ..Resources::default() },
            ..PodShape::default()
        };
        change(&mut pod, &mut shape);
        pod.shape = Arc::new(shape);
        view.apply(Change::Pod(pod));
    }

    #[test]
    fn daemons_come_first_then_the_important_then_the_hard_to_place_then_the_large() {
        let mut view = View::default();
        let usual = (1000, 1 << 30);
        wait(&mut view, "follower", usual, |_, shape| shape.affinity.pods = vec![term(ZONE, "apart")]);
        wait(&mut view, "zones", usual, |_, shape| shape.spread = vec![evenly(ZONE, "zones")]);
        wait(&mut view, "ring", usual, |_, shape| shape.affinity.pods = vec![term(ZONE, "ring")]);
        wait(&mut view, "hosts", usual, |_, shape| shape.spread = vec![evenly(HOSTNAME, "hosts")]);
        wait(&mut view, "common", usual, |_, _| ());
        wait(&mut view, "more-cpu", (1400, 1 << 30), |_, _| ());
        wait(&mut view, "more-memory", (500, 6 << 30), |_, _| ());
        wait(&mut view, "ports", (500, 1), |_, shape| {
            shape.host_ports = [HostPort { ip: "0.0.0.0".into(), protocol: "TCP".into(), port: 80 }].into();
        });
        wait(&mut view, "apart", (400, 1), |_, shape| {
            shape.affinity = Affinity { anti_pods: vec![term(HOSTNAME, "apart")], ..Affinity::default() };
        });
        wait(&mut view, "important", (100, 1), |_, shape| shape.priority = 10);
        wait(&mut view, "daemon", (100, 1), |pod, _| pod.owner = Some(owner(OwnerKind::DaemonSet, "agent")));
        let mut packing = view.packing();
        let turns = demands(&view, &mut packing, &Others::new());
        let order: Vec<&Name> = turns.iter().map(|of| &packing.class(of.class).shape.labels["app"]).collect();
        let expected = [
            "daemon",
            "important",
            "ports",
            "apart",
            "more-memory",
            "more-cpu",
            "common",
            "hosts",
            "ring",
            "zones",
            "follower",
        ];
        assert_eq!(order.iter().map(|app| &***app).collect::<Vec<_>>(), expected);
        let no_orders: Vec<_> = turns.iter().map(|of| of.may_order).collect();
        assert_eq!(no_orders.iter().position(|may| *may), Some(1), "none for daemons");
    }
}
