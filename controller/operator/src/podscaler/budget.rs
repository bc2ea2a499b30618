//! The PodDisruptionBudget that a PodScaler with `availability` keeps for the pods of its target.
//!
//! None where another one selects them already, since a pod under two cannot be evicted; and none for a PodScaler of a
//! ServiceGroup, which keeps its own. Nothing is written over or deleted that does not belong to the PodScaler.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    Api, Resource as _,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use plimsoll_api::{
    PodScaler, ServiceGroup,
    v1alpha1::{Availability, Mode, PodScalerSpec},
};
use plimsoll_core::{
    reason::{ConditionKind, ConditionReason},
    replicas::ConditionUpdate,
};
use serde_json::json;

use crate::{
    context::Context,
    in_time::{Unanswered, in_time},
    podscaler::{
        Subject,
        gather::{Observation, Selected},
    },
    targets::WRITE_TIME,
};

/// The name under which budgets appear in `managedFields`. Sizes are written under another.
const FIELD_MANAGER: &str = "plimsoll-podscalers";

/// What is to be done about the budget of a PodScaler.
#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    /// Nothing, and nothing is said.
    Nothing,
    /// It is there as it should be.
    AsItIs,
    /// It is to be written with this spec, over the one of this uid, or over nothing.
    Write(Box<PodDisruptionBudgetSpec>, Option<String>),
    /// Ours, of this uid, is to go: nobody asks for it.
    Delete(String),
    /// None is to be there beside those of others, and ours of this uid is to go.
    Others(Vec<String>, Option<String>),
    /// Somebody else has the name.
    NameTaken,
}

/// Keeps the budget as it should be; the condition that says how it is.
pub(super) async fn keep(
    context: &Context,
    subject: &Subject<'_>,
    spec: &PodScalerSpec,
    observation: &Observation,
) -> Option<ConditionUpdate> {
    if !context.options.availability || spec.mode != Mode::Active || is_of_group(subject) {
        return None;
    }
    let (reason, message) = match wanted(context, subject, spec, observation) {
        Wanted::Nothing => return None,
        Wanted::AsItIs => made(subject),
        Wanted::Write(spec, uid) => match write(context, subject, &spec, uid.as_deref()).await {
            Ok(false) => return None,
            Ok(true) => made(subject),
            Err(why) => (ConditionReason::NotWritten, format!("PodDisruptionBudget {}: {why}", subject.name)),
        },
        Wanted::Delete(uid) => {
            let why = delete(context, subject, uid).await.err()?;
            tracing::warn!(namespace = subject.namespace, name = subject.name, %why, "its PodDisruptionBudget stays");
            return None;
        }
        Wanted::Others(others, own) => {
            if let Some(uid) = own
                && let Err(why) = delete(context, subject, uid).await
            {
                (ConditionReason::NotWritten, format!("PodDisruptionBudget {} stays: {why}", subject.name))
            } else {
                let others = others.join(" and ");
                let message = format!(
                    "PodDisruptionBudget {others} selects the pods too, and a pod under two cannot be evicted: none is kept. \
                     Delete it to have availability.maxUnavailable hold"
                );
                (ConditionReason::OthersSelectThem, message)
            }
        }
        Wanted::NameTaken => {
            let message = format!(
                "there is a PodDisruptionBudget {} that is not ours: rename or delete it to have availability.maxUnavailable \
                 hold",
                subject.name
            );
            (ConditionReason::NameTaken, message)
        }
    };
    let holds = reason == ConditionReason::Made;
    Some(ConditionUpdate { kind: ConditionKind::DisruptionBudget, status: holds.into(), reason, message })
}

fn made(subject: &Subject<'_>) -> (ConditionReason, String) {
    (ConditionReason::Made, format!("PodDisruptionBudget {} is kept for the pods", subject.name))
}

/// A group keeps a budget for each of its services itself.
fn is_of_group(subject: &Subject<'_>) -> bool {
    let owners = subject.metadata.owner_references.iter().flatten();
    let group = ServiceGroup::kind(&());
    owners.into_iter().any(|owner| owner.controller == Some(true) && owner.kind == group)
}

