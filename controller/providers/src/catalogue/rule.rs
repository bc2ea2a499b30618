//! Where a played cloud is short of something or fails.

use serde::{Deserialize, Serialize};

use crate::{CapacityType, Offering, Price};

/// What differs for some offerings. A field that is not said matches or changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Rule {
    /// Only this type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Only this zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Only this capacity type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_type: Option<CapacityType>,
    /// What it costs per hour there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// False: it is shown as not available, and orders are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,
    /// How many nodes there can be before the cloud is out of capacity. Nobody is told before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// Below this nothing is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_nodes: Option<u32>,
    /// Above this nothing is created; everybody is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_nodes: Option<u32>,
    /// How orders fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// How orders fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// There is nothing of it.
    OutOfCapacity,
    /// We may not have it.
    Quota,
    /// The call gets no answer, and nothing is done.
    Hangs,
    /// It is accepted, and no node ever comes.
    NeverRegisters,
}

impl Rule {
    pub(super) fn matches(&self, offering: &Offering) -> bool {
        self.instance_type.as_ref().is_none_or(|name| *name == offering.instance_type)
            && self.zone.as_ref().is_none_or(|zone| Some(zone) == offering.zone.as_ref())
            && self.capacity_type.is_none_or(|capacity_type| capacity_type == offering.capacity_type)
    }
}
