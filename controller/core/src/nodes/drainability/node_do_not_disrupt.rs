//! Karpenter's annotation that keeps a node, for good or for a time after its creation. One that its provider takes away
//! will not be kept.

use super::{NodeBlocker, forbidden};
use crate::cluster::{Node, Pool};
use crate::time::Timestamp;

pub(super) fn rule(node: &Node, _: Option<&Pool>, now: Timestamp) -> Option<NodeBlocker> {
    if node.interrupted {
        return None;
    }
    forbidden(node.do_not_disrupt, node.created, now).map(|of| NodeBlocker::DoNotDisrupt { until: of.until })
}
