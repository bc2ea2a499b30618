//! What was seen of the cluster that concerns a group.

use std::{collections::BTreeMap, sync::Arc};

use kube::core::{DynamicObject, Selector};
use plimsoll_api::v1alpha1::WorkloadReference;

use super::kind::Id;

/// Everything that a decision about a group depends on.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// What is at the names of what would be kept.
    pub at: BTreeMap<Id, At>,
    /// The workloads that services refer to. One that does not exist is missing here.
    pub referenced: BTreeMap<WorkloadReference, Referenced>,
    /// The PodDisruptionBudgets of the namespace that are not the group's.
    pub budgets: Vec<OtherBudget>,
    /// How each service runs, by its name.
    pub running: BTreeMap<String, Running>,
}

/// What is at a name.
#[derive(Debug, Clone, PartialEq)]
pub enum At {
    /// Nothing.
    Nothing,
    /// An object of the group.
    Ours(Arc<DynamicObject>),
    /// An object that is not the group's: whose it is.
    Others(String),
    /// It could not be read: why.
    Unread(String),
}

/// A workload that a service refers to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Referenced {
    /// How it selects its pods, as text.
    pub selector: String,
    /// The names of the ports of its containers.
    pub port_names: Vec<String>,
    /// The group that it belongs to, if any.
    pub of: Option<OfGroup>,
    /// The labels of its pods, as far as there are any.
    pub pods: Vec<BTreeMap<String, String>>,
}

/// Which group a workload belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfGroup {
    /// The one that is looked at.
    This,
    /// Another, with this name.
    Other(String),
}

/// A PodDisruptionBudget that is not the group's.
#[derive(Debug, Clone)]
pub struct OtherBudget {
    /// Its name.
    pub name: String,
    /// The pods that it counts.
    pub selector: Selector,
}

/// How a service runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Running {
    /// The replicas that it should have. None: its workload was not seen.
    pub wanted: Option<i32>,
    /// Those that are ready, by zone; empty for those in none.
    pub ready: BTreeMap<String, i32>,
    /// Why its Deployment has given a rolling update up.
    pub stuck: Option<String>,
    /// What its PodScaler says of itself, if it has said anything yet.
    pub scaling: Option<Scaling>,
}

impl Running {
    /// The replicas that are ready.
    pub fn ready(&self) -> i32 {
        self.ready.values().sum()
    }
}

/// What a PodScaler says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaling {
    /// Whether it can read and set the size.
    pub able: bool,
    /// Whether it does.
    pub active: bool,
    /// The replicas that it has decided on, where it is the one to write them.
    pub desired: Option<i32>,
    /// Its own reason.
    pub reason: String,
    /// Its own words.
    pub message: String,
}
