//! What holds for every source.

use std::{fmt::Debug, sync::Arc, time::Duration};

use kube::Client;
use plimsoll_signals::{
    CustomMetric, CustomMetrics, Described, ExternalMetric, ExternalMetrics, Limits, ResourceMetrics, Shared,
    SignalError, Source, UsageOf,
};
use pretty_assertions::assert_eq;

use crate::server::{Answer, ok, server, status};

const GROUP: &str = "/apis/custom.metrics.k8s.io";
const AGE: Duration = Duration::from_secs(3);
const TIME_OUT: Duration = Duration::from_secs(10);

/// A source, a question to it and another one, and the good answer to both.
struct Subject<S: Source> {
    new: fn(Client) -> S,
    question: S::Question,
    other: S::Question,
    good: String,
    /// What a person finds the source by.
    name: &'static str,
}

impl<S: Source + 'static> Subject<S>
where
    S::Answer: Debug + PartialEq,
{
    fn read_by(&self, client: Client, concurrency: usize) -> Arc<Shared<S>> {
        Arc::new(Shared::new((self.new)(client), Limits { time_out: TIME_OUT, concurrency }))
    }

    /// What comes of an answer to the question itself; discovery is answered well.
    async fn of(&self, answer: impl Fn() -> Answer + Send + 'static) -> Result<Arc<S::Answer>, SignalError> {
        let (client, _) = server(move |path| if path == GROUP { group() } else { answer() });
        self.read_by(client, 4).read(&self.question, AGE).await
    }

    async fn holds(self) {
        self.is_shared().await;
        self.is_forgotten().await;
        self.is_given_up_when_it_hangs().await;
        self.queues_only_its_own().await;
        self.says_what_is_wrong().await;
    }

    async fn is_shared(&self) {
        let good = self.good.clone();
        let (client, log) = server(move |path| if path == GROUP { group() } else { ok(&good) });
        let source = self.read_by(client, 4);
        let (first, second) =
            tokio::join!(source.read(&self.question, AGE), source.read(&self.question, AGE));
        assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()), "one request for both");
        let asked = log.take().into_iter().filter(|path| path != GROUP).count();
        assert_eq!(asked, 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        source.read(&self.question, AGE).await.unwrap();
        assert_eq!(log.take(), Vec::<String>::new(), "young enough");
        source.read(&self.question, Duration::from_millis(500)).await.unwrap();
        assert_eq!(log.take().len(), 1, "too old for one who looks more often");

        let (client, log) = server(|path| if path == GROUP { group() } else { status(500, "boom") });
        let source = self.read_by(client, 4);
        let (first, second) =
            tokio::join!(source.read(&self.question, AGE), source.read(&self.question, AGE));
        assert_eq!(first.unwrap_err(), second.unwrap_err());
        assert_eq!(log.take().into_iter().filter(|path| path != GROUP).count(), 1, "an error is shared too");
    }

    async fn is_forgotten(&self) {
        let good = self.good.clone();
        let (client, _) = server(move |path| if path == GROUP { group() } else { ok(&good) });
        let source = self.read_by(client, 4);
        source.read(&self.question, AGE).await.unwrap();
        source.forget_stale();
        assert_eq!(source.kept(), 1);
        tokio::time::advance(Duration::from_secs(6)).await;
        source.forget_stale();
        assert_eq!(source.kept(), 0);
    }

    async fn is_given_up_when_it_hangs(&self) {
        let started = tokio::time::Instant::now();
        let error = self.of(|| Answer::Never).await.unwrap_err();
        assert_eq!(started.elapsed(), TIME_OUT);
        assert!(matches!(error, SignalError::TimedOut { .. }), "{error:?}");
        assert!(error.to_string().contains(self.name), "{error}");
    }

    /// With one request at a time, who waits behind one that hangs is told as soon as that one is.
    async fn queues_only_its_own(&self) {
        let (client, log) = server(|path| if path == GROUP { group() } else { Answer::Never });
        let source = self.read_by(client, 1);
        let started = tokio::time::Instant::now();
        let (first, second) = tokio::join!(source.read(&self.question, AGE), source.read(&self.other, AGE));
        assert!(first.is_err() && second.is_err());
        assert_eq!(started.elapsed(), TIME_OUT);
        let asked = log.take().into_iter().filter(|path| path != GROUP).count();
        assert!(asked <= 2, "{asked} requests, one at a time");
    }

    async fn says_what_is_wrong(&self) {
        let html = || Answer::Now(200, b"<html><body>Sign in</body></html>".to_vec());
        let huge = || Answer::Now(200, vec![b' '; 64 * 1024 * 1024 + 1]);
        let plain = |code: u16, text: &'static str| move || Answer::Now(code, text.as_bytes().to_vec());
        for (error, says) in [
            (self.of(html).await, "<html><body>Sign in"),
            (self.of(huge).await, "more than"),
            (self.of(|| ok("{}")).await, "does not have the form"),
            (self.of(|| ok("")).await, "does not have the form"),
            (self.of(plain(404, "404 page not found\n")).await, "installed and ready? (404 page not found)"),
            (self.of(plain(503, "service unavailable")).await, "installed and ready? (service unavailable)"),
            (self.of(plain(502, "<html>Bad Gateway")).await, "502 Bad Gateway: <html>Bad Gateway"),
            (self.of(|| status(403, "no")).await, "check the operator's ClusterRole (no)"),
        ] {
            let error = error.unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(self.name), "{error} does not say {says}");
            assert!(error.len() < 500, "{} bytes", error.len());
        }
        let refused = self.of(|| status(500, "the metric is out of order")).await.unwrap_err();
        assert_eq!(refused.to_string(), "the metric is out of order", "the words of the source");
    }
}

