//! Which nodes to add, and which to take away.

pub mod add;
pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod buffer;
pub mod drain;
pub mod drainability;
pub mod drift;
pub mod explain;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod loss;
pub mod nominate;
pub mod pdb;
mod plan;
pub mod promise;
pub mod reason;
pub mod remove;
mod render;
mod words;

pub use plan::{HeadroomOf, KeptFree, NewNodes, NodePlan, Place, Placement, Refused, SpareRoom};
