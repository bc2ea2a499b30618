//! Volumes that one pod at a time may have (`volumerestrictions`), and how many a node may attach (`nodevolumelimits`).
//! Where a volume can be reached is a need of the node alone: see [`super::class::Need`].

use std::collections::{BTreeMap, BTreeSet};

use super::class::Class;
use super::packing::{NodeIx, Packing};
use crate::cluster::Name;
use crate::placement::Refusal;

/// Why a node refuses one more pod of a class, if it does.
pub(crate) fn refuses(packing: &Packing, class: &Class, node: NodeIx) -> Option<Refusal> {
    if class.shape.volumes.is_empty() {
        return None;
    }
    in_use(packing, class).or_else(|| attach_limit(packing, class, node))
}

/// A volume that another pod has for itself, wherever that runs. Names that no other pod has were dropped.
fn in_use(packing: &Packing, class: &Class) -> Option<Refusal> {
    let exclusive = class.shape.volumes.iter().filter(|volume| volume.one_pod && !volume.id.is_empty());
    let mut exclusive = exclusive.map(|volume| &volume.id);
    let used = exclusive.find(|id| {
        let mut classes = packing.tables.classes.iter().zip(&packing.population);
        classes.any(|(other, pods)| *pods > 0 && other.shape.volumes.iter().any(|volume| volume.id == **id))
    });
    used.map(|id| Refusal::VolumeInUse(id.clone()))
}

fn attach_limit(packing: &Packing, class: &Class, node: NodeIx) -> Option<Refusal> {
    let limits = &packing.nodes[node as usize].attach_limits;
    if limits.is_empty() || class.shape.volumes.iter().all(|volume| volume.driver.is_none()) {
        return None;
    }
    let attached = attached(packing, node);
    let asked = asked(class, &attached.named);
    let over = limits.iter().find(|(driver, limit)| {
        let have = attached.count.get(driver).copied().unwrap_or(0);
        asked.get(driver).is_some_and(|asked| have + asked > *limit)
    });
    over.map(|(driver, _)| Refusal::AttachLimit(driver.clone()))
}

struct Attached<'a> {
    named: BTreeSet<(&'a Name, &'a Name)>,
    count: BTreeMap<&'a Name, i64>,
}

/// What is attached to a node. A volume that several pods have is attached once.
fn attached(packing: &Packing, node: NodeIx) -> Attached<'_> {
    let mut attached = Attached { named: BTreeSet::new(), count: BTreeMap::new() };
    for (class, pods) in packing.residents(node) {
        let mut own: BTreeSet<(&Name, &Name)> = BTreeSet::new();
        for volume in &packing.class(*class).shape.volumes {
            let Some(driver) = &volume.driver else { continue };
            let new = if volume.id.is_empty() {
                i64::from(*pods)
            } else {
                i64::from(own.insert((driver, &volume.id)) && attached.named.insert((driver, &volume.id)))
            };
            *attached.count.entry(driver).or_default() += new;
        }
    }
    attached
}

