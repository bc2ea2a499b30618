//! Where the two sides differ.

use std::fmt;

use crate::answer::{Answer, Status};
use crate::case::Case;
use crate::deviations::{Deviation, ends_case, excuse};
use crate::ours::Synced;

/// The first sync in which something differs that should not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) step: usize,
    pub(crate) what: &'static str,
    pub(crate) ours: String,
    pub(crate) theirs: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, what, ours, theirs } = self;
        write!(f, "sync {step}, {what}:\n  Plimsoll  {ours}\n  HPA       {theirs}")
    }
}

/// What came of one case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) difference: Option<Difference>,
    pub(crate) deviations: Vec<Deviation>,
    /// How many syncs were compared in full.
    pub(crate) compared: usize,
}

/// Compares sync by sync, up to the first difference.
pub(crate) fn compare(case: &Case, ours: &[Synced], theirs: &[Answer]) -> Outcome {
    let mut outcome = Outcome::default();
    assert_eq!(ours.len(), theirs.len(), "one answer for each sync");
    for (step, (synced, theirs)) in ours.iter().zip(theirs).enumerate() {
        let mut theirs = theirs.clone();
        let mut ours = synced.answer.clone();
        excuse(case, step, &mut ours, &mut theirs, &mut outcome.deviations);
        if let Some(proposal) = &mut theirs.proposal {
            // The log has what the metrics said, which may be negative; the very next line makes it zero.
            proposal.replicas = proposal.replicas.max(0);
        }
        if let Some(difference) = differ(step, &ours, &theirs) {
            match ends_case(synced) {
                Some(deviation) => outcome.deviations.push(deviation),
                None => outcome.difference = Some(difference),
            }
            return outcome;
        }
        outcome.compared += 1;
    }
    outcome
}

fn differ(step: usize, ours: &Answer, theirs: &Answer) -> Option<Difference> {
    let unequal = |what, ours: &dyn fmt::Debug, theirs: &dyn fmt::Debug| {
        let (ours, theirs) = (format!("{ours:?}"), format!("{theirs:?}"));
        (ours != theirs).then_some(Difference { step, what, ours, theirs })
    };
    let Status { current, desired, last_scale, metrics, conditions } = &ours.status;
    let status = &theirs.status;
    unequal("the proposal of the metrics", &ours.proposal, &theirs.proposal)
        .or_else(|| unequal("the size that was written", &ours.written, &theirs.written))
        .or_else(|| unequal("status.currentMetrics", metrics, &status.metrics))
        .or_else(|| unequal("the conditions", conditions, &status.conditions))
        .or_else(|| {
            let theirs = (status.current, status.desired, status.last_scale);
            unequal("current, desired and time of the last scaling", &(current, desired, last_scale), &theirs)
        })
        .or_else(|| unequal("the events", &ours.events, &theirs.events))
        .or_else(|| errors(step, &ours.errors, &theirs.errors))
        .or_else(|| unequal("what is remembered", &ours.memory, &theirs.memory))
}

/// HPA puts words like "failed to query scale subresource for Deployment/shop/web: " before the error of a sync.
fn errors(step: usize, ours: &[String], theirs: &[String]) -> Option<Difference> {
    let same = ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(o, t)| t.ends_with(o.as_str()));
    let differ =
        || Difference { step, what: "the errors", ours: format!("{ours:?}"), theirs: format!("{theirs:?}") };
    (!same).then(differ)
}
