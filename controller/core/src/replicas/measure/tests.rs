use super::super::fixtures::{BOTH, cpu_percent, external, input, object, only_outcome, pods_metric, web};
use super::super::{LabelSelector, MetricSpec, PodTarget, Reading, ReadingError, ValueTarget};
use super::*;

fn container(target: PodTarget) -> MetricSpec {
    MetricSpec::ContainerResource { name: "cpu".to_owned(), container: "app".to_owned(), target }
}

#[test]
fn names_are_those_of_hpa() {
    let selected = MetricSpec::External {
        metric: "queue".to_owned(),
        selector: Some(LabelSelector::labels([("topic", "orders")])),
        target: ValueTarget::Value(1),
    };
    let table = [
        (cpu_percent(50), "cpu resource utilization (percentage of request)"),
        (
            MetricSpec::Resource { name: "memory".to_owned(), target: PodTarget::AverageValue(1) },
            "memory resource",
        ),
        (container(PodTarget::Utilization(1)), "cpu container resource utilization (percentage of request)"),
        (container(PodTarget::AverageValue(1)), "cpu resource"),
        (pods_metric(1), "pods metric rps"),
        (object(ValueTarget::Value(1)), "Ingress metric rps"),
        (object(ValueTarget::AverageValue(1)), "external metric rps(nil)"),
        (external(ValueTarget::AverageValue(1)), "external metric queue(nil)"),
        (
            selected,
            "external metric queue(&LabelSelector{MatchLabels:map[string]string{topic: orders,},\
             MatchExpressions:[]LabelSelectorRequirement{},})",
        ),
    ];
    for (metric, name) in table {
        assert_eq!(display_name(&metric), name);
    }
}

/// The text of the event and that of `FailedComputeMetricsReplicas`.
fn texts(metric: &MetricSpec, reading: &Reading) -> (String, String) {
    let mut seen: Vec<(String, String)> = BOTH
        .iter()
        .map(|algorithm| {
            let input = input(*algorithm, 3).pods(web(3)).metric(metric.clone(), reading.clone());
            let error = only_outcome(&input).proposal.expect_err("should fail");
            (error.message, error.in_context)
        })
        .collect();
    seen.dedup();
    assert_eq!(seen.len(), 1, "both algorithms say the same");
    seen.remove(0)
}

#[test]
fn failures_are_told_in_the_words_of_hpa() {
    let refused = || Reading::Failed(ReadingError::Fetch("connection refused".to_owned()));
    let empty = || Reading::Failed(ReadingError::Empty);
    let table = [
        (
            cpu_percent(50),
            refused(),
            "",
            "failed to get cpu resource metric value: ",
            "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from \
             resource metrics API: connection refused",
        ),
        (
            container(PodTarget::AverageValue(1)),
            empty(),
            "",
            "failed to get app container metric value: ",
            "failed to get cpu usage: unable to get metrics for resource cpu: no metrics returned from resource \
             metrics API",
        ),
        (
            pods_metric(1),
            refused(),
            "",
            "failed to get pods metric value: ",
            "unable to get metric rps: unable to fetch metrics from custom metrics API: connection refused",
        ),
        (
            object(ValueTarget::Value(1)),
            refused(),
            "",
            "failed to get object metric value: ",
            "unable to get metric rps on Ingress shop/main: unable to fetch metrics from custom metrics API: \
             connection refused",
        ),
        (
            object(ValueTarget::AverageValue(1)),
            refused(),
            "failed to get rps object metric: ",
            "failed to get object metric value: ",
            "unable to get metric rps on Ingress shop/main: unable to fetch metrics from custom metrics API: \
             connection refused",
        ),
        (
            external(ValueTarget::Value(1)),
            empty(),
            "failed to get external metric queue: ",
            "failed to get queue external metric value: ",
            "unable to get external metric shop/queue/nil: no metrics returned from external metrics API",
        ),
        (
            external(ValueTarget::AverageValue(1)),
            refused(),
            "failed to get queue external metric: ",
            "failed to get queue external metric value: ",
            "unable to get external metric shop/queue/nil: unable to fetch metrics from external metrics API: \
             connection refused",
        ),
    ];
    for (metric, reading, middle, outer, message) in table {
        let expected = (message.to_owned(), format!("{outer}{middle}{message}"));
        assert_eq!(texts(&metric, &reading), expected);
    }
}

#[test]
fn a_target_that_is_not_set_is_told() {
    let no_target = "neither a value target nor an average value target was set";
    let (object, _) = texts(&object(ValueTarget::Unset), &Reading::Value(1));
    assert_eq!(object, format!("invalid object metric source: {no_target}"));
    let (external, _) = texts(&external(ValueTarget::Unset), &Reading::Value(1));
    assert_eq!(external, format!("invalid external metric source: {no_target}"));
    let (resource, _) = texts(&container(PodTarget::Unset), &Reading::Pods(Samples::new()));
    assert_eq!(
        resource,
        "invalid resource metric source: neither an average utilization target nor an average value (usage) target \
         was set"
    );
}

#[test]
fn a_type_nobody_knows_is_an_invalid_metric() {
    let metric = MetricSpec::Unknown { kind: "Vibes".to_owned() };
    let input = input(super::super::Algorithm::Hpa137, 1).metric(metric, Reading::Value(1));
    let error = only_outcome(&input).proposal.expect_err("should fail");
    assert_eq!(error.reason, ConditionReason::InvalidMetricSourceType);
    assert_eq!(error.in_context, r#"unknown metric source type "Vibes""#);
}

#[test]
fn a_source_that_is_not_there_yet_says_so() {
    let unsupported = Reading::Failed(ReadingError::Unsupported { kind: "External".to_owned() });
    let (message, _) = texts(&external(ValueTarget::Value(1)), &unsupported);
    assert_eq!(
        message,
        "unable to get external metric shop/queue/nil: metrics of type External are not supported yet; use another \
         type in spec.metrics"
    );
}

#[test]
fn a_reading_of_the_wrong_shape_fails_instead_of_counting_as_zero() {
    let (message, _) = texts(&pods_metric(1), &Reading::Value(5));
    assert_eq!(message, "unable to get metric rps: the reading does not fit the type of the metric");
    let (message, _) = texts(&pods_metric(1), &Reading::Series(vec![5]));
    assert_eq!(message, "unable to get metric rps: the reading does not fit the type of the metric");
    let (message, _) = texts(&object(ValueTarget::Value(1)), &Reading::Pods(Samples::new()));
    assert!(message.ends_with("the reading does not fit the type of the metric"));
}
