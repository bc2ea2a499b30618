use plimsoll_core::{
    reason::{ConditionKind, ConditionReason, ConditionStatus},
    replicas::{Obstacle, blocked},
};
use pretty_assertions::assert_eq;

use super::*;

fn spec(metrics: &str) -> PodScalerSpec {
    let head = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\nmaxReplicas: 10\n";
    serde_saphyr::from_str(&format!("{head}metrics: [{metrics}]")).unwrap()
}

const CPU: &str =
    "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}";
const MEMORY: &str =
    "{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 2Gi}}}";
const QUEUE: &str =
    "{type: External, external: {metric: {name: queue}, target: {type: AverageValue, averageValue: '5'}}}";
const QUERY: &str =
    "{type: Prometheus, prometheus: {source: {name: p}, query: up, target: {type: Value, value: 7}}}";
const HITS: &str = "{type: Scrape, scrape: {port: 80, metric: hits, readAs: Rate, target: {type: AverageValue, averageValue: 9}}}";
const FRONT: &str = "{type: Object, object: {describedObject: {kind: Ingress, name: front}, metric: {name: rps}, target: {type: Value, value: 100}}}";

fn condition(status: ConditionStatus, reason: ConditionReason) -> ConditionUpdate {
    ConditionUpdate { kind: ConditionKind::AbleToScale, status, reason, message: "because".into() }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

#[test]
fn targets_are_shown_as_kubectl_shows_those_of_an_hpa() {
    let status = |utilization, average| MetricStatus {
        average_utilization: utilization,
        average_value: average,
        value: None,
    };
    for (metric, status, expected) in [
        (CPU, Some(status(Some(41), Some(410))), "cpu: 41%/60%"),
        (CPU, None, "cpu: <unknown>/60%"),
        (MEMORY, Some(status(None, Some(1024 * 1024 * 1024 * 1000))), "memory: 1Gi/2Gi"),
        (QUEUE, Some(status(None, Some(3500))), "3500m/5 (avg)"),
        (FRONT, Some(MetricStatus { value: Some(90_000), ..MetricStatus::default() }), "90/100"),
        (QUERY, Some(MetricStatus { value: Some(2500), ..MetricStatus::default() }), "2500m/7"),
        (HITS, Some(status(None, Some(4000))), "4/9"),
        (HITS, None, "<unknown>/9"),
    ] {
        let metrics = spec(metric).metrics;
        assert_eq!(shown_target(&metrics[0], status.as_ref()), expected);
    }
}

#[test]
fn metrics_that_are_read_directly_are_shown_under_their_own_type() {
    let metrics = spec(&[QUERY, HITS].join(", ")).metrics;
    let shown = |metric, status| serde_json::to_value(current_metric(metric, &status)).unwrap();
    let value = MetricStatus { value: Some(2500), ..MetricStatus::default() };
    assert_eq!(
        shown(&metrics[0], value),
        serde_json::json!({ "type": "Prometheus", "prometheus": {
            "source": { "kind": "Source", "name": "p" }, "query": "up", "current": { "value": "2500m" },
        }})
    );
    let average = MetricStatus { average_value: Some(4000), ..MetricStatus::default() };
    assert_eq!(
        shown(&metrics[1], average),
        serde_json::json!({ "type": "Scrape", "scrape": {
            "metric": { "name": "hits" }, "current": { "averageValue": "4" },
        }})
    );
}

#[test]
fn more_than_two_targets_are_counted() {
    let metrics = spec(&[CPU, MEMORY, QUEUE, FRONT].join(", ")).metrics;
    let shown = shown_targets(&metrics, &blocked(&Obstacle::Paused, 1));
    assert_eq!(shown, "cpu: <unknown>/60%, memory: <unknown>/2Gi + 2 more...");
}

#[test]
fn the_transition_time_of_a_condition_changes_only_with_its_status() {
    use ConditionReason::{FailedGetScale, ReadyForNewScale, SucceededGetScale};
    use ConditionStatus::{False, True};
    let first = merge(&[], &[condition(True, SucceededGetScale)], Some(1), at(10));
    let second = merge(&first, &[condition(True, ReadyForNewScale)], Some(2), at(20));
    let third = merge(&second, &[condition(False, FailedGetScale)], Some(2), at(30));
    let times: Vec<_> = [&first, &second, &third].map(|c| c[0].last_transition_time.clone()).into();
    assert_eq!(times, [from_core_time(at(10)), from_core_time(at(10)), from_core_time(at(30))]);
    assert_eq!((second[0].reason.as_str(), second[0].observed_generation), ("ReadyForNewScale", Some(2)));
}

#[test]
fn a_condition_that_is_not_spoken_of_stays() {
    let before =
        merge(&[], &[condition(ConditionStatus::True, ConditionReason::SucceededGetScale)], None, at(1));
    assert_eq!(merge(&before, &[], None, at(2)), before);
}

#[test]
fn a_new_time_of_looking_is_no_change() {
    let with_time = |time| PodScalerStatus {
        last_decision: Some(LastDecision { time: Some(from_core_time(at(time))), ..LastDecision::default() }),
        ..PodScalerStatus::default()
    };
    assert_eq!(change(&with_time(1), &with_time(2)), Change::None);
}

#[test]
fn a_new_value_is_shown_and_a_new_reason_is_decided() {
    let before = PodScalerStatus {
        conditions: merge(
            &[],
            &[condition(ConditionStatus::True, ConditionReason::SucceededGetScale)],
            None,
            at(1),
        ),
        ..PodScalerStatus::default()
    };
    let value = PodScalerStatus { targets: Some("cpu: 41%/60%".into()), ..before.clone() };
    assert_eq!(change(&before, &value), Change::Shown);
    let mut message = before.clone();
    message.conditions[0].message = "because of 3 pods".into();
    assert_eq!(change(&before, &message), Change::Shown);
    let mut reason = before.clone();
    reason.conditions[0].reason = "ReadyForNewScale".into();
    assert_eq!(change(&before, &reason), Change::Decided);
    let replicas = PodScalerStatus { current_replicas: Some(3), ..before.clone() };
    assert_eq!(change(&before, &replicas), Change::Decided);
}

#[test]
fn values_that_differ_by_a_tenth_at_most_have_hardly_moved() {
    let metrics = spec(&[CPU, QUERY].join(", ")).metrics;
    let status = |percent, milli| PodScalerStatus {
        current_metrics: Some(vec![
            current_metric(
                &metrics[0],
                &MetricStatus { average_utilization: Some(percent), ..MetricStatus::default() },
            ),
            current_metric(&metrics[1], &MetricStatus { value: milli, ..MetricStatus::default() }),
        ]),
        ..PodScalerStatus::default()
    };
    let before = status(50, Some(2000));
    for (after, expected) in [
        (status(50, Some(2000)), Change::None),
        (status(55, Some(1800)), Change::Slight),
        (status(56, Some(2000)), Change::Shown),
        (status(50, Some(1799)), Change::Shown),
        (status(50, None), Change::Shown),
        (PodScalerStatus::default(), Change::Shown),
    ] {
        assert_eq!(change(&before, &after), expected, "{after:?}");
    }
    let mut limited = status(51, Some(2000));
    limited.last_decision = Some(LastDecision { limits: vec!["4 -> 3".into()], ..LastDecision::default() });
    assert_eq!(change(&before, &limited), Change::Shown, "what is said is no number");
}

#[test]
fn an_undecided_look_keeps_what_was_decided_before() {
    let spec = spec(CPU);
    let metadata = kube::api::ObjectMeta { generation: Some(4), ..kube::api::ObjectMeta::default() };
    let subject = Subject {
        kind: crate::podscaler::Kind::PodScaler,
        namespace: "shop",
        name: "web",
        metadata: &metadata,
        spec: Some(&spec),
        status: None,
        raw_status: &serde_json::Value::Null,
    };
    let before = PodScalerStatus {
        current_replicas: Some(5),
        desired_replicas: 6,
        last_scale_time: Some(from_core_time(at(1))),
        ..PodScalerStatus::default()
    };
    let decision = blocked(&Obstacle::FailedGetScale("gone".into()), 0);
    let status = after(&before, &subject, &decision, &decision.conditions, false, at(9));
    assert_eq!(
        (
            status.current_replicas,
            status.desired_replicas,
            status.last_scale_time,
            status.observed_generation
        ),
        (Some(5), 6, Some(from_core_time(at(1))), Some(4))
    );
    assert_eq!(status.conditions[0].reason, "FailedGetScale");
}

#[test]
fn that_it_only_recommends_is_said_while_it_does() {
    let recommending = [plimsoll_core::replicas::recommending()];
    let before = merge(&[], &recommending, None, at(1));
    assert_eq!(before[0].type_, "Recommending");
    assert_eq!(merge(&before, &recommending, None, at(2)), before);
    assert_eq!(merge(&before, &[], None, at(2)), Vec::new());
}
