//! What a cluster looks like.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Taint;

/// Nodes and zones of a cluster. The default: two nodes of 16 cores and 64 GiB in each of three zones.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    /// The values of `topology.kubernetes.io/zone`.
    pub zones: Vec<String>,
    /// How many nodes each zone has.
    pub nodes_per_zone: usize,
    /// Allocatable cpu of a node, as a quantity.
    pub node_cpu: String,
    /// Allocatable memory of a node, as a quantity.
    pub node_memory: String,
    /// How many pods fit on a node.
    pub node_pods: u32,
    /// Taints of every node.
    pub taints: Vec<Taint>,
    /// Labels of every node, beside zone and host name.
    pub labels: BTreeMap<String, String>,
    /// Whether kube-controller-manager runs its controller of HPAs.
    pub hpa_controller: bool,
    /// Whether the API server reaches the operator's pods, as `pods/proxy` needs. It does while this process lives.
    pub pod_network: bool,
    /// Whether metrics-server asks kubelets without TLS, so that somebody else than kwok can play them.
    pub plain_kubelets: bool,
    /// When a deleted pod is gone.
    pub pods_end: PodsEnd,
    /// After how many seconds of silence a node is taken for lost, if not after as many as kwok's clusters wait.
    pub node_silence_seconds: Option<u32>,
}

/// When a deleted pod is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodsEnd {
    /// As soon as it is deleted.
    AtOnce,
    /// When its grace period ends, unless somebody ends it before.
    AfterTheirGrace,
}

impl Default for ClusterSpec {
    fn default() -> Self {
        Self {
            zones: ["zone-a", "zone-b", "zone-c"].map(str::to_owned).to_vec(),
            nodes_per_zone: 2,
            node_cpu: "16".to_owned(),
            node_memory: "64Gi".to_owned(),
            node_pods: 110,
            taints: Vec::new(),
            labels: BTreeMap::new(),
            hpa_controller: true,
            pod_network: false,
            plain_kubelets: false,
            pods_end: PodsEnd::AtOnce,
            node_silence_seconds: None,
        }
    }
}
