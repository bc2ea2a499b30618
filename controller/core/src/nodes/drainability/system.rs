//! A pod of `kube-system` without a `PodDisruptionBudget` keeps its node for an hour after its creation: the cluster may
//! need it, and nobody has said how many may be missing. For good would pin a node under every metrics-server.

use super::{Blocker, Question, Verdict};
use crate::time::Span;

/// How long it keeps its node.
const KEEPS_FOR: Span = Span::from_secs(3600);

pub(super) fn rule(question: &Question<'_>) -> Option<Verdict> {
    let Question { pod, covered, now, .. } = *question;
    let until = pod.created + KEEPS_FOR;
    let keeps = &*pod.shape.namespace == "kube-system" && !covered && until > now;
    keeps.then_some(Verdict::Blocks(Blocker::System { until }))
}
