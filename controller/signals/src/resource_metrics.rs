//! `metrics.k8s.io`: what metrics-server says the containers of a namespace use.

use std::{borrow::Cow, collections::BTreeMap};

use kube::Client;
use plimsoll_core::{
    quantity::Quantity,
    replicas::{ContainerUsage, PodUsage},
    time::{Span, Timestamp},
};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{Source, api_server::MetricsApi, error::SignalError};

const API: MetricsApi = MetricsApi {
    title: "the resource metrics API (metrics.k8s.io)",
    way_out: "is metrics-server installed and ready?",
};

/// Bytes of the usage of the largest namespace, or cluster: some hundred thousand pods.
const MOST: usize = 64 * 1024 * 1024;

/// Usage of every pod, of one namespace or of all, that metrics-server has samples of.
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

/// Whose usage is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum UsageOf {
    /// Of the pods of one namespace.
    Namespace(String),
    /// Of all pods.
    Cluster,
}

/// What pods use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// By namespace, and there ordered by the names of the pods.
    by_namespace: BTreeMap<Box<str>, Vec<PodUsage>>,
}

impl Usage {
    /// What a pod uses, if there is a sample of it.
    pub fn of(&self, namespace: &str, pod: &str) -> Option<&PodUsage> {
        let pods = self.by_namespace.get(namespace)?;
        let at = pods.binary_search_by(|usage| usage.pod.as_str().cmp(pod)).ok()?;
        pods.get(at)
    }
}

impl Source for ResourceMetrics {
    type Question = UsageOf;
    type Answer = Usage;

    const NAME: &'static str = "resource_metrics";

    fn title(&self) -> Cow<'static, str> {
        API.title.into()
    }

    async fn ask(&self, of: &UsageOf) -> Result<Usage, SignalError> {
        let path = match of {
            UsageOf::Namespace(namespace) => {
                format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods")
            }
            UsageOf::Cluster => "/apis/metrics.k8s.io/v1beta1/pods".to_owned(),
        };
        let text = API.get_text(&self.client, &path, MOST).await?;
        let list: PodMetricsList = API.read(&text)?;
        drop(text);
        let mut by_namespace: BTreeMap<Box<str>, Vec<PodUsage>> = BTreeMap::new();
        for Placed { namespace, usage } in list.items {
            // Where one namespace was asked for, that is where they are.
            let namespace = match of {
                UsageOf::Namespace(namespace) => namespace.as_str(),
                UsageOf::Cluster => &namespace,
            };
            match by_namespace.get_mut(namespace) {
                Some(pods) => pods.push(usage),
                None => _ = by_namespace.insert(namespace.into(), vec![usage]),
            }
        }
        for pods in by_namespace.values_mut() {
            pods.sort_unstable_by(|one, other| one.pod.cmp(&other.pod));
        }
        Ok(Usage { by_namespace })
    }
}

#[derive(Deserialize)]
struct PodMetricsList {
    items: Vec<Placed>,
}

/// What a pod uses, and where it is.
struct Placed {
    namespace: Box<str>,
    usage: PodUsage,
}

impl<'de> Deserialize<'de> for Placed {
    /// One at a time: all of a cluster as they are written would take more than what is kept of them.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pod = PodMetrics::deserialize(deserializer)?;
        let usage = pod_usage(&pod).map_err(D::Error::custom)?;
        Ok(Self { namespace: pod.metadata.namespace.into(), usage })
    }
}

#[derive(Deserialize)]
struct PodMetrics<'a> {
    #[serde(borrow)]
    metadata: Named<'a>,
    timestamp: jiff::Timestamp,
    #[serde(borrow)]
    window: Cow<'a, str>,
    #[serde(borrow, default)]
    containers: Vec<ContainerMetrics<'a>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
}

#[derive(Deserialize)]
struct ContainerMetrics<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    usage: BTreeMap<&'a str, Amount<'a>>,
}

