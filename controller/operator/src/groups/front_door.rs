//! How the front door of a group is looked at beside its services: with the same watches, writes and memory.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::{Resource as _, ResourceExt as _};
use plimsoll_api::{ServiceGroup, v1alpha1::ServiceGroupSpec};

use super::{
    Groups,
    decide::Decision,
    desired,
    door::{self, Claimant, Door, Own, seen::Seen as DoorSeen},
    gather::is_of,
    kind::{Id, OwnedKind},
    object::Owner,
    seen::{At, Seen},
    status::Said,
};

/// The objects that the front door may be made of: those that are there, and the first that would be made.
pub(super) fn ids(groups: &Groups, owner: &Owner, spec: &ServiceGroupSpec) -> BTreeSet<Id> {
    let mut ids = there(groups, owner);
    let door = spec.front_door.as_ref();
    if door.is_some_and(|door| door.ingress.is_some()) {
        ids.insert(Id::new(OwnedKind::Ingress, &owner.name));
    }
    if door.is_some_and(|door| door.gateway.is_some()) && groups.owned.seen(OwnedKind::HttpRoute) {
        ids.insert(Id::new(OwnedKind::HttpRoute, &owner.name));
    }
    ids
}

/// The objects of the front door that are there.
fn there(groups: &Groups, owner: &Owner) -> BTreeSet<Id> {
    let of_kind = |kind: OwnedKind| {
        let objects = groups.owned.of_namespace(&owner.namespace, kind);
        objects
            .into_iter()
            .filter(|object| is_of(owner, object))
            .map(move |object| Id::new(kind, &object.name_any()))
    };
    OwnedKind::OF_FRONT_DOOR.into_iter().flat_map(of_kind).collect()
}

/// What the front door depends on; None where there is to be none.
pub(super) async fn gather(
    groups: &Groups,
    owner: &Owner,
    spec: &ServiceGroupSpec,
    seen: &Seen,
) -> Option<DoorSeen> {
    let door = spec.front_door.as_ref()?;
    let first = OwnedKind::OF_FRONT_DOOR.map(|kind| Id::new(kind, &owner.name));
    let wanted = if door.gateway.is_some() { &first[1] } else { &first[0] };
    match seen.at(wanted) {
        At::Others(whose) => return Some(DoorSeen::NameTaken(wanted.to_string(), whose.clone())),
        At::Unread(why) => return Some(DoorSeen::NotRead(format!("the {wanted} could not be read: {why}"))),
        At::Nothing | At::Ours(_) => {}
    }
    let ours = |kind: OwnedKind| {
        let at = seen.at.iter().filter(move |(id, _)| id.kind == kind);
        at.filter_map(|(_, at)| match at {
            At::Ours(object) => Some(object.clone()),
            _ => None,
        })
    };
    let own = Own {
        ingress: ours(OwnedKind::Ingress).next(),
        routes: groups.owned.seen(OwnedKind::HttpRoute).then(|| ours(OwnedKind::HttpRoute).collect()),
    };
    Some(door::gather(&groups.context.client, &groups.doors, &owner.namespace, door, &own).await)
}

/// What the front door should be, beside those of all other groups.
pub(super) fn decide(
    groups: &Groups,
    owner: &Owner,
    group: &ServiceGroup,
    decision: &Decision,
    seen: &Seen,
    door: Option<&DoorSeen>,
) -> Option<Door> {
    let all = groups.all.state();
    let living = all.iter().filter(|group| group.meta().deletion_timestamp.is_none());
    let valid = living.filter_map(|group| group.0.as_ref().ok());
    let named: Vec<_> = valid
        .map(|group| (created(group), group.namespace().unwrap_or_default(), group.name_any(), group))
        .collect();
    let others: Vec<_> = named
        .iter()
        .map(|(created, namespace, name, group)| door::Group {
            who: Claimant { created: *created, namespace, name },
            spec: &group.spec,
        })
        .collect();
    let who = Claimant { created: created(group), namespace: &owner.namespace, name: &owner.name };
    let mine = door::Group { who, spec: &group.spec };
    door::design(mine, &others, &with_service(owner, decision, seen), door?, Timestamp::now())
}

fn created(group: &ServiceGroup) -> Timestamp {
    group.creation_timestamp().map_or(Timestamp::MAX, |created| created.0)
}

/// The services that have a Service, or are about to.
fn with_service(owner: &Owner, decision: &Decision, seen: &Seen) -> BTreeSet<String> {
    let has = |name: &str| {
        let id = Id::new(OwnedKind::Service, &desired::name(&owner.name, name));
        matches!(seen.at(&id), At::Ours(_))
    };
    let services = decision.services.iter().filter(|service| service.wanted.is_ok() || has(&service.name));
    services.map(|service| service.name.clone()).collect()
}

/// Puts the annotations that the front door wants on Services among what is kept for each.
pub(super) fn annotate(decision: &mut Decision, door: Option<&Door>, seen: &Seen) {
    let objects = decision.services.iter_mut().filter_map(|service| service.wanted.as_mut().ok());
    let objects = objects.flat_map(|wanted| &mut wanted.objects);
    for object in objects.filter(|object| object.id.kind == OwnedKind::Service) {
        let annotations = match door {
            None => BTreeMap::new(),
            Some(Door { services: Some(annotations), .. }) => annotations.clone(),
            Some(Door { services: None, .. }) => match seen.at(&object.id) {
                At::Ours(was) => door::ours_of_service(was.annotations()),
                _ => BTreeMap::new(),
            },
        };
        object.annotations.extend(annotations);
    }
}

/// What of the front door is not to be deleted. `made` says whether all that was decided is there.
pub(super) fn kept(groups: &Groups, owner: &Owner, door: Option<&Door>, made: bool) -> BTreeSet<Id> {
    match door {
        None => BTreeSet::new(),
        Some(Door { objects: Some(objects), settled: true, .. }) if made => {
            objects.iter().map(|object| object.id.clone()).collect()
        }
        Some(_) => there(groups, owner),
    }
}

/// What the status says of it.
pub(super) fn said(door: &Door, failed: Option<&door::Problem>) -> Said {
    let outcome = door.outcome(failed);
    Said::new(&door::TYPE, outcome.status, &outcome.reason, outcome.message)
}
