//! Decide: what should be kept for a group. Values in, values out.

mod blocked;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use kube::core::SelectorExt as _;
use plimsoll_api::v1alpha1::{
    GroupService, ObjectReference, PodTemplate, ServiceGroupSpec, WorkloadKind, WorkloadReference,
};

use super::{
    desired::{self, Part},
    kind::{Id, OwnedKind},
    object::{Object, Owner},
    reason::ServiceReason,
    seen::{At, OfGroup, Seen},
};

/// What should be kept for a group, service by service.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// In the order of the spec.
    pub services: Vec<ServiceDecision>,
    /// Deployments of the group that are only referred to now: they are let go of, and go on.
    pub released: Vec<Id>,
}

/// What should be kept for a service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceDecision {
    /// Its name.
    pub name: String,
    /// Its objects in the order in which they are applied, or what stands in the way. Then all that is there stays.
    pub wanted: Result<Wanted, Problem>,
}

/// The objects of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// In the order in which they are applied.
    pub objects: Vec<Object>,
    /// Those who select its pods for a PodDisruptionBudget of their own, by name. Then it has none of ours.
    pub other_budgets: Vec<String>,
}

/// What is wrong, and with which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem it is.
    pub reason: ServiceReason,
    /// The field, what is wrong with it, and the way out.
    pub message: String,
}

/// Every object that may be kept for a service, whatever runs it.
pub(crate) fn ids(group: &str, service: &str) -> [Id; 4] {
    OwnedKind::OF_SERVICE.map(|kind| Id { kind, name: desired::name(group, service) })
}

/// What should be kept for this group.
pub(crate) fn decide(owner: &Owner, spec: &ServiceGroupSpec, seen: &Seen) -> Decision {
    let mut referred = BTreeMap::new();
    let services = spec.services.iter().enumerate().map(|(at, service)| {
        let field = format!("spec.services[{at}]");
        let wanted = match (&service.template, &service.workload_ref) {
            (Some(template), None) => with_template(owner, spec, service, template, &field, seen),
            (None, Some(reference)) => {
                let first = *referred.entry(reference).or_insert(service.name.as_str());
                with_reference(owner, spec, service, reference, first, &field, seen)
            }
            _ => Err(blocked::neither_or_both(&field)),
        };
        ServiceDecision { name: service.name.clone(), wanted }
    });
    Decision { services: services.collect(), released: released(owner, spec, seen) }
}

fn with_template(
    owner: &Owner,
    spec: &ServiceGroupSpec,
    service: &GroupService,
    template: &PodTemplate,
    field: &str,
    seen: &Seen,
) -> Result<Wanted, Problem> {
    let selector = desired::pod_labels(&owner.name, &service.name);
    let mut labels = blocked::labels_of(template);
    labels.extend(selector.clone());
    blocked::port(service, &blocked::port_names_of(template), field)?;
    blocked::names(owner, service, true, field, seen)?;
    let target = reference(WorkloadKind::Deployment, &desired::name(&owner.name, &service.name));
    let part = Part { group: &owner.name, service, availability: &spec.availability, selector, target };
    Ok(wanted(&part, Some(template), &[labels], seen))
}

fn with_reference(
    owner: &Owner,
    spec: &ServiceGroupSpec,
    service: &GroupService,
    to: &WorkloadReference,
    first: &str,
    field: &str,
    seen: &Seen,
) -> Result<Wanted, Problem> {
    let workload = blocked::workload(owner, spec, service, to, first, field, seen)?;
    let selector = blocked::selector(to, &workload.selector, field)?;
    blocked::port(service, &workload.port_names, field)?;
    blocked::names(owner, service, false, field, seen)?;
    // What the selector asks for every pod has, also while there are none.
    let pods: Vec<_> = workload.pods.iter().cloned().chain([selector.clone()]).collect();
    let target = reference(to.kind, &to.name);
    let part = Part { group: &owner.name, service, availability: &spec.availability, selector, target };
    Ok(wanted(&part, None, &pods, seen))
}

fn wanted(
    part: &Part<'_>,
    template: Option<&PodTemplate>,
    pods: &[BTreeMap<String, String>],
    seen: &Seen,
) -> Wanted {
    let selects = |labels| seen.budgets.iter().filter(move |budget| budget.selector.matches(labels));
    let others: BTreeSet<_> = pods.iter().flat_map(selects).map(|budget| budget.name.clone()).collect();
    let objects = OwnedKind::OF_SERVICE.into_iter().filter_map(|kind| match kind {
        OwnedKind::Deployment => template.map(|template| part.deployment(template)),
        OwnedKind::PodDisruptionBudget => others.is_empty().then(|| part.budget()),
        OwnedKind::Service => Some(part.service()),
        OwnedKind::PodScaler => Some(part.podscaler()),
        // One of all services.
        OwnedKind::Ingress | OwnedKind::HttpRoute => None,
    });
    Wanted { objects: objects.collect(), other_budgets: others.into_iter().collect() }
}

/// The Deployments of the group that a service refers to, and that no service has a template for.
fn released(owner: &Owner, spec: &ServiceGroupSpec, seen: &Seen) -> Vec<Id> {
    let is_ours = |reference: &&WorkloadReference| {
        let of = seen.referenced.get(reference).and_then(|workload| workload.of.as_ref());
        of == Some(&OfGroup::This) && reference.kind == WorkloadKind::Deployment
    };
    let of_template = |name: &str| {
        let with = spec.services.iter().filter(|service| service.template.is_some());
        with.into_iter().any(|service| desired::name(&owner.name, &service.name) == name)
    };
    let references = spec.services.iter().filter_map(|service| service.workload_ref.as_ref());
    let released: BTreeSet<_> = references
        .filter(is_ours)
        .filter(|reference| !of_template(&reference.name))
        .map(|reference| Id::new(OwnedKind::Deployment, &reference.name))
        .collect();
    released.into_iter().collect()
}

/// What of the group's is not to be deleted: `done` are the services whose objects are all there as they should be.
pub(crate) fn kept(owner: &Owner, decision: &Decision, done: &BTreeSet<&str>) -> BTreeSet<Id> {
    let mut kept: BTreeSet<Id> = decision.released.iter().cloned().collect();
    for service in &decision.services {
        match &service.wanted {
            Ok(wanted) if done.contains(service.name.as_str()) => {
                kept.extend(wanted.objects.iter().map(|object| object.id.clone()));
            }
            // Whatever it had serves on until it has what it should.
            _ => kept.extend(ids(&owner.name, &service.name)),
        }
    }
    kept
}

/// A workload as the target of a PodScaler.
pub(super) fn reference(kind: WorkloadKind, name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("apps/v1".to_owned()),
        kind: format!("{kind:?}"),
        name: name.to_owned(),
    }
}

impl Seen {
    /// What is at the name of an object that would be kept.
    pub(crate) fn at(&self, id: &Id) -> &At {
        self.at.get(id).unwrap_or(&At::Nothing)
    }
}
