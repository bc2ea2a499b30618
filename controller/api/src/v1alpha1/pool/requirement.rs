//! Which offerings of the provider a pool takes.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One condition on an offering, by a label that its nodes have. All requirements of a pool must hold.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.key.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?$')")
    .message("key must be a label, such as node.kubernetes.io/instance-type")
    .field_path(".key"))]
#[x_kube(validation = Rule::new("!(self.operator in ['In', 'NotIn']) || (has(self.values) && self.values.size() > 0)")
    .message("values must not be empty for the operators In and NotIn: no offering would be left, or nothing would be left out")
    .field_path(".values"))]
#[x_kube(validation = Rule::new("!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || self.values.size() == 0")
    .message("values must be left out for the operators Exists and DoesNotExist")
    .field_path(".values"))]
#[x_kube(validation = Rule::new("!(self.operator in ['Gt', 'Lt']) || (has(self.values) && self.values.size() == 1 && self.values[0].matches('^(0|-?[1-9][0-9]{0,17})$'))")
    .message("values must be one whole number for the operators Gt and Lt")
    .field_path(".values"))]
#[x_kube(validation = Rule::new("self.key != 'plimsoll.dev/capacity-type' || !has(self.values) || self.values.all(v, v in ['on-demand', 'spot'])")
    .message("values of plimsoll.dev/capacity-type must be on-demand or spot")
    .field_path(".values"))]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The label: `node.kubernetes.io/instance-type`, `topology.kubernetes.io/zone`, `plimsoll.dev/capacity-type`,
    /// `kubernetes.io/arch`, `kubernetes.io/os`, or one that the provider gives its nodes.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// `In` and `NotIn` compare the label with `values`, `Gt` and `Lt` its number with the one value, `Exists` and
    /// `DoesNotExist` ask only whether it is there. `NotIn` holds where it is not there.
    pub operator: RequirementOperator,
    /// What to compare with. At most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 63)))]
    pub values: Vec<String>,
}

/// How a label of an offering is compared.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequirementOperator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is not there.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
    /// The label is a number greater than the value.
    Gt,
    /// The label is a number less than the value.
    Lt,
}

// The description of the enum is that of a node group's field in the CRD, since that is optional.
/// How a node is paid for, and whether it may be taken away. `on-demand`: ours until we give it back. `spot`: cheaper; the
/// provider may take it away at short notice. A node group for which it is left out has what the labels of its template say
/// (`plimsoll.dev/capacity-type`, or a cloud's own such as `eks.amazonaws.com/capacityType`), else on-demand.
#[derive(
    JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum CapacityType {
    /// Ours until we give it back.
    #[default]
    #[serde(rename = "on-demand")]
    OnDemand,
    /// Cheaper; the provider may take it away at short notice.
    #[serde(rename = "spot")]
    Spot,
}

impl CapacityType {
    /// The value of the label `plimsoll.dev/capacity-type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::Spot => "spot",
        }
    }
}

/// Which offering a plan takes where several would do: the first tie-break of a fixed order, which the docs have.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Expander {
    /// Most pods for least money, zones balanced.
    #[default]
    LeastPrice,
    /// The least cpu and memory left over.
    LeastWaste,
    /// The most pods on one node.
    MostPods,
    /// The lowest price of a node per pod on it, with the cluster-autoscaler's name for it.
    Price,
    /// The pool of the highest weight.
    Priority,
    /// Any, by a fixed shuffle: the same input takes the same one.
    Random,
}

impl Expander {
    /// The name as it is written in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeastPrice => "least-price",
            Self::LeastWaste => "least-waste",
            Self::MostPods => "most-pods",
            Self::Price => "price",
            Self::Priority => "priority",
            Self::Random => "random",
        }
    }
}
