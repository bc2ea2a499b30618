//! What was ordered, between the kinds that users read and the core.

use plimsoll_api::v1alpha1 as api;
use plimsoll_core::cluster::{CapacityType, OfferingKey};

/// An offering by what a manifest says of it.
pub(super) fn offering_key(instance_type: &str, zone: &str, capacity_type: api::CapacityType) -> OfferingKey {
    OfferingKey {
        instance_type: instance_type.into(),
        zone: zone.into(),
        capacity_type: match capacity_type {
            api::CapacityType::OnDemand => CapacityType::OnDemand,
            api::CapacityType::Spot => CapacityType::Spot,
        },
    }
}

/// A capacity type as a manifest says it.
pub(super) fn capacity_type(capacity_type: CapacityType) -> api::CapacityType {
    match capacity_type {
        CapacityType::OnDemand => api::CapacityType::OnDemand,
        CapacityType::Spot => api::CapacityType::Spot,
    }
}
