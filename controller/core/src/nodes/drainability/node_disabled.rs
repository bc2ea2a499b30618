//! The cluster-autoscaler's annotation that keeps a node. One that its provider takes away will not be kept.

use super::NodeBlocker;
use crate::cluster::{Node, Pool};
use crate::time::Timestamp;

pub(super) fn rule(node: &Node, _: Option<&Pool>, _: Timestamp) -> Option<NodeBlocker> {
    (node.scale_down_disabled && !node.interrupted).then_some(NodeBlocker::ScaleDownDisabled)
}