fn wanted(
    context: &Context,
    subject: &Subject<'_>,
    spec: &PodScalerSpec,
    observation: &Observation,
) -> Wanted {
    let uid = subject.metadata.uid.as_deref().unwrap_or_default();
    let there = context.budgets.get(subject.namespace, subject.name);
    let own = there.as_ref().filter(|budget| budget.owner.as_deref() == Some(uid));
    let own_uid = own.map(|budget| budget.uid.clone());
    let Some(availability) = &spec.availability else {
        return own_uid.map_or(Wanted::Nothing, Wanted::Delete);
    };
    let Some(Selected { selector, pods }) = &observation.selected else { return Wanted::Nothing };
    let labels: Vec<_> = pods.iter().map(|pod| &pod.labels).collect();
    let others = context.budgets.of_others(subject.namespace, uid, &labels);
    if !others.is_empty() {
        return Wanted::Others(others, own_uid);
    }
    if there.is_some() && own.is_none() {
        return Wanted::NameTaken;
    }
    let spec = budget(availability, selector.clone().into());
    if own.is_some_and(|budget| says(&budget.spec, &spec)) {
        return Wanted::AsItIs;
    }
    Wanted::Write(Box::new(spec), own_uid)
}

/// As maxUnavailable, so that a workload of one pod can be drained too. Pods that are not ready may always be evicted: they
/// serve nobody, and would block every drain while a release is broken.
fn budget(availability: &Availability, selector: LabelSelector) -> PodDisruptionBudgetSpec {
    PodDisruptionBudgetSpec {
        max_unavailable: Some(availability.max_unavailable.clone()),
        selector: Some(selector),
        unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
        ..PodDisruptionBudgetSpec::default()
    }
}

/// Whether a budget that is there says what is wanted.
fn says(there: &PodDisruptionBudgetSpec, wanted: &PodDisruptionBudgetSpec) -> bool {
    let labels = |spec: &PodDisruptionBudgetSpec| {
        let selector = spec.selector.clone().unwrap_or_default();
        (selector.match_labels.unwrap_or_default(), selector.match_expressions.unwrap_or_default())
    };
    there.max_unavailable == wanted.max_unavailable
        && there.min_available.is_none()
        && there.unhealthy_pod_eviction_policy == wanted.unhealthy_pod_eviction_policy
        && labels(there) == labels(wanted)
}

/// Whether it was written: not if the lease may end before the write does.
async fn write(
    context: &Context,
    subject: &Subject<'_>,
    spec: &PodDisruptionBudgetSpec,
    over: Option<&str>,
) -> Result<bool, String> {
    if !context.leadership.outlives(WRITE_TIME) {
        return Ok(false);
    }
    let mut body = json!({
        "apiVersion": PodDisruptionBudget::api_version(&()),
        "kind": PodDisruptionBudget::kind(&()),
        "metadata": {
            "name": subject.name,
            "labels": { "app.kubernetes.io/managed-by": "plimsoll" },
            // Without blockOwnerDeletion, which would take the right to finalizers of PodScalers.
            "ownerReferences": [{
                "apiVersion": PodScaler::api_version(&()),
                "kind": PodScaler::kind(&()),
                "name": subject.name,
                "uid": subject.metadata.uid,
                "controller": true,
            }],
        },
        "spec": spec,
    });
    // Keeps us from writing to another of the same name. Over nothing, nobody's fields are taken: whoever makes one of this
    // name in this moment keeps it, and the next look sees that it is not ours.
    if let Some(uid) = over {
        body["metadata"]["uid"] = json!(uid);
    }
    let params = PatchParams {
        force: over.is_some(),
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let api = Api::<PodDisruptionBudget>::namespaced(context.client.clone(), subject.namespace);
    let written = in_time(api.patch(subject.name, &params, &Patch::Apply(&body))).await;
    written.map(|_| true).map_err(|error| error.words())
}

/// Deletes the budget of this uid and no other.
async fn delete(context: &Context, subject: &Subject<'_>, uid: String) -> Result<(), String> {
    if !context.leadership.outlives(WRITE_TIME) {
        return Ok(());
    }
    let api = Api::<PodDisruptionBudget>::namespaced(context.client.clone(), subject.namespace);
    let preconditions = Preconditions { uid: Some(uid), resource_version: None };
    let params = DeleteParams::background().preconditions(preconditions);
    match in_time(api.delete(subject.name, &params)).await {
        Err(Unanswered::Failed(kube::Error::Api(status))) if status.code == 404 => Ok(()),
        answer => answer.map(drop).map_err(|error| error.words()),
    }
}
