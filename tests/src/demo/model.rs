//! What was seen of the shop so far. Pure: whoever sees something says when.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// Everything that the screen shows and that the verdict rests on.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// In the order in which they are shown.
    pub(super) services: Vec<Service>,
    /// What happened, in order.
    pub(super) journal: Vec<Entry>,
    /// What is being waited for; empty when nothing is.
    pub(super) doing: String,
}

/// A line of what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Since the start.
    pub(super) at: Duration,
    /// What it is about.
    pub(super) kind: EntryKind,
    /// In words.
    pub(super) text: String,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    /// Something the demo did.
    Step,
    /// The load was changed.
    Load,
    /// The number of replicas changed.
    Change,
}

/// One service: its load, its pods and its `PodScaler`.
#[derive(Clone, Debug, Default)]
pub(super) struct Service {
    /// Its name, which is also that of its Deployment and its `PodScaler`.
    pub(super) name: String,
    /// All of its load, in thousandths of a core.
    pub(super) load_milli: u64,
    /// The replicas that the Deployment asks for.
    pub(super) wanted: Option<u32>,
    /// The pods that are ready.
    pub(super) ready: u32,
    /// Ready pods by zone.
    pub(super) zones: BTreeMap<String, u32>,
    /// What a pod requests, in thousandths of a core.
    pub(super) request_milli: u64,
    /// Changes with every change of the Deployment's spec.
    pub(super) generation: i64,
    /// What the `PodScaler` asks for.
    pub(super) scaler: Option<Scaler>,
    /// What metrics.k8s.io says that a pod uses on average, in thousandths of a core, and of how many.
    pub(super) usage: Option<Usage>,
    /// What its clients see, if they are real.
    pub(super) seen: Option<Seen>,
    /// Changes of the replicas, in order.
    pub(super) changes: Vec<Change>,
    /// Each number of ready pods, with the time from which on it was so.
    pub(super) ready_since: Vec<(Duration, u32)>,
    /// One for each second.
    pub(super) samples: Vec<Sample>,
    /// The last decision, until the change of the Deployment that it speaks of is seen.
    told: Option<Scaler>,
}

/// What metrics.k8s.io says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    /// Of a pod on average, in thousandths of a core.
    pub(super) per_pod_milli: u64,
    /// How many pods it knows of.
    pub(super) pods: u32,
}

/// What clients see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    /// Requests lately.
    pub(super) per_second: f64,
    /// What the slowest twentieth of them took, in milliseconds.
    pub(super) p95_millis: Option<f64>,
    /// Those of them that were not answered.
    pub(super) lost_lately: u64,
    /// All requests so far.
    pub(super) asked: u64,
    /// Those of them that were not answered.
    pub(super) lost: u64,
}

/// A `PodScaler`, as far as the demo needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scaler {
    /// The fewest replicas.
    pub(super) min: u32,
    /// The target, in percent of the request.
    pub(super) target_percent: u32,
    /// Whether its metrics can be read.
    pub(super) active: bool,
    /// When it last changed the replicas, as it says itself.
    pub(super) scale_time: Option<String>,
    /// What it decided last.
    pub(super) desired: u32,
    /// Why.
    pub(super) why: Why,
}

/// Why a decision was taken, from `status.lastDecision`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Why {
    /// In words.
    pub(super) reason: String,
    /// What the metrics alone would have.
    pub(super) recommendation: Option<u32>,
    /// What cut it.
    pub(super) limits: Vec<String>,
}

/// A change of the replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Since the start.
    pub(super) at: Duration,
    /// Before.
    pub(super) from: u32,
    /// After.
    pub(super) to: u32,
    /// What the `PodScaler` says of it; nothing when it was not the operator.
    pub(super) why: Option<Why>,
}

/// How a service was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    /// Seconds since the step in load.
    pub(super) at: f64,
    /// Thousandths of a core.
    pub(super) load_milli: u64,
    /// Replicas wanted.
    pub(super) wanted: u32,
    /// Pods ready.
    pub(super) ready: u32,
    /// What metrics.k8s.io says that a pod uses on average, in thousandths of a core.
    pub(super) per_pod_milli: Option<u64>,
    /// What the slowest twentieth of its clients waited lately, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) p95_millis: Option<f64>,
}

