//! A pool can keep all its nodes. One that its provider takes away is drained all the same: it will not be kept.

use super::NodeBlocker;
use crate::cluster::{Node, Pool, ScaleDownMode};
use crate::time::Timestamp;

pub(super) fn rule(node: &Node, pool: Option<&Pool>, _: Timestamp) -> Option<NodeBlocker> {
    let pool = pool?;
    let keeps = pool.scale_down.mode == ScaleDownMode::Never && !node.interrupted;
    keeps.then(|| NodeBlocker::Never(pool.name.clone()))
}
