//! `external.metrics.k8s.io`.

use std::time::Duration;

use plimsoll_core::{
    replicas::Sample,
    time::{Span, Timestamp},
};
use plimsoll_signals::{ExternalMetric, ExternalMetrics, Limits, MetricValue, Shared, SignalError};
use pretty_assertions::assert_eq;

use crate::server::{Log, ok, server};

async fn ask(
    metric: &str,
    selector: &str,
    body: &'static str,
) -> (Result<Vec<MetricValue>, SignalError>, Log) {
    let (client, log) = server(move |_| ok(body));
    let source = Shared::new(
        ExternalMetrics::new(client),
        Limits { time_out: Duration::from_secs(10), concurrency: 4 },
    );
    let question = ExternalMetric {
        namespace: "shop".to_owned(),
        metric: metric.to_owned(),
        selector: selector.to_owned(),
    };
    (source.read(&question, Duration::ZERO).await.map(|values| values.to_vec()), log)
}

#[tokio::test]
async fn each_series_has_its_value_rounded_up_and_its_moment() {
    let body = r#"{"kind":"ExternalMetricValueList","apiVersion":"external.metrics.k8s.io/v1beta1","metadata":{},"items":[
        {"metricName":"queue","metricLabels":{"topic":"a"},"timestamp":"2026-11-23T10:00:00Z","value":"1234567u"},
        {"metricName":"queue","metricLabels":{"topic":"b"},"timestamp":"2026-11-23T10:00:05Z","window":30,"value":"2k"}]}"#;
    let (series, log) = ask("queue", "topic in (a,b),env=prod", body).await;
    let at = |seconds: i64, value, window| MetricValue {
        object: String::new(),
        sample: Sample {
            value,
            timestamp: Timestamp::from_millis(1_795_428_000_000 + seconds * 1000),
            window: Span::from_secs(window),
        },
    };
    assert_eq!(series.unwrap(), [at(0, 1235, 60), at(5, 2_000_000, 30)]);
    assert_eq!(
        log.take(),
        [
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue?labelSelector=topic+in+%28a%2Cb%29%2Cenv%3Dprod"
        ]
    );
}

#[tokio::test]
async fn without_a_selector_none_is_sent() {
    let (_, log) = ask("queue", "", r#"{"kind":"ExternalMetricValueList","items":[]}"#).await;
    assert_eq!(log.take(), ["/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue"]);
}

#[tokio::test]
async fn no_series_is_not_a_value_of_zero() {
    for items in ["[]", "null"] {
        let body = format!(r#"{{"kind":"ExternalMetricValueList","items":{items}}}"#);
        let (series, _) = ask("queue", "", body.leak()).await;
        assert_eq!(series.unwrap_err(), SignalError::Empty);
    }
}

#[tokio::test]
async fn a_value_that_is_no_number_is_named() {
    for value in ["NaN", "+Inf", "-Inf", "lots", ""] {
        let body = format!(
            r#"{{"kind":"ExternalMetricValueList","items":[{{"timestamp":"2026-11-23T10:00:00Z","value":"{value}"}}]}}"#
        );
        let (series, _) = ask("queue", "", body.leak()).await;
        let error = series.unwrap_err().to_string();
        assert!(error.contains(&format!("{value:?}")) && error.contains("is not a quantity"), "{error}");
    }
}

#[tokio::test]
async fn a_value_beyond_all_bounds_is_the_largest_one() {
    let body = r#"{"kind":"ExternalMetricValueList","items":[{"timestamp":null,"window":-5,"value":"9999999999999999999999"}]}"#;
    let (series, _) = ask("queue", "", body).await;
    let series = series.unwrap();
    assert_eq!(series[0].sample.value, i64::MAX);
    assert_eq!(series[0].sample.window, Span::from_secs(0));
}

#[tokio::test]
async fn a_list_of_another_kind_is_named() {
    let (series, _) = ask("queue", "", r#"{"kind":"PodList","items":[]}"#).await;
    let error = series.unwrap_err().to_string();
    assert!(error.contains(r#"a "PodList" and not a ExternalMetricValueList"#), "{error}");
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_never_asked_for() {
    let (series, log) = ask("..", "", "{}").await;
    assert!(series.unwrap_err().to_string().contains("cannot be asked for"));
    assert_eq!(log.take(), Vec::<String>::new());
}
