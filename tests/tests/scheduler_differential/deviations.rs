//! Where our answer is another one, and why.

use plimsoll_core::cluster::{Pod, WhenUnsatisfiable};

use crate::answer::Verdict;

/// A known deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deviation {
    OnlyNominatedForbids,
    NominatedUnderEmptySelector,
}

impl Deviation {
    pub(crate) const ALL: [Self; 2] = [Self::OnlyNominatedForbids, Self::NominatedUnderEmptySelector];

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::OnlyNominatedForbids => {
                "We say no: only the anti-affinity of a nominated pod, or a volume for one pod at a time that it has, forbids \
                 it. kube-scheduler adds nominated pods after a filter has found nothing to do, and then does not ask that \
                 filter."
            }
            Self::NominatedUnderEmptySelector => {
                "We say yes: the selector of a spread constraint is empty. kube-scheduler counts no pod under such a \
                 selector, except nominated ones."
            }
        }
    }

    /// The one that a yes of ours may show.
    pub(crate) fn of_yes(asked: &Pod, are_nominated: bool) -> Option<Self> {
        let mut spread = asked.shape.spread.iter();
        let counts_nobody = spread.any(|spread| {
            let is_empty = spread.selector.as_ref().is_some_and(|selector| selector.0.is_empty());
            is_empty && spread.when == WhenUnsatisfiable::DoNotSchedule
        });
        (are_nominated && counts_nobody).then_some(Self::NominatedUnderEmptySelector)
    }

    /// Whether it explains their answer.
    pub(crate) fn explains(self, theirs: &Verdict) -> bool {
        match self {
            // Where they say no all the same, it is for another thing that a nominated pod does.
            Self::OnlyNominatedForbids => true,
            Self::NominatedUnderEmptySelector => {
                !theirs.fits && theirs.refusals.iter().all(|refusal| refusal.plugin == "PodTopologySpread")
            }
        }
    }
}
