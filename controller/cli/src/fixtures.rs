//! A short history for tests, and files that say what a command prints.

use std::{borrow::Cow, collections::BTreeMap, env, fs, path::PathBuf};

use plimsoll_core::{
    replicas::{
        Algorithm, Asked, Behavior, ContainerView, Input, Memory, MetricSpec, Obstacle, Outcome, PodPhase,
        PodTarget, PodView, Policy, Reading, ReadyCondition, ReadyStatus, Record, Sample, Settings,
        TargetView, ValueTarget, blocked, decide,
    },
    time::{Span, Timestamp},
};

use crate::history::History;

/// 2026-11-24 08:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_795_507_200);

/// Half a minute after the last decision of [`history`].
pub(crate) fn now() -> Timestamp {
    START + Span::from_secs(90)
}

fn policy() -> Policy {
    let mut behavior = Behavior::default();
    behavior.scale_up.policies.truncate(1);
    Policy {
        algorithm: Algorithm::Plimsoll1,
        min_replicas: 2,
        max_replicas: 8,
        metrics: vec![
            MetricSpec::Resource { name: "cpu".to_owned(), target: PodTarget::Utilization(50) },
            MetricSpec::External {
                metric: "queue".to_owned(),
                selector: None,
                target: ValueTarget::AverageValue(10_000),
            },
        ],
        behavior: Some(behavior),
        ..Policy::default()
    }
}

fn pod(number: i32) -> PodView {
    PodView {
        name: format!("web-{number}"),
        phase: PodPhase::Running,
        start_time: Some(START - Span::from_secs(7200)),
        ready: Some(ReadyCondition {
            status: ReadyStatus::True,
            last_transition: START - Span::from_secs(7190),
        }),
        containers: vec![ContainerView {
            name: "app".to_owned(),
            requests: BTreeMap::from([("cpu".to_owned(), 100)]),
        }],
        ..PodView::default()
    }
}

/// `milli` of cpu on each of the pods.
fn input(secs: i64, pods: i32, milli: i64) -> Input {
    let now = START + Span::from_secs(secs);
    let sample = Sample { value: milli, timestamp: now - Span::from_secs(10), window: Span::from_secs(30) };
    let samples = (0..pods).map(|number| (format!("web-{number}"), sample)).collect();
    Input {
        now,
        settings: Settings::default(),
        namespace: "shop".to_owned(),
        policy: policy(),
        target: TargetView { spec_replicas: pods, status_replicas: pods },
        pods: (0..pods).map(pod).collect(),
        readings: vec![Reading::Pods(samples), Reading::Series(vec![20_000])],
        scaled_to_zero: false,
        obstacle: None,
        zones: None,
        nodes: None,
    }
}

/// A steady moment, a target that cannot be read, a wave of load that is answered as far as the policies allow, and
/// the moment after.
pub(crate) fn history() -> History {
    let mut records = Vec::new();
    let mut memory = Memory::default();
    for (secs, pods, milli) in [(0, 3, 50), (15, 3, 50), (30, 3, 210), (60, 7, 20)] {
        if secs == 15 {
            let obstacle = Obstacle::FailedGetScale("deployments.apps \"web\" is forbidden".to_owned());
            let decision = blocked(&obstacle, 3);
            let asked = Asked::Blocked {
                now: START + Span::from_secs(secs),
                obstacle: Cow::Owned(obstacle),
                current: 3,
            };
            records
                .push(serde_json::to_string(&Record { asked, decision, outcome: Outcome::Nothing }).unwrap());
            continue;
        }
        let mut input = input(secs, pods, milli);
        if secs == 60 {
            input.pods[6].ready = None;
            input.pods[5].foreign = true;
        }
        let (decision, after) = decide(&input, &memory);
        let outcome = if decision.is_rescale() { Outcome::Written } else { Outcome::Nothing };
        let before = std::mem::replace(
            &mut memory,
            if decision.is_rescale() { after.rescaled(&input, &decision) } else { after },
        );
        let asked = Asked::Decide { input: Cow::Owned(input), memory: Cow::Owned(before) };
        records.push(serde_json::to_string(&Record { asked, decision, outcome }).unwrap());
    }
    records.reverse();
    let text = format!(
        r#"{{"version":"{}","namespace":"shop","name":"web","nextLook":{},"decisions":[{}]}}"#,
        env!("CARGO_PKG_VERSION"),
        (now() + Span::from_secs(11)).as_millis(),
        records.join(",")
    );
    serde_json::from_str(&text).unwrap()
}

/// Compares with `tests/goldens/<name>.txt`, or writes it where `UPDATE_GOLDENS` is set. The documentation shows the same.
pub(crate) fn golden(name: &str, text: &str) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = root.join(format!("tests/goldens/{name}.txt"));
    if env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    pretty_assertions::assert_eq!(text, expected, "{}", path.display());
    let page = fs::read_to_string(root.join("../../docs/cli.md")).unwrap_or_default();
    assert!(page.contains(text.trim_end()), "docs/cli.md does not show {}", path.display());
}
