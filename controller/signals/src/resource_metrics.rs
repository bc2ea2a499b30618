//! `metrics.k8s.io`: what metrics-server says the containers of a namespace use.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use kube::Client;
use plimsoll_core::{
    quantity::Quantity,
    replicas::{ContainerUsage, PodUsage},
    time::{Span, Timestamp},
};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

/// Why the usage of a namespace could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// Nobody serves the API.
    #[error(
        "the resource metrics API (metrics.k8s.io) is not available: is metrics-server installed and ready? ({0})"
    )]
    Unavailable(String),
    /// The operator may not read it.
    #[error("not allowed to list pods in metrics.k8s.io: check the operator's ClusterRole ({0})")]
    Forbidden(String),
    /// No answer in time.
    #[error("the resource metrics API (metrics.k8s.io) did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// Anything else.
    #[error("reading the resource metrics API (metrics.k8s.io) failed: {0}")]
    Failed(String),
}

type Usage = Result<Arc<Vec<PodUsage>>, SignalError>;
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Usage)>>>;

/// How long an answer is kept that nobody asks for.
const RETENTION: Duration = Duration::from_secs(5);

/// Reads usage, one LIST per namespace for everybody whom an answer of that age will do.
///
/// Callers that ask for a namespace while its LIST is under way wait for that one. An error is
/// shared like an answer, so that a broken API is not asked once per PodScaler.
#[derive(Clone)]
pub struct ResourceMetrics {
    client: Client,
    time_out: Duration,
    namespaces: Arc<Mutex<BTreeMap<String, Slot>>>,
}

impl ResourceMetrics {
    /// A reader whose answers come within `time_out`.
    pub fn new(client: Client, time_out: Duration) -> Self {
        Self { client, time_out, namespaces: Arc::default() }
    }

    /// Usage of every pod of `namespace` that metrics-server has samples of, read at most `max_age` ago.
    ///
    /// # Errors
    /// [`SignalError`] when the API cannot be read.
    pub async fn namespace(&self, namespace: &str, max_age: Duration) -> Usage {
        let slot = {
            let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(namespaces.entry(namespace.to_owned()).or_default())
        };
        let mut cached = slot.lock().await;
        if let Some((read_at, usage)) = cached.as_ref()
            && read_at.elapsed() < max_age
        {
            return usage.clone();
        }
        let usage = match timeout(self.time_out, list(&self.client, namespace)).await {
            Ok(usage) => usage.map(Arc::new),
            Err(_) => Err(SignalError::TimedOut(self.time_out)),
        };
        *cached = Some((Instant::now(), usage.clone()));
        usage
    }

