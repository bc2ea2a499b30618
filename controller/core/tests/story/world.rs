//! A workload, its pods and their load, and the memory of its autoscaler.

use std::collections::BTreeMap;

use plimsoll_core::reason::{ConditionKind, ConditionStatus};
use plimsoll_core::replicas::{
    Algorithm, Behavior, ContainerView, Domains, Input, Memory, MetricSpec, Obstacle, Occupants, PodPhase,
    PodView, Policy, Reading, ReadingError, ReadyCondition, ReadyStatus, Sample, Samples, Settings,
    TargetView, acted, decide,
};
use plimsoll_core::time::{Span, Timestamp};

const START: Timestamp = Timestamp::from_secs(1_000_000);

pub(super) struct World {
    pub(super) policy: Policy,
    pub(super) now: Timestamp,
    pub(super) status_replicas: Option<i32>,
    pub(super) crowd: Option<String>,
    pub(super) queue: i64,
    pub(super) queue_age: Option<Span>,
    pub(super) failing: BTreeMap<usize, String>,
    pub(super) sample_age: Span,
    pub(super) obstacle: Option<Obstacle>,
    pub(super) write_error: Option<String>,
    pub(super) zones: Option<Layout>,
    pub(super) nodes: Option<Layout>,
    spec_replicas: i32,
    groups: BTreeMap<String, Group>,
    memory: Memory,
    scaled_to_zero: bool,
}

/// Pods of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) count: usize,
    pub(super) kind: Kind,
    pub(super) request: i64,
    pub(super) load: Option<i64>,
}

impl Default for Group {
    fn default() -> Self {
        Self { count: 0, kind: Kind::Ready, request: 100, load: None }
    }
}

/// How ready pods lie over zones or nodes.
#[derive(Clone, Debug)]
pub(super) enum Layout {
    /// As many as the size says, spread evenly over those that are open.
    Even { open: u32, known: u32 },
    /// So many in each, all of which are open.
    As(BTreeMap<String, u32>),
}

impl Layout {
    fn domains(&self, size: i32) -> Domains {
        let occupants = |pods| Occupants { pods, ready: pods };
        match self {
            Self::Even { open, known } => {
                let size = size.unsigned_abs();
                let in_each = (0..*open).map(|i| (i.to_string(), size / open + u32::from(i < size % open)));
                let in_each = in_each.filter(|(_, pods)| *pods > 0);
                Domains {
                    open: *open,
                    known: *known,
                    pods: in_each.map(|(name, pods)| (name, occupants(pods))).collect(),
                }
            }
            Self::As(pods) => {
                let count = u32::try_from(pods.len()).unwrap_or(u32::MAX);
                let pods = pods.iter().filter(|(_, pods)| **pods > 0);
                let pods = pods.map(|(name, pods)| (name.clone(), occupants(*pods))).collect();
                Domains { open: count, known: count, pods }
            }
        }
    }
}

/// What the pods of a group are doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Ready,
    Pending,
    Unready,
    Young,
    Deleting,
    Failed,
    Finished,
    /// Of another owner with the same labels.
    Foreign,
    /// No longer there; only the samples are.
    Gone,
}

