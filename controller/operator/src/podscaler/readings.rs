//! What each metric of a look says at the moment: an arm per source, all read side by side.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use plimsoll_api::v1alpha1::Metric;
use plimsoll_core::replicas::{MetricSpec, PodUsage, Reading, ReadingError, resource_samples};
use plimsoll_observe::ObservedPod;
use plimsoll_signals::{Shared, SignalError, Source};
use tokio::time::Instant;

use crate::context::Context;

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) context: &'a Context,
    /// Namespace of the PodScaler.
    pub(super) namespace: &'a str,
    /// Pods of the target, ordered by name.
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
    let readings = written.iter().zip(metrics).map(async |(written, metric)| {
        read(asked, written, metric).await.unwrap_or_else(|error| Reading::Failed(reading_error(error)))
    });
    join_all(readings).await
}

async fn read(asked: Asked<'_>, _written: &Metric, metric: &MetricSpec) -> Result<Reading, SignalError> {
    match metric {
        MetricSpec::Resource { name, .. } => resource(asked, name, None).await,
        MetricSpec::ContainerResource { name, container, .. } => resource(asked, name, Some(container)).await,
        MetricSpec::Pods { .. } => Ok(unsupported("Pods")),
        MetricSpec::Object { .. } => Ok(unsupported("Object")),
        MetricSpec::External { .. } => Ok(unsupported("External")),
        MetricSpec::Prometheus { .. } => Ok(unsupported("Prometheus")),
        MetricSpec::Scrape { .. } => Ok(unsupported("Scrape")),
        MetricSpec::Unknown { kind } => Ok(unsupported(kind)),
    }
}

async fn resource(asked: Asked<'_>, name: &str, container: Option<&str>) -> Result<Reading, SignalError> {
    let usage = ask(asked, &asked.context.signals.resource_metrics, &asked.namespace.to_owned()).await?;
    let is_ours = |usage: &&PodUsage| {
        asked.pods.binary_search_by(|pod| pod.view.name.as_str().cmp(usage.pod.as_str())).is_ok()
    };
    let mut ours = usage.iter().filter(is_ours).peekable();
    if ours.peek().is_none() {
        return Err(SignalError::Empty);
    }
    Ok(Reading::Pods(resource_samples(ours, name, container)))
}

/// Asks a source and notes how long it took.
async fn ask<S: Source>(
    asked: Asked<'_>,
    source: &Shared<S>,
    question: &S::Question,
) -> Result<Arc<S::Answer>, SignalError> {
    let asked_at = Instant::now();
    let answer = source.read(question, asked.max_age).await;
    asked.context.metrics.observe_signal(S::NAME, answer.is_ok(), asked_at.elapsed());
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
