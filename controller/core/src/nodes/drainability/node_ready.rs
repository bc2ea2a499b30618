//! A node that has just come is waited for; one that does not get ready in time counts as not ready. That such a node may go
//! when it is empty stands in [`super::super::remove`].

use super::NodeBlocker;
use crate::cluster::{Node, Pool, Readiness};
use crate::time::Timestamp;

pub(super) fn rule(node: &Node, _: Option<&Pool>, _: Timestamp) -> Option<NodeBlocker> {
    (node.readiness == Readiness::Starting).then_some(NodeBlocker::Starting)
}