    /// Forgets what nobody will ask for again, so that namespaces without PodScalers hold no memory.
    pub fn forget_stale(&self) {
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        namespaces.retain(|_, slot| match slot.try_lock() {
            Ok(cached) => cached.as_ref().is_some_and(|(read_at, _)| read_at.elapsed() < RETENTION),
            Err(_) => true,
        });
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

async fn list(client: &Client, namespace: &str) -> Result<Vec<PodUsage>, SignalError> {
    let request = http::Request::get(format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"))
        .body(Vec::new())
        .map_err(|error| SignalError::Failed(error.to_string()))?;
    let list: PodMetricsList = client.request(request).await.map_err(|error| explain(&error))?;
    list.items.into_iter().map(pod_usage).collect()
}

fn explain(error: &kube::Error) -> SignalError {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => SignalError::Forbidden(status.message.clone()),
        // A group that nobody serves is answered with plain text instead of a status.
        kube::Error::Api(status) if status.code == 404 || status.code == 503 => {
            SignalError::Unavailable(status.message.trim().to_owned())
        }
        other => SignalError::Failed(other.to_string()),
    }
}

fn pod_usage(pod: PodMetrics) -> Result<PodUsage, SignalError> {
    let name = pod.metadata.name;
    let window = window(&pod.window)
        .ok_or_else(|| SignalError::Failed(format!("pod {name} has the window {:?}", pod.window)))?;
    let containers = pod
        .containers
        .into_iter()
        .map(|container| {
            let usage = container
                .usage
                .into_iter()
                .map(|(resource, quantity)| {
                    Quantity::parse(&quantity.0).map(|value| (resource, value.milli())).map_err(|error| {
                        SignalError::Failed(format!("pod {name}, container {}: {error}", container.name))
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
    use http::{Request, Response};
    use kube::client::Body;
    use pretty_assertions::assert_eq;
    use tower_test::mock;

    use super::*;

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

    fn reader(client: Client) -> ResourceMetrics {
        ResourceMetrics::new(client, Duration::from_secs(10))
    }

    async fn ask(metrics: &ResourceMetrics) -> Usage {
        metrics.namespace("shop", Duration::from_secs(3)).await
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
    async fn one_list_serves_all_who_ask_within_the_age() {
        tokio::time::pause();
        // The scripted server answers once; a second request would hang until the time-out.
        let metrics = reader(answering(200, LIST, 1));
        let (first, second) = tokio::join!(ask(&metrics), ask(&metrics));
        assert_eq!(first.unwrap(), second.unwrap());
    }

    #[tokio::test]
    async fn an_answer_is_asked_for_again_after_its_age() {
        tokio::time::pause();
        let metrics = reader(answering(200, LIST, 2));
        let first = ask(&metrics).await.unwrap();
        tokio::time::advance(Duration::from_secs(6)).await;
        let second = ask(&metrics).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
    }

    #[tokio::test]
    async fn one_who_looks_often_is_not_served_what_is_old_for_him() {
        tokio::time::pause();
        let metrics = reader(answering(200, LIST, 2));
        let first = ask(&metrics).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let often = metrics.namespace("shop", Duration::from_millis(200)).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &often));
        assert!(Arc::ptr_eq(&often, &ask(&metrics).await.unwrap()), "and all others have his answer");
    }

    #[tokio::test]
    async fn a_namespace_nobody_asks_for_is_forgotten() {
        tokio::time::pause();
        let metrics = reader(answering(200, LIST, 1));
        ask(&metrics).await.unwrap();
        metrics.forget_stale();
        assert_eq!(metrics.namespaces.lock().unwrap().len(), 1);
        tokio::time::advance(Duration::from_secs(6)).await;
        metrics.forget_stale();
        assert_eq!(metrics.namespaces.lock().unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_missing_api_is_an_error_that_says_what_to_install() {
        let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"the server could not find the requested resource","reason":"NotFound","code":404}"#;
        let error = ask(&reader(answering(404, status, 1))).await.unwrap_err();
        assert!(matches!(error, SignalError::Unavailable(_)), "{error:?}");
        assert!(error.to_string().contains("is metrics-server installed"), "{error}");
    }

    #[tokio::test]
    async fn a_group_that_nobody_serves_is_a_missing_api() {
        let error = ask(&reader(answering(404, "404 page not found\n", 1))).await.unwrap_err();
        assert_eq!(error, SignalError::Unavailable("404 page not found".into()));
    }

    #[tokio::test]
    async fn a_hanging_api_is_given_up_after_the_time_out() {
        tokio::time::pause();
        let (service, _handle) = mock::pair::<Request<Body>, Response<Body>>();
        let error = ask(&reader(Client::new(service, "default"))).await.unwrap_err();
        assert_eq!(error, SignalError::TimedOut(Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn a_quantity_that_is_none_names_the_pod() {
        let body = r#"{"items":[{"metadata":{"name":"a"},"timestamp":"2026-11-23T10:00:00Z","window":"15s",
            "containers":[{"name":"app","usage":{"cpu":"lots"}}]}]}"#;
        let error = ask(&reader(answering(200, body, 1))).await.unwrap_err();
        assert!(error.to_string().contains("pod a, container app"), "{error}");
    }
}
