use super::super::decision::{LimitKind, MetricStatus, SyncError};
use super::super::fixtures::{
    cpu_percent, external, input, load, object, pods_metric, prometheus, scrape, web,
};
use super::super::{Algorithm, Memory, Reading, ReadingError, decide};
use super::*;
use crate::time::Span;

fn explained(input: &Input, outcome: &Outcome) -> Explanation {
    decide(input, &Memory::default()).0.explain(Some(input), outcome)
}

#[test]
fn every_step_from_the_metrics_to_the_size_is_told() {
    let mut input = input(Algorithm::Plimsoll1, 3)
        .pods(web(5))
        .metric(cpu_percent(50), Reading::Pods(load([200, 200, 200])))
        .metric(external(ValueTarget::AverageValue(10_000)), Reading::Value(20_000));
    (input.pods[3].foreign, input.pods[4].foreign) = (true, true);
    input.policy.max_replicas = 5;
    let told = explained(&input, &Outcome::Written);
    assert_eq!(
        told.sentences,
        [
            "Grows from 3 to 5.",
            "cpu resource utilization (percentage of request) above target.",
            "The 12 was cut to 5: maxReplicas.",
            "It was written."
        ]
    );
    let steps: Vec<_> = told.steps.iter().map(|step| (step.replicas, step.because.as_str())).collect();
    assert_eq!(
        steps,
        [(12, "asked for by cpu resource utilization (percentage of request)"), (5, "maxReplicas")]
    );
    let [cpu, queue] = told.metrics.as_slice() else { panic!("{told:?}") };
    assert_eq!((cpu.value.as_deref(), cpu.target.as_str()), (Some("200 % (200m per pod)"), "50 %"));
    assert_eq!((cpu.ratio, cpu.proposal, cpu.foreign), (Some(4.0), Some(12), 2));
    assert_eq!((queue.value.as_deref(), queue.target.as_str()), (Some("6667m per pod"), "10 per pod"));
    assert_eq!((queue.pods, queue.foreign), (None, 0));
}

#[test]
fn what_failed_has_no_value_and_says_why() {
    let input = input(Algorithm::Plimsoll1, 3)
        .pods(web(3))
        .metric(cpu_percent(50), Reading::Failed(ReadingError::Empty));
    let told = explained(&input, &Outcome::Nothing);
    assert_eq!(told.sentences[0], "Stays at 3: nothing could be decided.");
    let row = &told.metrics[0];
    assert_eq!((row.value.as_deref(), row.proposal, row.target.as_str()), (None, None, "50 %"));
    let why = "failed: failed to get cpu utilization: unable to get metrics for resource cpu: \
               no metrics returned from resource metrics API";
    assert_eq!(row.basis, why);
    assert_eq!(told.steps, []);
}

#[test]
fn a_size_that_was_not_to_be_written_is_told_as_such() {
    let input =
        input(Algorithm::Plimsoll1, 1).pods(web(1)).metric(cpu_percent(50), Reading::Pods(load([100])));
    let last = |outcome| explained(&input, &outcome).sentences.pop().unwrap();
    assert_eq!(last(Outcome::Nothing), "It was not to be written.");
    assert_eq!(last(Outcome::Failed("timed out".to_owned())), "It could not be written: timed out.");
}

fn limit(kind: LimitKind, from: i32, to: i32) -> Limit {
    Limit { kind, from, to }
}

/// The error that ended the look, else the limit that keeps the size, else the reason.
#[test]
fn one_line_says_why_the_size_is_what_it_is() {
    let error = |ends_sync| Some(SyncError { message: "no metrics".to_owned(), ends_sync });
    let steady = Decision::hold(3);
    let bound = Decision { limits: vec![limit(LimitKind::Max, 9, 3)], ..Decision::hold(3) };
    let grows = Decision {
        desired: 5,
        reason: RescaleReason::BelowMinReplicas,
        limits: bound.limits.clone(),
        ..Decision::hold(3)
    };
    for (decision, why) in [
        (steady.clone(), "all metrics within tolerance".to_owned()),
        (bound.clone(), LimitKind::Max.to_string()),
        (grows, RescaleReason::BelowMinReplicas.to_string()),
        (Decision { error: error(true), ..bound.clone() }, "no metrics".to_owned()),
        (Decision { error: error(false), ..bound }, LimitKind::Max.to_string()),
    ] {
        assert_eq!(decision.why(), why);
    }
}

