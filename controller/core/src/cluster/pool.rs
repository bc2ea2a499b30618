//! Where nodes may come from, and under which conditions they go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Labels, Name, Resources, Taint};
use crate::time::{Span, Timestamp};

/// Interchangeable nodes from one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// Its name.
    pub name: Name,
    /// The higher, the sooner it is asked, 0 to 100.
    pub weight: i32,
    /// What can be ordered, in the order of their keys.
    pub offerings: Vec<Offering>,
    /// What every node of the pool has, besides what its offering says.
    pub template: NodeTemplate,
    /// How much may be ordered.
    pub limits: Limits,
    /// How to choose among offerings that fit.
    pub expander: Expander,
    /// How zones share its nodes.
    pub balance: Balance,
    /// When nodes go.
    pub scale_down: ScaleDown,
    /// Room that is kept free.
    pub headroom: Vec<Headroom>,
    /// Pods of a lower priority get no nodes of it, and do not keep one.
    pub priority_cutoff: i32,
}

impl Pool {
    /// Whether a pod of this priority neither gets a node of it nor keeps one.
    pub fn cuts_off(&self, priority: i32) -> bool {
        priority < self.priority_cutoff
    }
}

/// What every node of a pool has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeTemplate {
    /// Labels.
    pub labels: Labels,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Taints that something else takes away soon after the node has registered. The planner ignores them on new nodes,
    /// and waits for them on young ones.
    pub startup_taints: Vec<Taint>,
}

/// One thing that can be ordered: a type of machine, in a zone, at a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offering {
    /// What it is.
    pub key: OfferingKey,
    /// What a node of it costs per hour, in millionths of the currency, 0 or more.
    pub price: i64,
    /// What pods may have of a node of it.
    pub allocatable: Resources,
    /// Labels that a node of it has: zone, type, architecture, operating system and so on.
    pub labels: Labels,
    /// Taints that a node of it has.
    pub taints: Vec<Taint>,
    /// The most volumes that may be attached, by CSI driver.
    pub attach_limits: BTreeMap<Name, i64>,
    /// Whether it can be ordered now.
    pub capacity: Capacity,
}

/// Type × zone × capacity type: what a provider may be out of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferingKey {
    /// The type of machine.
    pub instance_type: Name,
    /// The zone.
    pub zone: Name,
    /// Spot or on-demand.
    pub capacity_type: CapacityType,
}

impl fmt::Display for OfferingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {}", self.capacity_type, self.instance_type, self.zone)
    }
}

/// Whether a node may be taken away by its provider at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CapacityType {
    /// It stays as long as it is paid for.
    OnDemand,
    /// It is cheaper, and may be taken away.
    Spot,
}

impl fmt::Display for CapacityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnDemand => "on-demand",
            Self::Spot => "spot",
        })
    }
}

impl FromStr for CapacityType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "on-demand" => Ok(Self::OnDemand),
            "spot" => Ok(Self::Spot),
            other => Err(format!("{other} is neither on-demand nor spot")),
        }
    }
}

/// How many nodes of an offering can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Capacity {
    /// As many as the provider will give.
    Unknown,
    /// At most so many more.
    Left(u32),
    /// None until then, after an error; what is remembered of errors decays.
    AvoidedUntil(Timestamp),
}

/// Bounds on a pool's nodes, those ordered included. None for no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Limits {
    /// Nodes in total.
    pub nodes: Option<u32>,
    /// Allocatable resources in total; only those that are named are bounded.
    pub resources: BTreeMap<Name, i64>,
    /// Nodes per zone.
    pub nodes_per_zone: BTreeMap<Name, u32>,
    /// Allocatable resources per zone; only those that are named are bounded.
    pub resources_per_zone: BTreeMap<Name, BTreeMap<Name, i64>>,
    /// Nodes that each of these zones keeps, needed or not.
    pub min_per_zone: BTreeMap<Name, u32>,
}

/// How to choose among offerings that fit. The names are those of the cluster-autoscaler's expanders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Expander {
    /// The least price per pod that is placed.
    #[default]
    Price,
    /// The least share of cpu and memory left over.
    LeastWaste,
    /// The most pods placed.
    MostPods,
    /// The pool's weight alone, then the least price.
    Priority,
    /// Any, by a number drawn from the plan's input: the same input chooses the same.
    Random,
}

