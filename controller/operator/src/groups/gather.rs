//! Gather: everything that a decision about a group depends on. Watches show most of it; only a name at which they show
//! nothing is asked for, since what has it may not be ours.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{
    ResourceExt as _,
    core::{DynamicObject, Selector},
};
use plimsoll_api::{
    marks::SERVICE_GROUP,
    v1alpha1::{ServiceGroupSpec, WorkloadReference},
};
use plimsoll_observe::parse_selector;

use super::{
    Group, Groups,
    decide::ids,
    front_door,
    kind::{Id, OwnedKind},
    live,
    object::Owner,
    seen::{At, OfGroup, OtherBudget, Referenced, Seen},
};
use crate::{in_time::in_time, workloads::Runs};

/// Reads what there is.
pub(super) async fn gather(groups: &Groups, owner: &Owner, spec: &ServiceGroupSpec) -> Seen {
    let mut seen = Seen {
        at: BTreeMap::new(),
        referenced: referenced(groups, owner, spec),
        budgets: other_budgets(groups, owner),
        running: live::running(groups, owner, spec),
    };
    for service in &spec.services {
        for id in ids(&owner.name, &service.name) {
            if id.kind != OwnedKind::Deployment || service.template.is_some() {
                let at = at(groups, owner, &id).await;
                seen.at.insert(id, at);
            }
        }
    }
    for id in front_door::ids(groups, owner, spec) {
        let at = at(groups, owner, &id).await;
        seen.at.insert(id, at);
    }
    seen
}

/// What is at a name.
async fn at(groups: &Groups, owner: &Owner, id: &Id) -> At {
    let found = match groups.owned.get(&owner.namespace, id) {
        Some(shown) => Ok(Some(shown)),
        None => ask(groups, owner, id).await.map(|found| found.map(Arc::new)),
    };
    match found {
        Err(why) => At::Unread(why),
        Ok(None) => At::Nothing,
        Ok(Some(object)) if is_of(owner, &object) => At::Ours(object),
        Ok(Some(object)) => At::Others(whose(&object)),
    }
}

async fn ask(groups: &Groups, owner: &Owner, id: &Id) -> Result<Option<DynamicObject>, String> {
    let api = id.kind.api(&groups.context.client, &owner.namespace);
    in_time(api.get_opt(&id.name)).await.map_err(|error| error.words())
}

/// Whether the group controls an object.
pub(super) fn is_of(owner: &Owner, object: &DynamicObject) -> bool {
    let mut references = object.owner_references().iter();
    references.any(|reference| reference.controller == Some(true) && reference.uid == owner.uid)
}

fn whose(object: &DynamicObject) -> String {
    match object.owner_references().iter().find(|reference| reference.controller == Some(true)) {
        Some(controller) => format!("belongs to {} {}", controller.kind, controller.name),
        None => "is not of this group".to_owned(),
    }
}

/// The workloads that services refer to, as far as they exist.
fn referenced(
    groups: &Groups,
    owner: &Owner,
    spec: &ServiceGroupSpec,
) -> BTreeMap<WorkloadReference, Referenced> {
    let references = spec.services.iter().filter_map(|service| service.workload_ref.clone());
    let found = references.filter_map(|reference| {
        let runs = groups.context.workloads.runs(&owner.namespace, reference.kind, &reference.name)?;
        let pods = parse_selector(&runs.selector).ok();
        let pods = pods.map(|selector| groups.context.pods.select(&owner.namespace, &selector));
        let pods = pods.into_iter().flatten().map(|pod| pod.labels.clone()).collect();
        let of = of_group(groups, owner, &runs).or_else(|| referred_before(groups, owner, &reference));
        Some((reference, Referenced { selector: runs.selector, port_names: runs.port_names, of, pods }))
    });
    found.collect()
}

/// The group that a workload belongs to. What it belongs to otherwise is no hindrance: it may well be scaled.
fn of_group(groups: &Groups, owner: &Owner, runs: &Runs) -> Option<OfGroup> {
    let uid = &*runs.owner.as_ref()?.uid;
    if uid == owner.uid {
        return Some(OfGroup::This);
    }
    let group = groups.all.state().into_iter().find(|group| group.uid().as_deref() == Some(uid))?;
    Some(OfGroup::Other(group.name_any()))
}

/// The other group that scales a workload already, or where none does, the oldest that refers to it: with two, neither
/// would know who keeps what.
fn referred_before(groups: &Groups, owner: &Owner, reference: &WorkloadReference) -> Option<OfGroup> {
    let has_this_target = |scaler: &&Arc<DynamicObject>| {
        let target = &scaler.data["spec"]["scaleTargetRef"];
        target["kind"] == format!("{:?}", reference.kind) && target["name"] == reference.name
    };
    let scalers = groups.owned.of_namespace(&owner.namespace, OwnedKind::PodScaler);
    let scaling: Vec<_> = scalers.iter().filter(has_this_target).collect();
    if scaling.iter().any(|scaler| is_of(owner, scaler)) {
        return None;
    }
    if let Some(other) = scaling.iter().find_map(|scaler| scaler.labels().get(SERVICE_GROUP)) {
        return Some(OfGroup::Other(other.clone()));
    }
    let refers = |group: &&Arc<Group>| {
        let services = group.0.as_ref().map(|group| group.spec.services.as_slice()).unwrap_or_default();
        group.namespace().as_ref() == Some(&owner.namespace)
            && services.iter().any(|service| service.workload_ref.as_ref() == Some(reference))
    };
    let all = groups.all.state();
    let first =
        all.iter().filter(refers).min_by_key(|group| (group.creation_timestamp(), group.name_any()))?;
    (first.uid().as_deref() != Some(owner.uid.as_str())).then(|| OfGroup::Other(first.name_any()))
}

fn other_budgets(groups: &Groups, owner: &Owner) -> Vec<OtherBudget> {
    let budgets = groups.owned.of_namespace(&owner.namespace, OwnedKind::PodDisruptionBudget);
    let others = budgets.iter().filter(|budget| !is_of(owner, budget));
    let selecting = others.filter_map(|budget| {
        // Without a selector it selects nothing.
        let selector = budget.data["spec"].get("selector").filter(|selector| !selector.is_null())?;
        let selector: LabelSelector = serde_json::from_value(selector.clone()).ok()?;
        Some(OtherBudget { name: budget.name_any(), selector: Selector::try_from(selector).ok()? })
    });
    selecting.collect()
}
