//! A pod that we cannot plan for has no place that we could promise it.

use super::{Blocker, Question, Verdict};

pub(super) fn rule(question: &Question<'_>) -> Option<Verdict> {
    let why = question.pod.unplannable.clone()?;
    Some(Verdict::Blocks(Blocker::LeftAlone(why)))
}
