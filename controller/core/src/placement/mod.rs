//! Which pods fit where, by the rules of kube-scheduler 1.37.
//!
//! - [`View`] is the cluster, kept up to date change by change; [`View::packing`] gives a copy of its counts to try on.
//! - [`fits`] answers for one pod and one node as the scheduler's `PreFilter` and `Filter` would.
//! - [`Packing::place`] places many pods of one class by counting; what it does can be undone.
//!
//! Preferences never constrain: they order the nodes that would do ([`preference`]). A rule is a file: [`unschedulable`], [`taints`], [`node_affinity`], [`host_ports`],
//! [`amounts`] (resources), [`volumes`], [`spread`], [`pod_affinity`]. All work on counts: nodes of a kind answer alike what
//! does not depend on their pods, equal pods are one class, and a spread or an affinity is a tally per domain.

mod adopt;
pub(crate) mod amounts;
mod beside;
pub(crate) mod check;
pub(crate) mod class;
pub(crate) mod dense;
pub(crate) mod groups;
mod host_ports;
pub(crate) mod intern;
pub(crate) mod ladder;
pub(crate) mod node_affinity;
mod node_needs;
pub(crate) mod packing;
pub(crate) mod place;
mod pod_affinity;
pub(crate) mod preference;
mod refusal;
pub(crate) mod spread;
pub(crate) mod tables;
pub(crate) mod taints;
pub(crate) mod tally;
mod unschedulable;
mod view;
mod volumes;
mod young;

pub use class::ClassId;
pub use node_needs::NodeNeeds;
pub use packing::{Mark, NodeIx, Packing};
pub use place::Placed;
pub use refusal::Refusal;
pub use view::{Change, View};
pub(crate) use young::is_starting_taint;

use crate::cluster::{Node, Pod, PodState};

/// Whether the scheduler would let a pod onto a node, beside the pods that are there; [`Refusal`] says why not.
///
/// Pods that are nominated for the node and are not less important hold their room. What they are counts only against the
/// pod: it must fit with them and without.
pub fn fits(view: &View, pod: &Pod, node: &str) -> Result<(), Refusal> {
    let dense = view.dense();
    let (Some(at), Some(real)) = (dense.node(node), view.node(node)) else { return Err(Refusal::NoSuchNode) };
    let mut packing = dense.packing.clone();
    let mut nominated = Vec::new();
    for other in view.pods() {
        let on = other.state.node().and_then(|on| dense.node(on));
        let Some(on) = on else { continue };
        let is_nominated = matches!(other.state, PodState::Nominated { .. });
        if is_nominated || other.uid == pod.uid {
            let class = dense.residing_in(&mut packing, other);
            packing.take(on, class, 1);
            if on == at && other.uid != pod.uid && other.shape.priority >= pod.shape.priority {
                nominated.push(class);
            }
        }
    }
    let class = dense.seeking_in(&mut packing, &pod.shape);
    refusal(&packing, class, at, real).map_or(Ok(()), Err)?;
    for other in &nominated {
        packing.put(at, *other, 1);
    }
    refusal(&packing, class, at, real).map_or(Ok(()), Err)
}

/// As [`Packing::refusal`], with the taints that a starting node has now.
fn refusal(packing: &Packing, class: ClassId, at: NodeIx, node: &Node) -> Option<Refusal> {
    let tolerations = &packing.class(class).shape.tolerations;
    let taint = || taints::untolerated(&node.taints, tolerations).cloned().map(Refusal::Taint);
    match packing.refusal(class, at) {
        Some(refusal @ (Refusal::Unschedulable | Refusal::Taint(_))) => Some(refusal),
        other => taint().or(other),
    }
}

#[cfg(test)]
mod tests;
