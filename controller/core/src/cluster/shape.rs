//! What a pod asks of the node it runs on. Pods with the same shape are one class to the planner.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Labels, Name, Requirement, Resources, Selector, Toleration};

/// Everything of a pod that decides where it may run, and what others may run beside it.
///
/// Keys that a term takes from the pod itself (`matchLabelKeys`, `mismatchLabelKeys`) are part of its selector already.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodShape {
    /// Its namespace.
    pub namespace: Name,
    /// Its labels.
    pub labels: Labels,
    /// What it asks for as the scheduler counts it: the larger of containers and init containers, restartable ones beside
    /// both, overhead added, requests of the whole pod instead where it has them; `pods` is 1.
    pub requests: Resources,
    /// `spec.nodeSelector`.
    pub node_selector: Labels,
    /// `spec.affinity`.
    pub affinity: Affinity,
    /// `spec.tolerations`.
    pub tolerations: Vec<Toleration>,
    /// `spec.topologySpreadConstraints`, or the scheduler's defaults where it has none.
    pub spread: Vec<Spread>,
    /// Ports of the host that it binds.
    pub host_ports: BTreeSet<HostPort>,
    /// Its volumes, as far as they decide where it may run.
    pub volumes: Vec<VolumeNeed>,
    /// `spec.priority`.
    pub priority: i32,
}

/// Required and preferred affinities.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Affinity {
    /// Nodes that one of these terms matches. None where nothing is required; an empty list matches no node.
    pub nodes: Option<Vec<NodeTerm>>,
    /// Nodes that are liked better. Never a constraint.
    pub preferred_nodes: Vec<Preferred<NodeTerm>>,
    /// In a domain with pods that each of these terms matches.
    pub pods: Vec<PodTerm>,
    /// In no domain with pods that one of these terms matches.
    pub anti_pods: Vec<PodTerm>,
    /// Domains that are liked better. Never a constraint.
    pub preferred_pods: Vec<Preferred<PodTerm>>,
    /// Domains that are liked less. Never a constraint.
    pub preferred_anti_pods: Vec<Preferred<PodTerm>>,
}

/// A preference with its weight, 1 to 100.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Preferred<T> {
    /// How much it is liked.
    pub weight: i32,
    /// What is liked.
    pub term: T,
}

/// Requirements of a node that all have to be met. One without any matches no node.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeTerm {
    /// Of its labels.
    pub labels: Vec<Requirement>,
    /// Of its fields; only `metadata.name` exists.
    pub fields: Vec<Requirement>,
}

/// Pods in some namespaces, and the domains they are counted in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodTerm {
    /// Which pods; None for none.
    pub selector: Option<Selector>,
    /// In these namespaces. Already the pod's own where the term names none and selects none.
    pub namespaces: BTreeSet<Name>,
    /// And in those whose labels match; None for no others.
    pub namespace_selector: Option<Selector>,
    /// The label of nodes whose values are the domains.
    pub topology_key: Name,
}

/// Pods spread evenly over domains.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// The most that a domain may have over the emptiest, 1 or more.
    pub max_skew: i32,
    /// The label of nodes whose values are the domains.
    pub topology_key: Name,
    /// Which pods of the same namespace are counted; None for none.
    pub selector: Option<Selector>,
    /// With fewer eligible domains than this the emptiest counts as having none.
    pub min_domains: Option<i32>,
    /// Whether nodes that the pod's node affinity and selector rule out are left out of the domains.
    pub node_affinity: Policy,
    /// Whether nodes whose taints the pod does not tolerate are left out of the domains.
    pub node_taints: Policy,
    /// Whether it is a constraint at all.
    pub when: WhenUnsatisfiable,
}

/// Whether a spread constraint looks at something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Policy {
    /// It does.
    Honor,
    /// It does not.
    Ignore,
}

/// What happens to a pod that would make the skew too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WhenUnsatisfiable {
    /// It waits. The only one that constrains.
    DoNotSchedule,
    /// It runs where it makes the least skew.
    ScheduleAnyway,
}

/// A port of the host. Two conflict when port and protocol are the same, and the addresses are or one is every address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostPort {
    /// The address; `0.0.0.0` for every one.
    pub ip: Name,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Name,
    /// The port.
    pub port: i32,
}

/// A volume, as far as it decides where a pod may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeNeed {
    /// The claim or volume, to tell one from another; the same volume is attached to a node once.
    pub id: Name,
    /// The CSI driver whose attach limit it counts against.
    pub driver: Option<Name>,
    /// Where it can be reached, or can be made on first use: one of these terms; None for everywhere.
    pub reachable: Option<Vec<NodeTerm>>,
    /// Whether only one pod at a time may have it (`ReadWriteOncePod`).
    pub one_pod: bool,
    /// Whether it exists already; one that waits for its first consumer can be made wherever that consumer runs.
    pub bound: bool,
}

impl PodShape {
    /// The volumes of each CSI driver that the pod attaches.
    pub fn attachments(&self) -> BTreeMap<&Name, BTreeSet<&Name>> {
        let mut attached: BTreeMap<&Name, BTreeSet<&Name>> = BTreeMap::new();
        for volume in &self.volumes {
            if let Some(driver) = &volume.driver {
                attached.entry(driver).or_default().insert(&volume.id);
            }
        }
        attached
    }
}
