//! Classes of pods that are equal to the planner.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::amounts::Amounts;
use super::tally::TallyId;
use crate::cluster::{
    Affinity, HOSTNAME, Labels, Name, NodeTerm, PodShape, Selector, Toleration, WhenUnsatisfiable,
};

/// The number of a class.
pub type ClassId = u32;
/// The number of what a class needs of a node alone.
pub(crate) type NeedId = u32;

/// What tells classes apart: a shape without what nobody looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClassKey {
    pub(crate) shape: Arc<PodShape>,
    /// Whether its pods are being deleted; spread constraints do not count those.
    pub(crate) leaving: bool,
}

/// What a pod needs of a node, whatever runs there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    pub(crate) node_selector: Labels,
    pub(crate) node_terms: Option<Vec<NodeTerm>>,
    pub(crate) tolerations: Vec<Toleration>,
    /// The volumes with restricted reach, by name.
    pub(crate) reach: Vec<(Name, Vec<NodeTerm>)>,
}

impl Need {
    pub(crate) fn of(shape: &PodShape) -> Self {
        let reach = shape.volumes.iter();
        let reach = reach.filter_map(|volume| Some((volume.id.clone(), volume.reachable.clone()?)));
        Self {
            node_selector: shape.node_selector.clone(),
            node_terms: shape.affinity.nodes.clone(),
            tolerations: shape.tolerations.clone(),
            reach: reach.collect(),
        }
    }

    /// The labels of nodes that it reads.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Name> {
        let terms = self.node_terms.iter().flatten().chain(self.reach.iter().flat_map(|(_, terms)| terms));
        self.node_selector.keys().chain(terms.flat_map(|term| term.labels.iter().map(|of| &of.key)))
    }

    /// Whether it reads what tells one node from every other.
    pub(crate) fn is_about_single_nodes(&self) -> bool {
        let reach = self.reach.iter().flat_map(|(_, terms)| terms);
        is_about_single_nodes(&self.node_selector, self.node_terms.iter().flatten().chain(reach))
    }
}

/// Whether a selector or a term reads what tells one node from every other.
pub(crate) fn is_about_single_nodes<'a>(
    selector: &Labels,
    mut terms: impl Iterator<Item = &'a NodeTerm>,
) -> bool {
    let tells =
        |term: &NodeTerm| !term.fields.is_empty() || term.labels.iter().any(|of| &*of.key == HOSTNAME);
    selector.contains_key(HOSTNAME) || terms.any(tells)
}

/// A spread constraint of a class.
#[derive(Clone, Debug)]
pub(crate) struct SpreadUse {
    pub(crate) tally: TallyId,
    pub(crate) max_skew: i32,
    pub(crate) min_domains: i32,
    /// Whether its own pods are counted.
    pub(crate) counts_itself: bool,
}

/// Equal pods.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) shape: Arc<PodShape>,
    pub(crate) leaving: bool,
    pub(crate) ask: Amounts,
    pub(crate) need: NeedId,
    /// One per term of its affinity, each counting the pods that match all terms.
    pub(crate) affinity: Vec<TallyId>,
    /// Whether its own pods match all terms of its affinity.
    pub(crate) befriends_itself: bool,
    /// One per term of its anti-affinity: the pods that match it.
    pub(crate) anti: Vec<TallyId>,
    /// One per term of its anti-affinity: the pods that have it.
    pub(crate) holds: Vec<TallyId>,
    pub(crate) spread: Vec<SpreadUse>,
    /// Those that only prefer.
    pub(crate) soft_spread: Vec<SpreadUse>,
    /// One per term of its preferred affinity and anti-affinity to pods: the pods that match it, and the weight, below zero
    /// where they are to be kept off.
    pub(crate) liked: Vec<(TallyId, i64)>,
}

impl Class {
    /// Whether it is judged by what runs elsewhere or beside it, other than by resources.
    pub(crate) fn is_social(&self) -> bool {
        !(self.affinity.is_empty() && self.anti.is_empty() && self.spread.is_empty())
    }

