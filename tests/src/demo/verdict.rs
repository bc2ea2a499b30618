//! Whether what was seen is what should have been seen. Pure.

use std::time::Duration;

use super::{
    model::{Change, Model, Service, Usage},
    shop::WAVE,
    wave::Acts,
};

/// The operator's own tolerance: this share above the target is still on target.
pub(super) const TOLERANCE: f64 = 0.1;

/// What came out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Verdict {
    /// From the step in load to the first change of the replicas.
    pub(super) first_decision: Option<Duration>,
    /// From the step in load to enough ready pods.
    pub(super) enough: Option<Duration>,
    /// From the end of the wave to the minimum.
    pub(super) back: Option<Duration>,
    /// What should not have been; empty when all is well.
    pub(super) failures: Vec<String>,
}

/// Whether the ready pods carry the load at their target, within tolerance.
pub(super) fn is_enough(service: &Service) -> bool {
    carries(service, service.load_milli, service.ready)
}

/// Whether that is also what metrics.k8s.io says, of all pods.
pub(super) fn is_calm(service: &Service) -> bool {
    let target = service.target_milli();
    let calm = |usage: Usage| {
        usage.pods == service.ready && target.is_some_and(|target| on_target(usage.per_pod_milli, target))
    };
    is_enough(service) && service.wanted == Some(service.ready) && service.usage.is_some_and(calm)
}

/// Whether it is at its minimum.
pub(super) fn is_back(service: &Service) -> bool {
    let min = service.scaler.as_ref().map(|scaler| scaler.min);
    min.is_some() && service.wanted == min && Some(service.ready) == min
}

/// Judges the run.
pub(super) fn judge(model: &Model, acts: &Acts) -> Verdict {
    let mut verdict = Verdict::default();
    for (service, generation) in model.services.iter().zip(&acts.generations) {
        if service.name == WAVE {
            judge_wave(service, acts, &mut verdict);
        } else {
            verdict.failures.extend(moved(service, acts.settled, *generation));
        }
    }
    if !model.services.iter().any(|service| service.name == WAVE)
        || acts.generations.len() != model.services.len()
    {
        verdict.failures.push("not all services were watched".to_owned());
    }
    verdict
}

fn judge_wave(service: &Service, acts: &Acts, verdict: &mut Verdict) {
    let after: Vec<&Change> = service.changes.iter().filter(|change| change.at >= acts.up).collect();
    let end = acts.down.unwrap_or(Duration::MAX);
    verdict.first_decision =
        after.first().filter(|change| change.at < end).map(|change| change.at.saturating_sub(acts.up));
    let mut ready_in_wave = service.ready_since.iter().filter(|(at, _)| (acts.up..end).contains(at));
    let enough = ready_in_wave.find(|(_, ready)| carries(service, acts.wave_milli, *ready));
    verdict.enough = enough.map(|(at, _)| at.saturating_sub(acts.up));
    let name = &service.name;
    let still = format!("{} wanted, {} ready", service.wanted.unwrap_or_default(), service.ready);
    if verdict.first_decision.is_none() {
        verdict.failures.push(format!("{name} did not scale after the step in load: still {still}"));
    } else if verdict.enough.is_none() {
        verdict.failures.push(format!("{name} did not get enough ready pods in time: {still}"));
    } else if let Some(down) = acts.down {
        verdict.back = is_back(service)
            .then(|| service.ready_since.last())
            .flatten()
            .map(|(at, _)| at.saturating_sub(down));
        if verdict.back.is_none() {
            verdict.failures.push(format!("{name} did not come back to its minimum in time: {still}"));
        }
    } else {
        verdict
            .failures
            .push(format!("metrics-server did not see the new pods of {name} on target in time: {still}"));
    }
    for change in after.iter().filter(|change| change.why.is_none()) {
        verdict.failures.push(format!("{name}: nobody said why {} -> {}", change.from, change.to));
    }
}

/// What moved of a service that should have stayed as it was. Its numbers were followed one by one; a change
/// that was undone unseen still leaves its mark on the generation.
fn moved(service: &Service, since: Duration, generation: i64) -> Option<String> {
    let name = &service.name;
    if let Some(change) = service.changes.iter().find(|change| change.at >= since) {
        let why = change.why.as_ref().map_or_else(|| "nobody said why".to_owned(), ToString::to_string);
        return Some(format!("{name} should have stayed as it was: {} -> {}: {why}", change.from, change.to));
    }
    if let Some((_, ready)) = service.ready_since.iter().find(|(at, _)| *at >= since) {
        return Some(format!("the ready pods of {name} did not stay as they were: {ready}"));
    }
    (service.generation != generation).then(|| format!("somebody changed the Deployment {name}"))
}

