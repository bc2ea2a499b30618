//! Which pods count with their samples, and which do not.

use std::collections::BTreeSet;

use super::Context;
use super::decision::PodCounts;
use super::usage::{Sample, Samples};
use super::view::{PodPhase, PodView, ReadyStatus};

/// The pods of one metric, by what they mean to it.
#[derive(Debug, Default)]
pub(super) struct Groups<'a> {
    /// The number of pods that count with their samples.
    pub(super) ready: usize,
    /// Their samples are not believed: not counted on the way down, taken for zero on the way up.
    pub(super) unready: BTreeSet<&'a str>,
    /// They have no sample: taken for full load on the way down, for zero on the way up.
    pub(super) missing: BTreeSet<&'a str>,
    /// They are going or gone.
    pub(super) ignored: BTreeSet<&'a str>,
    /// The number of missing pods whose sample is too old.
    pub(super) stale: usize,
    /// The number of missing pods whose sample is negative.
    pub(super) negative: usize,
}

impl Groups<'_> {
    pub(super) fn counts(&self) -> PodCounts {
        PodCounts {
            ready: self.ready,
            unready: self.unready.len(),
            missing: self.missing.len(),
            ignored: self.ignored.len(),
            stale: self.stale,
        }
    }
}

/// Groups pods as `groupPods` of HPA. `resource` is `None` for metrics that are not resources.
pub(super) fn group<'a>(ctx: &Context<'a>, samples: &Samples, resource: Option<&str>) -> Groups<'a> {
    let mut groups = Groups::default();
    for pod in ctx.pods.iter().copied() {
        let name = pod.name.as_str();
        if is_ignored(ctx, pod) {
            groups.ignored.insert(name);
        } else if pod.phase == PodPhase::Pending {
            groups.unready.insert(name);
        } else if let Some(sample) = samples.get(name) {
            if is_stale(ctx, sample) {
                groups.stale += 1;
                groups.missing.insert(name);
            } else if is_negative(ctx, sample.value) {
                groups.negative += 1;
                groups.missing.insert(name);
            } else if resource == Some("cpu") && is_unready(ctx, pod, sample) {
                groups.unready.insert(name);
            } else {
                groups.ready += 1;
            }
        } else {
            groups.missing.insert(name);
        }
    }
    groups
}

/// Whether the pod is on its way out, or ended.
pub(super) fn is_ignored(ctx: &Context<'_>, pod: &PodView) -> bool {
    pod.deleting
        || pod.phase == PodPhase::Failed
        || (ctx.rules.finished_pods_are_ignored() && pod.phase == PodPhase::Succeeded)
}

pub(super) fn is_stale(ctx: &Context<'_>, sample: &Sample) -> bool {
    ctx.rules.sample_is_stale(ctx.input.now.since(sample.timestamp), sample.window)
}

/// Whether the value is refused as one that no load has.
pub(super) fn is_negative(ctx: &Context<'_>, value: i64) -> bool {
    value < 0 && ctx.rules.negative_is_no_load()
}