/// A quantity as text, read without a copy.
#[derive(Deserialize)]
struct Amount<'a>(#[serde(borrow)] Cow<'a, str>);

fn pod_usage(pod: &PodMetrics<'_>) -> Result<PodUsage, String> {
    let name = &pod.metadata.name;
    let window = window(&pod.window).ok_or_else(|| format!("pod {name} has the window {:?}", pod.window))?;
    let container_usage = |container: &ContainerMetrics<'_>| {
        let usage = container.usage.iter().map(|(resource, quantity)| {
            Quantity::parse(&quantity.0)
                .map(|value| ((*resource).to_owned(), value.milli()))
                .map_err(|error| format!("pod {name}, container {}: {error}", container.name))
        });
        let usage = usage.collect::<Result<_, _>>()?;
        Ok(ContainerUsage { name: container.name.clone().into_owned(), usage })
    };
    Ok(PodUsage {
        pod: name.clone().into_owned(),
        timestamp: Timestamp::from_millis(pod.timestamp.as_millisecond()),
        window,
        containers: pod.containers.iter().map(container_usage).collect::<Result<_, String>>()?,
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
        answering_at("/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods", code, body, times)
    }

    fn answering_at(path: &'static str, code: u16, body: &'static str, times: usize) -> Client {
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        tokio::spawn(async move {
            for _ in 0..times {
                let Some((request, send)) = handle.next_request().await else { return };
                assert_eq!(request.uri().path(), path);
                let answer = Response::builder().status(code).body(Body::from(body.as_bytes().to_vec()));
                send.send_response(answer.unwrap());
            }
        });
        Client::new(service, "default")
    }

    type Answer = Result<Arc<Usage>, SignalError>;

    fn reader(client: Client) -> Shared<ResourceMetrics> {
        let limits = Limits { time_out: Duration::from_secs(10), concurrency: 4 };
        Shared::new(ResourceMetrics::new(client), limits)
    }

    async fn ask(metrics: &Shared<ResourceMetrics>) -> Answer {
        metrics.read(&UsageOf::Namespace("shop".to_owned()), Duration::from_secs(3)).await
    }

    #[tokio::test]
    async fn a_sample_is_rounded_up_to_the_milli_unit() {
        let usage = ask(&reader(answering(200, LIST, 1))).await.unwrap();
        assert_eq!(
            usage.of("shop", "a"),
            Some(&PodUsage {
                pod: "a".into(),
                timestamp: Timestamp::from_millis(1_795_428_000_000),
                window: Span::from_millis(15_024),
                containers: vec![ContainerUsage {
                    name: "app".into(),
                    usage: BTreeMap::from([("cpu".into(), 124), ("memory".into(), 64 * 1024 * 1024 * 1000)]),
                }],
            })
        );
    }

    #[tokio::test]
    async fn pods_of_the_whole_cluster_are_found_by_their_namespace() {
        const PODS: &str = r#"{"items":[
            {"metadata":{"name":"b","namespace":"shop"},"timestamp":"2026-11-23T10:00:00Z","window":"15s"},
            {"metadata":{"name":"a","namespace":"shop"},"timestamp":"2026-11-23T10:00:01Z","window":"15s"},
            {"metadata":{"name":"a","namespace":"bank"},"timestamp":"2026-11-23T10:00:02Z","window":"15s"}]}"#;
        let metrics = reader(answering_at("/apis/metrics.k8s.io/v1beta1/pods", 200, PODS, 1));
        let usage = metrics.read(&UsageOf::Cluster, Duration::from_secs(3)).await.unwrap();
        let second = |namespace: &str, pod: &str| {
            usage.of(namespace, pod).map(|usage| usage.timestamp.as_millis() / 1000 % 60)
        };
        assert_eq!(
            [second("shop", "a"), second("shop", "b"), second("bank", "a"), second("bank", "b")],
            [Some(1), Some(0), Some(2), None]
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
