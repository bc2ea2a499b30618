//! Only a node that one of our orders made is ours to remove, and only while its pool says how.

use super::NodeBlocker;
use crate::cluster::{Node, Pool, Record};
use crate::time::Timestamp;

pub(super) fn rule(node: &Node, pool: Option<&Pool>, _: Timestamp) -> Option<NodeBlocker> {
    if node.order.is_none() {
        return Some(NodeBlocker::NotOurs);
    }
    // Nobody would know who is to take it back.
    if let (Some(order), Record::Gone) = (&node.order, node.record) {
        return Some(NodeBlocker::NoOrder(order.clone()));
    }
    pool.is_none().then(|| NodeBlocker::NoPool(node.pool.clone()))
}
