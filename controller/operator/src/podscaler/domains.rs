//! How the pods of a target lie over zones and nodes, as far as its policy asks.

use std::{collections::BTreeMap, sync::Arc};

use plimsoll_api::v1alpha1::{PodScalerSpec, Survive};
use plimsoll_core::replicas::{Domains, Occupants, PodPhase, PodView};
use plimsoll_observe::ObservedPod;

use crate::{
    context::Context,
    zones::{Room, Zones},
};

/// Over zones, where availability is asked for, and over nodes, where the loss of one is to be survived.
pub(super) fn domains(
    context: &Context,
    spec: &PodScalerSpec,
    pods: &[Arc<ObservedPod>],
    views: &[PodView],
) -> (Option<Domains>, Option<Domains>) {
    let Some(availability) = spec.availability.as_ref().filter(|_| context.options.availability) else {
        return (None, None);
    };
    let needs = newest(pods).and_then(|pod| pod.needs.as_deref()).cloned().unwrap_or_default();
    let (zones, nodes) = context.zones.that_take(&needs);
    let own: Vec<_> = pods.iter().zip(views).filter(|(_, view)| !view.foreign).map(|(pod, _)| pod).collect();
    let zones = lie(&context.zones, zones, &own, |node| context.zones.of(node).unwrap_or_default());
    let nodes =
        (availability.survive == Survive::Node).then(|| lie(&context.zones, nodes, &own, str::to_owned));
    (Some(zones), nodes)
}

/// The one that shows best what pods to come will ask for.
pub(super) fn newest(pods: &[Arc<ObservedPod>]) -> Option<&Arc<ObservedPod>> {
    let living = pods.iter().filter(|pod| !pod.view.deleting && !has_ended(&pod.view));
    living.max_by_key(|pod| (pod.view.start_time, &pod.view.name))
}

fn lie(nodes: &Zones, room: Room, pods: &[&Arc<ObservedPod>], of: impl Fn(&str) -> String) -> Domains {
    let mut occupants = BTreeMap::<String, Occupants>::new();
    for pod in pods {
        let Some(node) = pod.node.as_deref() else { continue };
        let is_ready = pod.view.is_ready();
        if pod.view.deleting || has_ended(&pod.view) || !(is_ready || nodes.is_ready(node)) {
            continue;
        }
        let of_domain = occupants.entry(of(node)).or_default();
        of_domain.pods += 1;
        of_domain.ready += u32::from(is_ready);
    }
    Domains { open: room.open, known: room.known, pods: occupants }
}

fn has_ended(view: &PodView) -> bool {
    matches!(view.phase, PodPhase::Succeeded | PodPhase::Failed)
}