#[test]
fn a_size_that_stays_is_told_with_what_keeps_it() {
    let told = |decision: &Decision| decision.explain(None, &Outcome::Nothing).sentences;
    let steady = Decision::hold(3);
    assert_eq!(told(&steady), ["Stays at 3.", "all metrics within tolerance."]);

    let kept = Decision { limits: vec![limit(LimitKind::PartialFailure, 3, 3)], ..Decision::hold(3) };
    let because = LimitKind::PartialFailure;
    assert_eq!(told(&kept), ["Stays at 3.".to_owned(), format!("The 3 was kept to 3: {because}.")]);

    let error = Some(SyncError { message: "it was refused.".to_owned(), ends_sync: false });
    let failed = Decision { error, next_look: Some(Span::from_secs(90)), ..Decision::hold(3) };
    assert_eq!(
        told(&failed),
        ["Stays at 3.", "Error: it was refused.", "What holds it back may give way in 1m30s."]
    );
}

#[test]
fn a_size_that_shrinks_is_told_with_what_raised_it() {
    let shrinks = Decision {
        desired: 2,
        reason: RescaleReason::AllMetricsBelowTarget,
        recommendation: Some(1),
        limits: vec![limit(LimitKind::Min, 1, 2)],
        ..Decision::hold(3)
    };
    let told = shrinks.explain(None, &Outcome::Written);
    let reason = RescaleReason::AllMetricsBelowTarget;
    assert_eq!(
        told.sentences,
        [
            "Shrinks from 3 to 2.".to_owned(),
            format!("{reason}."),
            "The 1 was raised to 2: minReplicas.".to_owned(),
            "It was written.".to_owned()
        ]
    );
    let steps: Vec<_> = told.steps.iter().map(|step| (step.replicas, step.because.as_str())).collect();
    assert_eq!(steps, [(1, "asked for by the metrics"), (2, "minReplicas")]);
}

/// Of the metrics those that asked for the size that won.
#[test]
fn only_the_metrics_that_asked_for_the_size_are_named_for_it() {
    let input = input(Algorithm::Plimsoll1, 3)
        .metric(external(ValueTarget::AverageValue(1000)), Reading::Value(6000))
        .metric(object(ValueTarget::AverageValue(1000)), Reading::Value(6000))
        .metric(external(ValueTarget::AverageValue(1000)), Reading::Value(4000));
    let told = explained(&input, &Outcome::Written);
    let [first, second, third] = told.metrics.as_slice() else { panic!("{told:?}") };
    assert_eq!((first.proposal, second.proposal, third.proposal), (Some(6), Some(6), Some(4)));
    assert_eq!(told.steps[0].because, format!("asked for by {}, and by {}", first.name, second.name));
}

#[test]
fn a_value_is_told_in_the_terms_of_its_target() {
    let mut metric = MetricOutcome {
        name: "m".to_owned(),
        status: None,
        proposal: Ok(3),
        ratio: None,
        basis: None,
        pods: None,
        alias: None,
        total: None,
        adjustment: None,
    };
    let mut shown = |average_utilization, average_value, value| {
        metric.status = Some(MetricStatus { average_utilization, average_value, value });
        row(&metric, None, 7).value
    };
    assert_eq!(shown(Some(80), Some(200), None).as_deref(), Some("80 % (200m per pod)"));
    assert_eq!(shown(Some(80), None, None).as_deref(), Some("80 %"));
    assert_eq!(shown(None, Some(200), None).as_deref(), Some("200m per pod"));
    assert_eq!(shown(None, None, Some(2000)).as_deref(), Some("2"));
    assert_eq!(shown(None, None, None), None);
}

#[test]
fn a_target_is_told_in_words() {
    let cpu = || "cpu".to_owned();
    let resource = |target| MetricSpec::Resource { name: cpu(), target };
    let container =
        |target| MetricSpec::ContainerResource { name: cpu(), container: "app".to_owned(), target };
    let memory = || MetricSpec::Resource {
        name: "memory".to_owned(),
        target: PodTarget::AverageValue(2 * 1024 * 1024 * 1000),
    };
    for (metric, words) in [
        (resource(PodTarget::Utilization(50)), Some("50 %")),
        (resource(PodTarget::AverageValue(500)), Some("500m per pod")),
        (container(PodTarget::Utilization(50)), Some("50 %")),
        (container(PodTarget::Unset), None),
        (resource(PodTarget::AverageValue(2_000_000)), Some("2k per pod")),
        (memory(), Some("2Mi per pod")),
        (pods_metric(2000), Some("2 per pod")),
        (scrape(2000), Some("2 per pod")),
        (object(ValueTarget::Value(2000)), Some("2")),
        (external(ValueTarget::AverageValue(2000)), Some("2 per pod")),
        (prometheus(ValueTarget::Unset), None),
        (MetricSpec::Unknown { kind: "Moon".to_owned() }, None),
    ] {
        assert_eq!(metric.target_words().as_deref(), words, "{metric:?}");
    }
}