fn group() -> Answer {
    ok(r#"{"kind":"APIGroup","apiVersion":"v1","name":"custom.metrics.k8s.io",
        "versions":[{"groupVersion":"custom.metrics.k8s.io/v1beta2","version":"v1beta2"}],
        "preferredVersion":{"groupVersion":"custom.metrics.k8s.io/v1beta2","version":"v1beta2"}}"#)
}

#[tokio::test(start_paused = true)]
async fn resource_metrics_keep_the_contract() {
    let good = r#"{"kind":"PodMetricsList","items":[]}"#.to_owned();
    let (question, other) = (UsageOf::Namespace("shop".to_owned()), UsageOf::Cluster);
    Subject { new: ResourceMetrics::new, question, other, good, name: "metrics.k8s.io" }.holds().await;
}

#[tokio::test(start_paused = true)]
async fn custom_metrics_keep_the_contract() {
    let of = |name: &str| CustomMetric {
        namespace: "shop".to_owned(),
        of: Described::Pods(format!("app={name}")),
        metric: "rps".to_owned(),
        selector: String::new(),
    };
    let good = r#"{"kind":"MetricValueList","items":[
        {"describedObject":{"name":"a"},"timestamp":"2026-11-23T10:00:00Z","value":"1"}]}"#;
    Subject {
        new: CustomMetrics::new,
        question: of("web"),
        other: of("other"),
        good: good.to_owned(),
        name: "custom.metrics.k8s.io",
    }
    .holds()
    .await;
}

#[tokio::test(start_paused = true)]
async fn external_metrics_keep_the_contract() {
    let of = |metric: &str| ExternalMetric {
        namespace: "shop".to_owned(),
        metric: metric.to_owned(),
        selector: String::new(),
    };
    let good = r#"{"kind":"ExternalMetricValueList","items":[
        {"metricName":"queue","timestamp":"2026-11-23T10:00:00Z","value":"1"}]}"#;
    Subject {
        new: ExternalMetrics::new,
        question: of("queue"),
        other: of("other"),
        good: good.to_owned(),
        name: "external.metrics.k8s.io",
    }
    .holds()
    .await;
}
