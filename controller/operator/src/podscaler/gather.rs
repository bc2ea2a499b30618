//! Gather: read everything that a decision depends on.

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v1::Scale;
use plimsoll_api::v1alpha1::{PodScalerSpec, PodScalerStatus};
use plimsoll_core::{
    reason::ConditionKind,
    replicas::{
        Input, MetricSpec, Obstacle, PodUsage, Policy, Reading, ReadingError, TargetView, resource_samples,
    },
    time::Timestamp,
};
use plimsoll_observe::{ObservedPod, observe_policy, parse_selector};
use plimsoll_signals::SignalError;
use tokio::time::Instant;

use crate::{context::Context, podscaler::Subject};

/// What was read.
pub(super) enum Gathered {
    /// All that a decision needs.
    Observed(Box<Observation>),
    /// What stands in the way, and the target's size if it is known.
    Blocked(Obstacle, Option<i32>),
}

/// All that a decision needs, and the scale it will be written to.
pub(super) struct Observation {
    pub(super) input: Input,
    pub(super) scale: Scale,
}

/// Reads the target's size, its pods and their metrics.
pub(super) async fn gather(
    context: &Context,
    subject: &Subject<'_>,
    spec: &PodScalerSpec,
    now: Timestamp,
) -> Gathered {
    let Subject { namespace, name, .. } = *subject;
    let policy = match observe_policy(spec) {
        Ok(policy) => policy,
        Err(invalid) => return Gathered::Blocked(Obstacle::Undecodable(invalid.to_string()), None),
    };
    let scale = match context.targets.read(namespace, &spec.scale_target_ref).await {
        Ok(scale) => scale,
        Err(error) => return Gathered::Blocked(Obstacle::FailedGetScale(error.to_string()), None),
    };
    let target = target_view(&scale);
    let rivals = context.claims.rivals(namespace, name);
    if !rivals.is_empty() {
        return Gathered::Blocked(Obstacle::Conflicting { others: rivals }, Some(target.spec_replicas));
    }
    let (pods, obstacle) = match select_pods(context, subject, &scale) {
        Ok(pods) => (pods, None),
        Err(obstacle) => (Vec::new(), Some(obstacle)),
    };
    let readings = match obstacle {
        None => read_metrics(context, namespace, spec, &policy, &pods).await,
        Some(_) => Vec::new(),
    };
    let input = Input {
        now,
        settings: context.options.settings,
        namespace: namespace.to_owned(),
        policy,
        target,
        pods: pods.iter().map(|pod| pod.view.clone()).collect(),
        readings,
        scaled_to_zero: is_scaled_to_zero(subject.status),
        obstacle,
    };
    Gathered::Observed(Box::new(Observation { input, scale }))
}

fn target_view(scale: &Scale) -> TargetView {
    TargetView {
        spec_replicas: scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0),
        status_replicas: scale.status.as_ref().map_or(0, |status| status.replicas),
    }
}

fn select_pods(
    context: &Context,
    subject: &Subject<'_>,
    scale: &Scale,
) -> Result<Vec<Arc<ObservedPod>>, Obstacle> {
    let text = scale.status.as_ref().and_then(|status| status.selector.as_deref()).unwrap_or_default();
    if text.is_empty() {
        return Err(Obstacle::SelectorRequired);
    }
    let selector = parse_selector(text).map_err(|error| Obstacle::InvalidSelector(error.to_string()))?;
    let pods = context.pods.select(subject.namespace, &selector);
    let others = context.claims.select(subject.namespace, subject.name, &selector, &pods);
    if others.is_empty() {
        return Ok(pods);
    }
    let mut scalers: Vec<String> = others.into_iter().chain([subject.name.to_owned()]).collect();
    scalers.sort();
    let scalers = scalers.into_iter().map(|name| format!("{}/{name}", subject.namespace)).collect();
    Err(Obstacle::AmbiguousSelector { selector: text.to_owned(), scalers })
}

/// One reading per metric. The usage of a namespace is read once, however many metrics need it.
async fn read_metrics(
    context: &Context,
    namespace: &str,
    spec: &PodScalerSpec,
    policy: &Policy,
    pods: &[Arc<ObservedPod>],
) -> Vec<Reading> {
    let needs_usage = policy
        .metrics
        .iter()
        .any(|metric| matches!(metric, MetricSpec::Resource { .. } | MetricSpec::ContainerResource { .. }));
    let usage = if needs_usage {
        let asked_at = Instant::now();
        let max_age = context.options.max_age(spec);
        let usage = context.resource_metrics.namespace(namespace, max_age).await;
        context.metrics.observe_signal("resource_metrics", usage.is_ok(), asked_at.elapsed());
        usage.map(|usage| of_pods(&usage, pods))
    } else {
        Ok(Vec::new())
    };
    policy.metrics.iter().map(|metric| reading(metric, &usage)).collect()
}

fn of_pods(usage: &[PodUsage], pods: &[Arc<ObservedPod>]) -> Vec<PodUsage> {
    // The index yields pods ordered by name.
    let is_ours = |usage: &&PodUsage| {
        pods.binary_search_by(|pod| pod.view.name.as_str().cmp(usage.pod.as_str())).is_ok()
    };
    usage.iter().filter(is_ours).cloned().collect()
}

fn reading(metric: &MetricSpec, usage: &Result<Vec<PodUsage>, SignalError>) -> Reading {
    let (resource, container) = match metric {
        MetricSpec::Resource { name, .. } => (name, None),
        MetricSpec::ContainerResource { name, container, .. } => (name, Some(container.as_str())),
        MetricSpec::Pods { .. } => return unsupported("Pods"),
        MetricSpec::Object { .. } => return unsupported("Object"),
        MetricSpec::External { .. } => return unsupported("External"),
        MetricSpec::Prometheus { .. } => return unsupported("Prometheus"),
        MetricSpec::Scrape { .. } => return unsupported("Scrape"),
        MetricSpec::Unknown { kind } => return unsupported(kind),
    };
    match usage {
        Ok(usage) if usage.is_empty() => Reading::Failed(ReadingError::Empty),
        Ok(usage) => Reading::Pods(resource_samples(usage, resource, container)),
        Err(error) => Reading::Failed(ReadingError::Fetch(error.to_string())),
    }
}

fn unsupported(kind: &str) -> Reading {
    Reading::Failed(ReadingError::Unsupported { kind: kind.to_owned() })
}

fn is_scaled_to_zero(status: Option<&PodScalerStatus>) -> bool {
    let kind = ConditionKind::ScaledToZero.to_string();
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True")
}
