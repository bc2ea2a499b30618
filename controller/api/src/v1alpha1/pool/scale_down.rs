//! When nodes go.

use k8s_openapi::{apimachinery::pkg::api::resource::Quantity, apimachinery::pkg::util::intstr::IntOrString};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{resources::share, window::Window};
use crate::v1alpha1::quantity::quantity;

/// When nodes go.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("isQuantity(string(self.utilizationThreshold)) && quantity(string(self.utilizationThreshold)).compareTo(quantity('0')) >= 0 && quantity(string(self.utilizationThreshold)).compareTo(quantity('1')) <= 0")
    .message("utilizationThreshold must be from 0 to 1, such as \"0.5\"")
    .field_path(".utilizationThreshold"))]
#[x_kube(validation = Rule::new("isQuantity(string(self.savingsThreshold)) && quantity(string(self.savingsThreshold)).compareTo(quantity('0')) >= 0 && quantity(string(self.savingsThreshold)).compareTo(quantity('1')) <= 0")
    .message("savingsThreshold must be from 0 to 1, such as \"0.1\"")
    .field_path(".savingsThreshold"))]
#[x_kube(validation = Rule::new("isQuantity(string(self.savingsPerEviction)) && quantity(string(self.savingsPerEviction)).compareTo(quantity('0')) >= 0")
    .message("savingsPerEviction must be a price of 0 or more, such as \"0.01\"")
    .field_path(".savingsPerEviction"))]
#[x_kube(validation = Rule::new("!has(self.budgets) || self.budgets.all(b, self.budgets.exists_one(o, o.name == b.name))")
    .message("each name may be given to one budget only")
    .field_path(".budgets"))]
#[serde(rename_all = "camelCase")]
pub struct ScaleDown {
    /// Which nodes may go. `Never`: none. `WhenEmpty`: those with no pods but those of DaemonSets. `WhenUnderutilized`:
    /// also those whose pods fit elsewhere, and sets of nodes whose pods fit on fewer or cheaper ones. Default
    /// `WhenUnderutilized`.
    #[serde(default)]
    pub policy: ScaleDownPolicy,
    /// A node is under-used while its pods request less than this share of what it has for pods, of cpu as of memory.
    /// From 0 to 1, in quotes. Default `"0.5"`. Sets of nodes that fewer or cheaper ones replace are judged by
    /// `savingsThreshold` alone.
    #[serde(default = "half")]
    #[schemars(schema_with = "quantity")]
    pub utilization_threshold: Quantity,
    /// Seconds for which a node must have been empty or under-used before it goes. 0 to 86400. Default 600.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = 0, max = 86_400))]
    pub unneeded_seconds: i32,
    /// Seconds after a node of the pool has joined for which none goes. 0 to 86400. Default 600.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = 0, max = 86_400))]
    pub delay_after_add_seconds: i32,
    /// What moving pods must save at least, as a share of the price of the nodes that would go; for a single used node
    /// whose pods fit on others, its own price as a share of what it and the nodes that take its pods cost together. From
    /// 0 to 1, in quotes. Default `"0.1"`. Under-used and empty nodes are not judged by it.
    #[serde(default = "tenth")]
    #[schemars(schema_with = "quantity")]
    pub savings_threshold: Quantity,
    /// What the eviction of each pod must save at least, in the currency of the prices per hour. 0 or more, in quotes.
    /// Default `"0"`: an eviction costs nothing.
    #[serde(default = "nothing")]
    #[schemars(schema_with = "quantity")]
    pub savings_per_eviction: Quantity,
    /// How many nodes may be on their way out at the same time. Of all budgets that hold the lowest counts. At most 20.
    /// Default, when none holds: 10 % of the pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub budgets: Vec<Budget>,
}

impl Default for ScaleDown {
    fn default() -> Self {
        Self {
            policy: ScaleDownPolicy::default(),
            utilization_threshold: half(),
            unneeded_seconds: ten_minutes(),
            delay_after_add_seconds: ten_minutes(),
            savings_threshold: tenth(),
            savings_per_eviction: nothing(),
            budgets: Vec::new(),
        }
    }
}

/// Which nodes may go.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleDownPolicy {
    /// None.
    Never,
    /// Those with no pods but those of DaemonSets.
    WhenEmpty,
    /// Also those whose pods fit elsewhere, on fewer or on cheaper nodes.
    #[default]
    WhenUnderutilized,
}

/// How many nodes may be on their way out at the same time, for some reasons and in some window.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.reasons) || self.reasons.all(r, self.reasons.exists_one(o, o == r))")
    .message("each reason may be named once only")
    .field_path(".reasons"))]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// Its name, unique in this pool.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?$"))]
    pub name: String,
    /// How many nodes: a number, or a percentage of the pool such as `10%`, rounded up. 0 or `0%`: none.
    #[schemars(schema_with = "share")]
    pub nodes: IntOrString,
    /// The reasons that it holds for. Default: all but Interrupted, since a node that the provider takes away goes in any
    /// case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub reasons: Vec<DisruptionReason>,
    /// When it holds. Default: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// Why a node goes.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisruptionReason {
    /// No pods but those of DaemonSets.
    Empty,
    /// Its pods fit on nodes that there are.
    Underutilized,
    /// Other nodes take its place: fewer or cheaper ones, one of a kind that its pool still wants, or one in a zone that has
    /// fewer.
    Replaced,
    /// The provider takes it away.
    Interrupted,
}

fn half() -> Quantity {
    Quantity("0.5".to_owned())
}

fn tenth() -> Quantity {
    Quantity("0.1".to_owned())
}

fn nothing() -> Quantity {
    Quantity("0".to_owned())
}

fn ten_minutes() -> i32 {
    600
}
