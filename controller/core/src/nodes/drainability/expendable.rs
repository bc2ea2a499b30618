//! A pod below the cut-off of priorities is evicted, and no place is planned for it.

use super::{Question, Verdict};
use crate::cluster::Unplannable;

pub(super) fn rule(question: &Question<'_>) -> Option<Verdict> {
    match question.pod.unplannable.as_ref()? {
        Unplannable::BelowCutOff { .. } => Some(Verdict::Expendable),
        _ => None,
    }
}
