//! All `PodDisruptionBudgets` in one ledger.
//!
//! The rules are those of the Eviction API (`pkg/registry/core/pod/storage/eviction.go` of Kubernetes): a pod under two
//! budgets cannot be evicted at all; a pod that is not ready is free where the budget says so, or while the rest of its
//! group is healthy; one that has not started is free whatever budgets say; otherwise an eviction costs one of
//! `disruptionsAllowed`.
//!
//! A node may hold more pods of a budget than may go at once: a drain evicts them in rounds. So a node may be chosen as
//! long as one eviction is left, and what it takes is taken from the nodes after it. The budget itself is kept by the
//! Eviction API, and by [`Ledger::evict`] for each round.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cluster::{DisruptionBudget, Name, Pod, PodShape, PodState, UnhealthyPods};

/// Every budget, and what has been claimed of it.
#[derive(Clone, Debug)]
pub struct Ledger<'a> {
    budgets: Vec<(&'a DisruptionBudget, i32)>,
    namespaces: BTreeMap<&'a str, Vec<usize>>,
    /// The budgets of shapes that many pods share, by address. The shape is kept so that its address stays its own.
    known: RefCell<BTreeMap<usize, Known>>,
}

/// A shape, and the places of the budgets that select it.
type Known = (Arc<PodShape>, Arc<[usize]>);

/// Why a pod cannot be evicted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Forbidden {
    /// The Eviction API refuses pods under more than one budget.
    Several(Vec<Name>),
    /// The budget allows no more evictions.
    Exhausted {
        /// The budget.
        budget: Name,
        /// How many it allows in all.
        allowed: i32,
    },
}

/// What evicting a pod costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Nothing.
    Free,
    /// One eviction of this budget, by its place in the ledger.
    One(usize),
}

