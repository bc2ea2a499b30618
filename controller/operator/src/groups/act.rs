//! Act: apply what should be there, let go of what is only referred to, and delete what nothing needs any more.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Groups,
    apply::{Failure, Run, apply},
    decide::{Decision, Problem, ServiceDecision, Wanted, kept},
    door::{self, Door},
    front_door,
    kind::{Id, OwnedKind},
    memory::{Applied, Remembered},
    object::{Object, Owner, fingerprint},
    prune,
    reason::ServiceReason,
    seen::{At, Seen},
};

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Of each service whether all that it should have is there. One that is missing is as it was before: what was to be
    /// done about it may work the next time.
    pub(super) services: BTreeMap<String, Result<(), Problem>>,
    /// What keeps the front door from being made as it was decided.
    pub(super) front_door: Option<door::Problem>,
    /// What was made.
    pub(super) created: Vec<Id>,
    /// What was deleted.
    pub(super) removed: Vec<Id>,
    /// What was let go of.
    pub(super) released: Vec<Id>,
    /// What may work the next time.
    pub(super) failed: Option<String>,
    /// Whether the lease is, or may soon be, somebody else's.
    pub(super) deposed: bool,
}

/// Does what was decided, as far as we lead.
pub(super) async fn act(
    groups: &Groups,
    owner: &Owner,
    generation: Option<i64>,
    (decision, door): (&Decision, Option<&Door>),
    seen: &Seen,
    remembered: &mut Remembered,
) -> Done {
    let mut done = Done::default();
    for service in &decision.services {
        let result = match &service.wanted {
            Ok(wanted) => apply_all(groups, owner, wanted, seen, remembered, &mut done.created).await,
            Err(problem) if problem.reason == ServiceReason::Unread => {
                Err(Stop::Failure(Failure::Failed(problem.message.clone())))
            }
            Err(problem) => Err(Stop::Problem(problem.clone())),
        };
        match result {
            Ok(()) => _ = done.services.insert(service.name.clone(), Ok(())),
            Err(Stop::Problem(problem)) => _ = done.services.insert(service.name.clone(), Err(problem)),
            Err(Stop::Failure(failure)) => {
                if !done.go_on_after(failure) {
                    return done;
                }
            }
        }
    }
    let objects = door.and_then(|door| door.objects.as_ref()).into_iter().flatten();
    for object in objects {
        // Before anything is deleted: nothing leads to what is about to go.
        match keep(groups, owner, object, seen, remembered, &mut done.created).await {
            Ok(()) => {}
            Err(Failure::Refused(why)) => {
                done.front_door = Some(door::Problem::Refused(object.id.to_string(), why));
            }
            Err(failure) => {
                done.front_door = Some(door::Problem::NotRead(format!("the {} was not written", object.id)));
                if !done.go_on_after(failure) {
                    return done;
                }
            }
        }
    }
    release(groups, owner, decision, &mut done).await;
    if !done.deposed {
        let kept = front_door::kept(groups, owner, door, done.front_door.is_none());
        remove(groups, owner, generation, decision, kept, &mut done).await;
    }
    remembered.applied.retain(|id, _| !done.removed.contains(id));
    done
}

enum Stop {
    Problem(Problem),
    Failure(Failure),
}

impl Done {
    /// Notes a failure; answers whether there is more to try.
    fn go_on_after(&mut self, failure: Failure) -> bool {
        match failure {
            Failure::NotLeading => self.deposed = true,
            Failure::Refused(why) | Failure::Failed(why) => _ = self.failed.get_or_insert(why),
        }
        !self.deposed
    }
}

/// Applies the objects of a service. The first of them, its Deployment, is tried dry: where the API server refuses it,
/// nothing of the service is touched.
async fn apply_all(
    groups: &Groups,
    owner: &Owner,
    wanted: &Wanted,
    seen: &Seen,
    remembered: &mut Remembered,
    created: &mut Vec<Id>,
) -> Result<(), Stop> {
    for object in &wanted.objects {
        let kept = keep(groups, owner, object, seen, remembered, created).await;
        kept.map_err(|failure| stop(object, failure))?;
    }
    Ok(())
}

/// Applies an object, unless it is there as it was left.
async fn keep(
    groups: &Groups,
    owner: &Owner,
    object: &Object,
    seen: &Seen,
    remembered: &mut Remembered,
    created: &mut Vec<Id>,
) -> Result<(), Failure> {
    let was = match seen.at(&object.id) {
        At::Ours(was) => Some(was),
        _ => None,
    };
    let uid = was.and_then(|was| was.metadata.uid.as_deref());
    let asked = object.fingerprint(owner);
    let before = remembered.applied.get(&object.id);
    let is_new = before.is_none_or(|before| before.wanted != asked);
    let is_there = was.map(|was| fingerprint(object.id.kind, was));
    if !is_new && before.map(|before| before.became) == is_there {
        return Ok(());
    }
    if is_new && object.id.kind == OwnedKind::Deployment {
        apply(groups, owner, object, uid, Run::Dry).await?;
    }
    let became = apply(groups, owner, object, uid, Run::Real).await?;
    let became = fingerprint(object.id.kind, &became);
    remembered.applied.insert(object.id.clone(), Applied { wanted: asked, became });
    if was.is_none() {
        created.push(object.id.clone());
    }
    Ok(())
}

fn stop(object: &Object, failure: Failure) -> Stop {
    let Failure::Refused(why) = failure else { return Stop::Failure(failure) };
    let reason = match object.id.kind {
        OwnedKind::Deployment => ServiceReason::TemplateRefused,
        _ => ServiceReason::ObjectRefused,
    };
    Stop::Problem(Problem { reason, message: format!("the API server refuses {}: {why}", object.id) })
}

async fn release(groups: &Groups, owner: &Owner, decision: &Decision, done: &mut Done) {
    for id in &decision.released {
        let Some(object) = groups.owned.get(&owner.namespace, id) else { continue };
        match prune::release(groups, owner, id, &object).await {
            Ok(()) => done.released.push(id.clone()),
            Err(failure) => {
                if !done.go_on_after(failure) {
                    return;
                }
            }
        }
    }
}

async fn remove(
    groups: &Groups,
    owner: &Owner,
    generation: Option<i64>,
    decision: &Decision,
    of_front_door: BTreeSet<Id>,
    done: &mut Done,
) {
    let is_done = |service: &&ServiceDecision| matches!(done.services.get(&service.name), Some(Ok(())));
    let complete: BTreeSet<_> =
        decision.services.iter().filter(is_done).map(|service| service.name.as_str()).collect();
    let mut kept = kept(owner, decision, &complete);
    kept.extend(of_front_door);
    let superfluous = prune::superfluous(groups, owner, &kept);
    if superfluous.is_empty() {
        return;
    }
    match prune::is_current(groups, owner, generation).await {
        Ok(true) => {}
        // The watch will show the newer one.
        Ok(false) => return,
        Err(failure) => {
            done.go_on_after(failure);
            return;
        }
    }
    for (id, object) in superfluous {
        match prune::delete(groups, owner, &id, &object).await {
            Ok(()) => done.removed.push(id),
            Err(failure) => {
                if !done.go_on_after(failure) {
                    return;
                }
            }
        }
    }
}
