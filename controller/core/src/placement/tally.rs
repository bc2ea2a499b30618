//! Pods counted per domain: what spread and affinities between pods are judged by.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Labels, Name, NodeTerm, PodShape, PodTerm, Selector, Toleration};

/// The number of a label of nodes whose values are domains.
pub(crate) type KeyId = u32;
/// The number of a domain under its key.
pub(crate) type DomainId = u32;
/// The number of a tally.
pub(crate) type TallyId = u32;

/// The node lacks the label.
pub(crate) const NO_DOMAIN: DomainId = u32::MAX;
/// A domain in which nothing is counted: that of a stand-in for nodes that do not exist yet.
pub(crate) const UNCOUNTED: DomainId = u32::MAX - 1;

/// Which pods a term of an affinity is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PodMatch {
    selector: Option<Selector>,
    namespaces: BTreeSet<Name>,
    namespace_selector: Option<Selector>,
}

impl PodMatch {
    pub(crate) fn of(term: &PodTerm) -> Self {
        Self {
            selector: term.selector.clone(),
            namespaces: term.namespaces.clone(),
            namespace_selector: term.namespace_selector.clone(),
        }
    }

    /// Whether it looks at the labels of namespaces.
    pub(crate) fn reads_namespaces(&self) -> bool {
        self.namespace_selector.is_some()
    }

    /// Whether it is about pods of this shape.
    pub(crate) fn matches(&self, shape: &PodShape, namespaces: &BTreeMap<Name, Labels>) -> bool {
        let by_labels = |selector: &Selector| {
            namespaces
                .get(&shape.namespace)
                .map_or_else(|| selector.matches(&Labels::new()), |labels| selector.matches(labels))
        };
        (self.namespaces.contains(&shape.namespace)
            || self.namespace_selector.as_ref().is_some_and(by_labels))
            && self.selector.as_ref().is_some_and(|selector| selector.matches(&shape.labels))
    }
}

/// The nodes on which a spread constraint counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    /// They have all these labels.
    pub(crate) keys: BTreeSet<KeyId>,
    /// They match this node selector and affinity, where those are honoured.
    pub(crate) affinity: Option<(Labels, Option<Vec<NodeTerm>>)>,
    /// They have no taint that these do not tolerate, where taints are honoured.
    pub(crate) tolerations: Option<Vec<Toleration>>,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TallyDef {
    /// Pods that match all the terms.
    Matching { terms: Vec<PodMatch>, key: KeyId },
    /// Pods with this term in their anti-affinity.
    Holding { term: PodMatch, key: KeyId },
    /// Pods that a spread constraint counts.
    Spread { namespace: Name, selector: Option<Selector>, key: KeyId, scope: Scope },
}

impl TallyDef {
    /// The label whose values are the domains.
    pub(crate) fn key(&self) -> KeyId {
        match self {
            Self::Matching { key, .. } | Self::Holding { key, .. } | Self::Spread { key, .. } => *key,
        }
    }

    /// Whether pods of this shape are counted for what they are. What holds a term is counted by whoever has it.
    pub(crate) fn counts(
        &self,
        shape: &PodShape,
        leaving: bool,
        namespaces: &BTreeMap<Name, Labels>,
    ) -> bool {
        match self {
            Self::Matching { terms, .. } => terms.iter().all(|term| term.matches(shape, namespaces)),
            Self::Holding { .. } => false,
            // The scheduler counts no pods for a selector without requirements, nor those that are being deleted.
            Self::Spread { namespace, selector, .. } => {
                let selects = |selector: &Selector| !selector.0.is_empty() && selector.matches(&shape.labels);
                !leaving && shape.namespace == *namespace && selector.as_ref().is_some_and(selects)
            }
        }
    }
}

/// Counts per domain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    counts: Vec<u32>,
    total: u64,
    /// How many domains have any.
    occupied: u32,
    /// Of a spread constraint: nodes in scope, by domain.
    nodes: Vec<u32>,
    /// Of a spread constraint: how many domains with a node in scope have a count.
    domains_by_count: BTreeMap<u32, u32>,
    /// Of a spread constraint: how many domains have a node in scope.
    domains: u32,
}

