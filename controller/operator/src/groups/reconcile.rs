//! One look at a group, step by step.

use std::{sync::Arc, time::Duration};

use kube::{
    Resource as _, ResourceExt as _,
    runtime::{controller::Action, reflector::ObjectRef},
};
use plimsoll_api::ServiceGroup;

use super::{
    Group, Groups,
    act::{Done, act},
    decide::decide,
    front_door,
    gather::gather,
    object::Owner,
    report::{self, Report},
};

/// The time between two looks at a group of which nothing changes. All that it takes is in memory.
const PERIOD: Duration = Duration::from_mins(1);

/// The same while a service waits for something that no watch shows, such as a name to become free.
const SOON: Duration = Duration::from_secs(15);

/// The time until a look that failed, or that the end of the lease cut short, is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Why a look failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something was not written or deleted, which may work the next time.
    #[error("not all that was decided is done: {0}")]
    Act(String),
    /// The status or an event could not be written.
    #[error("the status or an event could not be written: {0}")]
    Report(String),
}

impl Error {
    /// The step that failed, as a label.
    pub const fn step(&self) -> &'static str {
        match self {
            Self::Act(_) => "act on a group",
            Self::Report(_) => "report on a group",
        }
    }
}

/// One look at a group.
///
/// # Errors
/// [`Error`] when what was decided could not be done or told.
pub async fn reconcile(group: Arc<Group>, groups: Arc<Groups>) -> Result<Action, Error> {
    // What is kept for a group that goes, goes with it.
    if !groups.may_decide() || group.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let owner = Owner {
        namespace: group.namespace().unwrap_or_default(),
        name: group.name_any(),
        uid: group.uid().unwrap_or_default(),
    };
    match &group.0 {
        Ok(valid) => look(&groups, &owner, valid).await,
        Err(invalid) => {
            let is_told = report::invalid(&groups, &owner, &invalid.metadata, &invalid.error).await?;
            Ok(Action::requeue(if is_told { PERIOD } else { AGAIN }))
        }
    }
}

async fn look(groups: &Groups, owner: &Owner, group: &ServiceGroup) -> Result<Action, Error> {
    let mut remembered = groups.memories.recall(&owner.uid);
    // gather (what watches show; only names that seem free are asked for)
    let seen = gather(groups, owner, &group.spec).await;
    let door = front_door::gather(groups, owner, &group.spec, &seen).await;
    // decide (pure)
    let mut decision = decide(owner, &group.spec, &seen);
    let door = front_door::decide(groups, owner, group, &decision, &seen, door.as_ref());
    front_door::annotate(&mut decision, door.as_ref(), &seen);
    // act (applies, lets go, deletes)
    let generation = group.metadata.generation;
    let done = act(groups, owner, generation, (&decision, door.as_ref()), &seen, &mut remembered).await;
    // report (writes status and events)
    let report = Report { owner, group, decision: &decision, door: door.as_ref(), seen: &seen, done: &done };
    let told = report::report(groups, &report, &mut remembered).await;
    groups.memories.keep(&owner.uid, remembered);
    if !told? {
        return Ok(Action::requeue(AGAIN));
    }
    let amiss = door.is_some_and(|door| door.outcome(done.front_door.as_ref()).status != Some(true));
    next(done, amiss)
}

/// When to look again.
fn next(done: Done, door_is_amiss: bool) -> Result<Action, Error> {
    // The lease may be renewed yet, and no new term begins then. Who does not lead any more waits for one at the next look.
    if done.deposed {
        return Ok(Action::requeue(AGAIN));
    }
    if let Some(why) = done.failed {
        return Err(Error::Act(why));
    }
    let waits = door_is_amiss || done.services.values().any(Result::is_err);
    Ok(Action::requeue(if waits { SOON } else { PERIOD }))
}

/// What to do after a look that failed.
#[allow(clippy::needless_pass_by_value)] // the signature that kube asks for
pub fn after_error(group: Arc<Group>, error: &Error, groups: Arc<Groups>) -> Action {
    let object = ObjectRef::from_obj(group.as_ref());
    tracing::warn!(servicegroup = %object, step = error.step(), %error, "a look failed");
    groups.context.metrics.errors.with_label_values(&[error.step()]).inc();
    Action::requeue(AGAIN)
}
