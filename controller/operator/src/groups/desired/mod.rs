//! What is kept for a service, object by object. Values in, values out.

mod budget;
mod deployment;
mod podscaler;
mod service;
mod spread;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use plimsoll_api::{
    marks::{SERVICE, SERVICE_GROUP},
    v1alpha1::{Availability, GroupService, ObjectReference, PodTemplate},
};

use super::object::Object;

/// The name of all that is kept for a service.
pub(crate) fn name(group: &str, service: &str) -> String {
    format!("{group}-{service}")
}

/// The labels that the pods of a service with a template are selected by.
pub(crate) fn pod_labels(group: &str, service: &str) -> BTreeMap<String, String> {
    [(SERVICE_GROUP, group), (SERVICE, service)].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// A service of a group, and what runs it.
pub(super) struct Part<'a> {
    /// The name of the group.
    pub(super) group: &'a str,
    pub(super) service: &'a GroupService,
    /// That of the group, which holds unless the service has one of its own.
    pub(super) availability: &'a Availability,
    /// The labels that its pods are selected by.
    pub(super) selector: BTreeMap<String, String>,
    /// What is scaled.
    pub(super) target: ObjectReference,
}

impl Part<'_> {
    fn name(&self) -> String {
        name(self.group, &self.service.name)
    }

    /// What holds for this service: its own, where its scaling names one, else that of the group.
    fn availability(&self) -> Availability {
        let own = self.service.scaling.0.get("availability").cloned();
        // One that does not decode is refused with the PodScaler that it goes into.
        own.and_then(|own| serde_json::from_value(own).ok()).unwrap_or_else(|| self.availability.clone())
    }

    pub(super) fn deployment(&self, template: &PodTemplate) -> Object {
        deployment::deployment(self, template)
    }

    pub(super) fn budget(&self) -> Object {
        budget::budget(self)
    }

    pub(super) fn service(&self) -> Object {
        service::service(self)
    }

    pub(super) fn podscaler(&self) -> Object {
        podscaler::podscaler(self)
    }
}
