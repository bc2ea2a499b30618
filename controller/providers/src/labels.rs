//! Names of labels and annotations.

use std::collections::BTreeMap;

use crate::CapacityType;

/// The order a node came from: our mark. Nothing without it is deleted.
pub const NODE_ORDER: &str = "plimsoll.dev/node-order";
/// The provider a node came from, by its name in the configuration.
pub const PROVIDER: &str = "plimsoll.dev/provider";
/// The offering a node is one of.
pub const OFFERING: &str = "plimsoll.dev/offering";
/// Whether the provider may take a node back: `on-demand` or `spot`.
pub const CAPACITY_TYPE: &str = "plimsoll.dev/capacity-type";

pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";
pub(crate) const ARCHITECTURE: &str = "kubernetes.io/arch";
pub(crate) const OPERATING_SYSTEM: &str = "kubernetes.io/os";
pub(crate) const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";
pub(crate) const REGION: &str = "topology.kubernetes.io/region";

/// How others write that a node may be taken back.
const SPOT: [(&str, &str); 6] = [
    (CAPACITY_TYPE, "spot"),
    ("karpenter.sh/capacity-type", "spot"),
    ("eks.amazonaws.com/capacityType", "SPOT"),
    ("cloud.google.com/gke-spot", "true"),
    ("kubernetes.azure.com/scalesetpriority", "spot"),
    ("node.kubernetes.io/lifecycle", "spot"),
];

/// The capacity type that labels speak of; on demand if they say nothing.
pub fn capacity_type(labels: &BTreeMap<String, String>) -> CapacityType {
    let spot = SPOT.iter().any(|(key, value)| labels.get(*key).is_some_and(|found| found == value));
    if spot { CapacityType::Spot } else { CapacityType::OnDemand }
}

/// Whether `text` may be the value of a label.
pub(crate) fn is_label_value(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_none_or(alphanumeric)
        && bytes.last().is_none_or(alphanumeric)
        && bytes.iter().all(|byte| alphanumeric(byte) || b"-_.".contains(byte))
}
