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
