//! Victims: which pods Kubernetes is to let go first, told by their deletion cost.
//!
//! Set just before a scale-down is written and taken away soon after it, so that in steady state no pod carries one of
//! ours. A cost that somebody else has set is left alone: the API server refuses ours as a conflict of owners.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use plimsoll_api::v1alpha1::{Mode, PodDeletionCost, PodScalerSpec};
use plimsoll_core::{
    reason::{EventKind, EventReason},
    replicas::{Candidate, Decision, Event, Victim, deciding_samples, victims},
};
use plimsoll_observe::{COST_MANAGER, DELETION_COST, ObservedPod};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    context::Context,
    podscaler::{Subject, gather::Observation, now},
    targets::WRITE_TIME,
};

/// At most this many costs are set for one scale-down; beyond them Kubernetes chooses.
const MOST_COSTS: usize = 100;

/// Requests side by side.
const CONCURRENT: usize = 8;

/// How long a request may take: a second less than the lease must last, for clocks that do not run alike.
const TIME_OUT: Duration = WRITE_TIME.saturating_sub(Duration::from_secs(1));

/// How long we wait until our own watch shows the costs. Who deletes the pods reads them from such a watch too.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// Before `decision` is written: sets the costs of the pods that are to go. A warning if that cannot be done; the
/// scale-down goes on, and Kubernetes chooses.
pub(super) async fn mark(
    context: &Context,
    subject: &Subject<'_>,
    spec: &PodScalerSpec,
    observation: &Observation,
    decision: &Decision,
) -> Option<Event> {
    if spec.pod_deletion_cost != Some(PodDeletionCost::Managed) {
        return None;
    }
    if !context.options.pod_deletion_cost {
        return Some(not_set(
            "spec.podDeletionCost is Managed, but the operator may not write to pods: set the chart's value \
             podDeletionCost.enabled to true"
                .to_owned(),
        ));
    }
    if spec.mode != Mode::Active || decision.desired >= decision.current {
        return None;
    }
    let chosen = choose(context, subject, observation, decision);
    if chosen.is_empty() || !context.leadership.outlives(WRITE_TIME) {
        return None;
    }
    let costs = costs(&chosen);
    let set = stream::iter(costs.clone()).map(|(victim, cost)| set(context, subject.namespace, victim, cost));
    let failed: Vec<String> = set.buffer_unordered(CONCURRENT).filter_map(std::future::ready).collect().await;
    await_seen(context, subject.namespace, &costs).await;
    failed.into_iter().next().map(|error| {
        not_set(format!(
            "the deletion cost of a pod could not be set, so Kubernetes chooses which pods go: {error}"
        ))
    })
}

fn not_set(message: String) -> Event {
    Event { kind: EventKind::Warning, reason: EventReason::PodDeletionCostNotSet, message }
}

fn choose(
    context: &Context,
    subject: &Subject<'_>,
    observation: &Observation,
    decision: &Decision,
) -> Vec<Victim> {
    let samples = deciding_samples(&observation.input, decision);
    let candidates: Vec<Candidate> = observation
        .input
        .pods
        .iter()
        .filter_map(|view| {
            let pod = context.pods.get(subject.namespace, &view.name)?;
            let zone = pod.node.as_deref().and_then(|node| context.zones.of(node));
            let own_cost = pod.deletion_cost.filter(|cost| cost.ours_since.is_none()).map(|cost| cost.value);
            Candidate::of(view, samples, zone, own_cost)
        })
        .collect();
    let desired = usize::try_from(decision.desired).unwrap_or_default();
    let mut chosen = victims(&candidates, candidates.len().saturating_sub(desired));
    chosen.retain(|victim| victim.reason.needs_cost());
    chosen.truncate(MOST_COSTS);
    for Victim { name, reason } in &chosen {
        tracing::debug!(namespace = subject.namespace, name = subject.name, pod = name, %reason, "is to go first");
    }
    chosen
}

