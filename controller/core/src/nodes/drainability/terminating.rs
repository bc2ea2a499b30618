//! A pod that is being deleted needs no place. Its node waits for it, unless it is long past its grace period: a kubelet
//! that does not end a pod in that time will not end it at all.

use super::{Question, Verdict};
use crate::cluster::PodState;
use crate::time::Span;

/// How long past its grace period a pod is waited for.
const STUCK_AFTER: Span = Span::from_secs(60);

pub(super) fn rule(question: &Question<'_>) -> Option<Verdict> {
    match question.pod.state {
        PodState::Terminating { until, .. } if question.now > until + STUCK_AFTER => Some(Verdict::Goes),
        PodState::Terminating { .. } => Some(Verdict::Ends),
        _ => None,
    }
}