    /// Whether what it likes tells one node from every other.
    pub(crate) fn likes_single_nodes(&self) -> bool {
        let terms = self.shape.affinity.preferred_nodes.iter().map(|of| &of.term);
        is_about_single_nodes(&Labels::new(), terms)
    }

    /// Whether pods on one node get in each other's way otherwise than by resources.
    pub(crate) fn is_choosy(&self) -> bool {
        !(self.shape.host_ports.is_empty() && self.shape.volumes.is_empty())
    }
}

/// A shape without the labels that no selector reads and without names of volumes that no other pod has.
pub(crate) fn seeking(shape: &PodShape, read: &BTreeSet<Name>, shared: &BTreeSet<Name>) -> PodShape {
    let mut shape = shape.clone();
    shape.labels.retain(|key, _| read.contains(key));
    for volume in &mut shape.volumes {
        if !shared.contains(&volume.id) {
            volume.id = "".into();
        }
    }
    shape.volumes.sort();
    shape
}

/// A shape without what only matters before a pod has a node.
pub(crate) fn residing(shape: &PodShape, read: &BTreeSet<Name>, shared: &BTreeSet<Name>) -> PodShape {
    let labels = shape.labels.iter().filter(|(key, _)| read.contains(*key));
    let volumes = shape.volumes.iter().filter(|volume| volume.driver.is_some() || volume.one_pod);
    let volumes = volumes.map(|volume| crate::cluster::VolumeNeed {
        id: if shared.contains(&volume.id) { volume.id.clone() } else { "".into() },
        reachable: None,
        bound: true,
        ..volume.clone()
    });
    let mut volumes: Vec<_> = volumes.collect();
    volumes.sort();
    PodShape {
        namespace: shape.namespace.clone(),
        labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
        requests: shape.requests.clone(),
        affinity: Affinity { anti_pods: shape.affinity.anti_pods.clone(), ..Affinity::default() },
        host_ports: shape.host_ports.clone(),
        volumes,
        ..PodShape::default()
    }
}

/// The labels of pods that the selectors of a shape read.
pub(crate) fn reads(shape: &PodShape) -> impl Iterator<Item = &Name> {
    let affinity = &shape.affinity;
    let liked = affinity.preferred_pods.iter().chain(&affinity.preferred_anti_pods).map(|of| &of.term);
    let terms = affinity.pods.iter().chain(&affinity.anti_pods).chain(liked);
    let spread = shape.spread.iter().filter_map(|spread| spread.selector.as_ref());
    terms.filter_map(|term| term.selector.as_ref()).chain(spread).flat_map(Selector::keys)
}

/// The constraints among the spread of a shape.
pub(crate) fn constrains(spread: &crate::cluster::Spread) -> bool {
    spread.when == WhenUnsatisfiable::DoNotSchedule
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Operator, Requirement, ZONE};
    use crate::placement::node_affinity::NAME_FIELD;

    fn exists(key: &str) -> Requirement {
        Requirement { key: key.into(), operator: Operator::Exists }
    }

    #[test]
    fn a_name_and_a_hostname_tell_one_node_from_every_other() {
        let selector = |key: &str| Labels::from([(key.into(), "n".into())]);
        let term = |labels: &[&str], fields: &[&str]| NodeTerm {
            labels: labels.iter().map(|key| exists(key)).collect(),
            fields: fields.iter().map(|key| exists(key)).collect(),
        };
        for (tells, selector, terms) in [
            (false, Labels::new(), vec![]),
            (false, selector(ZONE), vec![term(&[ZONE], &[])]),
            (true, selector(HOSTNAME), vec![]),
            (true, Labels::new(), vec![term(&[ZONE, HOSTNAME], &[])]),
            (true, Labels::new(), vec![term(&[ZONE], &[]), term(&[], &[NAME_FIELD])]),
        ] {
            assert_eq!(is_about_single_nodes(&selector, terms.iter()), tells, "{selector:?} {terms:?}");
        }
    }
}