/// Below zero, the cost of a pod without one, and lowest for the pod that should go first.
fn costs(chosen: &[Victim]) -> Vec<(String, i32)> {
    chosen.iter().rev().zip(1..).map(|(victim, rank): (_, i32)| (victim.name.clone(), -rank)).collect()
}

/// Sets one cost; why it could not, if somebody should know.
async fn set(context: &Context, namespace: &str, name: String, cost: i32) -> Option<String> {
    let pod = context.pods.get(namespace, &name)?;
    if pod.deletion_cost.is_some_and(|has| has.ours_since.is_some() && has.value == cost) {
        return None;
    }
    match apply(context, namespace, &pod, Some(cost)).await {
        Ok(()) => {
            context.metrics.deletion_costs.with_label_values(&["set"]).inc();
            None
        }
        // It is gone, or somebody has set a cost meanwhile.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => None,
        Err(error) => {
            context.metrics.deletion_costs.with_label_values(&["failed"]).inc();
            Some(error.to_string())
        }
    }
}

async fn await_seen(context: &Context, namespace: &str, costs: &[(String, i32)]) {
    let until = Instant::now() + SEEN_WITHIN;
    let is_seen = |(name, cost): &(String, i32)| {
        let pod = context.pods.get(namespace, name);
        pod.is_none_or(|pod| {
            pod.deletion_cost.is_some_and(|has| has.value == *cost || has.ours_since.is_none())
        })
    };
    while !costs.iter().all(is_seen) && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Takes our costs away that have done what they were set for: older than two looks. Whoever set them, also an earlier
/// leader or one for a PodScaler that is gone.
pub async fn tidy(context: &Context) {
    let decided = *context.ready.borrow() && context.options.pod_deletion_cost;
    if !decided || !context.leadership.outlives(WRITE_TIME) {
        return;
    }
    let age = (context.options.sync_period * 2).max(Duration::from_secs(10));
    let now = now();
    let is_done = |pod: &ObservedPod| {
        let since = pod.deletion_cost.and_then(|cost| cost.ours_since);
        !pod.view.deleting
            && since.is_some_and(|since| {
                u128::try_from(now.since(since).as_millis()).is_ok_and(|ms| ms > age.as_millis())
            })
    };
    let done = context.pods.all(is_done);
    let removals = stream::iter(done.into_iter().take(MOST_COSTS))
        .map(|(namespace, pod)| remove(context, namespace, pod));
    removals.buffer_unordered(CONCURRENT).for_each(|()| std::future::ready(())).await;
}

async fn remove(context: &Context, namespace: String, pod: Arc<ObservedPod>) {
    let name = &pod.view.name;
    match apply(context, &namespace, &pod, None).await {
        Ok(()) => context.metrics.deletion_costs.with_label_values(&["removed"]).inc(),
        // It went first, as it should.
        Err(_) if context.pods.get(&namespace, name).is_none_or(|pod| pod.view.deleting) => {}
        Err(error) => {
            context.metrics.deletion_costs.with_label_values(&["failed"]).inc();
            tracing::warn!(%namespace, pod = %name, %error, "its deletion cost could not be taken away");
        }
    }
}

/// Applies all that we own of a pod: its cost, or nothing. The uid keeps us from making a pod that is gone.
async fn apply(
    context: &Context,
    namespace: &str,
    pod: &ObservedPod,
    cost: Option<i32>,
) -> Result<(), kube::Error> {
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": pod.view.name, "uid": pod.uid },
    });
    if let Some(cost) = cost {
        object["metadata"]["annotations"] = json!({ DELETION_COST: cost.to_string() });
    }
    let api = Api::<Pod>::namespaced(context.client.clone(), namespace);
    let params = PatchParams::apply(COST_MANAGER);
    let patch = Patch::Apply(&object);
    match timeout(TIME_OUT, api.patch_metadata(&pod.view.name, &params, &patch)).await {
        Ok(answer) => answer.map(|_| ()),
        Err(_) => Err(kube::Error::Service("the API server did not answer in time".into())),
    }
}
