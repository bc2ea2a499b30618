//! How the services of a group run, as watches show it.

use std::collections::BTreeMap;

use kube::core::DynamicObject;
use plimsoll_api::v1alpha1::{GroupService, ObjectReference, ServiceGroupSpec, WorkloadKind};
use plimsoll_observe::parse_selector;
use serde_json::Value;

use super::{
    Groups,
    decide::reference,
    desired, gather,
    kind::{Id, OwnedKind},
    object::Owner,
    seen::{Running, Scaling},
};
use crate::workloads::foreign;

/// How each service runs, by its name.
pub(super) fn running(groups: &Groups, owner: &Owner, spec: &ServiceGroupSpec) -> BTreeMap<String, Running> {
    let services = spec.services.iter();
    services.map(|service| (service.name.clone(), of_service(groups, owner, service))).collect()
}

fn of_service(groups: &Groups, owner: &Owner, service: &GroupService) -> Running {
    let own = desired::name(&owner.name, &service.name);
    let (kind, name) = match &service.workload_ref {
        Some(reference) => (reference.kind, reference.name.as_str()),
        None => (WorkloadKind::Deployment, own.as_str()),
    };
    let scaler = shown(groups, owner, OwnedKind::PodScaler, &own);
    let nothing = Running { scaling: scaler.as_deref().and_then(scaling), ..Running::default() };
    let Some(runs) = groups.context.workloads.runs(&owner.namespace, kind, name) else { return nothing };
    let is_own = runs.owner.as_ref().is_some_and(|of| *of.uid == owner.uid);
    if service.workload_ref.is_none() && !is_own {
        return nothing;
    }
    let target = reference(kind, name);
    let scale = groups.context.workloads.scale(&owner.namespace, &target);
    let written = scale.and_then(|scale| scale.spec).map(|spec| spec.replicas.unwrap_or(1));
    // The watch of workloads may be behind that of PodScalers.
    let desired = nothing.scaling.as_ref().and_then(|scaling| scaling.desired);
    let wanted = written.map(|written| desired.map_or(written, |desired| written.max(desired)));
    let deployment = match service.workload_ref {
        None => shown(groups, owner, OwnedKind::Deployment, name),
        Some(_) => None,
    };
    let ready = ready(groups, owner, (&target, &runs.uid), &runs.selector);
    Running { wanted, ready, stuck: deployment.as_deref().and_then(stuck), ..nothing }
}

fn shown(
    groups: &Groups,
    owner: &Owner,
    kind: OwnedKind,
    name: &str,
) -> Option<std::sync::Arc<DynamicObject>> {
    let object = groups.owned.get(&owner.namespace, &Id::new(kind, name))?;
    gather::is_of(owner, &object).then_some(object)
}

/// The ready pods of a workload by zone.
fn ready(
    groups: &Groups,
    owner: &Owner,
    target: (&ObjectReference, &str),
    selector: &str,
) -> BTreeMap<String, i32> {
    let context = &groups.context;
    let Ok(selector) = parse_selector(selector) else { return BTreeMap::new() };
    let pods = context.pods.select(&owner.namespace, &selector);
    let owners: Vec<_> = pods.iter().map(|pod| pod.owner.as_ref()).collect();
    let foreign = foreign(&context.workloads, &owner.namespace, target, &owners);
    let mut zones = BTreeMap::new();
    for (pod, foreign) in pods.iter().zip(foreign) {
        if pod.view.is_ready() && !pod.view.deleting && !foreign {
            let zone = pod.node.as_deref().and_then(|node| context.zones.of(node)).unwrap_or_default();
            *zones.entry(zone).or_insert(0) += 1;
        }
    }
    zones
}

/// Why a Deployment has given a rolling update up.
fn stuck(deployment: &DynamicObject) -> Option<String> {
    let progressing = condition(deployment, "Progressing")?;
    let is_stuck = progressing["status"] == "False" && progressing["reason"] == "ProgressDeadlineExceeded";
    is_stuck.then(|| text(progressing, "message"))
}

