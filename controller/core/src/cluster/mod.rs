//! The cluster at one instant: what the planner of nodes looks at.
//!
//! Plain values that can be stored and replayed. `plimsoll-observe` makes them of Kubernetes objects; what depends on
//! several objects (the zone of a claim's volume, keys that a selector takes from the pod) is resolved there.

mod buffer;
mod daemon;
mod disruption;
mod node;
mod pod;
mod pool;
mod requirement;
mod resources;
mod shape;
mod shapes;
mod taint;
mod workload;

use std::sync::Arc;

pub use buffer::Buffer;
pub use daemon::{Announced, Daemon};
pub use disruption::{DisruptionBudget, UnhealthyPods};
pub use node::{Node, Order, Readiness, Record};
pub use pod::{Eviction, Owner, OwnerKind, Pod, PodState, Unplannable};
pub use pool::{
    Balance, Breaker, BudgetReason, Capacity, CapacityType, Drain, Expander, Headroom, HeadroomSize, Limits,
    NodeBudget, NodeTemplate, Offering, OfferingKey, Pool, ScaleDown, ScaleDownMode,
};
pub use requirement::{Labels, Operator, Requirement, Selector};
pub use resources::{Resource, Resources};
pub use shape::{
    Affinity, HostPort, NodeTerm, PodShape, PodTerm, Policy, Preferred, Spread, VolumeNeed, WhenUnsatisfiable,
};
pub(crate) use shapes::Shapes;
pub use taint::{Effect, Taint, Toleration, TolerationOperator};
pub use workload::Workload;

/// A name that many values share.
pub type Name = Arc<str>;

/// The label with a node's zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// The label with a node's own name; each node is a domain of its own under it.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// The label with the type of the machine that a node runs on.
pub const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
/// The label that says whether a node may be taken away at any time: `spot` or `on-demand`.
pub const CAPACITY_TYPE: &str = "plimsoll.dev/capacity-type";
/// The label with the pool that a node belongs to.
pub const CAPACITY_POOL: &str = "plimsoll.dev/capacity-pool";
/// The label with the order that a node was made for. Nodes without it are never deleted by us.
pub const NODE_ORDER: &str = "plimsoll.dev/node-order";
/// The taint on a node that is being drained by us.
pub const DRAINING: &str = "plimsoll.dev/draining";
