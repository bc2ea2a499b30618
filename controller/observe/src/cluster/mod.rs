//! Nodes, pods and what binds them, as the planner of nodes wants to know them.

mod affinity;
mod budget;
mod eviction;
mod node;
mod pod;
mod pool;
mod quota;
mod requests;
mod requirement;
mod storage;
mod volume;

pub use affinity::observe_effect;
pub(crate) use affinity::observe_tolerations;
pub use budget::observe_budget;
pub use node::{INTERRUPTED, attach_limits, observe_node, observe_taints};
pub use pod::{observe_cluster_pod, observe_template};
pub use pool::observe_pool;
pub use quota::observe_quota;
pub use requests::{observe_amounts, observe_resources};
pub use requirement::{observe_labels, observe_node_term, observe_selector};
pub use storage::{ClaimKey, Storage, claims_of};
