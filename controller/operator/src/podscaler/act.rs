//! Act: write the decided size to the target.

use plimsoll_api::v1alpha1::{Mode, PodScalerSpec};
use plimsoll_core::replicas::Decision;

use crate::{
    context::Context,
    podscaler::{Error, Subject, gather::Observation, memory::Remembered, zero},
    targets::{TargetError, WRITE_TIME},
};

/// How a write ended.
pub(super) enum Acted {
    /// There was nothing to write, or we are not to write.
    Nothing,
    /// The size was written.
    Written,
    /// The target changed between our read and our write: read again and decide again.
    Outdated,
    /// The lease may end before the write does, so it was not begun.
    NotLeading,
    /// The write failed.
    Failed(String),
    /// It could not be told that the size of zero is ours, so it was not written.
    Untold(Error),
    /// A drain has one replica more for a while, so nothing is taken away now.
    Lent,
}

/// Writes `decision.desired`, if it is a change.
pub(super) async fn act(
    context: &Context,
    subject: &Subject<'_>,
    spec: &PodScalerSpec,
    observation: &Observation,
    decision: &Decision,
    remembered: &mut Remembered,
) -> Acted {
    if !decision.is_rescale() || spec.mode != Mode::Active {
        return Acted::Nothing;
    }
    if decision.desired < decision.current && has_lent(context, subject, observation) {
        return Acted::Lent;
    }
    if decision.to_zero {
        match zero::claim(context, subject, observation.input.now, remembered).await {
            Ok(true) => {}
            Ok(false) => return Acted::NotLeading,
            Err(error) => return Acted::Untold(error),
        }
    }
    if !context.leadership.outlives(WRITE_TIME) {
        return Acted::NotLeading;
    }
    match context
        .targets
        .write(subject.namespace, &spec.scale_target_ref, &observation.scale, decision.desired)
        .await
    {
        Ok(()) => Acted::Written,
        Err(TargetError::Conflict(_)) => Acted::Outdated,
        Err(error) => Acted::Failed(error.to_string()),
    }
}

/// Whether a drain has one replica more of the target: it has marked the pod that is to go, which still runs.
fn has_lent(context: &Context, subject: &Subject<'_>, observation: &Observation) -> bool {
    observation.input.pods.iter().any(|view| {
        let pod = context.pods.get(subject.namespace, &view.name);
        pod.is_some_and(|pod| {
            let is_marked = pod.deletion_cost.is_some_and(|cost| cost.of_drain);
            is_marked && !pod.view.deleting
        })
    })
}
