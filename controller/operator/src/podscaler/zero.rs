//! Zero: that a size of zero is ours is said before it is written.
//!
//! A workload of size zero is woken again only where the status says that we have put it to sleep. Were that said after the
//! size is written, a look that ends in between, or whose answers get lost, would leave a workload that nobody wakes.

use plimsoll_core::replicas::{ConditionUpdate, Decision, Input, scaled_to_zero};

use super::{
    Error, Kind, Subject, conditions,
    memory::Remembered,
    report::{Report, in_time, write_status},
    status,
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
    input: &Input,
    decision: &Decision,
    remembered: &mut Remembered,
) -> Result<bool, Error> {
    let mut conditions = conditions(subject, decision);
    scaled_to_zero(true).set_in(&mut conditions);
    let now = input.now;
    let is_said = match subject.kind {
        Kind::PodScaler => {
            let events = Vec::new();
            let report =
                Report { decision, conditions, events, rescaled: false, seen: None, now, status: true };
            write_status(context, subject, &report, remembered).await?
        }
        Kind::Hpa => {
            let before = subject.status.cloned().unwrap_or_default();
            let after = status::after(&before, subject, decision, &conditions, false, now);
            // Whatever else was written to it meanwhile, as with the size itself.
            match hpa::status::patch(subject, &after, &conditions, true, now) {
                Some(patch) => {
                    in_time(context, hpa::status::write(context, subject, &patch)).await?.is_some()
                }
                None => true,
            }
        }
    };
    remembered.claims_zero |= is_said;
    Ok(is_said)
}

/// What is to be said of a claim after a look: that it no longer holds, where the size is not zero after all. `written` is what
/// came of writing a size.
pub(super) fn withdrawn(
    decision: &Decision,
    written: Option<&Result<(), String>>,
    remembered: &mut Remembered,
) -> Option<ConditionUpdate> {
    let is_awake = match written {
        Some(Ok(())) => decision.desired > 0,
        // It may have been written all the same.
        Some(Err(_)) => false,
        None => decision.current > 0,
    };
    let withdraws = remembered.claims_zero && is_awake;
    remembered.claims_zero &= !is_awake;
    withdraws.then(|| scaled_to_zero(false))
}
