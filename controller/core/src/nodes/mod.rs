//! Which nodes to add, and which to take away.

mod plan;
pub mod reason;

pub use plan::{NewNodes, NodePlan, Place, Placement, Refused};
