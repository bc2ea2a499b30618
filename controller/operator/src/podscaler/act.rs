//! Act: write the decided size to the target.

use plimsoll_api::v1alpha1::{Mode, PodScalerSpec};
use plimsoll_core::replicas::Decision;

use crate::{
    context::Context,
    podscaler::{Subject, gather::Observation},
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
}

/// Writes `decision.desired`, if it is a change.
pub(super) async fn act(
    context: &Context,
    subject: &Subject<'_>,
    spec: &PodScalerSpec,
    observation: &Observation,
    decision: &Decision,
) -> Acted {
    if !decision.is_rescale() || spec.mode != Mode::Active {
        return Acted::Nothing;
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
