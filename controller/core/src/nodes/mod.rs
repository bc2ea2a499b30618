//! Which nodes to add, and which to take away.

pub mod add;
pub mod backoff;
mod plan;
pub mod reason;
mod render;

pub use plan::{NewNodes, NodePlan, Place, Placement, Refused};