impl Model {
    /// Nothing seen yet.
    pub(super) fn new(services: &[&str]) -> Self {
        let service = |name: &&str| Service { name: (*name).to_owned(), ..Service::default() };
        Self { services: services.iter().map(service).collect(), ..Self::default() }
    }

    /// The service with this name.
    pub(super) fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// The service with this name, to change it.
    pub(super) fn service_mut(&mut self, name: &str) -> Option<&mut Service> {
        self.services.iter_mut().find(|service| service.name == name)
    }

    /// Notes what happened.
    pub(super) fn note(&mut self, at: Duration, kind: EntryKind, text: String) {
        self.journal.push(Entry { at, kind, text });
    }

    /// The Deployment of a service asks for this many replicas.
    pub(super) fn wants(&mut self, name: &str, at: Duration, wanted: u32) {
        let Some(service) = self.service_mut(name) else { return };
        if let Some(from) = service.wanted.replace(wanted)
            && from != wanted
        {
            service.changes.push(Change { at, from, to: wanted, why: None });
            self.explain(name);
        }
    }

    /// The `PodScaler` of a service says this.
    pub(super) fn scaler(&mut self, name: &str, scaler: Scaler) {
        let Some(service) = self.service_mut(name) else { return };
        let before = service.scaler.replace(scaler.clone());
        if scaler.scale_time.is_some() && before.and_then(|before| before.scale_time) != scaler.scale_time {
            service.told = Some(scaler);
            self.explain(name);
        }
    }

    /// These pods of a service are ready.
    pub(super) fn pods(&mut self, name: &str, at: Duration, zones: BTreeMap<String, u32>) {
        let Some(service) = self.service_mut(name) else { return };
        service.ready = zones.values().sum();
        service.zones = zones;
        if service.ready_since.last().is_none_or(|(_, ready)| *ready != service.ready) {
            service.ready_since.push((at, service.ready));
        }
    }

    /// Keeps how all services are now.
    pub(super) fn sample(&mut self, at: Duration) {
        for service in &mut self.services {
            let per_pod_milli = service.usage.map(|usage| usage.per_pod_milli);
            service.samples.push(Sample {
                at: at.as_secs_f64(),
                load_milli: service.load_milli,
                wanted: service.wanted.unwrap_or_default(),
                ready: service.ready,
                per_pod_milli,
                p95_millis: service.seen.and_then(|seen| seen.p95_millis),
            });
        }
    }

    /// Brings changes and what the `PodScaler` says of them together, in whichever order they are seen.
    fn explain(&mut self, name: &str) {
        let Some(service) = self.services.iter_mut().find(|service| service.name == name) else { return };
        for change in service.changes.iter_mut().filter(|change| change.why.is_none()) {
            let Some(told) = service.told.take_if(|told| told.desired == change.to) else { continue };
            let why = told.why;
            let text = format!("{name}: {} -> {} replicas: {why}", change.from, change.to);
            self.journal.push(Entry { at: change.at, kind: EntryKind::Change, text });
            change.why = Some(why);
        }
    }
}

impl Service {
    /// What a pod should use, in thousandths of a core.
    pub(super) fn target_milli(&self) -> Option<u64> {
        let percent = self.scaler.as_ref()?.target_percent;
        Some(self.request_milli * u64::from(percent) / 100).filter(|target| *target > 0)
    }

    /// Whether its `PodScaler` has said why it made each of its changes.
    pub(super) fn is_explained(&self) -> bool {
        self.changes.iter().all(|change| change.why.is_some())
    }

    /// Whether it has as many pods as it wants, and the metrics of all of them are known.
    pub(super) fn is_settled(&self) -> bool {
        self.scaler.as_ref().is_some_and(|scaler| scaler.active && self.wanted >= Some(scaler.min))
            && self.wanted == Some(self.ready)
            && self.usage.is_some_and(|usage| usage.pods == self.ready)
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)?;
        for limit in &self.limits {
            write!(f, "; {limit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