/// Whether the CPU sample says more about the start of the pod than about its load.
fn is_unready(ctx: &Context<'_>, pod: &PodView, sample: &Sample) -> bool {
    let (Some(ready), Some(start)) = (pod.ready, pod.start_time) else { return true };
    let settings = &ctx.input.settings;
    let not_ready = ready.status == ReadyStatus::False;
    let is_young = start + settings.cpu_initialization_period > ctx.input.now;
    if is_young {
        let before_a_full_window = sample.timestamp < ready.last_transition + sample.window;
        not_ready || before_a_full_window
    } else {
        let never_was_ready = start + settings.initial_readiness_delay > ready.last_transition;
        not_ready && never_was_ready
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{BOTH, NOW, ago, context, input, pod, sample};
    use super::super::view::ReadyCondition;
    use super::super::{Algorithm, Settings};
    use super::*;
    use crate::time::{Span, Timestamp};

    /// The group of one pod with one sample, or without.
    fn group_of(
        algorithm: Algorithm,
        pod: PodView,
        sample: Option<Sample>,
        resource: Option<&str>,
    ) -> &'static str {
        let input = input(algorithm, 1).pods([pod]);
        let samples = sample.into_iter().map(|sample| ("web-0".to_owned(), sample)).collect();
        let groups = group(&context(&input), &samples, resource);
        let PodCounts { ready, unready, missing, ignored, stale } = groups.counts();
        match (ready, unready, missing, ignored, stale) {
            (1, 0, 0, 0, 0) => "ready",
            (0, 1, 0, 0, 0) => "unready",
            (0, 0, 1, 0, 0) => "missing",
            (0, 0, 0, 1, 0) => "ignored",
            (0, 0, 1, 0, 1) => "stale",
            other => panic!("one pod in several groups: {other:?}"),
        }
    }

    fn web(edit: impl FnOnce(&mut PodView)) -> PodView {
        let mut pod = pod("web-0");
        edit(&mut pod);
        pod
    }

    fn ready(status: ReadyStatus, last_transition: Timestamp) -> ReadyCondition {
        ReadyCondition { status, last_transition }
    }

    #[test]
    fn what_a_pod_is_doing_comes_before_its_sample() {
        let table = [
            ("deleting", web(|p| p.deleting = true), "ignored"),
            ("failed", web(|p| p.phase = PodPhase::Failed), "ignored"),
            ("pending", web(|p| p.phase = PodPhase::Pending), "unready"),
            ("pending and deleting", web(|p| (p.phase, p.deleting) = (PodPhase::Pending, true)), "ignored"),
            ("running", web(|_| ()), "ready"),
            ("of unknown phase", web(|p| p.phase = PodPhase::Unknown), "ready"),
        ];
        for algorithm in BOTH {
            for (what, pod, expected) in &table {
                for resource in [Some("cpu"), Some("memory"), None] {
                    let found = group_of(algorithm, pod.clone(), Some(sample(50)), resource);
                    assert_eq!(found, *expected, "{algorithm}, {what}, {resource:?}");
                }
            }
            assert_eq!(group_of(algorithm, web(|_| ()), None, Some("cpu")), "missing");
            let pending = web(|p| p.phase = PodPhase::Pending);
            assert_eq!(group_of(algorithm, pending, None, Some("cpu")), "unready", "pending beats missing");
        }
    }

    #[test]
    fn a_finished_pod_counts_for_hpa_only() {
        let done = web(|p| p.phase = PodPhase::Succeeded);
        assert_eq!(group_of(Algorithm::Hpa137, done.clone(), Some(sample(1)), None), "ready");
        assert_eq!(group_of(Algorithm::Hpa137, done.clone(), None, None), "missing");
        assert_eq!(group_of(Algorithm::Plimsoll1, done, None, None), "ignored");
    }

    #[test]
    fn readiness_matters_for_cpu_only() {
        let never_ready = web(|p| p.ready = Some(ready(ReadyStatus::False, ago(7190))));
        for algorithm in BOTH {
            let of = |resource| group_of(algorithm, never_ready.clone(), Some(sample(1)), resource);
            assert_eq!(of(Some("cpu")), "unready");
            assert_eq!(of(Some("memory")), "ready");
            assert_eq!(of(None), "ready");
        }
    }

    /// Sample at 10 s ago, window 30 s, initialization period 5 min, readiness delay 30 s.
    #[test]
    fn young_and_old_pods_are_judged_differently() {
        let started = |secs| Some(ago(secs));
        let table = [
            ("no start time", None, Some(ready(ReadyStatus::True, ago(7000))), "unready"),
            ("no Ready condition", started(7000), None, "unready"),
            ("young, not ready", started(60), Some(ready(ReadyStatus::False, ago(50))), "unready"),
            (
                "young, sample within the first window",
                started(60),
                Some(ready(ReadyStatus::True, ago(39))),
                "unready",
            ),
            (
                "young, sample at the end of the first window",
                started(60),
                Some(ready(ReadyStatus::True, ago(40))),
                "ready",
            ),
            ("young, readiness unknown", started(60), Some(ready(ReadyStatus::Unknown, ago(50))), "ready"),
            ("last moment of youth", started(299), Some(ready(ReadyStatus::True, ago(20))), "unready"),
            ("first moment of age", started(300), Some(ready(ReadyStatus::True, ago(20))), "ready"),
            ("old, never ready", started(600), Some(ready(ReadyStatus::False, ago(571))), "unready"),
            (
                "old, unready after the delay",
                started(600),
                Some(ready(ReadyStatus::False, ago(570))),
                "ready",
            ),
            ("old, was ready once", started(600), Some(ready(ReadyStatus::False, ago(60))), "ready"),
        ];
        for algorithm in BOTH {
            for (what, start_time, ready, expected) in table {
                let pod = web(|p| (p.start_time, p.ready) = (start_time, ready));
                assert_eq!(
                    group_of(algorithm, pod, Some(sample(1)), Some("cpu")),
                    expected,
                    "{algorithm}: {what}"
                );
            }
        }
    }

    #[test]
    fn an_old_sample_is_missing_unless_hpa_asks() {
        let aged = |age, window| {
            Some(Sample { value: 1, timestamp: NOW - Span::from_secs(age), window: Span::from_secs(window) })
        };
        let table = [
            ("two minutes are always granted", aged(120, 10), "ready"),
            ("a moment later", aged(121, 10), "stale"),
            ("three long windows are granted", aged(180, 60), "ready"),
            ("a moment more", aged(181, 60), "stale"),
            ("from the future", aged(-600, 10), "ready"),
        ];
        for (what, sample, expected) in table {
            assert_eq!(group_of(Algorithm::Plimsoll1, web(|_| ()), sample, None), expected, "{what}");
            assert_eq!(group_of(Algorithm::Hpa137, web(|_| ()), sample, None), "ready", "{what}");
        }
        assert_eq!(Settings::default().initial_readiness_delay, Span::from_secs(30));
    }
}
