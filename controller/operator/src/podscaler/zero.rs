//! Zero: that a size of zero is ours is said before it is written.
//!
//! A workload of size zero is woken again only where the status says that we have put it to sleep. Were that said after the
//! size is written, a look that ends in between, or whose answers get lost, would leave a workload that nobody wakes.

use std::sync::Arc;

use plimsoll_api::v1alpha1::PodScalerStatus;
use plimsoll_core::{
    replicas::{ConditionUpdate, Decision, scaled_to_zero},
    time::Timestamp,
};
use tokio::time::Instant;

use super::{
    Error, Kind, Subject,
    gather::is_scaled_to_zero,
    memory::{Remembered, Written, ZeroClaim},
    status,
    write_status::{in_time, patch_status},
};
use crate::{context::Context, hpa};

/// Says in the status that the size of zero that is about to be written is ours. Answers whether it says so: not where the
/// lease might end before that.
///
/// # Errors
/// When the status could not be written, or it is not known whether it was.
pub(super) async fn claim(
    context: &Context,
    subject: &Subject<'_>,
    now: Timestamp,
    remembered: &mut Remembered,
) -> Result<bool, Error> {
    let nothing = PodScalerStatus::default();
    let written = remembered.written.as_ref().map(|written| &*written.status);
    let before = written.or(subject.status).unwrap_or(&nothing);
    if remembered.zero != ZeroClaim::Said && !is_scaled_to_zero(Some(before)) {
        match subject.kind {
            Kind::PodScaler => {
                let after = status::with(before, scaled_to_zero(true), subject.metadata.generation, now);
                if in_time(context, patch_status(context, subject, &after)).await?.is_none() {
                    return Ok(false);
                }
                let status = Arc::new(after);
                remembered.written = Some(Written { status, at: Instant::now(), shown: false });
            }
            Kind::Hpa => {
                let patch = hpa::status::with(subject, scaled_to_zero(true), now);
                if in_time(context, hpa::status::write(context, subject, &patch)).await?.is_none() {
                    return Ok(false);
                }
            }
        }
    }
    remembered.zero = ZeroClaim::Said;
    Ok(true)
}

/// What the status is to say of zero after a look, beside what follows from a size that was written. `size`: whether one was,
/// where one was to be.
pub(super) fn said(decision: &Decision, size: Option<bool>, claim: ZeroClaim) -> Option<ConditionUpdate> {
    (claim == ZeroClaim::Said).then(|| scaled_to_zero(!is_awake(decision, size)))
}

/// What is left of a claim after a look. `is_told`: whether the status says what the look has found.
pub(super) fn after(decision: &Decision, size: Option<bool>, claim: ZeroClaim, is_told: bool) -> ZeroClaim {
    match (claim, size) {
        (ZeroClaim::Said | ZeroClaim::Written, Some(true)) if decision.to_zero => ZeroClaim::Written,
        (ZeroClaim::Said, None) if is_awake(decision, size) && !is_told => ZeroClaim::Said,
        _ if is_awake(decision, size) => ZeroClaim::None,
        (claim, _) => claim,
    }
}

/// Whether the size is not zero for certain: one whose write failed may have been written all the same.
fn is_awake(decision: &Decision, size: Option<bool>) -> bool {
    match size {
        Some(true) => decision.desired > 0,
        Some(false) => false,
        None => decision.current > 0,
    }
}
