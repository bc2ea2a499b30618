//! What Plimsoll writes on nodes and on what it keeps for a `ServiceGroup`. Who may write and delete what is bound to the
//! marks of nodes by the chart's admission policies, so they are the same in both places; a test compares them.

/// Label of a node: the name of the `NodeOrder` that it was ordered by. A node without it is not ours: Plimsoll never
/// deletes, taints or drains it.
pub const NODE_ORDER: &str = "plimsoll.dev/node-order";

/// Label of a node: the name of its `CapacityPool`.
pub const CAPACITY_POOL: &str = "plimsoll.dev/capacity-pool";

/// Label of a node: `on-demand` or `spot`.
pub const CAPACITY_TYPE: &str = "plimsoll.dev/capacity-type";

/// Key of the taint (effect `NoSchedule`) of a node that is being drained, and of a label without a value that is set
/// and taken away in the same write: admission policies find nodes by labels, not by taints, and refuse our evictions
/// while no node has it.
pub const DRAINING: &str = "plimsoll.dev/draining";

/// The longest name of a `CapacityPool` or a `NodeOrder`: it has to fit into a label.
pub const LONGEST_NAME: usize = 63;

/// Label of an object that is kept for a `ServiceGroup`, and of the pods of its own Deployments: the name of the group.
pub const SERVICE_GROUP: &str = "plimsoll.dev/servicegroup";

/// Label beside it: the name of the service within the group. What belongs to all services has none.
pub const SERVICE: &str = "plimsoll.dev/service";
