//! A pod without a controller would be gone for good. Any controller will do, also one that we do not know: whoever owns
//! pods replaces them.

use super::{Blocker, Question, Verdict};

pub(super) fn rule(question: &Question<'_>) -> Option<Verdict> {
    question.pod.owner.is_none().then_some(Verdict::Blocks(Blocker::Bare))
}
