//! `metrics.k8s.io`: what metrics-server says the containers of a namespace use.

use std::{borrow::Cow, collections::BTreeMap};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use kube::Client;
use plimsoll_core::{
    quantity::Quantity,
    replicas::{ContainerUsage, PodUsage},
    time::{Span, Timestamp},
};
use serde::Deserialize;

use crate::{Source, api_server::MetricsApi, error::SignalError};

const API: MetricsApi = MetricsApi {
    title: "the resource metrics API (metrics.k8s.io)",
    way_out: "is metrics-server installed and ready?",
};

/// Bytes of the usage of the largest namespace: some hundred thousand pods.
const MOST: usize = 64 * 1024 * 1024;

/// Usage of every pod of a namespace that metrics-server has samples of.
#[derive(Clone)]
pub struct ResourceMetrics {
    client: Client,
}

impl ResourceMetrics {
    /// A reader that uses `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Source for ResourceMetrics {
    /// A namespace.
    type Question = String;
    type Answer = Vec<PodUsage>;

    const NAME: &'static str = "resource_metrics";

    fn title(&self) -> Cow<'static, str> {
        API.title.into()
    }

    async fn ask(&self, namespace: &String) -> Result<Vec<PodUsage>, SignalError> {
        let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods");
        let list: PodMetricsList = API.get(&self.client, &path, MOST).await?;
        list.items.into_iter().map(pod_usage).collect()
    }
}

#[derive(Deserialize)]
struct PodMetricsList {
    items: Vec<PodMetrics>,
}

#[derive(Deserialize)]
struct PodMetrics {
    metadata: Named,
    timestamp: jiff::Timestamp,
    window: String,
    #[serde(default)]
    containers: Vec<ContainerMetrics>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct ContainerMetrics {
    name: String,
    #[serde(default)]
    usage: BTreeMap<String, ApiQuantity>,
}

fn pod_usage(pod: PodMetrics) -> Result<PodUsage, SignalError> {
    let name = pod.metadata.name;
    let window = window(&pod.window)
        .ok_or_else(|| API.failed(format!("pod {name} has the window {:?}", pod.window)))?;
    let containers = pod
        .containers
        .into_iter()
        .map(|container| {
            let usage = container
                .usage
                .into_iter()
                .map(|(resource, quantity)| {
                    Quantity::parse(&quantity.0).map(|value| (resource, value.milli())).map_err(|error| {
                        API.failed(format!("pod {name}, container {}: {error}", container.name))
                    })
                })
                .collect::<Result<_, _>>()?;
            Ok(ContainerUsage { name: container.name, usage })
        })
        .collect::<Result<_, SignalError>>()?;
    Ok(PodUsage {
        pod: name,
        timestamp: Timestamp::from_millis(pod.timestamp.as_millisecond()),
        window,
        containers,
    })
}

/// A Go duration such as `15.024s` or `1m0s`, as metrics-server writes windows.
fn window(text: &str) -> Option<Span> {
    let duration: jiff::SignedDuration = text.parse().ok()?;
    Some(Span::from_millis(i64::try_from(duration.as_millis()).ok()?))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use http::{Request, Response};
    use kube::client::Body;
    use pretty_assertions::assert_eq;
    use tower_test::mock;

    use super::*;
    use crate::{Limits, Shared};

    const LIST: &str = r#"{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[
        {"metadata":{"name":"a","namespace":"shop"},"timestamp":"2026-11-23T10:00:00Z","window":"15.024s",
         "containers":[{"name":"app","usage":{"cpu":"123456789n","memory":"64Mi"}}]}]}"#;

    fn answering(code: u16, body: &'static str, times: usize) -> Client {
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        tokio::spawn(async move {
            for _ in 0..times {
                let Some((request, send)) = handle.next_request().await else { return };
                assert_eq!(request.uri().path(), "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods");
                let answer = Response::builder().status(code).body(Body::from(body.as_bytes().to_vec()));
                send.send_response(answer.unwrap());
            }
        });
        Client::new(service, "default")
    }

    type Usage = Result<Arc<Vec<PodUsage>>, SignalError>;

    fn reader(client: Client) -> Shared<ResourceMetrics> {
        let limits = Limits { time_out: Duration::from_secs(10), concurrency: 4 };
        Shared::new(ResourceMetrics::new(client), limits)
    }

    async fn ask(metrics: &Shared<ResourceMetrics>) -> Usage {
        metrics.read(&"shop".to_owned(), Duration::from_secs(3)).await
    }

    #[tokio::test]
    async fn a_sample_is_rounded_up_to_the_milli_unit() {
        let usage = ask(&reader(answering(200, LIST, 1))).await.unwrap();
        assert_eq!(
            *usage,
            vec![PodUsage {
                pod: "a".into(),
                timestamp: Timestamp::from_millis(1_795_428_000_000),
                window: Span::from_millis(15_024),
                containers: vec![ContainerUsage {
                    name: "app".into(),
                    usage: BTreeMap::from([("cpu".into(), 124), ("memory".into(), 64 * 1024 * 1024 * 1000)]),
                }],
            }]
        );
    }

    #[tokio::test]
    async fn a_missing_api_is_an_error_that_says_what_to_install() {
        let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"the server could not find the requested resource","reason":"NotFound","code":404}"#;
        let error = ask(&reader(answering(404, status, 1))).await.unwrap_err();
        assert!(matches!(error, SignalError::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains("is metrics-server installed"), "{error}");
    }

    #[tokio::test]
    async fn a_quantity_that_is_none_names_the_pod() {
        let body = r#"{"items":[{"metadata":{"name":"a"},"timestamp":"2026-11-23T10:00:00Z","window":"15s",
            "containers":[{"name":"app","usage":{"cpu":"lots"}}]}]}"#;
        let error = ask(&reader(answering(200, body, 1))).await.unwrap_err();
        assert!(error.to_string().contains("pod a, container app"), "{error}");
    }
}
