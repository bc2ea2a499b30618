//! Why a node stays: one vocabulary for events, conditions and `plimsoll explain`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cluster::Name;
use crate::nodes::breaker::Tripped;
use crate::nodes::budget::BudgetUsed;
use crate::nodes::drainability::{Blocker, NodeBlocker};
use crate::nodes::pdb::Forbidden;
use crate::nodes::words::{moment, percent};
use crate::placement::Refusal;
use crate::time::{Span, Timestamp};

/// Why a node stays: the first that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhyStays {
    /// It may not go, whatever runs on it.
    Node(NodeBlocker),
    /// It is on its way already.
    Going,
    /// What we see may be a partition.
    Breaker(Tripped),
    /// A drain of it was given up lately.
    GivenUp {
        /// When it is tried again.
        until: Timestamp,
        /// Why it was given up.
        why: String,
    },
    /// A pod keeps it.
    Pod {
        /// Namespace and name.
        pod: String,
        /// Why.
        why: Blocker,
    },
    /// A pod may not be evicted.
    Forbidden {
        /// Namespace and name.
        pod: String,
        /// Why.
        why: Forbidden,
    },
    /// A pod has no place elsewhere.
    NoRoom {
        /// Namespace and name.
        pod: String,
        /// Why other nodes refuse it, with how many do.
        refusals: Vec<(Refusal, u32)>,
    },
    /// Where a pod may be depends on pods that would move as well, and no plan was found that is right for all of them.
    Entangled {
        /// Namespace and name.
        pod: String,
    },
    /// Room that is kept free has no place elsewhere.
    KeepsFree {
        /// Whose it is.
        of: Name,
        /// Why other nodes have none, with how many have not.
        refusals: Vec<(Refusal, u32)>,
    },
    /// Its pool lets only empty nodes go.
    OnlyEmpty {
        /// How many pods would have to move.
        pods: u32,
    },
    /// Pods that wait for a node were promised room on it.
    Promised {
        /// How many.
        pods: u32,
    },
    /// Its pods use enough of it.
    Used {
        /// The larger share of cpu and memory that they ask for, in thousandths.
        utilization: i64,
        /// Below which it would be too little.
        below: i64,
    },
    /// Cheaper nodes would do, but save too little.
    SavesTooLittle {
        /// What they save of its price, in thousandths.
        saving: i64,
        /// What they have to.
        at_least: i64,
    },
    /// What is saved is not worth the evictions.
    NotWorthIt {
        /// What is saved per eviction, in millionths of the currency per hour.
        saving: i64,
        /// What it has to be.
        at_least: i64,
    },
    /// It has not been unneeded for long enough.
    Unneeded {
        /// Since when.
        since: Timestamp,
        /// How long it has to be.
        needs: Span,
    },
    /// Its pool has grown lately.
    CoolingDown {
        /// Until when nothing goes.
        until: Timestamp,
    },
    /// Enough nodes of its pool are going.
    Budget(BudgetUsed),
    /// Its zone would have fewer nodes than it has to.
    Minimum {
        /// The zone.
        zone: Name,
        /// How many it has to have.
        min: u32,
    },
}

impl WhyStays {
    /// When it ends by itself.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Node(blocker) => blocker.until(),
            Self::Pod { why, .. } => why.until(),
            Self::GivenUp { until, .. } | Self::CoolingDown { until } => Some(*until),
            Self::Unneeded { since, needs } => Some(*since + *needs),
            _ => None,
        }
    }
}

fn told(refusals: &[(Refusal, u32)]) -> String {
    refusals.iter().map(|(why, nodes)| format!("{nodes} nodes {why}")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for WhyStays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(blocker) => blocker.fmt(f),
            Self::Going => f.write_str("it is being drained"),
            Self::Breaker(tripped) => write!(f, "nothing is removed: {tripped}"),
            Self::GivenUp { until, why } => {
                write!(f, "its drain was given up and is tried again at {}: {why}", moment(*until))
            }
            Self::Pod { pod, why } => write!(f, "pod {pod} {why}"),
            Self::Forbidden { pod, why } => write!(f, "pod {pod} {why}"),
            Self::NoRoom { pod, refusals } if refusals.is_empty() => {
                write!(f, "pod {pod} fits nowhere else: there is no other node")
            }
            Self::NoRoom { pod, refusals } => {
                write!(f, "pod {pod} fits nowhere else: {}", told(refusals))
            }
            Self::Entangled { pod } => write!(
                f,
                "where pod {pod} may be depends on pods that would move as well, and no plan was right for all of them"
            ),
            Self::KeepsFree { of, refusals } if refusals.is_empty() => {
                write!(f, "{of} keeps room free on it, which is not moved")
            }
            Self::KeepsFree { of, refusals } => {
                write!(f, "{of} keeps room free on it, and has none elsewhere: {}", told(refusals))
            }
            Self::OnlyEmpty { pods } => {
                write!(f, "it has {pods} pods to move, and its pool lets only empty nodes go")
            }
            Self::Promised { pods } => write!(f, "{pods} pods that wait for a node have room on it"),
            Self::Used { utilization, below } => write!(
                f,
                "its pods ask for {} % of it, not less than {} %",
                percent(*utilization),
                percent(*below)
            ),
            Self::SavesTooLittle { saving, at_least } => {
                write!(f, "to move its pods saves {} %, less than {} %", percent(*saving), percent(*at_least))
            }
            Self::NotWorthIt { saving, at_least } => {
                write!(f, "removing it saves {saving} millionths per hour and eviction, less than {at_least}")
            }
            Self::Unneeded { since, needs } => {
                write!(f, "it is not needed since {}, and has to be for {needs}", moment(*since))
            }
            Self::CoolingDown { until } => {
                write!(f, "its pool has grown lately, nothing goes until {}", moment(*until))
            }
            Self::Budget(used) => used.fmt(f),
            Self::Minimum { zone, min } => {
                write!(f, "zone {zone} has to keep {min} nodes of its pool")
            }
        }
    }
}
