//! What a pod likes: it orders nodes that would do, and never rules one out.

use std::cmp::Reverse;

use super::class::{Class, ClassId};
use super::packing::{NodeIx, Packing};
use super::tables::Facts;
use super::tally::TallyId;
use super::{node_affinity, taints};
use crate::cluster::{Effect, PodShape};

/// How a node is liked, the first that differs deciding; the greatest is liked best. The order is that of the weights that
/// kube-scheduler gives its plugins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Liking {
    /// `PreferNoSchedule` taints that the pod does not tolerate (`tainttoleration`).
    taints: Reverse<usize>,
    /// Weights of the terms that the node matches (`nodeaffinity`).
    node: i64,
    /// Weights of the terms, once for each pod that matches one in the same domain; less where it is to be kept off
    /// (`interpodaffinity`).
    pods: i64,
    /// Pods on the same node that a spread which does not constrain counts (`podtopologyspread`).
    crowd: Reverse<u64>,
}

/// What a class likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taste {
    /// Some nodes more than others, whatever runs there.
    pub(crate) nodes: bool,
    /// Some domains more than others, by what runs there.
    pub(crate) domains: bool,
    /// Some nodes more than others, by what runs there.
    pub(crate) hosts: bool,
}

impl Taste {
    pub(crate) fn is_any(self) -> bool {
        self.nodes || self.domains || self.hosts
    }

    /// Whether a pod more changes what is liked.
    pub(crate) fn changes(self) -> bool {
        self.domains || self.hosts
    }
}

impl Packing {
    pub(crate) fn taste(&self, class: ClassId) -> Taste {
        let of = self.class(class);
        let by_host = |tally: &TallyId| self.is_by_host(*tally);
        let liked = || of.liked.iter().map(|(tally, _)| tally);
        Taste {
            nodes: !of.shape.affinity.preferred_nodes.is_empty() || self.tables.has_soft_taints(),
            domains: liked().any(|tally| !by_host(tally)),
            hosts: liked().any(by_host) || of.soft_spread.iter().any(|spread| by_host(&spread.tally)),
        }
    }

    /// How a class likes a node.
    pub(crate) fn liking(&self, class: ClassId, node: NodeIx) -> Liking {
        let of = self.class(class);
        let fixed = fixed(&of.shape, &self.nodes[node as usize].facts);
        self.liking_of_company(of, node, fixed)
    }

    /// How a class likes a node, `fixed` being known.
    pub(crate) fn liking_of_company(&self, of: &Class, node: NodeIx, fixed: Liking) -> Liking {
        let weigh = |(tally, weight): &(TallyId, i64)| weight * i64::from(self.tallied(*tally, node));
        let by_host = of.soft_spread.iter().filter(|spread| self.is_by_host(spread.tally));
        Liking {
            pods: of.liked.iter().map(weigh).sum(),
            crowd: Reverse(by_host.map(|spread| u64::from(self.tallied(spread.tally, node))).sum()),
            ..fixed
        }
    }
}

/// How nodes are liked for what they are.
pub(crate) fn fixed(shape: &PodShape, facts: &Facts) -> Liking {
    let soft = |taint: &&crate::cluster::Taint| taint.effect == Effect::PreferNoSchedule;
    let disliked = facts.taints.iter().filter(soft);
    let disliked = disliked.filter(|taint| !taints::tolerates(&shape.tolerations, taint));
    let terms = shape.affinity.preferred_nodes.iter();
    let met = terms.filter(|of| node_affinity::term_matches(&of.term, &facts.labels, &facts.name));
    Liking {
        taints: Reverse(disliked.count()),
        node: met.map(|of| i64::from(of.weight)).sum(),
        ..Liking::default()
    }
}