impl Tally {
    /// How many are counted in a domain.
    pub(crate) fn count(&self, domain: DomainId) -> u32 {
        self.counts.get(domain as usize).copied().unwrap_or(0)
    }

    /// How many are counted in all domains.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// In how many domains any are counted.
    pub(crate) fn occupied(&self) -> u32 {
        self.occupied
    }

    /// The least count of a domain with nodes in scope; 0 with fewer such domains than `min_domains`.
    pub(crate) fn least(&self, min_domains: i32) -> u32 {
        if i64::from(self.domains) < i64::from(min_domains.max(1)) {
            return 0;
        }
        self.domains_by_count.keys().next().copied().unwrap_or(0)
    }

    /// Counts `pods` more in a domain, fewer where it is negative.
    pub(crate) fn add(&mut self, domain: DomainId, pods: i64) {
        if domain >= UNCOUNTED {
            return;
        }
        let index = domain as usize;
        if self.counts.len() <= index {
            self.counts.resize(index + 1, 0);
        }
        let before = self.counts[index];
        let after = u32::try_from((i64::from(before) + pods).max(0)).unwrap_or(u32::MAX);
        self.counts[index] = after;
        self.occupied =
            self.occupied + u32::from(before == 0 && after > 0) - u32::from(before > 0 && after == 0);
        self.total = self.total.saturating_add_signed(pods);
        if self.nodes.get(index).is_some_and(|nodes| *nodes > 0) {
            self.move_domain(Some(before), Some(after));
        }
    }

    /// A node in scope has come.
    pub(crate) fn node_came(&mut self, domain: DomainId) {
        if domain >= UNCOUNTED {
            return;
        }
        let index = domain as usize;
        if self.nodes.len() <= index {
            self.nodes.resize(index + 1, 0);
        }
        self.nodes[index] += 1;
        if self.nodes[index] == 1 {
            self.domains += 1;
            self.move_domain(None, Some(self.count(domain)));
        }
    }

    /// A node in scope has gone.
    pub(crate) fn node_went(&mut self, domain: DomainId) {
        if let Some(nodes) = self.nodes.get_mut(domain as usize)
            && *nodes > 0
        {
            *nodes -= 1;
            if *nodes == 0 {
                self.domains -= 1;
                self.move_domain(Some(self.count(domain)), None);
            }
        }
    }

    fn move_domain(&mut self, from: Option<u32>, to: Option<u32>) {
        if let Some(from) = from
            && let Some(domains) = self.domains_by_count.get_mut(&from)
        {
            *domains -= 1;
            if *domains == 0 {
                self.domains_by_count.remove(&from);
            }
        }
        if let Some(to) = to {
            *self.domains_by_count.entry(to).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_domains_with_a_node_in_scope_have_a_least_count() {
        let mut tally = Tally::default();
        assert_eq!(tally.least(1), 0);
        tally.add(0, 5);
        tally.add(1, 1);
        tally.node_came(0);
        assert_eq!(tally.least(1), 5, "domain 1 has no node in scope");
        tally.node_came(1);
        assert_eq!(tally.least(1), 1);
        tally.add(1, 9);
        assert_eq!((tally.least(1), tally.least(3), tally.total()), (5, 0, 15));
        tally.add(2, 1);
        assert_eq!(tally.occupied(), 3);
        tally.add(2, -1);
        assert_eq!(tally.occupied(), 2);
        tally.add(3, 0);
        assert_eq!(tally.occupied(), 2, "none has come");
        tally.node_went(0);
        assert_eq!((tally.least(1), tally.least(2)), (10, 0));
        tally.add(0, -4);
        tally.node_went(0);
        assert_eq!((tally.least(1), tally.count(0)), (10, 1), "domain 0 has no node in scope any more");
    }
}
