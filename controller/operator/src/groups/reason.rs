//! Why a group or one of its services is as it is, as enums whose `Display` is the exact string.

use std::fmt;

/// What of a service a condition tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceCondition {
    /// It runs as it should.
    Ready,
    /// Its size follows its load.
    Scaling,
    /// Its pods are kept from being evicted all at once.
    DisruptionBudget,
}

/// Why a zone can be lost, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LossReason {
    /// The ready pods elsewhere carry the load of each service.
    EnoughLeft,
    /// Those of some service do not.
    TooFewLeft,
    /// Pods that come again would find no node elsewhere.
    NoRoomElsewhere,
    /// Of some service it is not known yet.
    NotKnown,
}

/// Why a service is ready, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceReason {
    /// All replicas that it should have are ready.
    Ready,
    /// Replicas are on their way.
    Progressing,
    /// Its Deployment has given a rolling update up.
    RolloutStuck,
    /// Its PodScaler cannot set the size.
    NotScalable,
    /// The workload that it refers to does not exist.
    WorkloadNotFound,
    /// The workload that it refers to belongs to another group, or to another service.
    WorkloadTaken,
    /// The workload that it refers to selects its pods in a way that a Service cannot.
    UnsupportedSelector,
    /// No container has a port of the name that it refers to.
    PortNotFound,
    /// Something else has the name of what would be kept for it.
    NameTaken,
    /// The API server refuses its Deployment.
    TemplateRefused,
    /// The API server refuses something else that would be kept for it.
    ObjectRefused,
    /// What has the name of its objects could not be read.
    Unread,
}

impl ServiceReason {
    /// Whether somebody has to do something about it.
    pub const fn is_problem(self) -> bool {
        !matches!(self, Self::Ready | Self::Progressing | Self::Unread)
    }

    /// The reason with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.to_string() == name)
    }

    const ALL: [Self; 12] = [
        Self::Ready,
        Self::Progressing,
        Self::RolloutStuck,
        Self::NotScalable,
        Self::WorkloadNotFound,
        Self::WorkloadTaken,
        Self::UnsupportedSelector,
        Self::PortNotFound,
        Self::NameTaken,
        Self::TemplateRefused,
        Self::ObjectRefused,
        Self::Unread,
    ];
}

/// Why a service has a PodDisruptionBudget of ours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BudgetReason {
    /// It has.
    Kept,
    /// Somebody else's selects its pods.
    OtherBudget,
}

/// Why a group is ready, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupReason {
    /// Everything is as it should be.
    Ready,
    /// Replicas are on their way, and nothing else is amiss.
    Progressing,
    /// A service is not as it should be.
    ServicesNotReady,
    /// The front door is not as it should be.
    FrontDoorNotReady,
    /// The object does not decode.
    InvalidSpec,
}

/// What an event tells of, beside the problems of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventReason {
    /// Objects were made.
    Created,
    /// Objects were deleted that nothing needs any more.
    Removed,
    /// A workload was let go of: it is only referred to now.
    Released,
    /// What was amiss with a service is put right.
    ServiceRecovered,
    /// The same with the front door.
    FrontDoorRecovered,
    /// The object does not decode.
    InvalidSpec,
}

macro_rules! display_as_written {
    ($($reason:ty),*) => {$(
        impl fmt::Display for $reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    )*};
}
display_as_written!(ServiceCondition, ServiceReason, LossReason, BudgetReason, GroupReason, EventReason);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_known_by_its_name() {
        assert_eq!(ServiceReason::named("NameTaken"), Some(ServiceReason::NameTaken));
        assert_eq!(ServiceReason::named("Other"), None);
    }
}
