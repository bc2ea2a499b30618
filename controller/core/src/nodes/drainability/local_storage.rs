//! What a pod keeps on its node would be lost, unless it says of each such volume that it may be.

use super::{Blocker, Question, Verdict};

pub(super) fn rule(question: &Question<'_>) -> Option<Verdict> {
    let eviction = &question.pod.eviction;
    let lost: Vec<_> = eviction.local_volumes.difference(&eviction.safe_local_volumes).cloned().collect();
    (!lost.is_empty()).then_some(Verdict::Blocks(Blocker::LocalStorage(lost)))
}
