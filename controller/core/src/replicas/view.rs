//! What is seen of the target and its pods at one moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Amounts per resource name, in thousandths: 100 m CPU is 100, 1 Ki of memory is 1 024 000.
pub type Amounts = BTreeMap<String, i64>;

/// The two numbers of the target's scale subresource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetView {
    /// `spec.replicas`: the size that was asked for, 0 or more.
    pub spec_replicas: i32,
    /// `status.replicas`: the pods that exist; more than asked for during a surge.
    pub status_replicas: i32,
}

/// A pod that matches the target's selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodView {
    /// Its name, unique among the pods of one call.
    pub name: String,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Whether a deletion timestamp is set.
    pub deleting: bool,
    /// `status.startTime`.
    pub start_time: Option<Timestamp>,
    /// The Ready condition.
    pub ready: Option<ReadyCondition>,
    /// The containers of the spec, in its order.
    pub containers: Vec<ContainerView>,
    /// The init containers of the spec, in its order.
    pub init_containers: Vec<InitContainerView>,
    /// `spec.resources.requests`: requests of the pod as a whole.
    pub pod_requests: Amounts,
    /// `spec.overhead`.
    pub overhead: Amounts,
    /// Whether its chain of owners is known and does not lead to the target: a pod of a Job, or of another workload
    /// with the same labels. `false` when the owners are not known.
    #[serde(default)]
    pub foreign: bool,
}

impl PodView {
    /// Whether the Ready condition is `True`.
    pub fn is_ready(&self) -> bool {
        self.ready.is_some_and(|ready| ready.status == ReadyStatus::True)
    }
}

/// `status.phase` of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodPhase {
    /// Not all containers were started once.
    Pending,
    /// Bound and started.
    Running,
    /// All containers ended well and stay ended.
    Succeeded,
    /// All containers ended, at least one badly.
    Failed,
    /// The kubelet does not answer, or the phase is not set.
    #[default]
    Unknown,
}

/// The Ready condition of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyCondition {
    /// Its status.
    pub status: ReadyStatus,
    /// When the status last changed.
    pub last_transition: Timestamp,
}

/// The status of a Ready condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadyStatus {
    /// Ready.
    True,
    /// Not ready.
    False,
    /// The kubelet does not answer.
    Unknown,
}

/// A container and what it requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// `resources.requests`.
    pub requests: Amounts,
}

/// An init container and what it requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitContainerView {
    /// Its name.
    pub name: String,
    /// Whether `restartPolicy` is `Always`, which makes it a sidecar that runs beside the containers.
    pub restartable: bool,
    /// `resources.requests`.
    pub requests: Amounts,
}