impl World {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self {
            policy: Policy { algorithm, min_replicas: 1, max_replicas: 10, ..Policy::default() },
            now: START,
            status_replicas: None,
            crowd: None,
            queue: 0,
            queue_age: None,
            failing: BTreeMap::new(),
            sample_age: Span::from_secs(10),
            obstacle: None,
            write_error: None,
            zones: None,
            nodes: None,
            spec_replicas: 1,
            groups: BTreeMap::new(),
            memory: Memory::default(),
            scaled_to_zero: false,
        }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.policy.algorithm
    }

    pub(super) fn behavior(&mut self) -> Result<&mut Behavior, String> {
        self.policy.behavior.as_mut().ok_or_else(|| "say `behavior` first".to_owned())
    }

    pub(super) fn resize(&mut self, replicas: i32) {
        self.spec_replicas = replicas;
        self.status_replicas = None;
        if let Some(group) = self.crowd.as_ref().and_then(|name| self.groups.get_mut(name)) {
            group.count = usize::try_from(replicas).unwrap_or_default();
        }
    }

    pub(super) fn set_group(&mut self, name: &str, group: Group) {
        let load = self.groups.get(name).and_then(|group| group.load);
        self.groups.insert(name.to_owned(), Group { load, ..group });
    }

    pub(super) fn load(&mut self, name: &str, load: Option<i64>) -> Result<(), String> {
        self.groups.get_mut(name).ok_or_else(|| format!("no pods {name}"))?.load = load;
        Ok(())
    }

    pub(super) fn restart(&mut self) {
        self.memory = self.memory.resumed(&self.input());
    }

    /// Decides, writes the size if there is a new one, and tells all of it.
    pub(super) fn decide(&mut self) -> String {
        let input = self.input();
        let (decision, memory) = decide(&input, &self.memory);
        self.memory = memory;
        let mut told = format!("at {}: {decision}", self.now.since(START));
        if decision.is_rescale() {
            let result = self.write_error.clone().map_or(Ok(()), Err);
            let written = result.is_ok();
            let (conditions, events) = acted(&decision, result);
            for condition in conditions {
                told += &format!("  then    {condition}\n");
                if condition.kind == ConditionKind::ScaledToZero {
                    self.scaled_to_zero = condition.status == ConditionStatus::True;
                }
            }
            for event in events {
                told += &format!("  event   {event}\n");
            }
            if written {
                self.memory = self.memory.rescaled(&input, &decision);
                self.resize(decision.desired);
            }
        }
        told
    }

    fn input(&self) -> Input {
        Input {
            now: self.now,
            settings: Settings::default(),
            namespace: "shop".to_owned(),
            policy: self.policy.clone(),
            target: TargetView {
                spec_replicas: self.spec_replicas,
                status_replicas: self.status_replicas.unwrap_or(self.spec_replicas),
            },
            pods: self
                .groups
                .iter()
                .filter(|(_, group)| group.kind != Kind::Gone)
                .flat_map(|(name, group)| self.pods(name, group))
                .collect(),
            readings: self.policy.metrics.iter().enumerate().map(|(i, m)| self.reading(i + 1, m)).collect(),
            scaled_to_zero: self.scaled_to_zero,
            obstacle: self.obstacle.clone(),
            zones: self.zones.as_ref().map(|layout| layout.domains(self.spec_replicas)),
            nodes: self.nodes.as_ref().map(|layout| layout.domains(self.spec_replicas)),
        }
    }

    fn pods(&self, name: &str, group: &Group) -> Vec<PodView> {
        let ago = |secs| self.now - Span::from_secs(secs);
        let (started, changed, status) = match group.kind {
            Kind::Young => (ago(40), ago(20), ReadyStatus::True),
            Kind::Unready => (ago(7200), ago(7190), ReadyStatus::False),
            _ => (ago(7200), ago(7100), ReadyStatus::True),
        };
        let phase = match group.kind {
            Kind::Pending => PodPhase::Pending,
            Kind::Failed => PodPhase::Failed,
            Kind::Finished => PodPhase::Succeeded,
            _ => PodPhase::Running,
        };
        let requests = [("cpu", group.request), ("memory", group.request)];
        let requests = requests.into_iter().filter(|(_, milli)| *milli > 0);
        let requests: BTreeMap<String, i64> =
            requests.map(|(name, milli)| (name.to_owned(), milli)).collect();
        let pod = PodView {
            name: String::new(),
            phase,
            deleting: group.kind == Kind::Deleting,
            foreign: group.kind == Kind::Foreign,
            start_time: Some(started),
            ready: Some(ReadyCondition { status, last_transition: changed }),
            containers: vec![ContainerView { name: "app".to_owned(), requests }],
            ..PodView::default()
        };
        (0..group.count).map(|i| PodView { name: format!("{name}-{i}"), ..pod.clone() }).collect()
    }

    fn reading(&self, number: usize, metric: &MetricSpec) -> Reading {
        if let Some(error) = self.failing.get(&number) {
            return Reading::Failed(ReadingError::Fetch(error.clone()));
        }
        if metric.has_value_without_pods() {
            let Some(age) = self.queue_age else { return Reading::Value(self.queue) };
            let (value, timestamp) = (self.queue, self.now - age);
            return Reading::Timed(vec![Sample { value, timestamp, window: Span::from_secs(30) }]);
        }
        let samples: Samples = self
            .groups
            .iter()
            .filter_map(|(name, group)| Some((name, group.count, group.load?)))
            .flat_map(|(name, count, value)| {
                let timestamp = self.now - self.sample_age;
                let sample = Sample { value, timestamp, window: Span::from_secs(30) };
                (0..count).map(move |i| (format!("{name}-{i}"), sample))
            })
            .collect();
        if samples.is_empty() { Reading::Failed(ReadingError::Empty) } else { Reading::Pods(samples) }
    }
}
