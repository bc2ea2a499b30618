//! Deleting what a group no longer asks for, and letting go of what it only refers to.

use std::{collections::BTreeSet, sync::Arc};

use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    core::DynamicObject,
};
use plimsoll_api::{
    ServiceGroup,
    marks::{SERVICE, SERVICE_GROUP},
};
use serde_json::json;

use super::{
    FIELD_MANAGER, Groups,
    apply::{Failure, in_time},
    gather::is_of,
    kind::{Id, OwnedKind},
    object::Owner,
};
use crate::targets::WRITE_TIME;

/// What is the group's by label and controller, and not to be kept.
pub(super) fn superfluous(
    groups: &Groups,
    owner: &Owner,
    kept: &BTreeSet<Id>,
) -> Vec<(Id, Arc<DynamicObject>)> {
    let all = OwnedKind::ALL.into_iter().flat_map(|kind| {
        let objects = groups.owned.of_namespace(&owner.namespace, kind);
        objects.into_iter().map(move |object| (Id { kind, name: object.name_any() }, object))
    });
    let superfluous = all.filter(|(id, object)| {
        object.labels().get(SERVICE_GROUP) == Some(&owner.name)
            && is_of(owner, object)
            && object.metadata.deletion_timestamp.is_none()
            && !kept.contains(id)
    });
    superfluous.collect()
}

/// Whether the group still asks for what was decided on. A watch may be behind, and what a newer spec asks for may be
/// there already: this is asked before anything is deleted.
pub(super) async fn is_current(
    groups: &Groups,
    owner: &Owner,
    generation: Option<i64>,
) -> Result<bool, Failure> {
    let api = Api::<ServiceGroup>::namespaced(groups.context.client.clone(), &owner.namespace);
    let found = in_time(api.get_metadata_opt(&owner.name)).await?;
    Ok(found.is_some_and(|found| {
        found.metadata.uid.as_deref() == Some(owner.uid.as_str())
            && found.metadata.generation == generation
            && found.metadata.deletion_timestamp.is_none()
    }))
}

/// Deletes an object as it was seen, and no other.
pub(super) async fn delete(
    groups: &Groups,
    owner: &Owner,
    id: &Id,
    seen: &DynamicObject,
) -> Result<(), Failure> {
    let preconditions = Preconditions { uid: seen.uid(), resource_version: seen.resource_version() };
    let params = DeleteParams::background().preconditions(preconditions);
    let api = api(groups, owner, id)?;
    let gone = async {
        match api.delete(&id.name, &params).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            answer => answer.map(drop),
        }
    };
    in_time(gone).await.map_err(|failure| match failure {
        Failure::Failed(why) | Failure::Refused(why) => {
            Failure::Failed(format!("{id} was not deleted: {why}"))
        }
        Failure::NotLeading => failure,
    })
}

/// Lets go of a workload that is only referred to now: it stays when the group goes.
pub(super) async fn release(
    groups: &Groups,
    owner: &Owner,
    id: &Id,
    seen: &DynamicObject,
) -> Result<(), Failure> {
    let others: Vec<_> =
        seen.owner_references().iter().filter(|reference| reference.uid != owner.uid).collect();
    let patch = json!({ "metadata": {
        "uid": seen.uid(),
        "resourceVersion": seen.resource_version(),
        "ownerReferences": others,
        "labels": { SERVICE_GROUP: null, SERVICE: null, "app.kubernetes.io/managed-by": null },
    } });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let api = api(groups, owner, id)?;
    in_time(api.patch_metadata(&id.name, &params, &Patch::Merge(&patch))).await.map(drop)
}

fn api(groups: &Groups, owner: &Owner, id: &Id) -> Result<Api<DynamicObject>, Failure> {
    if !groups.context.leadership.outlives(WRITE_TIME) {
        return Err(Failure::NotLeading);
    }
    Ok(id.kind.api(&groups.context.client, &owner.namespace))
}
