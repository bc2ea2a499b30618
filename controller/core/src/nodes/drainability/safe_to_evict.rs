//! The word of the cluster-autoscaler's annotation. `true` overrules the rules after this one, not those before it, and
//! no budget.

use super::{Blocker, Question, Verdict, expendable};

pub(super) fn rule(question: &Question<'_>) -> Option<Verdict> {
    if question.pod.eviction.safe? {
        Some(expendable::rule(question).unwrap_or(Verdict::Moves))
    } else {
        Some(Verdict::Blocks(Blocker::NotSafeToEvict))
    }
}
