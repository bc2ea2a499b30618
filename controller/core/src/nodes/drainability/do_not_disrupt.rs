//! Somebody said that this pod is not to be disrupted, for good or for a time after its creation. This holds for daemons
//! and static pods too, as with Karpenter: it is a word about the node that they run on.

use super::{Blocker, Forbidden, Question, Verdict, forbidden};

pub(super) fn rule(question: &Question<'_>) -> Option<Verdict> {
    let Question { pod, now, .. } = *question;
    let Forbidden { until } = forbidden(pod.eviction.do_not_disrupt, pod.created, now)?;
    Some(Verdict::Blocks(Blocker::DoNotDisrupt { until }))
}
