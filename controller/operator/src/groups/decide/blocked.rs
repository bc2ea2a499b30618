//! What stands in the way of a service, with the field and the way out.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::core::Expression;
use plimsoll_api::v1alpha1::{GroupService, PodTemplate, ServiceGroupSpec, WorkloadKind, WorkloadReference};
use plimsoll_observe::parse_selector;
use serde_json::Value;

use super::{Problem, ids};
use crate::groups::{
    desired,
    kind::OwnedKind,
    object::Owner,
    reason::ServiceReason,
    seen::{At, OfGroup, Referenced, Seen},
};

fn problem(reason: ServiceReason, message: String) -> Problem {
    Problem { reason, message }
}

/// The schema forbids it; an object may have been stored before it did.
pub(super) fn neither_or_both(field: &str) -> Problem {
    problem(ServiceReason::TemplateRefused, format!("{field}: set exactly one of template and workloadRef"))
}

/// The workload that a service refers to.
pub(super) fn workload<'s>(
    owner: &Owner,
    spec: &ServiceGroupSpec,
    service: &GroupService,
    to: &WorkloadReference,
    first: &str,
    field: &str,
    seen: &'s Seen,
) -> Result<&'s Referenced, Problem> {
    let WorkloadReference { kind, name } = to;
    let taken = |by: String| {
        problem(ServiceReason::WorkloadTaken, format!("{field}.workloadRef: {kind:?} {name} belongs to {by}"))
    };
    let Some(workload) = seen.referenced.get(to) else {
        let message = format!(
            "{field}.workloadRef.name: {kind:?} {name:?} does not exist in this namespace: create it, or correct the name"
        );
        return Err(problem(ServiceReason::WorkloadNotFound, message));
    };
    if let Some(OfGroup::Other(group)) = &workload.of {
        return Err(taken(format!("ServiceGroup {group}: refer to it in one group only")));
    }
    if first != service.name {
        return Err(taken(format!(
            "service {first} of this group, which refers to it too: one service can scale it"
        )));
    }
    let with_template = spec.services.iter().filter(|other| other.template.is_some());
    let mut names = with_template.map(|other| (&other.name, desired::name(&owner.name, &other.name)));
    match names.find(|(_, deployment)| deployment == name) {
        Some((other, _)) if *kind == WorkloadKind::Deployment => {
            Err(taken(format!("service {other} of this group, which runs it: one service can scale it")))
        }
        _ => Ok(workload),
    }
}

/// The labels that a workload selects its pods by: a Service knows of equality only.
pub(super) fn selector(
    to: &WorkloadReference,
    text: &str,
    field: &str,
) -> Result<BTreeMap<String, String>, Problem> {
    let plain = |expression| match expression {
        Expression::Equal(key, value) => Some((key, value)),
        Expression::In(key, mut values) if values.len() == 1 => values.pop_first().map(|value| (key, value)),
        _ => None,
    };
    let labels: Option<BTreeMap<_, _>> =
        parse_selector(text).ok().and_then(|selector| selector.into_iter().map(plain).collect());
    labels.filter(|labels| !labels.is_empty()).ok_or_else(|| {
        let WorkloadReference { kind, name } = to;
        problem(
            ServiceReason::UnsupportedSelector,
            format!(
                "{field}.workloadRef: {kind:?} {name} selects its pods by {text:?}, and a Service can only ask for labels \
                 with one value each: use matchLabels in its selector"
            ),
        )
    })
}

/// A port by name has to be the port of a container. One by number need not be declared.
pub(super) fn port(service: &GroupService, names: &[String], field: &str) -> Result<(), Problem> {
    let Some(IntOrString::String(wanted)) = &service.target_port else { return Ok(()) };
    if names.contains(wanted) {
        return Ok(());
    }
    let have = if names.is_empty() {
        "none has a name".to_owned()
    } else {
        format!("there are {}", names.join(", "))
    };
    Err(problem(
        ServiceReason::PortNotFound,
        format!(
            "{field}.targetPort: no container has a port named {wanted:?}, {have}: name one so, or give its number"
        ),
    ))
}

/// Whether all names are free, or ours already.
pub(super) fn names(
    owner: &Owner,
    service: &GroupService,
    with_deployment: bool,
    field: &str,
    seen: &Seen,
) -> Result<(), Problem> {
    for id in ids(&owner.name, &service.name) {
        if id.kind == OwnedKind::Deployment && !with_deployment {
            continue;
        }
        match seen.at(&id) {
            At::Nothing | At::Ours(_) => {}
            At::Others(whose) => {
                let message = format!(
                    "{field}.name: {id} exists already and {whose}: it is left alone. Give the service another name, or \
                     remove it"
                );
                return Err(problem(ServiceReason::NameTaken, message));
            }
            At::Unread(why) => {
                return Err(problem(ServiceReason::Unread, format!("{id} could not be read: {why}")));
            }
        }
    }
    Ok(())
}

/// The labels of a template, as far as they are any.
pub(super) fn labels_of(template: &PodTemplate) -> BTreeMap<String, String> {
    let labels = template.0.get("metadata").and_then(|metadata| metadata["labels"].as_object());
    let labels = labels.into_iter().flatten();
    labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// The names of ports that a Service can refer to: those of containers, and of init containers that go on.
pub(super) fn port_names_of(template: &PodTemplate) -> Vec<String> {
    let list = |field: &str| {
        let list = template.0.get("spec").and_then(|spec| spec[field].as_array());
        list.into_iter().flatten().cloned().collect::<Vec<Value>>()
    };
    let goes_on = |container: &Value| container["restartPolicy"] == "Always";
    let containers = list("containers").into_iter().chain(list("initContainers").into_iter().filter(goes_on));
    let ports = containers.flat_map(|container| container["ports"].as_array().cloned().unwrap_or_default());
    ports.filter_map(|port| port["name"].as_str().map(str::to_owned)).collect()
}