/// What one pod of a class adds to what is attached.
fn asked<'a>(class: &'a Class, named: &BTreeSet<(&'a Name, &'a Name)>) -> BTreeMap<&'a Name, i64> {
    let mut asked: BTreeMap<&Name, i64> = BTreeMap::new();
    let mut own = BTreeSet::new();
    for volume in &class.shape.volumes {
        let Some(driver) = &volume.driver else { continue };
        let known = !volume.id.is_empty()
            && (named.contains(&(driver, &volume.id)) || !own.insert((driver, &volume.id)));
        *asked.entry(driver).or_default() += i64::from(!known);
    }
    asked.retain(|_, count| *count > 0);
    asked
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::{Node, Pod, PodState, VolumeNeed};
    use crate::nodes::fixtures::{node, pod};
    use crate::placement::{Change, View, fits};

    /// Drivers and names of volumes; no driver where that is empty.
    type Volumes = &'static [(&'static str, &'static str)];

    fn with_volumes(name: &str, state: PodState, one_pod: bool, volumes: Volumes) -> Pod {
        let mut pod = Pod { state, ..pod(name, "none") };
        let volumes = volumes.iter().map(|(driver, id)| VolumeNeed {
            id: (*id).into(),
            driver: (!driver.is_empty()).then(|| (*driver).into()),
            reachable: None,
            one_pod,
            bound: true,
        });
        Arc::make_mut(&mut pod.shape).volumes = volumes.collect();
        pod
    }

    fn running(name: &str, on: &str, one_pod: bool, volumes: Volumes) -> Pod {
        with_volumes(name, PodState::Bound { node: on.into(), ready: true }, one_pod, volumes)
    }

    /// Why node n, which may attach two volumes of `csi`, refuses a pod beside others, if it does.
    fn on_n(pod: &Pod, others: impl IntoIterator<Item = Pod>) -> Option<Refusal> {
        let mut view = View::default();
        view.apply(Change::Node(Node { attach_limits: [("csi".into(), 2)].into(), ..node("n", "a") }));
        view.apply(Change::Node(node("m", "a")));
        others.into_iter().chain([pod.clone()]).for_each(|pod| view.apply(Change::Pod(pod)));
        fits(&view, pod, "n").err()
    }

    #[test]
    fn a_node_attaches_as_many_volumes_of_a_driver_as_it_may_each_once() {
        let rows: [(&[Volumes], Volumes, bool, &str); 11] = [
            (&[], &[("csi", "a"), ("csi", "b")], true, "as many as it may"),
            (&[], &[("csi", "a"), ("csi", "b"), ("csi", "c")], false, "one too many"),
            (&[&[("csi", "a")]], &[("csi", "b")], true, "the second"),
            (&[&[("csi", "a")], &[("csi", "b")]], &[("csi", "c")], false, "the third"),
            (&[&[("csi", "a")], &[("csi", "a")]], &[("csi", "b")], true, "two pods share one"),
            (&[&[("csi", "a")], &[("csi", "b")]], &[("csi", "a")], true, "one that is attached"),
            (&[&[("csi", "a")]], &[("csi", "b"), ("csi", "b")], true, "one that a pod has twice"),
            (&[&[("csi", "a"), ("csi", "a")]], &[("csi", "b")], true, "one that a pod there has twice"),
            (&[&[("csi", "a")], &[("csi", "b")]], &[("nfs", "c")], true, "a driver without a limit"),
            (&[&[("csi", "a")], &[("csi", "b")]], &[("", "c")], true, "no driver"),
            (
                &[&[("csi", "a"), ("csi", "b"), ("csi", "c")]],
                &[("csi", "a")],
                true,
                "more than it may before",
            ),
        ];
        for (there, volumes, fits, what) in rows {
            let others = there.iter().enumerate();
            let others = others.map(|(at, volumes)| running(&format!("other-{at}"), "n", false, volumes));
            let pod = with_volumes("web", PodState::Pending, false, volumes);
            let refusal = (!fits).then(|| Refusal::AttachLimit("csi".into()));
            assert_eq!(on_n(&pod, others), refusal, "{what}");
        }
        let full = [
            running("full", "n", false, &[("csi", "a"), ("csi", "b")]),
            running("far", "m", false, &[("csi", "c")]),
        ];
        let pod = with_volumes("web", PodState::Pending, false, &[("csi", "c")]);
        assert_eq!(
            on_n(&pod, full),
            Some(Refusal::AttachLimit("csi".into())),
            "one that is attached elsewhere"
        );
    }

    #[test]
    fn a_volume_that_one_pod_at_a_time_may_have_is_in_use_wherever_another_has_it() {
        let in_use = |volume: &str| Some(Refusal::VolumeInUse(volume.into()));
        let waits = |name: &str, volumes| with_volumes(name, PodState::Pending, true, volumes);
        let web = waits("web", &[("", "a"), ("", "b")]);
        for (other, refusal, what) in [
            (running("db", "n", true, &[("", "b")]), in_use("b"), "on the node"),
            (running("db", "m", true, &[("", "a")]), in_use("a"), "on another"),
            (running("db", "m", true, &[("", "c")]), None, "another volume"),
            (waits("db", &[("", "a")]), None, "of a pod that waits as well"),
        ] {
            assert_eq!(on_n(&web, [other]), refusal, "{what}");
        }
        let shares = with_volumes("web", PodState::Pending, false, &[("", "a")]);
        assert_eq!(on_n(&shares, [running("db", "m", false, &[("", "a")])]), None, "one that many may have");
    }
}
