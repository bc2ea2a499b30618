//! A case: a cluster and a pod that wants to go somewhere in it. `tests/scheduler-oracle/case.go` reads the same JSON.

use k8s_openapi::api::core::v1::{Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::{CSIDriver, CSINode, StorageClass};
use serde::{Deserialize, Serialize};

/// A cluster and a pod.
///
/// A pod of the cluster is bound if it has `spec.nodeName`, nominated if it has `status.nominatedNodeName` only, and
/// otherwise of no consequence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Case {
    pub(crate) nodes: Vec<Node>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) persistent_volumes: Vec<PersistentVolume>,
    pub(crate) persistent_volume_claims: Vec<PersistentVolumeClaim>,
    pub(crate) storage_classes: Vec<StorageClass>,
    pub(crate) csi_nodes: Vec<CSINode>,
    pub(crate) csi_drivers: Vec<CSIDriver>,
    /// The pod that is asked about.
    pub(crate) pod: Pod,
}
