//! The kubelet runs a static pod from a file of its node. Nobody can evict it, and it goes with the node.

use super::{Question, Verdict};
use crate::cluster::OwnerKind;

pub(super) fn rule(question: &Question<'_>) -> Option<Verdict> {
    let kind = question.pod.owner.as_ref()?.kind;
    (kind == OwnerKind::Node).then_some(Verdict::Goes)
}
