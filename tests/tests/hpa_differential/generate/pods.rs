//! Random pods: mostly healthy ones, and some in every odd state, with moments around the edges that matter.

use plimsoll_core::replicas::{
    Amounts, ContainerView, InitContainerView, PodPhase, PodView, ReadyCondition, ReadyStatus, Settings,
};
use plimsoll_core::time::{Span, Timestamp};

use super::dice::Dice;

/// How the pods of a case are made, and how often something is odd about one.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// In percent.
    pub(crate) odd: f64,
    /// In percent.
    pub(crate) without_request: f64,
    traits: Vec<Trait>,
    pod_level: Option<&'static str>,
    pub(crate) request: i64,
}

/// What all pods of a case have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trait {
    /// None becomes ready any more.
    Crashing,
    Sidecar,
    Init,
    Overhead,
}

impl Template {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        Self {
            odd: dice.of(&[0.0, 0.0, 5.0, 25.0, 70.0]),
            without_request: dice.of(&[0.0, 0.0, 0.0, 0.0, 8.0]),
            traits: [
                (Trait::Crashing, 4.0),
                (Trait::Sidecar, 20.0),
                (Trait::Init, 20.0),
                (Trait::Overhead, 15.0),
            ]
            .into_iter()
            .filter_map(|(each, percent)| dice.chance(percent).then_some(each))
            .collect(),
            pod_level: dice.of(&[None, None, None, None, Some("cpu"), Some("memory")]),
            request: if dice.chance(1.5) { 0 } else { dice.of(&[100, 250, 333, 1_000, 17]) },
        }
    }

    /// One pod. `n` makes its name.
    pub(crate) fn pod(&self, dice: &mut Dice, n: usize, now: Timestamp, settings: &Settings) -> PodView {
        let start = now - Span::from_secs(dice.of(&[400, 500, 900, 7200, 350]));
        let mut pod = PodView {
            name: format!("web-{n}"),
            phase: PodPhase::Running,
            deleting: false,
            start_time: Some(start),
            ready: Some(ReadyCondition {
                status: ReadyStatus::True,
                last_transition: start + Span::from_secs(20),
            }),
            containers: vec![ContainerView { name: "app".to_owned(), requests: amounts(self.request) }],
            ..PodView::default()
        };
        self.furnish(&mut pod);
        if self.traits.contains(&Trait::Crashing) {
            ready(&mut pod, ReadyStatus::False, now - Span::from_secs(100));
        }
        if dice.chance(self.odd) {
            odd(&mut pod, dice, now, settings);
        }
        if dice.chance(self.without_request) {
            lose_a_request(&mut pod, dice);
        }
        pod
    }

    fn furnish(&self, pod: &mut PodView) {
        if self.traits.contains(&Trait::Sidecar) {
            let requests = amounts(self.request / 10);
            pod.containers.push(ContainerView { name: "log".to_owned(), requests: requests.clone() });
            pod.init_containers.push(InitContainerView {
                name: "mesh".to_owned(),
                restartable: true,
                requests,
            });
        }
        if self.traits.contains(&Trait::Init) {
            let requests = [("cpu".to_owned(), self.request * 4)].into();
            pod.init_containers.push(InitContainerView {
                name: "migrate".to_owned(),
                restartable: false,
                requests,
            });
        }
        if let Some(resource) = self.pod_level {
            pod.pod_requests = [(resource.to_owned(), self.request * 3)].into();
            if self.request == 333 {
                // Then no container says anything about a GPU, and neither does the pod.
                pod.containers.iter_mut().for_each(|c| c.requests.retain(|name, _| name != "nvidia.com/gpu"));
                pod.init_containers
                    .iter_mut()
                    .for_each(|c| c.requests.retain(|name, _| name != "nvidia.com/gpu"));
            }
        }
        if self.traits.contains(&Trait::Overhead) {
            pod.overhead = [("cpu".to_owned(), 5)].into();
        }
    }
}

fn amounts(of_each: i64) -> Amounts {
    ["cpu", "memory", "nvidia.com/gpu"].map(|name| (name.to_owned(), of_each)).into()
}

fn lose_a_request(pod: &mut PodView, dice: &mut Dice) {
    let lost = dice.of(&["cpu", "memory"]);
    let container = dice.index(0, pod.containers.len() - 1);
    pod.containers[container].requests.remove(lost);
    if dice.chance(30.0) {
        pod.pod_requests.clear();
    }
    if dice.chance(20.0) {
        "renamed".clone_into(&mut pod.containers[0].name);
    }
}

/// Puts the pod in an odd state.
fn odd(pod: &mut PodView, dice: &mut Dice, now: Timestamp, settings: &Settings) {
    let edge = Span::from_millis(dice.of(&[0, 1, -1, 10_000, -10_000]));
    match dice.index(0, 11) {
        0 => pod.deleting = true,
        1 => pod.phase = PodPhase::Failed,
        2 => pod.phase = PodPhase::Pending,
        3 => pod.phase = PodPhase::Succeeded,
        4 => pod.ready = None,
        5 => pod.start_time = None,
        6 => ready(pod, ReadyStatus::Unknown, now - Span::from_secs(200)),
        // Just young, or no longer.
        7 | 8 => {
            let start = now - settings.cpu_initialization_period + edge;
            pod.start_time = Some(start);
            let since = now - Span::from_secs(dice.of(&[0, 15, 30, 60, 61, 90, 20]));
            ready(pod, dice.of(&[ReadyStatus::True, ReadyStatus::False]), since);
        }
        // A young pod.
        9 => {
            pod.start_time = Some(now - Span::from_secs(dice.within(0, 50)));
            let since = now - Span::from_secs(dice.of(&[0, 15, 29, 30, 60]));
            ready(pod, dice.of(&[ReadyStatus::True, ReadyStatus::True, ReadyStatus::False]), since);
        }
        // Old, and unready since about the time at which it should have become ready.
        10 => {
            let start = now - settings.cpu_initialization_period - Span::from_secs(60);
            pod.start_time = Some(start);
            ready(pod, ReadyStatus::False, start + settings.initial_readiness_delay + edge);
        }
        _ => {
            pod.phase = PodPhase::Unknown;
            pod.deleting = dice.chance(20.0);
        }
    }
}

fn ready(pod: &mut PodView, status: ReadyStatus, last_transition: Timestamp) {
    pod.ready = Some(ReadyCondition { status, last_transition });
}
