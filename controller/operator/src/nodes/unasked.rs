//! Orders of which the record may say that their provider was asked, although nobody has asked it.
//!
//! That it is about to be asked is written first. Where that write gets no answer nobody asks, and the write may have been
//! carried out all the same. What the record says then is taken back, and the provider is asked: it did nothing of the order,
//! which would be taken for its failure.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;
use plimsoll_api::{NodeOrder, v1alpha1::NodeOrderStatus};
use plimsoll_core::time::Timestamp;
use plimsoll_observe::observe_time;

/// By the name of the order, the times of asking that were written in this term without an answer.
#[derive(Debug, Default)]
pub(super) struct Unasked(BTreeMap<String, BTreeSet<Timestamp>>);

impl Unasked {
    /// Remembers that this may be written, and that nobody asks.
    pub(super) fn note(&mut self, order: &str, asked: &NodeOrderStatus) {
        self.0.entry(order.to_owned()).or_default().extend(asked_at(asked));
    }

    /// Forgets an order whose provider is about to be asked.
    pub(super) fn forget(&mut self, order: &str) {
        self.0.remove(order);
    }

    /// Forgets orders that are gone.
    pub(super) fn keep_only(&mut self, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|order, _| is_there(order));
    }

    /// Whether the record of an order says that its provider was asked, and it was not.
    pub(super) fn has(&self, order: &NodeOrder) -> bool {
        let says = order.status.as_ref().and_then(asked_at);
        says.is_some_and(|at| self.0.get(&order.name_any()).is_some_and(|times| times.contains(&at)))
    }
}

fn asked_at(status: &NodeOrderStatus) -> Option<Timestamp> {
    status.asked_at.as_ref().map(observe_time)
}

#[cfg(test)]
mod tests {
    use plimsoll_core::time::Span;
    use serde_json::json;

    use super::*;
    use crate::nodes::{
        record,
        tests::{NOW, orders::recorded},
    };

    #[test]
    fn what_was_written_without_an_answer_is_known_again_until_its_provider_is_asked() {
        let mut unasked = Unasked::default();
        let order = recorded("general-1", &json!({}));
        let written = |seconds| record::asked(&order, 0, Vec::new(), NOW + Span::from_secs(seconds));
        let shows =
            |name: &str, seconds| NodeOrder { status: Some(written(seconds)), ..recorded(name, &json!({})) };
        unasked.note("general-1", &written(0));
        unasked.note("general-1", &written(7));
        assert!(unasked.has(&shows("general-1", 0)) && unasked.has(&shows("general-1", 7)));
        assert!(!unasked.has(&shows("general-1", 1)), "another leader has written it");
        assert!(!unasked.has(&shows("general-2", 0)) && !unasked.has(&order));
        unasked.keep_only(|name| name == "general-1");
        assert!(unasked.has(&shows("general-1", 7)));
        unasked.forget("general-1");
        assert!(!unasked.has(&shows("general-1", 7)));
    }
}