fn carries(service: &Service, load_milli: u64, pods: u32) -> bool {
    let target = service.target_milli();
    pods > 0 && target.is_some_and(|target| on_target(load_milli / u64::from(pods), target))
}

#[allow(clippy::cast_precision_loss)]
fn on_target(per_pod: u64, target: u64) -> bool {
    per_pod as f64 <= target as f64 * (1.0 + TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::model::{Scaler, Why};

    const UP: u64 = 100;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Two services at two pods each, and a wave that one of them has just carried.
    fn quiet() -> (Model, Acts) {
        let mut model = Model::new(&[WAVE, "other"]);
        for service in &mut model.services {
            service.request_milli = 100;
            service.generation = 1;
            service.wanted = Some(2);
            service.ready = 2;
            service.ready_since = vec![(seconds(50), 2)];
            service.load_milli = 110;
            service.scaler = Some(Scaler { min: 2, target_percent: 60, active: true, ..Scaler::default() });
        }
        let acts = Acts {
            settled: seconds(90),
            generations: vec![1, 1],
            up: seconds(UP),
            down: Some(seconds(160)),
            wave_milli: 660,
            zones: Vec::new(),
        };
        (model, acts)
    }

    fn change(service: &mut Service, at: u64, to: u32) {
        let (at, from) = (seconds(at), service.wanted.unwrap());
        service.changes.push(Change { at, from, to, why: Some(Why::default()) });
        service.ready_since.push((at + seconds(1), to));
        (service.wanted, service.ready) = (Some(to), to);
    }

    fn carried() -> (Model, Acts) {
        let (mut model, acts) = quiet();
        change(&mut model.services[0], 120, 11);
        change(&mut model.services[0], 190, 5);
        change(&mut model.services[0], 205, 2);
        (model, acts)
    }

    #[test]
    fn a_wave_that_was_carried() {
        let (model, acts) = carried();
        let expected = Verdict {
            first_decision: Some(seconds(20)),
            enough: Some(seconds(21)),
            back: Some(seconds(46)),
            failures: Vec::new(),
        };
        assert_eq!(judge(&model, &acts), expected);
    }

    #[test]
    fn nothing_scaled() {
        let (model, acts) = quiet();
        let verdict = judge(&model, &Acts { down: None, ..acts });
        assert_eq!(
            verdict.failures,
            ["store-get did not scale after the step in load: still 2 wanted, 2 ready"]
        );
    }

    #[test]
    fn too_few_pods_are_not_enough() {
        let (mut model, acts) = quiet();
        change(&mut model.services[0], 120, 9);
        let verdict = judge(&model, &Acts { down: None, ..acts });
        assert_eq!(verdict.failures, ["store-get did not get enough ready pods in time: 9 wanted, 9 ready"]);
    }

    #[test]
    fn it_did_not_come_back() {
        let (mut model, acts) = quiet();
        change(&mut model.services[0], 120, 11);
        let verdict = judge(&model, &acts);
        assert_eq!(
            verdict.failures,
            ["store-get did not come back to its minimum in time: 11 wanted, 11 ready"]
        );
    }

    #[test]
    fn another_moved_and_came_back() {
        let (mut model, acts) = carried();
        change(&mut model.services[1], 130, 3);
        change(&mut model.services[1], 140, 2);
        let failures = judge(&model, &acts).failures;
        assert_eq!(failures, ["other should have stayed as it was: 2 -> 3: "]);
    }

    #[test]
    fn what_moved_unseen_left_its_mark() {
        let (mut model, acts) = carried();
        model.services[1].generation = 3;
        assert_eq!(judge(&model, &acts).failures, ["somebody changed the Deployment other"]);
    }

    #[test]
    fn a_pod_of_another_that_was_lost() {
        let (mut model, acts) = carried();
        model.services[1].ready_since.extend([(seconds(130), 1), (seconds(131), 2)]);
        assert_eq!(judge(&model, &acts).failures, ["the ready pods of other did not stay as they were: 1"]);
    }

    #[test]
    fn a_change_without_a_reason() {
        let (mut model, acts) = carried();
        model.services[0].changes[1].why = None;
        assert_eq!(judge(&model, &acts).failures, ["store-get: nobody said why 11 -> 5"]);
    }
}
