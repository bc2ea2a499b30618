//! `custom.metrics.k8s.io`.

use std::time::Duration;

use plimsoll_core::time::Span;
use plimsoll_signals::{CustomMetric, CustomMetrics, Described, Limits, MetricValue, Shared, SignalError};
use pretty_assertions::assert_eq;

use crate::server::{Answer, Log, ok, server, status};

const GROUP: &str = "/apis/custom.metrics.k8s.io";

fn group(preferred: &str, versions: &[&str]) -> Answer {
    let version = |version: &str| {
        format!(r#"{{"groupVersion":"custom.metrics.k8s.io/{version}","version":"{version}"}}"#)
    };
    let versions: Vec<_> = versions.iter().map(|one| version(one)).collect();
    let preferred = if preferred.is_empty() { "null".to_owned() } else { version(preferred) };
    ok(&format!(
        r#"{{"kind":"APIGroup","apiVersion":"v1","name":"custom.metrics.k8s.io","versions":[{}],"preferredVersion":{preferred}}}"#,
        versions.join(",")
    ))
}

/// The rest of what an API server tells about its kinds.
fn kinds(path: &str) -> Answer {
    let resource = |name: &str, kind: &str| {
        format!(r#"{{"name":"{name}","kind":"{kind}","namespaced":true,"singularName":"","verbs":["get"]}}"#)
    };
    let list = |version: &str, resource: String| {
        ok(&format!(r#"{{"kind":"APIResourceList","groupVersion":"{version}","resources":[{resource}]}}"#))
    };
    match path {
        "/apis" => ok(r#"{"kind":"APIGroupList","groups":[{"name":"networking.k8s.io",
                "versions":[{"groupVersion":"networking.k8s.io/v1","version":"v1"}],
                "preferredVersion":{"groupVersion":"networking.k8s.io/v1","version":"v1"}}]}"#),
        "/apis/networking.k8s.io/v1" => list("networking.k8s.io/v1", resource("ingresses", "Ingress")),
        "/api" => ok(r#"{"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[]}"#),
        "/api/v1" => list("v1", resource("services", "Service")),
        other => panic!("unexpected request {other}"),
    }
}

fn source(answer: impl FnMut(&str) -> Answer + Send + 'static) -> (Shared<CustomMetrics>, Log) {
    let (client, log) = server(answer);
    let limits = Limits { time_out: Duration::from_secs(10), concurrency: 4 };
    (Shared::new(CustomMetrics::new(client), limits), log)
}

fn pods() -> CustomMetric {
    CustomMetric {
        namespace: "shop".to_owned(),
        of: Described::Pods("app=web".to_owned()),
        metric: "rps".to_owned(),
        selector: "verb=GET".to_owned(),
    }
}

fn object(api_version: &str, kind: &str, name: &str) -> CustomMetric {
    let of = Described::Object {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    CustomMetric { of, selector: String::new(), ..pods() }
}

const ONE: &str = r#"{"kind":"MetricValueList","items":[{"describedObject":{"name":"front"},"value":"7"}]}"#;

async fn read(
    question: &CustomMetric,
    answer: impl FnMut(&str) -> Answer + Send + 'static,
) -> (Result<Vec<MetricValue>, SignalError>, Vec<String>) {
    let (source, log) = source(answer);
    let answer = source.read(question, Duration::ZERO).await;
    (answer.map(|values| values.to_vec()), log.take())
}

#[tokio::test]
async fn the_version_that_the_group_prefers_is_asked() {
    for (preferred, versions, expected) in [
        ("v1beta2", &["v1beta2", "v1beta1"][..], "v1beta2"),
        ("v1beta1", &["v1beta1", "v1beta2"], "v1beta1"),
        ("v1beta1", &["v1beta1"], "v1beta1"),
        ("v2", &["v2", "v1beta1"], "v1beta1"),
        ("", &["v1beta2"], "v1beta2"),
    ] {
        let (values, asked) = read(&pods(), move |path| match path {
            GROUP => group(preferred, versions),
            _ => ok(ONE),
        })
        .await;
        assert_eq!(values.unwrap().len(), 1);
        let path = format!(
            "{GROUP}/{expected}/namespaces/shop/pods/*/rps?labelSelector=app%3Dweb&metricLabelSelector=verb%3DGET"
        );
        assert_eq!(asked, [GROUP.to_owned(), path]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_version_is_looked_up_again_after_a_period() {
    let mut lookups = 0;
    let (source, log) = source(move |path| match path {
        GROUP => {
            lookups += 1;
            if lookups == 1 { group("v1beta1", &["v1beta1"]) } else { group("v1beta2", &["v1beta2"]) }
        }
        _ => ok(ONE),
    });
    let asked = async || {
        source.read(&pods(), Duration::ZERO).await.unwrap();
        log.take().pop().unwrap()
    };
    assert!(asked().await.contains("/v1beta1/"));
    assert!(asked().await.contains("/v1beta1/"));
    tokio::time::advance(Duration::from_secs(15)).await;
    assert!(asked().await.contains("/v1beta2/"));
}

#[tokio::test]
async fn versions_that_nobody_knows_are_named() {
    let (values, _) = read(&pods(), |_| group("v3", &["v3"])).await;
    let error = values.unwrap_err().to_string();
    assert!(error.contains("serves v3 and none of v1beta2, v1beta1"), "{error}");
}

#[tokio::test]
async fn both_versions_are_read_with_their_windows() {
    let v1 = r#"{"kind":"MetricValueList","apiVersion":"custom.metrics.k8s.io/v1beta1","metadata":{},"items":[
        {"describedObject":{"kind":"Pod","name":"a"},"metricName":"rps","timestamp":"2026-11-23T10:00:00Z","window":20,"value":"1500m","selector":null},
        {"describedObject":{"kind":"Pod","name":"b"},"metricName":"rps","timestamp":"2026-11-23T10:00:00Z","value":"3","selector":null}]}"#;
    let v2 = r#"{"kind":"MetricValueList","apiVersion":"custom.metrics.k8s.io/v1beta2","metadata":{},"items":[
        {"describedObject":{"kind":"Pod","name":"a"},"metric":{"name":"rps","selector":null},"timestamp":"2026-11-23T10:00:00Z","windowSeconds":20,"value":"1500m"},
        {"describedObject":{"kind":"Pod","name":"b"},"metric":{"name":"rps","selector":null},"timestamp":"2026-11-23T10:00:00Z","value":"3"}]}"#;
    for (version, body) in [("v1beta1", v1), ("v1beta2", v2)] {
        let (values, _) = read(&pods(), move |path| match path {
            GROUP => group(version, &[version]),
            _ => ok(body),
        })
        .await;
        let told: Vec<_> = values
            .unwrap()
            .into_iter()
            .map(|value| (value.object, value.sample.value, value.sample.window))
            .collect();
        let expected = [("a", 1500, 20), ("b", 3000, 60)]
            .map(|(name, value, window)| (name.to_owned(), value, Span::from_secs(window)));
        assert_eq!(told, expected, "{version}");
    }
}

#[tokio::test]
async fn an_object_is_asked_for_by_the_resource_of_its_kind() {
    for (question, expected) in [
        (
            object("networking.k8s.io/v1", "Ingress", "front"),
            "namespaces/shop/ingresses.networking.k8s.io/front/rps",
        ),
        (
            object("networking.k8s.io/v1beta1", "Ingress", "front"),
            "namespaces/shop/ingresses.networking.k8s.io/front/rps",
        ),
        (object("v1", "Service", "a b"), "namespaces/shop/services/a%20b/rps"),
        (object("", "Service", "front"), "namespaces/shop/services/front/rps"),
        // Its name does not lead out of the namespace.
        (object("v1", "Namespace", "other"), "namespaces/shop/metrics/rps"),
    ] {
        let (values, asked) = read(&question, |path| match path {
            GROUP => group("v1beta2", &["v1beta2"]),
            path if path.starts_with(GROUP) => ok(ONE),
            path => kinds(path),
        })
        .await;
        assert_eq!(values.unwrap()[0].sample.value, 7000);
        assert_eq!(*asked.last().unwrap(), format!("{GROUP}/v1beta2/{expected}"));
    }
}

#[tokio::test]
async fn a_kind_that_nobody_serves_is_named() {
    for (api_version, kind) in
        [("networking.k8s.io/v1", "Engress"), ("nobody.dev/v1", "Thing"), ("v1", "Thing")]
    {
        let (values, _) = read(&object(api_version, kind, "front"), kinds).await;
        let error = values.unwrap_err().to_string();
        assert!(error.contains(kind) && error.contains("describedObject.apiVersion"), "{error}");
    }
}

#[tokio::test]
async fn an_object_has_exactly_one_value() {
    for (items, count) in [("[]", 0), (r#"[{"value":"1"},{"value":"2"}]"#, 2)] {
        let body = format!(r#"{{"kind":"MetricValueList","items":{items}}}"#);
        let (values, _) = read(&object("v1", "Namespace", "shop"), move |path| match path {
            GROUP => group("v1beta2", &["v1beta2"]),
            _ => ok(&body),
        })
        .await;
        assert_eq!(
            values.unwrap_err().to_string(),
            format!("the custom metrics API server returned {count} results when we asked for exactly one")
        );
    }
}

#[tokio::test]
async fn no_pod_with_a_value_is_not_a_load_of_zero() {
    let (values, _) = read(&pods(), |path| match path {
        GROUP => group("v1beta2", &["v1beta2"]),
        _ => ok(r#"{"kind":"MetricValueList","items":[]}"#),
    })
    .await;
    assert_eq!(values.unwrap_err(), SignalError::Empty);
}

#[tokio::test]
async fn a_metric_that_the_adapter_does_not_know_is_told_in_its_words() {
    let (values, _) = read(&pods(), |path| match path {
        GROUP => group("v1beta2", &["v1beta2"]),
        _ => status(404, "the server could not find the metric rps for pods"),
    })
    .await;
    assert_eq!(values.unwrap_err().to_string(), "the server could not find the metric rps for pods");
}

#[tokio::test]
async fn a_group_that_is_not_registered_is_a_missing_adapter() {
    let (values, asked) = read(&pods(), |_| Answer::Now(404, b"404 page not found".to_vec())).await;
    let error = values.unwrap_err().to_string();
    assert!(error.contains("custom.metrics.k8s.io") && error.contains("prometheus-adapter"), "{error}");
    assert_eq!(asked, [GROUP]);
}

#[tokio::test]
async fn a_value_that_is_no_number_names_its_pod() {
    let (values, _) = read(&pods(), |path| match path {
        GROUP => group("v1beta2", &["v1beta2"]),
        _ => ok(r#"{"kind":"MetricValueList","items":[{"describedObject":{"name":"web-1"},"value":"NaN"}]}"#),
    })
    .await;
    let error = values.unwrap_err().to_string();
    assert!(error.contains(r#"the value "NaN" of web-1 is not a quantity"#), "{error}");
}
