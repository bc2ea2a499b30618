//! What each metric of a look says at the moment: an arm per source, all read side by side.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::future::join_all;
use plimsoll_api::v1alpha1::Metric;
use plimsoll_core::replicas::{
    LabelSelector, MetricSpec, PodPhase, PodPort, Reading, ReadingError, Scrape, SourceName, resource_samples,
};
use plimsoll_observe::{ObservedPod, parse_selector};
use plimsoll_signals::{
    CustomMetric, Described, ExternalMetric, PodEndpoint, Prometheus, ResourceMetrics, Scraper, Shared,
    SignalError, Source,
};
use tokio::time::Instant;

use crate::context::Context;

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) context: &'a Context,
    /// Namespace of the PodScaler.
    pub(super) namespace: &'a str,
    /// Selector of the target's pods, as its `/scale` says it.
    pub(super) selector: &'a str,
    /// The pods it matches, ordered by name.
    pub(super) pods: &'a [Arc<ObservedPod>],
    /// How long ago an answer may have been read for somebody else.
    pub(super) max_age: Duration,
}

/// One reading per metric, in their order. `written` is what the user wrote of each.
pub(super) async fn read_metrics(
    asked: Asked<'_>,
    written: &[Metric],
    metrics: &[MetricSpec],
) -> Vec<Reading> {
    let readings = written
        .iter()
        .zip(metrics)
        .map(async |(written, metric)| read(asked, written, metric).await.unwrap_or_else(Reading::Failed));
    join_all(readings).await
}

async fn read(asked: Asked<'_>, written: &Metric, metric: &MetricSpec) -> Result<Reading, ReadingError> {
    match metric {
        MetricSpec::Resource { name, .. } => resource(asked, name, None).await,
        MetricSpec::ContainerResource { name, container, .. } => resource(asked, name, Some(container)).await,
        MetricSpec::Pods { metric, selector, .. } => pods(asked, metric, selector.as_ref()).await,
        MetricSpec::Object { metric, selector, .. } => {
            object(asked, written, metric, selector.as_ref()).await
        }
        MetricSpec::External { metric, selector, .. } => external(asked, metric, selector.as_ref()).await,
        MetricSpec::Prometheus { source, query, .. } => {
            prometheus(asked, source, query).await.map_err(reading_error)
        }
        MetricSpec::Scrape { scrape, .. } => scraped(asked, scrape).await.map_err(reading_error),
        MetricSpec::Unknown { kind } => Ok(unsupported(kind)),
    }
}

async fn resource(asked: Asked<'_>, name: &str, container: Option<&str>) -> Result<Reading, ReadingError> {
    let Asked { context, namespace, pods, max_age, .. } = asked;
    let usage = context.signals.resource_metrics.read(namespace, max_age);
    let usage = timed(context, ResourceMetrics::NAME, usage).await.map_err(reading_error)?;
    let mut ours = pods.iter().filter_map(|pod| usage.of(namespace, &pod.view.name)).peekable();
    if ours.peek().is_none() {
        return Err(ReadingError::Empty);
    }
    Ok(Reading::Pods(resource_samples(ours, name, container)))
}

async fn pods(
    asked: Asked<'_>,
    metric: &str,
    selector: Option<&LabelSelector>,
) -> Result<Reading, ReadingError> {
    let question = CustomMetric {
        namespace: asked.namespace.to_owned(),
        of: Described::Pods(asked.selector.to_owned()),
        metric: metric.to_owned(),
        selector: query(selector)?,
    };
    let values = ask(asked, &asked.context.signals.custom_metrics, &question).await?;
    Ok(Reading::Pods(values.iter().map(|value| (value.object.clone(), value.sample)).collect()))
}

