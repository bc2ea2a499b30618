//! How a cloud misbehaves.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use plimsoll_providers::OfferingId;
use tonic::Code;

/// A request of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum Rpc {
    NodeGroups,
    NodeGroupForNode,
    PricingNodePrice,
    PricingPodPrice,
    GpuLabel,
    GetAvailableGpuTypes,
    Cleanup,
    Refresh,
    NodeGroupTargetSize,
    NodeGroupIncreaseSize,
    NodeGroupDeleteNodes,
    NodeGroupDecreaseTargetSize,
    NodeGroupNodes,
    NodeGroupTemplateNodeInfo,
    NodeGroupGetOptions,
}

impl Rpc {
    /// Whether it can change anything.
    pub(crate) const fn changes(self) -> bool {
        matches!(
            self,
            Self::NodeGroupIncreaseSize | Self::NodeGroupDeleteNodes | Self::NodeGroupDecreaseTargetSize
        )
    }
}

/// What happens when there is no capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shortage {
    /// The request is refused, and the size stays.
    #[default]
    Refused,
    /// The request is accepted, and an instance with an error stands in for each node that does not come.
    Placeholders,
    /// The request is accepted, and nothing comes.
    Silent,
}

/// Something untrue in an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// A group's size is below zero.
    NegativeSize(OfferingId),
    /// A group lists an instance that does not exist.
    UnknownInstance(OfferingId),
    /// A group lists each instance twice.
    InstancesTwice(OfferingId),
    /// The second group lists the instances of the first as well.
    ClaimsInstancesOf(OfferingId, OfferingId),
    /// A group is listed twice.
    GroupTwice(OfferingId),
    /// A group's nodes look like nothing.
    Garbage(OfferingId),
    /// A group's price is not a number.
    NoPrice(OfferingId),
    /// A group has an instance in a state that there is not.
    UnknownState(OfferingId),
    /// A group's size is one more each time it is read.
    GrowingSize(OfferingId),
}

/// How a cloud misbehaves. The default: not at all.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Requests that get no answer, and are not carried out.
    pub hangs: BTreeSet<Rpc>,
    /// Requests about one group that get no answer.
    pub hangs_for: BTreeSet<(Rpc, OfferingId)>,
    /// Requests that are carried out, and whose answer is lost.
    pub loses_answer: BTreeSet<Rpc>,
    /// Requests that are carried out and never answered.
    pub never_answers: BTreeSet<Rpc>,
    /// Requests that are refused.
    pub refuses: BTreeMap<Rpc, (Code, String)>,
    /// What happens when there is no capacity.
    pub shortage: Shortage,
    /// By how many nodes more than asked a size grows.
    pub grows_by_more: u32,
    /// How often a size is read before a growth shows in it.
    pub reads_before_growth_shows: u32,
    /// What is deleted is still listed, as going, and lowers the size again if it is deleted again.
    pub deletes_slowly: bool,
    /// By how much longer machines of a group boot.
    pub boots_longer: BTreeMap<OfferingId, Duration>,
    /// A machine that boots is listed under an id that it has no longer once it runs.
    pub renames_when_booted: bool,
    /// Resources that nodes do not have when they join, such as a device whose driver still starts.
    pub come_late: BTreeSet<String>,
    /// Templates come where servers for a cluster-autoscaler before 1.35 have them.
    pub is_old: bool,
    /// What is untrue.
    pub lies: BTreeSet<Lie>,
}

impl Faults {
    /// One request hangs.
    pub fn hanging(rpc: Rpc) -> Self {
        Self { hangs: [rpc].into(), ..Self::default() }
    }

    /// One thing is untrue.
    pub fn lying(lie: Lie) -> Self {
        Self { lies: [lie].into(), ..Self::default() }
    }
}
