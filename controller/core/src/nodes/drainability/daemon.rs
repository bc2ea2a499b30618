//! A pod of a `DaemonSet` serves its node and goes with it. To evict it would only have it made anew on the same node.

use super::{Question, Verdict};
use crate::cluster::OwnerKind;

pub(super) fn rule(question: &Question<'_>) -> Option<Verdict> {
    let kind = question.pod.owner.as_ref()?.kind;
    (kind == OwnerKind::DaemonSet).then_some(Verdict::Goes)
}
