//! Which pods should go when a workload shrinks.
//!
//! Kubernetes lets pods go that are not scheduled, not running or not ready, then those with the lowest
//! `pod-deletion-cost`. Only among the rest is there something to choose: idle pods first, and among pods that are about
//! as busy, those in the zone that has most.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::decision::Decision;
use super::input::{Input, Reading};
use super::usage::Samples;
use super::view::{PodPhase, PodView};
use crate::time::Timestamp;

/// Halvings of the mean below which all pods are equally idle.
const MOST_HALVINGS: u32 = 4;

/// A pod that may have to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name, unique among the pods of one call.
    pub name: String,
    /// What it uses of the metric that decides, in thousandths. A pod without a sample is taken for one of mean usage:
    /// a missing sample is not zero load.
    pub usage: Option<i64>,
    /// The zone of its node, if that is known.
    pub zone: Option<String>,
    /// Whether Kubernetes lets it go before it looks at costs: not scheduled, not running, or not ready.
    pub goes_anyway: bool,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// A cost that somebody else has set.
    pub own_cost: Option<i32>,
}

/// Why a pod goes before others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VictimReason {
    /// It is not ready, so Kubernetes lets it go first.
    NotReady,
    /// Somebody else has set its cost below zero.
    OwnCost,
    /// It uses at most half of what pods use on average.
    Idle,
    /// Its zone has the most pods.
    FullestZone,
    /// No zone has more than another, and it is the youngest.
    Youngest,
}

impl VictimReason {
    /// Whether it takes a cost of ours for the pod to go.
    pub fn needs_cost(self) -> bool {
        matches!(self, Self::Idle | Self::FullestZone | Self::Youngest)
    }
}

impl fmt::Display for VictimReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A pod that is to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Victim {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: VictimReason,
}

impl Candidate {
    /// A pod of the target, with a sample of the metric that decides. None for one that has ended or is ending, which
    /// Kubernetes does not count, and for one of somebody else's.
    pub fn of(
        pod: &PodView,
        samples: Option<&Samples>,
        zone: Option<String>,
        own_cost: Option<i32>,
    ) -> Option<Self> {
        if pod.foreign || pod.deleting || matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed) {
            return None;
        }
        Some(Self {
            name: pod.name.clone(),
            usage: samples.and_then(|samples| samples.get(&pod.name)).map(|sample| sample.value),
            zone,
            goes_anyway: pod.phase != PodPhase::Running || !pod.is_ready(),
            started: pod.start_time,
            own_cost,
        })
    }
}

/// The samples of the metric that decided: the one with the highest proposal, or the first that knows pods one by one if
/// that one does not.
pub fn deciding_samples<'a>(input: &'a Input, decision: &Decision) -> Option<&'a Samples> {
    let of_pods = |reading: &'a Reading| match reading {
        Reading::Pods(samples) => Some(samples),
        _ => None,
    };
    let highest = decision.metrics.iter().filter_map(|metric| metric.proposal.as_ref().ok()).max();
    let decided = decision.metrics.iter().position(|metric| metric.proposal.as_ref().ok() == highest);
    let decided = decided.and_then(|at| input.readings.get(at)).and_then(of_pods);
    decided.or_else(|| input.readings.iter().find_map(of_pods))
}

/// The pods that are to go when `count` of the candidates do, first the one that should go first. The order of the
/// candidates does not matter.
///
/// Costs are needed only where [`VictimReason::needs_cost`]; a pod whose cost somebody else has set to zero or more is
/// never among them, so there may be fewer than `count`.
pub fn victims(candidates: &[Candidate], count: usize) -> Vec<Victim> {
    let mut left: Vec<&Candidate> = candidates.iter().collect();
    left.sort_by(|a, b| a.name.cmp(&b.name));
    let mut zones: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for pod in &left {
        *zones.entry(pod.zone.as_deref()).or_default() += 1;
    }
    let mean = mean_usage(&left);
    let mut victims = Vec::new();
    while victims.len() < count {
        let fullest = |pod: &Candidate| zones.get(&pod.zone.as_deref()).copied().unwrap_or_default();
        let rank = |pod: &Candidate| {
            let own = pod.own_cost.unwrap_or(0).saturating_neg();
            (pod.goes_anyway, own, idleness(pod, mean), fullest(pod), pod.started)
        };
        let may_go = |pod: &Candidate| pod.goes_anyway || pod.own_cost.is_none_or(|cost| cost < 0);
        let next = left.iter().enumerate().filter(|(_, pod)| may_go(pod)).max_by_key(|(_, pod)| rank(pod));
        let Some((at, pod)) = next.map(|(at, pod)| (at, *pod)) else { break };
        let crowds = left.iter().any(|other| fullest(other) < fullest(pod));
        let reason = match pod {
            Candidate { goes_anyway: true, .. } => VictimReason::NotReady,
            Candidate { own_cost: Some(_), .. } => VictimReason::OwnCost,
            _ if idleness(pod, mean) > 0 => VictimReason::Idle,
            _ if crowds => VictimReason::FullestZone,
            _ => VictimReason::Youngest,
        };
        victims.push(Victim { name: pod.name.clone(), reason });
        if let Some(pods) = zones.get_mut(&pod.zone.as_deref()) {
            *pods -= 1;
        }
        left.remove(at);
    }
    victims
}

/// The mean of the pods that serve and have a sample.
fn mean_usage(pods: &[&Candidate]) -> i64 {
    let used = pods.iter().filter(|pod| !pod.goes_anyway).filter_map(|pod| pod.usage);
    let (sum, count) =
        used.fold((0_i128, 0_i128), |(sum, count), usage| (sum + i128::from(usage), count + 1));
    i64::try_from(sum / count.max(1)).unwrap_or_default()
}

/// How often the mean must be halved to come down to this pod's usage. Pods within a factor of two are equals: load is
/// never spread quite evenly, and noise must not outweigh zones.
fn idleness(pod: &Candidate, mean: i64) -> u32 {
    let Some(usage) = pod.usage.filter(|_| mean > 0) else { return 0 };
    (1..=MOST_HALVINGS).take_while(|halvings| usage <= mean >> halvings).last().unwrap_or(0)
}

#[cfg(test)]
mod tests;
