//! What a node itself says to a pod, and what the two do to each other on it.

use std::collections::{BTreeMap, BTreeSet};

use super::after::{After, Arrival};
use super::books::Books;
use super::spot::Spot;
use super::{Breach, Invariant};
use crate::cluster::{
    Effect, HostPort, Labels, Name, NodeTerm, PodShape, Taint, Toleration, TolerationOperator,
};

/// What a cordoned node looks like to pods that tolerate it.
const CORDON: &str = "node.kubernetes.io/unschedulable";

/// Taints, selectors, affinities to nodes, host ports and volumes.
pub(super) fn nodes_allow_their_pods(books: &Books, after: &After<'_>) -> Result<(), Breach> {
    for (spot, arrivals) in &after.by_spot {
        for arrival in arrivals {
            let refused = |rule: &str| {
                let what = format!("{} may not run on {}: {rule}", arrival.name(), spot.name);
                Err(Breach::new(Invariant::NodeRules, what))
            };
            let cordon = Taint { key: CORDON.into(), value: "".into(), effect: Effect::NoSchedule };
            if spot.unschedulable && untolerated(&[cordon], &arrival.shape.tolerations).is_some() {
                return refused("it is cordoned");
            }
            if let Some(taint) = untolerated(&spot.taints, &arrival.shape.tolerations) {
                return refused(&format!("the taint {}", taint.key));
            }
            let (selector, terms) = (&arrival.shape.node_selector, arrival.shape.affinity.nodes.as_ref());
            if !selected(selector, terms, &spot.labels, &spot.name) {
                return refused("its selector or affinity");
            }
            let unreachable = arrival.shape.volumes.iter().find(|volume| {
                volume.reachable.as_ref().is_some_and(|terms| !any_term(terms, &spot.labels, &spot.name))
            });
            if let Some(volume) = unreachable {
                return refused(&format!("the volume {}", volume.id));
            }
        }
        what_they_share(books, after, spot, arrivals)?;
    }
    Ok(())
}

/// Host ports, and volumes attached to the node.
fn what_they_share(
    books: &Books,
    after: &After<'_>,
    spot: &Spot,
    arrivals: &[Arrival<'_>],
) -> Result<(), Breach> {
    let stays = books.pods_on(&spot.name).filter(|_| !spot.is_new);
    let stays: Vec<&PodShape> = stays.filter(|pod| !after.leaves(&pod.uid)).map(|pod| &*pod.shape).collect();
    let come = || arrivals.iter().flat_map(|arrival| std::iter::repeat_n(arrival, arrival.count as usize));
    let mut ports: Vec<&HostPort> = stays.iter().flat_map(|shape| &shape.host_ports).collect();
    let mut volumes: BTreeMap<&Name, BTreeSet<&Name>> = BTreeMap::new();
    for shape in &stays {
        for (driver, ids) in shape.attachments() {
            volumes.entry(driver).or_default().extend(ids);
        }
    }
    for arrival in come() {
        for port in &arrival.shape.host_ports {
            if ports.iter().any(|other| conflicts(port, other)) {
                let what = format!("{}: port {} of {} is taken", arrival.name(), port.port, spot.name);
                return Err(Breach::new(Invariant::NodeRules, what));
            }
            ports.push(port);
        }
        for (driver, ids) in arrival.shape.attachments() {
            let attached = volumes.entry(driver).or_default();
            let before = attached.len();
            attached.extend(ids);
            let most = spot.attach_limits.get(driver).copied().unwrap_or(i64::MAX);
            // A node that has too many already may take a pod that brings no other.
            if attached.len() > before && i64::try_from(attached.len()).unwrap_or(i64::MAX) > most {
                let what = format!("{}: {} takes only {most} volumes of {driver}", arrival.name(), spot.name);
                return Err(Breach::new(Invariant::NodeRules, what));
            }
        }
    }
    Ok(())
}

/// Two ports of one protocol conflict unless their addresses differ and neither is every address.
fn conflicts(one: &HostPort, other: &HostPort) -> bool {
    const EVERY: &str = "0.0.0.0";
    one.port == other.port
        && one.protocol == other.protocol
        && (one.ip == other.ip || &*one.ip == EVERY || &*other.ip == EVERY)
}

/// The first taint that keeps a pod off.
pub(super) fn untolerated<'t>(taints: &'t [Taint], tolerations: &[Toleration]) -> Option<&'t Taint> {
    taints.iter().find(|taint| {
        taint.effect != Effect::PreferNoSchedule
            && !tolerations.iter().any(|toleration| tolerates(toleration, taint))
    })
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    if toleration.effect.is_some_and(|effect| effect != taint.effect) {
        return false;
    }
    if toleration.key.is_empty() {
        return toleration.operator == TolerationOperator::Exists;
    }
    if toleration.key != taint.key {
        return false;
    }
    let numbers = || Some((taint.value.parse::<i64>().ok()?, toleration.value.parse::<i64>().ok()?));
    match toleration.operator {
        TolerationOperator::Exists => true,
        TolerationOperator::Equal => toleration.value == taint.value,
        TolerationOperator::Lt => numbers().is_some_and(|(taint, bound)| taint < bound),
        TolerationOperator::Gt => numbers().is_some_and(|(taint, bound)| taint > bound),
    }
}

/// Whether a node's labels and name are what a pod selects.
pub(super) fn selected(
    selector: &Labels,
    terms: Option<&Vec<NodeTerm>>,
    labels: &Labels,
    name: &str,
) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
        && terms.is_none_or(|terms| any_term(terms, labels, name))
}

fn any_term(terms: &[NodeTerm], labels: &Labels, name: &str) -> bool {
    terms.iter().any(|term| {
        !(term.labels.is_empty() && term.fields.is_empty())
            && term.labels.iter().all(|requirement| requirement.matches(labels))
            && term
                .fields
                .iter()
                .all(|requirement| &*requirement.key == "metadata.name" && requirement.accepts(Some(name)))
    })
}
