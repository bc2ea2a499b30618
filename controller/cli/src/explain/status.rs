//! What a PodScaler's status tells of the last decision: less than the operator knows, but without asking it.

use anyhow::{Result, bail};
use plimsoll_api::{PodScaler, v1alpha1::PodScalerStatus};
use plimsoll_core::replicas::{Explanation, MetricRow, capital};
use plimsoll_observe::{observe_policy, observe_time};

use super::Told;

/// The status in the words of an explanation.
pub(super) fn told(namespace: &str, name: &str, scaler: &PodScaler) -> Result<Told> {
    let Some(status) = &scaler.status else {
        bail!("{namespace}/{name} has no status yet: the operator has not looked at it");
    };
    let last = status.last_decision.clone().unwrap_or_default();
    let policy = observe_policy(&scaler.spec).ok();
    let targets = policy
        .iter()
        .flat_map(|policy| &policy.metrics)
        .map(plimsoll_core::replicas::MetricSpec::target_words);
    let mut targets: Vec<String> = targets.map(Option::unwrap_or_default).collect();
    targets.resize(last.proposals.len(), String::new());
    let rows = last.proposals.iter().zip(targets).enumerate().map(|(index, (proposal, target))| MetricRow {
        name: proposal.metric.clone(),
        value: value(status, index),
        target,
        ratio: None,
        proposal: proposal.replicas,
        basis: proposal.error.as_ref().map_or_else(String::new, |error| format!("failed: {error}")),
        pods: None,
        foreign: 0,
    });
    Ok(Told {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        source: "status",
        at: last.time.as_ref().map(observe_time),
        next_look: None,
        policy: policy.as_ref().map(|policy| {
            format!("{}, {} to {} pods", policy.algorithm, policy.min_replicas, policy.max_replicas)
        }),
        explanation: Explanation { sentences: sentences(status), metrics: rows.collect(), steps: Vec::new() },
        conditions: status
            .conditions
            .iter()
            .map(|told| format!("{}={} {}: {}", told.type_, told.status, told.reason, told.message))
            .collect(),
    })
}

fn sentences(status: &PodScalerStatus) -> Vec<String> {
    let last = status.last_decision.clone().unwrap_or_default();
    let mut sentences = vec![match status.current_replicas {
        Some(current) => format!("{current} pods were found, and {} decided.", status.desired_replicas),
        None => "The size could not be read.".to_owned(),
    }];
    sentences.push(format!("{}.", last.reason.trim_end_matches('.')));
    if let Some(recommendation) = last.recommendation {
        sentences.push(format!("The metrics alone ask for {recommendation}."));
    }
    sentences.extend(last.limits.iter().chain(&last.reserve).map(|words| format!("{}.", capital(words))));
    sentences
}

fn value(status: &PodScalerStatus, index: usize) -> Option<String> {
    let metric = status.current_metrics.as_ref()?.get(index)?;
    let current = metric
        .resource
        .as_ref()
        .map(|of| &of.current)
        .or_else(|| metric.container_resource.as_ref().map(|of| &of.current))
        .or_else(|| metric.pods.as_ref().map(|of| &of.current))
        .or_else(|| metric.object.as_ref().map(|of| &of.current))
        .or_else(|| metric.external.as_ref().map(|of| &of.current))?;
    let average = current.average_value.as_ref().map(|average| format!("{} per pod", average.0));
    match (current.average_utilization, average) {
        (Some(percent), Some(average)) => Some(format!("{percent} % ({average})")),
        (Some(percent), None) => Some(format!("{percent} %")),
        (None, average) => average.or_else(|| current.value.as_ref().map(|value| value.0.clone())),
    }
}