async fn object(
    asked: Asked<'_>,
    written: &Metric,
    metric: &str,
    selector: Option<&LabelSelector>,
) -> Result<Reading, ReadingError> {
    let of = written.object.as_ref().map(|object| &object.described_object);
    let of = of.ok_or_else(|| ReadingError::Fetch("the metric describes no object".to_owned()))?;
    let question = CustomMetric {
        namespace: asked.namespace.to_owned(),
        of: Described::Object {
            api_version: of.api_version.clone().unwrap_or_default(),
            kind: of.kind.clone(),
            name: of.name.clone(),
        },
        metric: metric.to_owned(),
        selector: query(selector)?,
    };
    let values = ask(asked, &asked.context.signals.custom_metrics, &question).await?;
    Ok(Reading::Timed(values.iter().map(|value| value.sample).collect()))
}

async fn external(
    asked: Asked<'_>,
    metric: &str,
    selector: Option<&LabelSelector>,
) -> Result<Reading, ReadingError> {
    let question = ExternalMetric {
        namespace: asked.namespace.to_owned(),
        metric: metric.to_owned(),
        selector: query(selector)?,
    };
    let series = ask(asked, &asked.context.signals.external_metrics, &question).await?;
    Ok(Reading::Timed(series.iter().map(|series| series.sample).collect()))
}

/// A metric's selector as the APIs take it.
fn query(selector: Option<&LabelSelector>) -> Result<String, ReadingError> {
    let query = selector.map(LabelSelector::query).unwrap_or_default();
    match parse_selector(&query) {
        Ok(_) => Ok(query),
        Err(error) => Err(ReadingError::InvalidSelector(error.to_string())),
    }
}

async fn prometheus(asked: Asked<'_>, source: &SourceName, query: &String) -> Result<Reading, SignalError> {
    let Asked { context, namespace, max_age, .. } = asked;
    let sample =
        timed(context, Prometheus::NAME, context.sources.ask(namespace, source, query, max_age)).await?;
    Ok(Reading::Timed(vec![*sample]))
}

async fn scraped(asked: Asked<'_>, scrape: &Scrape) -> Result<Reading, SignalError> {
    let Asked { context, namespace, pods, max_age, .. } = asked;
    let pods: Vec<_> = pods.iter().filter_map(|pod| endpoint(pod, &scrape.port)).collect();
    let samples = context.signals.scraper.scrape(namespace, &pods, scrape, max_age);
    timed(context, Scraper::NAME, samples).await.map(Reading::Pods)
}

/// Where a pod serves its metrics. None while nothing can be expected of it: its sample is missing.
fn endpoint(pod: &ObservedPod, port: &PodPort) -> Option<PodEndpoint> {
    let view = &pod.view;
    let ip = pod.ip.filter(|_| view.phase == PodPhase::Running && view.is_ready() && !view.deleting)?;
    let port = match port {
        PodPort::Number(number) => Ok(*number),
        PodPort::Name(name) => pod
            .ports
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, number)| *number)
            .ok_or_else(|| format!("none of its containers has a port of the name {name}")),
    };
    Some(PodEndpoint {
        pod: view.name.clone(),
        started: view.start_time,
        address: port.map(|port| SocketAddr::new(ip, port)),
    })
}

/// Asks a source that is shared.
async fn ask<S: Source>(
    asked: Asked<'_>,
    source: &Shared<S>,
    question: &S::Question,
) -> Result<Arc<S::Answer>, ReadingError> {
    timed(asked.context, S::NAME, source.read(question, asked.max_age)).await.map_err(reading_error)
}

/// Awaits the answer of a source, and notes how long it took.
async fn timed<T>(
    context: &Context,
    source: &'static str,
    answer: impl Future<Output = Result<T, SignalError>>,
) -> Result<T, SignalError> {
    let asked_at = Instant::now();
    let answer = answer.await;
    context.metrics.observe_signal(source, answer.is_ok(), asked_at.elapsed());
    answer
}

fn reading_error(error: SignalError) -> ReadingError {
    match error {
        SignalError::Empty => ReadingError::Empty,
        other => ReadingError::Fetch(other.to_string()),
    }
}

fn unsupported(kind: &str) -> Reading {
    Reading::Failed(ReadingError::Unsupported { kind: kind.to_owned() })
}
