//! Report: the status of a group, and events of what is news.

use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{ObjectMeta, Patch, PatchParams},
};
use plimsoll_api::{ServiceGroup, v1alpha1::ServiceGroupStatus};
use serde_json::json;

use super::{
    FIELD_MANAGER, Groups,
    act::Done,
    apply::{Failure, failure},
    decide::{Decision, ServiceDecision},
    door::Door,
    events::{self, Telling},
    front_door,
    memory::Remembered,
    object::Owner,
    reason::{EventReason, GroupReason, ServiceReason},
    reconcile::Error,
    resilience,
    seen::{Running, Seen},
    status::{self, Said, ServiceTold, Told},
};
use crate::{
    in_time::{Unanswered, in_time},
    podscaler::now,
    targets::WRITE_TIME,
};

/// What there is to report.
pub(super) struct Report<'a> {
    pub(super) owner: &'a Owner,
    pub(super) group: &'a ServiceGroup,
    pub(super) decision: &'a Decision,
    pub(super) door: Option<&'a Door>,
    pub(super) seen: &'a Seen,
    pub(super) done: &'a Done,
}

/// Writes the status if it says something new, and tells the news. Answers whether it did: not while the lease might end
/// first.
///
/// # Errors
/// When the status or an event could not be written.
pub(super) async fn report(
    groups: &Groups,
    report: &Report<'_>,
    remembered: &mut Remembered,
) -> Result<bool, Error> {
    let Report { owner, group, decision, door, seen, done } = *report;
    let version = group.resource_version().unwrap_or_default();
    let nothing = ServiceGroupStatus::default();
    // A watch may not have shown yet what was written last.
    let written = remembered.told.as_ref().filter(|(_, over)| *over == version).map(|(status, _)| status);
    let before = written.or(group.status.as_ref()).unwrap_or(&nothing);
    let idle = Running::default();
    let services = decision.services.iter().map(|service| ServiceTold {
        decision: service,
        done: done.services.get(&service.name).map(|done| done.as_ref().copied()),
        running: seen.running.get(&service.name).filter(|_| !is_of_others(service)).unwrap_or(&idle),
    });
    let told = Told {
        generation: group.metadata.generation,
        services: services.collect(),
        address: door.and_then(|door| door.address.clone()),
        more: door
            .map(|door| front_door::said(door, done.front_door.as_ref()))
            .into_iter()
            .chain(resilience::can_lose_zone(groups, owner, decision))
            .collect(),
    };
    let after = status::after(before, &told, now());
    remembered.told_invalid = None;
    let news = events::news(before, &after, done);
    if after != *before {
        let written = write_status(groups, owner, &after).await;
        if !written.map_err(|error| Error::Report(error.to_string()))? {
            return Ok(false);
        }
        remembered.told = Some((after, version));
    }
    publish(groups, owner, &news).await
}

/// Whether what runs is not the service's to tell of.
fn is_of_others(service: &ServiceDecision) -> bool {
    service.wanted.as_ref().is_err_and(|problem| problem.reason == ServiceReason::WorkloadTaken)
}

/// Tells that a group does not decode. Everything stays as it is. Answers whether it is told.
///
/// # Errors
/// When the status or the event could not be written. That the API server refuses a status for it is no error: it takes none
/// for an object whose spec it would not take.
pub(super) async fn invalid(
    groups: &Groups,
    owner: &Owner,
    metadata: &ObjectMeta,
    why: &str,
) -> Result<bool, Error> {
    let mut remembered = groups.memories.recall(&owner.uid);
    if remembered.told_invalid.as_deref() == Some(why) {
        return Ok(true);
    }
    let said = vec![Said::new(&"Ready", false, &GroupReason::InvalidSpec, why)];
    let status = ServiceGroupStatus {
        conditions: status::stamp(&[], said, metadata.generation, now()),
        observed_generation: metadata.generation,
        ..ServiceGroupStatus::default()
    };
    match write_status(groups, owner, &status).await.map_err(failure) {
        Ok(true) => {}
        Ok(false) | Err(Failure::NotLeading) => return Ok(false),
        Err(Failure::Failed(why)) => return Err(Error::Report(why)),
        Err(Failure::Refused(error)) => {
            tracing::warn!(namespace = owner.namespace, name = owner.name, %error, "no status can be written to this group");
        }
    }
    let news = [Telling::warning(&EventReason::InvalidSpec, why.to_owned())];
    let is_told = publish(groups, owner, &news).await?;
    if is_told {
        remembered.told_invalid = Some(why.to_owned());
        groups.memories.keep(&owner.uid, remembered);
    }
    Ok(is_told)
}

/// Applies the whole status: what it no longer says is gone. Answers whether it did: not while the lease might end first.
async fn write_status(
    groups: &Groups,
    owner: &Owner,
    status: &ServiceGroupStatus,
) -> Result<bool, Unanswered> {
    if !groups.context.leadership.outlives(WRITE_TIME) {
        return Ok(false);
    }
    let api = Api::<ServiceGroup>::namespaced(groups.context.client.clone(), &owner.namespace);
    let patch = Patch::Apply(json!({
        "apiVersion": ServiceGroup::api_version(&()),
        "kind": ServiceGroup::kind(&()),
        // Keeps us from writing to another group of the same name.
        "metadata": { "name": owner.name, "uid": owner.uid },
        "status": status,
    }));
    let params = PatchParams::apply(FIELD_MANAGER).force();
    in_time(api.patch_status(&owner.name, &params, &patch)).await.map(|_| true)
}

async fn publish(groups: &Groups, owner: &Owner, news: &[Telling]) -> Result<bool, Error> {
    let mut result = Ok(true);
    for telling in news {
        let Owner { namespace, name, .. } = owner;
        let Telling { reason, note, .. } = telling;
        tracing::info!(%namespace, %name, %reason, %note, "group");
        if !groups.context.leadership.outlives(WRITE_TIME) {
            return result.map(|_| false);
        }
        result = match in_time(events::publish(groups, owner, telling)).await {
            Ok(()) => result,
            Err(error) => Err(Error::Report(error.to_string())),
        };
    }
    result
}
