//! Section 1.5 A: which rule puts a pod in its group, told from the case alone.

use plimsoll_core::replicas::{Input, MetricSpec, PodPhase, PodUsage, PodView, ReadyStatus, Sample, Samples};

use super::Branch as B;

/// The samples that count, and their sum.
#[derive(Default)]
pub(super) struct Groups {
    pub(super) believed: i64,
    pub(super) sum: i128,
}

pub(super) fn group(input: &Input, samples: &Samples, resource: &str, hit: &mut impl FnMut(B)) -> Groups {
    let mut groups = Groups::default();
    let mut believe = |sample: &Sample| {
        groups.believed += 1;
        groups.sum += i128::from(sample.value);
    };
    for pod in &input.pods {
        let (counts, branch) = rule(input, pod, samples.get(&pod.name), resource);
        hit(branch);
        if let Some(sample) = samples.get(&pod.name).filter(|_| counts) {
            believe(sample);
        }
    }
    let unknown = samples.iter().filter(|(name, _)| !input.pods.iter().any(|pod| pod.name == **name));
    unknown.for_each(|(_, sample)| believe(sample));
    groups
}

/// The rule that decides on a pod, and whether its sample counts.
fn rule(input: &Input, pod: &PodView, sample: Option<&Sample>, resource: &str) -> (bool, B) {
    if pod.deleting {
        return (false, B::IgnoredDeleting);
    }
    match pod.phase {
        PodPhase::Failed => return (false, B::IgnoredFailed),
        PodPhase::Pending => return (false, B::UnreadyPending),
        _ => {}
    }
    let Some(sample) = sample else {
        let succeeded = pod.phase == PodPhase::Succeeded;
        return (false, if succeeded { B::MissingSucceeded } else { B::Missing });
    };
    if resource != "cpu" {
        return (true, if pod.phase == PodPhase::Succeeded { B::ReadySucceeded } else { B::NotCpu });
    }
    let Some(ready) = pod.ready else { return (false, B::UnreadyNoCondition) };
    let Some(start) = pod.start_time else { return (false, B::UnreadyNoStart) };
    let settings = input.settings;
    let not_ready = ready.status == ReadyStatus::False;
    let grown_up = start + settings.cpu_initialization_period;
    if grown_up > input.now {
        return if not_ready {
            (false, B::YoungNotReady)
        } else if sample.timestamp < ready.last_transition + sample.window {
            (false, B::YoungEarlySample)
        } else {
            (true, B::YoungReady)
        };
    }
    if not_ready {
        let became_ready = start + settings.initial_readiness_delay <= ready.last_transition;
        return if became_ready { (true, B::OldWasReady) } else { (false, B::OldNeverReady) };
    }
    let branch = match (ready.status, pod.phase) {
        (ReadyStatus::Unknown, _) => B::StatusUnknown,
        (_, PodPhase::Succeeded) => B::ReadySucceeded,
        _ if grown_up == input.now => B::JustOld,
        _ => B::Ready,
    };
    (true, branch)
}

/// How usage becomes a sample.
pub(super) fn usages(metric: &MetricSpec, usages: &[PodUsage], hit: &mut impl FnMut(B)) {
    for usage in usages {
        match metric {
            MetricSpec::ContainerResource { name, container, .. } => {
                let found = usage.containers.iter().find(|c| c.name == *container);
                let found = found.is_some_and(|container| container.usage.contains_key(name));
                hit(if found { B::NamedContainer } else { B::NamedContainerMissing });
            }
            MetricSpec::Resource { name, .. } => {
                let with = usage.containers.iter().filter(|c| c.usage.contains_key(name)).count();
                hit(if usage.containers.is_empty() {
                    B::NoContainers
                } else if with < usage.containers.len() {
                    B::ContainerLacksResource
                } else {
                    B::SumOfContainers
                });
            }
            _ => {}
        }
    }
}