/// What a PodScaler says of itself, once it has said something; of two conditions the one that does not hold.
fn scaling(scaler: &DynamicObject) -> Option<Scaling> {
    let (able, active) = (condition(scaler, "AbleToScale"), condition(scaler, "ScalingActive"));
    let is_able = able.is_none_or(|able| able["status"] == "True");
    let told = if is_able { active.or(able)? } else { able? };
    // One that does not write the size wants nothing.
    let writes = condition(scaler, "Recommending").is_none() && told["reason"] != "Paused";
    let desired = scaler.data["status"]["desiredReplicas"].as_i64().filter(|_| is_able && writes);
    Some(Scaling {
        able: is_able,
        active: active.is_some_and(|active| active["status"] == "True"),
        desired: desired.and_then(|desired| i32::try_from(desired).ok()),
        reason: text(told, "reason"),
        message: text(told, "message"),
    })
}

fn condition<'o>(object: &'o DynamicObject, kind: &str) -> Option<&'o Value> {
    let conditions = object.data["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|condition| condition["type"] == kind)
}

fn text(condition: &Value, field: &str) -> String {
    condition[field].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn object(status: &Value) -> DynamicObject {
        serde_json::from_value(json!({ "metadata": { "name": "store-get" }, "status": status })).unwrap()
    }

    /// Of conditions as `Type=Status Reason`.
    fn told(conditions: &[&str]) -> Option<Scaling> {
        let conditions = conditions.iter().map(|told| {
            let (kind, rest) = told.split_once('=').unwrap();
            let (status, reason) = rest.split_once(' ').unwrap();
            json!({ "type": kind, "status": status, "reason": reason, "message": "its words" })
        });
        scaling(&object(&json!({ "desiredReplicas": 3, "conditions": conditions.collect::<Vec<_>>() })))
    }

    fn said(able: bool, active: bool, desired: Option<i32>, reason: &str) -> Scaling {
        Scaling { able, active, desired, reason: reason.into(), message: "its words".into() }
    }

    #[test]
    fn a_podscaler_that_has_said_nothing_yet_is_not_taken_for_one_that_scales() {
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn what_a_podscaler_decided_is_wanted() {
        let able = "AbleToScale=True ReadyForNewScale";
        assert_eq!(
            told(&[able, "ScalingActive=True ValidMetricFound"]),
            Some(said(true, true, Some(3), "ValidMetricFound"))
        );
        let failed = told(&[able, "ScalingActive=False FailedGetResourceMetric"]);
        assert_eq!(failed, Some(said(true, false, Some(3), "FailedGetResourceMetric")));
        assert_eq!(
            told(&["AbleToScale=True SucceededRescale"]),
            Some(said(true, false, Some(3), "SucceededRescale"))
        );
    }

    #[test]
    fn one_that_writes_no_size_wants_none() {
        assert_eq!(told(&["ScalingActive=False Paused"]), Some(said(true, false, None, "Paused")));
        let active = "ScalingActive=True ValidMetricFound";
        let recommends = told(&["AbleToScale=True ReadyForNewScale", active, "Recommending=True Recommend"]);
        assert_eq!(recommends, Some(said(true, true, None, "ValidMetricFound")));
        let unable = told(&["AbleToScale=False Conflicting", active]);
        assert_eq!(unable, Some(said(false, true, None, "Conflicting")));
    }

    #[test]
    fn only_a_rolling_update_that_was_given_up_is_stuck() {
        let of = |status: &str, reason: &str| {
            let progressing =
                json!({ "type": "Progressing", "status": status, "reason": reason, "message": "why" });
            stuck(&object(&json!({ "conditions": [progressing] })))
        };
        assert_eq!(of("False", "ProgressDeadlineExceeded").as_deref(), Some("why"));
        assert_eq!(of("False", "FailedCreate"), None);
        assert_eq!(of("True", "NewReplicaSetAvailable"), None);
    }
}
