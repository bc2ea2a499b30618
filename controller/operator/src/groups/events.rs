//! Events on a group: what was made and removed, and what is amiss with a service.

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Resource as _,
    runtime::events::{Event, EventType},
};
use plimsoll_api::{ServiceGroup, v1alpha1::ServiceGroupStatus};

use super::{Groups, act::Done, door, kind::Id, object::Owner, reason::EventReason, status};
use crate::events::{self, OPERATOR};

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Telling {
    pub(super) is_warning: bool,
    pub(super) reason: String,
    pub(super) note: String,
}

impl Telling {
    pub(super) fn warning(reason: &impl ToString, note: String) -> Self {
        Self { is_warning: true, reason: reason.to_string(), note }
    }

    fn normal(reason: EventReason, note: String) -> Self {
        Self { is_warning: false, reason: reason.to_string(), note }
    }
}

/// What of a look is news: what was done, and the problems of services that were not there before, or no longer are.
pub(super) fn news(before: &ServiceGroupStatus, after: &ServiceGroupStatus, done: &Done) -> Vec<Telling> {
    let list = |ids: &[Id]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let what = [
        (EventReason::Created, &done.created),
        (EventReason::Released, &done.released),
        (EventReason::Removed, &done.removed),
    ];
    let did = what.into_iter().filter(|(_, ids)| !ids.is_empty());
    let did = did.map(|(reason, ids)| Telling::normal(reason, list(ids)));
    let problems = after.services.iter().filter_map(|service| {
        let name = &service.name;
        let (was, is) = (status::problem(before, name), status::problem(after, name));
        match is {
            _ if was == is => None,
            Some(reason) => {
                let ready =
                    service.conditions.iter().find(|condition| condition.reason == reason.to_string());
                let message = ready.map(|ready| ready.message.as_str()).unwrap_or_default();
                Some(Telling::warning(&reason, format!("service {name}: {message}")))
            }
            None => Some(Telling::normal(EventReason::ServiceRecovered, format!("service {name}"))),
        }
    });
    did.chain(problems).chain(of_front_door(before, after)).collect()
}

/// What is amiss with the front door and was not before, or is put right. To wait for somebody's answer is no news.
fn of_front_door(before: &ServiceGroupStatus, after: &ServiceGroupStatus) -> Option<Telling> {
    fn amiss(status: &ServiceGroupStatus) -> Option<&Condition> {
        let mut conditions = status.conditions.iter();
        conditions.find(|condition| condition.type_ == door::TYPE && condition.status == "False")
    }
    let is = after.conditions.iter().find(|condition| condition.type_ == door::TYPE)?;
    match (amiss(before), amiss(after)) {
        (Some(was), Some(is)) if was.reason == is.reason => None,
        (_, Some(is)) => Some(Telling::warning(&is.reason, format!("front door: {}", is.message))),
        (Some(_), None) if is.status == "True" => {
            Some(Telling::normal(EventReason::FrontDoorRecovered, is.message.clone()))
        }
        _ => None,
    }
}

/// Publishes one event.
pub(super) async fn publish(groups: &Groups, owner: &Owner, telling: &Telling) -> Result<(), kube::Error> {
    let context = &groups.context;
    let event = Event {
        type_: if telling.is_warning { EventType::Warning } else { EventType::Normal },
        reason: telling.reason.clone(),
        note: Some(telling.note.clone()),
        action: "KeepServices".to_owned(),
        secondary: None,
    };
    events::publish(&context.client, OPERATOR, &context.options.pod_name, event, &regarding(owner)).await
}

fn regarding(owner: &Owner) -> ObjectReference {
    ObjectReference {
        api_version: Some(ServiceGroup::api_version(&()).into_owned()),
        kind: Some(ServiceGroup::kind(&()).into_owned()),
        namespace: Some(owner.namespace.clone()),
        name: Some(owner.name.clone()),
        uid: Some(owner.uid.clone()),
        ..ObjectReference::default()
    }
}
