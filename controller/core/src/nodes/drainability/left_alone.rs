//! A pod that we cannot plan for has no place that we could promise it.

use super::{Blocker, Question, Verdict};
use crate::cluster::Unplannable;

pub(super) fn rule(question: &Question<'_>) -> Option<Verdict> {
    match question.pod.unplannable.as_ref()? {
        // Whoever set the cut-off does not care where it goes.
        Unplannable::BelowCutOff { .. } => None,
        why => Some(Verdict::Blocks(Blocker::LeftAlone(why.clone()))),
    }
}
