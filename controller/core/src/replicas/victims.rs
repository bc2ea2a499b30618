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
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::fixtures::{self, ago, external, input};
    use super::super::{Algorithm, Memory, Sample, ValueTarget, decide};
    use super::*;

    fn pod(name: &str, usage: i64, zone: &str) -> Candidate {
        Candidate {
            name: name.to_owned(),
            usage: Some(usage),
            zone: Some(zone.to_owned()),
            goes_anyway: false,
            started: Some(ago(100)),
            own_cost: None,
        }
    }

    fn told(candidates: &[Candidate], count: usize) -> String {
        let victims = victims(candidates, count);
        victims
            .iter()
            .map(|victim| format!("{} {}", victim.name, victim.reason))
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn idle_pods_go_first_the_idlest_before_all() {
        let pods = [pod("a", 100, "x"), pod("b", 25, "x"), pod("c", 2, "y"), pod("d", 100, "x")];
        assert_eq!(told(&pods, 2), "c Idle, b Idle");
        assert_eq!(told(&pods, 0), "");
    }

    #[test]
    fn among_equals_the_fullest_zone_loses_one_after_the_other() {
        let pods = [
            pod("a", 90, "x"),
            pod("b", 100, "x"),
            pod("c", 110, "x"),
            pod("d", 80, "y"),
            pod("e", 120, "y"),
            pod("f", 100, "z"),
        ];
        // x y z: 3 2 1, then 2 2 1, then 1 2 1 or 2 1 1, then 1 1 1. Of equals the last name.
        assert_eq!(told(&pods, 4), "c FullestZone, e FullestZone, b FullestZone, f Youngest");
    }

    #[test]
    fn noise_does_not_outweigh_zones() {
        let pods =
            [pod("a", 70, "x"), pod("b", 130, "y"), pod("c", 130, "y"), pod("d", 70, "x"), pod("e", 99, "y")];
        assert_eq!(told(&pods, 1), "e FullestZone");
    }

    #[test]
    fn an_idle_pod_goes_from_the_emptiest_zone_too() {
        let pods = [pod("a", 100, "x"), pod("b", 100, "x"), pod("c", 1, "y")];
        assert_eq!(told(&pods, 1), "c Idle");
    }

    #[test]
    fn of_equals_in_one_zone_the_youngest_goes() {
        let mut pods = [pod("a", 100, "x"), pod("b", 100, "x"), pod("c", 100, "x")];
        pods[0].started = Some(ago(10));
        assert_eq!(told(&pods, 2), "a Youngest, c Youngest");
    }

    #[test]
    fn what_kubernetes_takes_first_counts_and_needs_no_cost() {
        let mut pods = [pod("a", 100, "x"), pod("b", 1, "x"), pod("c", 100, "y")];
        pods[2].goes_anyway = true;
        assert_eq!(told(&pods, 2), "c NotReady, b Idle");
        assert!(!VictimReason::NotReady.needs_cost() && VictimReason::Idle.needs_cost());
    }

    #[test]
    fn a_cost_that_somebody_else_set_is_heeded() {
        let mut pods = [pod("a", 1, "x"), pod("b", 100, "x"), pod("c", 100, "y"), pod("d", 100, "x")];
        pods[0].own_cost = Some(100);
        pods[2].own_cost = Some(-5);
        assert_eq!(told(&pods, 2), "c OwnCost, d Youngest");
        assert_eq!(told(&pods, 4), "c OwnCost, d Youngest, b Youngest", "a is not ours to choose");
        assert!(!VictimReason::OwnCost.needs_cost());
        pods[0].own_cost = Some(0);
        assert_eq!(told(&pods, 4), "c OwnCost, d Youngest, b Youngest", "a zero is a cost too");
    }

    #[test]
    fn a_missing_sample_is_not_zero_load() {
        let mut pods = [pod("a", 100, "x"), pod("b", 100, "x"), pod("c", 10, "x")];
        pods[0].usage = None;
        assert_eq!(told(&pods, 1), "c Idle");
        for pod in &mut pods {
            pod.usage = None;
        }
        assert_eq!(told(&pods, 1), "c Youngest");
    }

    #[test]
    fn without_zones_idleness_and_age_decide() {
        let mut pods = [pod("a", 100, ""), pod("b", 1, ""), pod("c", 100, "")];
        for pod in &mut pods {
            pod.zone = None;
        }
        assert_eq!(told(&pods, 2), "b Idle, c Youngest");
    }

    #[test]
    fn extreme_usage_does_no_harm() {
        let pods =
            [pod("a", i64::MAX, "x"), pod("b", i64::MAX, "x"), pod("c", i64::MIN, "y"), pod("d", -1, "y")];
        assert_eq!(victims(&pods, 10).len(), 4);
        let idle = [pod("a", 0, "x"), pod("b", 0, "x"), pod("c", 0, "y")];
        assert_eq!(told(&idle, 1), "b FullestZone");
    }

    #[test]
    fn usage_is_that_of_the_metric_that_decided_if_it_knows_pods() {
        let metric = || external(ValueTarget::AverageValue(1000));
        let samples = |value| Samples::from([("a".to_owned(), Sample { value, ..Sample::default() })]);
        let samples_at = |value| Samples::from([("a".to_owned(), fixtures::sample(value))]);
        let of = |readings: Vec<Reading>| {
            let mut input = input(Algorithm::Plimsoll1, 3);
            for reading in readings {
                input = input.metric(metric(), reading);
            }
            let (decision, _) = decide(&input, &Memory::default());
            deciding_samples(&input, &decision).map(|samples| samples["a"].value)
        };
        assert_eq!(of(vec![Reading::Value(2000)]), None);
        assert_eq!(of(vec![Reading::Value(2000), Reading::Pods(samples(7))]), Some(7));
        assert_eq!(of(vec![]), None);
        let mut input = input(Algorithm::Plimsoll1, 1).pods([fixtures::pod("a")]);
        for load in [100, 300, 200] {
            input = input.metric(fixtures::pods_metric(100), Reading::Pods(samples_at(load)));
        }
        let (decision, _) = decide(&input, &Memory::default());
        let decided = deciding_samples(&input, &decision).map(|samples| samples["a"].value);
        assert_eq!(decided, Some(300), "of several the one with the highest proposal");
    }

    #[test]
    fn pods_that_have_ended_are_none_of_the_candidates() {
        let view = |phase, deleting| PodView { name: "a".into(), phase, deleting, ..PodView::default() };
        let of = |view: PodView| Candidate::of(&view, None, None, None);
        assert_eq!(of(view(PodPhase::Failed, false)), None);
        assert_eq!(of(view(PodPhase::Succeeded, false)), None);
        assert_eq!(of(view(PodPhase::Running, true)), None);
        assert!(of(view(PodPhase::Pending, false)).is_some_and(|pod| pod.goes_anyway));
        assert!(of(view(PodPhase::Running, false)).is_some_and(|pod| pod.goes_anyway), "not ready");
        let serving = Candidate::of(&fixtures::pod("a"), None, None, None);
        assert!(serving.is_some_and(|pod| !pod.goes_anyway));
    }

    prop_compose! {
        fn candidates()(
            pods in vec((0_i64..200, 0_usize..4, any::<bool>(), proptest::option::of(-9_i32..9), 0_i64..50), 0..30)
        ) -> Vec<Candidate> {
            let pods = pods.into_iter().enumerate();
            pods.map(|(at, (usage, zone, goes_anyway, own_cost, age))| Candidate {
                name: format!("pod-{at}"),
                usage: (usage > 20).then_some(usage),
                zone: ["x", "y", "z"].get(zone).map(|zone| (*zone).to_owned()),
                goes_anyway: goes_anyway && usage % 3 == 0,
                started: Some(ago(age)),
                own_cost: own_cost.filter(|_| usage % 4 == 0),
            })
            .collect()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn the_order_of_candidates_does_not_matter(pods in candidates(), count in 0_usize..30, turn in 0_usize..30) {
            let mut other = pods.clone();
            other.reverse();
            if !other.is_empty() {
                let middle = turn % other.len();
                other.rotate_left(middle);
            }
            prop_assert_eq!(victims(&pods, count), victims(&other, count));
        }

        #[test]
        fn more_victims_are_the_same_ones_and_more(pods in candidates(), count in 0_usize..30) {
            let (fewer, more) = (victims(&pods, count), victims(&pods, count + 1));
            prop_assert!(fewer.len() <= count && more.starts_with(&fewer));
        }

        /// Take the zone out of the rank and this fails.
        #[test]
        fn zones_end_no_more_uneven_than_they_were(mut pods in candidates(), count in 0_usize..30) {
            for pod in &mut pods {
                (pod.usage, pod.goes_anyway, pod.own_cost) = (Some(100), false, None);
            }
            let spread = |gone: &[Victim]| {
                let mut zones: BTreeMap<_, i32> = BTreeMap::new();
                for pod in &pods {
                    let is_left = !gone.iter().any(|victim| victim.name == pod.name);
                    *zones.entry(&pod.zone).or_default() += i32::from(is_left);
                }
                zones.values().max().copied().unwrap_or(0) - zones.values().min().copied().unwrap_or(0)
            };
            prop_assert!(spread(&victims(&pods, count)) <= spread(&[]).max(1));
        }
    }
}
