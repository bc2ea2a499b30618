//! Gather: read everything that a decision depends on.

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::core::Selector;
use plimsoll_api::v1alpha1::{Mode, ObjectReference, PodScalerSpec, PodScalerStatus};
use plimsoll_core::{
    reason::ConditionKind,
    replicas::{Input, Obstacle, PodView, TargetView},
    time::Timestamp,
};
use plimsoll_observe::{ObservedPod, observe_policy, parse_selector};

use crate::{
    context::Context,
    podscaler::{
        Kind, Subject,
        domains::domains,
        readings::{Asked, read_metrics},
    },
    workloads::foreign,
};

/// What was read.
pub(crate) enum Gathered {
    /// All that a decision needs.
    Observed(Box<Observation>),
    /// What stands in the way, and the target's size if it is known.
    Blocked(Obstacle, Option<i32>),
}

/// All that a decision needs, and the scale it will be written to.
pub(crate) struct Observation {
    pub(crate) input: Input,
    pub(super) scale: Scale,
    /// None where the target says of no pods that they are its own.
    pub(super) selected: Option<Selected>,
}

/// The pods that a target says are its own, also where others claim them too.
pub(super) struct Selected {
    pub(super) selector: Selector,
    pub(super) pods: Vec<Arc<ObservedPod>>,
}

/// Reads the target's size, its pods and their metrics.
pub(crate) async fn gather(
    context: &Context,
    subject: &Subject<'_>,
    spec: &PodScalerSpec,
    now: Timestamp,
) -> Gathered {
    let namespace = subject.namespace;
    let policy = match observe_policy(spec) {
        Ok(policy) => policy,
        Err(invalid) => return Gathered::Blocked(Obstacle::Undecodable(invalid.to_string()), None),
    };
    let scale = match context.targets.read(namespace, &spec.scale_target_ref).await {
        Ok(scale) => scale,
        Err(error) => return Gathered::Blocked(Obstacle::FailedGetScale(error.to_string()), None),
    };
    let target = target_view(&scale);
    if let Some(conflict) = conflict(context, subject, spec) {
        return Gathered::Blocked(conflict, Some(target.spec_replicas));
    }
    let selector = scale.status.as_ref().and_then(|status| status.selector.as_deref()).unwrap_or_default();
    let (selected, obstacle) = match select_pods(context, subject, selector) {
        Ok(selected) => {
            let obstacle = ambiguity(context, subject, selector, &selected);
            (Some(selected), obstacle)
        }
        Err(obstacle) => (None, Some(obstacle)),
    };
    let pods = match (&selected, &obstacle) {
        (Some(selected), None) => selected.pods.as_slice(),
        _ => &[],
    };
    let readings = match obstacle {
        None => {
            let max_age = context.options.max_age(spec);
            let asked = Asked { context, namespace, selector, pods, max_age };
            read_metrics(asked, &spec.metrics_or_default(), &policy.metrics).await
        }
        Some(_) => Vec::new(),
    };
    let views = views(context, namespace, &spec.scale_target_ref, &scale, pods);
    let (zones, nodes) = domains(context, spec, pods, &views);
    let input = Input {
        now,
        settings: context.options.settings,
        namespace: namespace.to_owned(),
        policy,
        target,
        pods: views,
        readings,
        scaled_to_zero: is_scaled_to_zero(subject.status),
        obstacle,
        zones,
        nodes,
    };
    Gathered::Observed(Box::new(Observation { input, scale, selected }))
}

/// The pods as this target's decision sees them.
fn views(
    context: &Context,
    namespace: &str,
    target: &ObjectReference,
    scale: &Scale,
    pods: &[Arc<ObservedPod>],
) -> Vec<PodView> {
    let uid = scale.metadata.uid.as_deref().unwrap_or_default();
    let owners: Vec<_> = pods.iter().map(|pod| pod.owner.as_ref()).collect();
    let foreign = foreign(&context.workloads, namespace, (target, uid), &owners);
    pods.iter().zip(foreign).map(|(pod, foreign)| PodView { foreign, ..pod.view.clone() }).collect()
}

/// Who else scales the same target. One that only recommends scales nothing, and is in nobody's way.
fn conflict(context: &Context, subject: &Subject<'_>, spec: &PodScalerSpec) -> Option<Obstacle> {
    let Subject { kind, namespace, name, .. } = *subject;
    if spec.mode != Mode::Active {
        return None;
    }
    let (others, hpas) = match kind {
        Kind::PodScaler => (
            context.claims.rivals(namespace, name),
            context.hpa_claims.claimants(namespace, &spec.scale_target_ref),
        ),
        Kind::Hpa => (context.claims.claimants(namespace, &spec.scale_target_ref), Vec::new()),
    };
    match kind {
        _ if others.is_empty() && hpas.is_empty() => None,
        Kind::PodScaler if others.is_empty() => Some(Obstacle::ConflictingHpas { hpas }),
        Kind::PodScaler => Some(Obstacle::Conflicting { others }),
        Kind::Hpa => Some(Obstacle::ConflictingPodScalers { scalers: others }),
    }
}

fn target_view(scale: &Scale) -> TargetView {
    TargetView {
        spec_replicas: scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0),
        status_replicas: scale.status.as_ref().map_or(0, |status| status.replicas),
    }
}

fn select_pods(context: &Context, subject: &Subject<'_>, text: &str) -> Result<Selected, Obstacle> {
    if text.is_empty() {
        return Err(Obstacle::SelectorRequired);
    }
    let selector = parse_selector(text).map_err(|error| Obstacle::InvalidSelector(error.to_string()))?;
    let pods = context.pods.select(subject.namespace, &selector);
    Ok(Selected { selector, pods })
}

/// Who else claims one of these pods.
fn ambiguity(
    context: &Context,
    subject: &Subject<'_>,
    text: &str,
    Selected { selector, pods }: &Selected,
) -> Option<Obstacle> {
    let claims = match subject.kind {
        Kind::PodScaler => &context.claims,
        Kind::Hpa => &context.hpa_claims,
    };
    let others = claims.select(subject.namespace, subject.name, selector, pods);
    if others.is_empty() {
        return None;
    }
    let mut scalers: Vec<String> = others.into_iter().chain([subject.name.to_owned()]).collect();
    scalers.sort();
    let scalers = scalers.into_iter().map(|name| format!("{}/{name}", subject.namespace)).collect();
    Some(Obstacle::AmbiguousSelector { selector: text.to_owned(), scalers })
}

pub(super) fn is_scaled_to_zero(status: Option<&PodScalerStatus>) -> bool {
    let kind = ConditionKind::ScaledToZero.to_string();
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True")
}
