//! A node that was never ready is the affair of its order, which has a time-out of its own. That one which is not ready
//! any more may go when it is empty stands in [`super::super::remove`].

use super::NodeBlocker;
use crate::cluster::{Node, Pool, Readiness};
use crate::time::Timestamp;

pub(super) fn rule(node: &Node, _: Option<&Pool>, _: Timestamp) -> Option<NodeBlocker> {
    (node.readiness == Readiness::Starting).then_some(NodeBlocker::Starting)
}
