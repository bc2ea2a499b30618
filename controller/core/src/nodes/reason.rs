//! Why nodes are not ordered: one vocabulary for events, conditions and `plimsoll explain`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::{moment, quantity};
use crate::cluster::{Name, OfferingKey, Unplannable};
use crate::placement::Refusal;
use crate::time::Timestamp;

/// An offering that was not considered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassedOver {
    /// Its pool.
    pub pool: Name,
    /// The offering.
    pub offering: OfferingKey,
    /// Why.
    pub why: WhyPassedOver,
}

/// Why an offering was not considered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WhyPassedOver {
    /// It failed lately.
    AvoidedUntil(Timestamp),
    /// The provider has no more of it.
    NoneLeft,
    /// Its price is below zero.
    NoPrice,
    /// Daemons leave no room on it.
    DaemonsFillIt,
    /// The pod is less important than its pool takes.
    BelowCutOff {
        /// The pod's priority.
        priority: i32,
        /// The pool's cut-off.
        cut_off: i32,
    },
}

/// A cause for which pods get no place, and how often it was met.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyRefused {
    /// The cause.
    pub cause: Cause,
    /// How many nodes or offerings it holds for; 0 where it holds for the pod itself.
    pub count: u32,
}

/// Why pods get no place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cause {
    /// We do not plan for it.
    LeftAlone(Unplannable),
    /// Nodes that are there or ordered refuse it.
    Nodes(Refusal),
    /// Offerings of a pool refuse it, when new and empty.
    Offerings(Name, Refusal),
    /// A limit of a pool.
    Limit(Name, Limit),
    /// Offerings of a pool that would do were passed over.
    PassedOver(Name, WhyPassedOver),
    /// There is no pool that offers anything.
    NoPool,
}

impl Cause {
    /// The cause without what changes while it is the same to people: until when offerings are avoided, and which of the
    /// claims of a workload has no volume. None where it changes with every node.
    #[must_use]
    pub fn lasting(&self) -> Option<Self> {
        match self {
            Self::Nodes(_) => None,
            Self::PassedOver(pool, WhyPassedOver::AvoidedUntil(_)) => {
                Some(Self::PassedOver(pool.clone(), WhyPassedOver::AvoidedUntil(Timestamp::default())))
            }
            Self::LeftAlone(Unplannable::Claim(_)) => Some(Self::LeftAlone(Unplannable::Claim("".into()))),
            cause => Some(cause.clone()),
        }
    }
}

/// A limit that is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Limit {
    /// Nodes of the pool.
    Nodes(u32),
    /// Nodes of the pool in a zone.
    NodesInZone(Name, u32),
    /// Allocatable resources of the pool.
    Resource(Name, i64),
    /// Allocatable resources of the pool in a zone.
    ResourceInZone(Name, Name, i64),
    /// Nodes of the cluster.
    TotalNodes(u32),
}

impl fmt::Display for WhyPassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AvoidedUntil(until) => write!(f, "avoided until {} after an error", moment(*until)),
            Self::NoneLeft => f.write_str("the provider has no more of it"),
            Self::NoPrice => f.write_str("its price is below zero"),
            Self::DaemonsFillIt => f.write_str("daemons leave no room on it"),
            Self::BelowCutOff { priority, cut_off } => {
                write!(f, "the pod's priority {priority} is below its priorityCutoff {cut_off}")
            }
        }
    }
}

impl Limit {
    /// The zone that it is a limit of, where it is one of a single zone.
    pub fn zone(&self) -> Option<&Name> {
        match self {
            Self::NodesInZone(zone, _) | Self::ResourceInZone(zone, ..) => Some(zone),
            Self::Nodes(_) | Self::Resource(..) | Self::TotalNodes(_) => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes(limit) => write!(f, "at its limit of {limit} nodes"),
            Self::NodesInZone(zone, limit) => write!(f, "at its limit of {limit} nodes in {zone}"),
            Self::Resource(resource, limit) => {
                write!(f, "at its limit of {} {resource}", quantity(resource, *limit))
            }
            Self::ResourceInZone(zone, resource, limit) => {
                write!(f, "at its limit of {} {resource} in {zone}", quantity(resource, *limit))
            }
            Self::TotalNodes(limit) => write!(f, "the cluster is at its limit of {limit} nodes"),
        }
    }
}

impl fmt::Display for WhyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::LeftAlone(why) => write!(f, "left alone: {why}"),
            Cause::Nodes(refusal) => write!(f, "{} nodes {refusal}", self.count),
            Cause::Offerings(pool, refusal) => write!(f, "pool {pool}: {} offerings {refusal}", self.count),
            Cause::Limit(pool, limit) => write!(f, "pool {pool}: {limit}"),
            Cause::PassedOver(pool, why) => {
                write!(f, "pool {pool}: {} offerings passed over: {why}", self.count)
            }
            Cause::NoPool => f.write_str("there is no pool to order nodes from"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_lasts_whatever_moment_claim_and_nodes_it_names() {
        let avoided = |minute: i64| {
            let until = Timestamp::from_secs(minute * 60);
            Cause::PassedOver("general".into(), WhyPassedOver::AvoidedUntil(until)).lasting()
        };
        assert_eq!(avoided(1), avoided(2));
        let claim = |name: &str| Cause::LeftAlone(Unplannable::Claim(name.into())).lasting();
        assert_eq!(claim("data-web-0"), claim("data-web-1"));
        assert_eq!(Cause::Nodes(Refusal::NodeAffinity).lasting(), None);
        let affinity = Cause::Offerings("general".into(), Refusal::NodeAffinity);
        let kept = [affinity, Cause::NoPool, Cause::LeftAlone(Unplannable::Gang)];
        assert_eq!(kept.each_ref().map(Cause::lasting), kept.map(Some));
    }

    #[test]
    fn a_limit_of_one_zone_names_it() {
        let zone = Name::from("a");
        for (limit, of) in [
            (Limit::NodesInZone(zone.clone(), 1), Some(&zone)),
            (Limit::ResourceInZone(zone.clone(), "cpu".into(), 1), Some(&zone)),
            (Limit::Nodes(1), None),
            (Limit::Resource("cpu".into(), 1), None),
            (Limit::TotalNodes(1), None),
        ] {
            assert_eq!(limit.zone(), of, "{limit}");
        }
    }
}
