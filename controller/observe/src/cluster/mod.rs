//! Nodes, pods and what binds them, as the planner of nodes wants to know them.

mod affinity;
mod budget;
mod eviction;
mod node;
mod pod;
mod requests;
mod requirement;
mod storage;

pub use budget::observe_budget;
pub use node::{INTERRUPTED, observe_node};
pub use pod::{observe_cluster_pod, observe_template};
pub use requirement::{observe_node_term, observe_selector};
pub use storage::Storage;
