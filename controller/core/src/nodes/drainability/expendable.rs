//! A pod below the cut-off of priorities of its node's pool is evicted, and no place is planned for it: whoever set the
//! cut-off does not care where it goes.

use super::{Question, Verdict};

pub(super) fn rule(question: &Question<'_>) -> Option<Verdict> {
    (question.pod.shape.priority < question.cut_off?).then_some(Verdict::Expendable)
}