/// How zones share the nodes of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Balance {
    /// Among equal prices the zone with the fewest nodes; on the way down the zone with the most.
    #[default]
    Zones,
    /// Zones do not matter.
    Off,
}

/// When nodes of a pool go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleDown {
    /// Which nodes may go.
    pub mode: ScaleDownMode,
    /// A node is under-used when the larger share of cpu and memory that pods ask of it is below this, in thousandths.
    pub utilization_below: i64,
    /// How long a node must have been not needed.
    pub unneeded_for: Span,
    /// How long after the pool has grown nothing goes.
    pub delay_after_add: Span,
    /// A replacement must save at least this share of the price of what it replaces, in thousandths.
    pub savings_at_least: i64,
    /// How much saving, in millionths of the currency per hour, the eviction of one pod must be worth.
    pub savings_per_eviction: i64,
    /// How many nodes may be going at a time; the smallest that applies counts, and where none does, the default.
    pub budgets: Vec<NodeBudget>,
    /// Nothing goes while more of the pool than this is not ready.
    pub breaker: Breaker,
    /// How a node is emptied.
    #[serde(default)]
    pub drain: Drain,
}

impl Default for ScaleDown {
    fn default() -> Self {
        Self {
            mode: ScaleDownMode::WhenUnderutilized,
            utilization_below: 500,
            unneeded_for: Span::from_secs(600),
            delay_after_add: Span::from_secs(600),
            savings_at_least: 100,
            savings_per_eviction: 0,
            budgets: vec![NodeBudget::default()],
            breaker: Breaker::Share(200),
            drain: Drain::default(),
        }
    }
}

/// How a node is emptied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// The most that a pod gets to end, if its own grace period is longer.
    pub max_grace: Span,
    /// How long a drain may take before it is undone.
    pub time_out: Span,
    /// How many Deployments may at the same time have one replica more than they ask for.
    pub max_surge: u32,
}

impl Default for Drain {
    fn default() -> Self {
        Self { max_grace: Span::from_secs(600), time_out: Span::from_secs(1800), max_surge: 0 }
    }
}

/// Which nodes may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ScaleDownMode {
    /// None.
    Never,
    /// Those without pods of anybody but daemons.
    WhenEmpty,
    /// Also those whose pods fit elsewhere, or on cheaper nodes.
    WhenUnderutilized,
}

/// How much of a pool may be not ready before nothing goes any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Breaker {
    /// So many nodes.
    Nodes(u32),
    /// Such a share of the pool, in thousandths, not rounded: of two nodes one is more than a fifth.
    Share(i64),
}

/// How many nodes may be going at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeBudget {
    /// How many nodes; None where only a share is given.
    pub nodes: Option<u32>,
    /// How large a share of the pool, in thousandths, rounded up; None where only a number is given.
    pub share: Option<i64>,
    /// For these reasons only; all where it is empty.
    pub reasons: BTreeSet<BudgetReason>,
    /// From when: a cron expression of five fields. Always where it is None.
    pub schedule: Option<String>,
    /// The time zone of the schedule; UTC where it is None.
    pub time_zone: Option<String>,
    /// For how long from each start on.
    pub duration: Span,
}

impl Default for NodeBudget {
    /// A tenth of the pool, always.
    fn default() -> Self {
        Self {
            nodes: None,
            share: Some(100),
            reasons: BTreeSet::new(),
            schedule: None,
            time_zone: None,
            duration: Span::default(),
        }
    }
}

/// What a budget can be limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BudgetReason {
    /// The node has no pods to move.
    Empty,
    /// Its pods fit on nodes that there are.
    Underutilized,
    /// Other nodes take its place: fewer or cheaper ones, one that is what its pool says, or one in a zone with fewer.
    Replaced,
}

/// Room that is kept free in a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Headroom {
    /// How it is told from others.
    pub name: Name,
    /// How much.
    pub size: HeadroomSize,
    /// From when: a cron expression of five fields. Always where it is None.
    pub schedule: Option<String>,
    /// The time zone of the schedule; UTC where it is None.
    pub time_zone: Option<String>,
    /// For how long from each start on.
    pub duration: Span,
}

/// How much room is kept free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeadroomSize {
    /// Room for pods of a size.
    Pods {
        /// How many.
        count: u32,
        /// What each asks for.
        requests: Resources,
    },
    /// A share of what pods of the pool's nodes ask for, in thousandths, in pieces no larger than a pod that is there.
    Share(i64),
}
