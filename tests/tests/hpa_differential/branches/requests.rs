//! Section 1.5 B: where the requests of pods come from.

use plimsoll_core::replicas::{Input, MetricOutcome, PodPhase, PodView};

use super::Branch as B;

/// Counts; says whether there were usable requests.
pub(super) fn classify(
    input: &Input,
    outcome: &MetricOutcome,
    resource: &str,
    container: Option<&String>,
    hit: &mut impl FnMut(B),
) -> bool {
    if let Err(error) = &outcome.proposal {
        let text = &error.message;
        if text.contains(": missing pod-level request for ") {
            hit(B::PodLevelMissing);
        } else if text.contains(": missing request for ") {
            hit(B::MissingRequest);
            if named(input, text).is_some_and(|pod| pod.deleting || pod.phase == PodPhase::Failed) {
                hit(B::MissingRequestIgnored);
            }
        } else if text.contains(" not found in Pod ") {
            hit(B::ContainerNotFound);
        } else if text.contains("no metrics returned matched known pods") {
            hit(B::NoRequestsMatch);
        }
        return false;
    }
    for pod in &input.pods {
        let is_pod_level = !pod.pod_requests.is_empty() && container.is_none();
        if is_pod_level {
            hit(if pod.pod_requests.contains_key(resource) { B::PodLevelOwn } else { B::PodLevelAggregate });
        }
        if pod.overhead.contains_key(resource) {
            hit(if is_pod_level { B::PodLevelOverhead } else { B::OverheadIgnored });
        }
        let mut sidecars = pod.init_containers.iter().filter(|init| init.restartable);
        if !is_pod_level && sidecars.any(|init| container.is_none_or(|name| *name == init.name)) {
            hit(B::SidecarRequest);
        }
    }
    true
}

/// The pod at the end of a message.
fn named<'a>(input: &'a Input, text: &str) -> Option<&'a PodView> {
    let name = text.rsplit(' ').next()?;
    input.pods.iter().find(|pod| pod.name == name)
}