impl<'a> Ledger<'a> {
    /// A ledger in which nothing is claimed. The order of budgets does not matter.
    pub fn new(budgets: impl IntoIterator<Item = &'a DisruptionBudget>) -> Self {
        let mut budgets: Vec<_> = budgets.into_iter().map(|budget| (budget, budget.allowed.max(0))).collect();
        budgets.sort_by(|(one, _), (other, _)| {
            (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name))
        });
        let mut namespaces: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, (budget, _)) in budgets.iter().enumerate() {
            namespaces.entry(&budget.namespace).or_default().push(place);
        }
        Self { budgets, namespaces, known: RefCell::default() }
    }

    /// The budgets that select a pod, by their places.
    fn of(&self, pod: &Pod) -> Arc<[usize]> {
        let address = Arc::as_ptr(&pod.shape).addr();
        if let Some((_, places)) = self.known.borrow().get(&address) {
            return Arc::clone(places);
        }
        let namespace = self.namespaces.get(&*pod.shape.namespace).map_or(&[][..], Vec::as_slice);
        let selects = |place: &&usize| {
            let selector = self.budgets[**place].0.selector.as_ref();
            selector.is_some_and(|selector| selector.matches(&pod.shape.labels))
        };
        let places: Arc<[usize]> = namespace.iter().filter(selects).copied().collect();
        if Arc::strong_count(&pod.shape) > 1 {
            let known = (Arc::clone(&pod.shape), Arc::clone(&places));
            self.known.borrow_mut().insert(address, known);
        }
        places
    }

    /// Whether any budget selects the pod.
    pub fn covers(&self, pod: &Pod) -> bool {
        !self.of(pod).is_empty()
    }

    /// What the eviction of a pod costs, whether or not it can be paid.
    pub(crate) fn cost(&self, pod: &Pod) -> Result<Cost, Forbidden> {
        let ready = match &pod.state {
            PodState::Bound { ready, .. } => *ready,
            // The Eviction API deletes these without looking at budgets.
            PodState::Terminating { .. }
            | PodState::Pending
            | PodState::Unschedulable { .. }
            | PodState::Nominated { .. } => {
                return Ok(Cost::Free);
            }
        };
        if pod.eviction.starting {
            return Ok(Cost::Free);
        }
        let places = self.of(pod);
        let place = match places[..] {
            [] => return Ok(Cost::Free),
            [place] => place,
            _ => {
                let names = places.iter().map(|place| self.budgets[*place].0.name.clone());
                return Err(Forbidden::Several(names.collect()));
            }
        };
        let budget = self.budgets[place].0;
        let unhealthy_is_free = budget.unhealthy == UnhealthyPods::AlwaysAllow
            || (budget.healthy >= budget.desired && budget.desired > 0);
        // One that is in `disrupted` was paid for when its eviction was allowed.
        if (!ready && unhealthy_is_free) || budget.disrupted.contains(&pod.name) {
            return Ok(Cost::Free);
        }
        Ok(Cost::One(place))
    }

    /// Whether a pod can be evicted now, or when its turn in a drain comes.
    pub fn check(&self, pod: &Pod) -> Result<(), Forbidden> {
        match self.cost(pod)? {
            Cost::Free => Ok(()),
            Cost::One(place) => self.has_left(place),
        }
    }

    /// Claims all pods of a node, or none and says which stands in the way. Each budget has to have one eviction left,
    /// and loses as many as the node has pods, down to none.
    pub fn claim<'p>(&mut self, pods: impl IntoIterator<Item = &'p Pod>) -> Result<(), (&'p Pod, Forbidden)> {
        let mut counts: BTreeMap<usize, i32> = BTreeMap::new();
        for pod in pods {
            match self.cost(pod).and_then(|cost| match cost {
                Cost::Free => Ok(None),
                Cost::One(place) => self.has_left(place).map(|()| Some(place)),
            }) {
                Ok(None) => {}
                Ok(Some(place)) => *counts.entry(place).or_default() += 1,
                Err(forbidden) => return Err((pod, forbidden)),
            }
        }
        for (place, count) in counts {
            self.budgets[place].1 = self.budgets[place].1.saturating_sub(count).max(0);
        }
        Ok(())
    }

    /// Evicts one pod: takes one of its budget, or says why not.
    pub fn evict(&mut self, pod: &Pod) -> Result<(), Forbidden> {
        if let Cost::One(place) = self.cost(pod)? {
            self.has_left(place)?;
            self.budgets[place].1 -= 1;
        }
        Ok(())
    }

    /// Takes what pods of a node that is already going will need, as far as there is any.
    pub(crate) fn reserve<'p>(&mut self, pods: impl IntoIterator<Item = &'p Pod>) {
        for pod in pods {
            if let Ok(Cost::One(place)) = self.cost(pod) {
                self.budgets[place].1 = (self.budgets[place].1 - 1).max(0);
            }
        }
    }

    fn has_left(&self, place: usize) -> Result<(), Forbidden> {
        let (budget, left) = self.budgets[place];
        if left > 0 {
            return Ok(());
        }
        Err(Forbidden::Exhausted { budget: budget.name.clone(), allowed: budget.allowed })
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Several(budgets) => write!(
                f,
                "is under {} PodDisruptionBudgets ({}), and the Eviction API refuses such pods",
                budgets.len(),
                budgets.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
            ),
            Self::Exhausted { budget, allowed } if *allowed <= 0 => {
                write!(f, "may not be evicted: PodDisruptionBudget {budget} allows no disruption")
            }
            Self::Exhausted { budget, allowed } => write!(
                f,
                "has to wait: all {allowed} disruptions that PodDisruptionBudget {budget} allows are taken by other nodes"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cluster::Selector;
    use crate::nodes::fixtures::{labelled, pod};

    fn budget(name: &str, allowed: i32) -> DisruptionBudget {
        DisruptionBudget {
            namespace: "shop".into(),
            name: name.into(),
            selector: Some(Selector::default()),
            allowed,
            healthy: 1,
            desired: 2,
            unhealthy: UnhealthyPods::IfHealthyBudget,
            disrupted: BTreeSet::new(),
        }
    }

    fn unready(name: &str) -> Pod {
        Pod { state: PodState::Bound { node: "n".into(), ready: false }, ..pod(name, "n") }
    }

    #[test]
    fn a_pod_under_two_budgets_cannot_be_evicted() {
        let budgets = [budget("b", 5), budget("a", 5)];
        let refused = Ledger::new(&budgets).check(&pod("web", "n")).expect_err("is refused");
        assert_eq!(refused, Forbidden::Several(vec!["a".into(), "b".into()]));
        assert_eq!(
            refused.to_string(),
            "is under 2 PodDisruptionBudgets (a, b), and the Eviction API refuses such pods"
        );
        let blind = [budget("a", 5), DisruptionBudget { selector: None, ..budget("b", 0) }];
        assert_eq!(Ledger::new(&blind).check(&pod("web", "n")), Ok(()));
        let elsewhere = [budget("a", 5), DisruptionBudget { namespace: "other".into(), ..budget("b", 0) }];
        assert_eq!(Ledger::new(&elsewhere).check(&pod("web", "n")), Ok(()));
    }

    #[test]
    fn pods_that_are_not_ready_are_free_where_the_eviction_api_says_so() {
        for (unhealthy, healthy, desired, free) in [
            (UnhealthyPods::IfHealthyBudget, 1, 2, false),
            (UnhealthyPods::IfHealthyBudget, 2, 2, true),
            (UnhealthyPods::IfHealthyBudget, 0, 0, false),
            (UnhealthyPods::AlwaysAllow, 0, 2, true),
        ] {
            let budgets = [DisruptionBudget { healthy, desired, unhealthy, ..budget("a", 0) }];
            let ledger = Ledger::new(&budgets);
            assert_eq!(ledger.check(&unready("web")).is_ok(), free, "{unhealthy:?} {healthy} of {desired}");
            assert!(ledger.check(&pod("web", "n")).is_err(), "a ready pod is never free");
        }
    }

    #[test]
    fn a_pod_that_has_not_started_is_free_under_any_budgets() {
        let mut starting = unready("web");
        starting.eviction.starting = true;
        let budgets = [budget("a", 0), budget("b", 0)];
        assert_eq!(Ledger::new(&budgets[..1]).check(&starting), Ok(()));
        assert_eq!(Ledger::new(&budgets).check(&starting), Ok(()));
    }

    #[test]
    fn what_was_allowed_already_costs_nothing() {
        let budgets = [DisruptionBudget { disrupted: BTreeSet::from(["web".into()]), ..budget("a", 0) }];
        assert_eq!(Ledger::new(&budgets).check(&pod("web", "n")), Ok(()));
    }

    #[test]
    fn claims_of_one_node_bind_the_next() {
        let budgets = [budget("a", 2)];
        let mut ledger = Ledger::new(&budgets);
        let (one, many) = ([pod("web-0", "n")], [pod("web-1", "m"), pod("web-2", "m"), pod("web-3", "m")]);
        assert!(ledger.claim(&one).is_ok());
        assert!(ledger.claim(&many).is_ok(), "one is left: the others go in rounds");
        let (pod, why) = ledger.claim(&one).expect_err("is used up");
        assert_eq!(
            (&*pod.name, why.to_string().as_str()),
            (
                "web-0",
                "has to wait: all 2 disruptions that PodDisruptionBudget a allows are taken by other nodes"
            )
        );
    }

    #[test]
    fn a_claim_that_fails_takes_nothing() {
        let mut budgets = [budget("a", 1), budget("b", 0)];
        budgets[0].selector = Some(labelled("app", "web"));
        budgets[1].selector = Some(labelled("app", "db"));
        let of = |name: &str, app: &str| {
            let mut pod = pod(name, "n");
            let shape = std::sync::Arc::make_mut(&mut pod.shape);
            shape.labels.insert("app".into(), app.into());
            pod
        };
        let mut ledger = Ledger::new(&budgets);
        assert!(ledger.claim(&[of("web-0", "web"), of("db-0", "db")]).is_err());
        assert!(ledger.claim(&[of("web-0", "web")]).is_ok());
    }

    #[test]
    fn single_evictions_stop_where_nothing_is_left() {
        let budgets = [budget("a", 1)];
        let mut ledger = Ledger::new(&budgets);
        assert!(ledger.evict(&pod("web-0", "n")).is_ok());
        assert!(ledger.evict(&pod("web-1", "n")).is_err());
    }

    #[test]
    fn a_pod_is_covered_by_budgets_that_select_it() {
        let web = pod("web", "n");
        for (budget, covers) in [
            (budget("a", 0), true),
            (DisruptionBudget { selector: None, ..budget("a", 1) }, false),
            (DisruptionBudget { selector: Some(labelled("app", "db")), ..budget("a", 1) }, false),
            (DisruptionBudget { namespace: "other".into(), ..budget("a", 1) }, false),
        ] {
            assert_eq!(Ledger::new([&budget]).covers(&web), covers, "{budget:?}");
        }
    }
}
