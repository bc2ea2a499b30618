//! Pods that must not be evicted.

use std::collections::BTreeMap;

use super::after::{full_name, is_expendable, needs_a_place};
use super::books::Books;
use super::removals::{is_taken_away, protected};
use super::{Audited, Breach, Invariant};
use crate::cluster::{DisruptionBudget, Name, OwnerKind, Pod, PodState, UnhealthyPods};
use crate::time::Span;

/// No pod of a node that we chose says, or implies, that it stays.
pub(super) fn pods_may_be_evicted(books: &Books, plan: &Audited<'_>) -> Result<(), Breach> {
    for removal in plan.removing.remove.iter().filter(|removal| !is_taken_away(books, removal)) {
        for pod in books.pods_on(&removal.node) {
            if let Some(why) = must_stay(books, plan, pod) {
                let what = format!("{} of {} {why}", full_name(pod), removal.node);
                return Err(Breach::new(Invariant::Evictable, what));
            }
        }
    }
    Ok(())
}

fn must_stay(books: &Books, plan: &Audited<'_>, pod: &Pod) -> Option<&'static str> {
    match pod.state {
        PodState::Terminating { .. } => return None,
        PodState::Bound { .. } => {}
        _ => return Some("was promised room there"),
    }
    let eviction = &pod.eviction;
    if protected(eviction.do_not_disrupt, pod.created, plan.now) {
        return Some("may not be disrupted");
    }
    let goes_with_node = |kind| matches!(kind, OwnerKind::DaemonSet | OwnerKind::Node);
    if pod.owner.as_ref().is_some_and(|owner| goes_with_node(owner.kind)) {
        return None;
    }
    if pod.unplannable.is_some() {
        return Some("cannot be planned for");
    }
    match eviction.safe {
        Some(true) => return None,
        Some(false) => return Some("is not safe to evict"),
        None if is_expendable(books, pod) => return None,
        None => {}
    }
    if pod.owner.is_none() {
        return Some("has no controller");
    }
    let is_young = pod.created + Span::from_secs(3600) > plan.now;
    if &*pod.shape.namespace == "kube-system" && is_young && selecting(books, pod).next().is_none() {
        return Some("is a young pod of the system without a budget");
    }
    let is_lost = |volume: &Name| !eviction.safe_local_volumes.contains(volume);
    eviction.local_volumes.iter().any(is_lost).then_some("would lose local volumes")
}

/// In the order of the plan each node finds, of every budget of its pods, one eviction left; and takes as many as it has
/// pods of it. Nodes that are going already took theirs before.
pub(super) fn budgets_of_pods_are_kept(books: &Books, plan: &Audited<'_>) -> Result<(), Breach> {
    let mut taken: BTreeMap<(&Name, &Name), i64> = BTreeMap::new();
    for node in books.nodes.values().filter(|node| node.is_draining()) {
        // A pod that must stay is not evicted, and takes nothing from others.
        for pod in books.pods_on(&node.name).filter(|pod| is_evicted(books, plan, pod)) {
            if let [budget] = asked(books, pod)[..]
                && costs(budget, pod)
            {
                *taken.entry((&budget.namespace, &budget.name)).or_default() += 1;
            }
        }
    }
    for removal in &plan.removing.remove {
        let mut own: BTreeMap<(&Name, &Name), i64> = BTreeMap::new();
        for pod in books.pods_on(&removal.node).filter(|pod| is_evicted(books, plan, pod)) {
            let surges = pod.owner.as_ref().is_some_and(|owner| removal.surges.contains(&owner.uid));
            let refuse = |why: &str| {
                let what = format!("{} of {} {why}", full_name(pod), removal.node);
                Err(Breach::new(Invariant::PodBudget, what))
            };
            match asked(books, pod)[..] {
                [] => {}
                [budget] if !costs(budget, pod) || surges => {}
                [budget] => {
                    let key = (&budget.namespace, &budget.name);
                    let left = i64::from(budget.allowed) - taken.get(&key).copied().unwrap_or(0);
                    if left <= 0 && !is_taken_away(books, removal) {
                        return refuse(&format!("would break its budget {}", budget.name));
                    }
                    *own.entry(key).or_default() += 1;
                }
                _ if is_taken_away(books, removal) => {}
                _ => return refuse("is under several budgets"),
            }
        }
        for (key, count) in own {
            *taken.entry(key).or_default() += count;
        }
    }
    Ok(())
}

fn is_evicted(books: &Books, plan: &Audited<'_>, pod: &Pod) -> bool {
    let is_bound = matches!(pod.state, PodState::Bound { .. });
    (needs_a_place(books, pod) || (is_expendable(books, pod) && is_bound))
        && must_stay(books, plan, pod).is_none()
}

fn selecting<'b>(books: &'b Books, pod: &'b Pod) -> impl Iterator<Item = &'b DisruptionBudget> {
    let namespace = &pod.shape.namespace;
    let from = (namespace.clone(), Name::from(""));
    let budgets = books.budgets.range(from..).map(|(_, budget)| budget);
    budgets.take_while(move |budget| budget.namespace == *namespace).filter(move |budget| {
        budget.selector.as_ref().is_some_and(|selector| selector.matches(&pod.shape.labels))
    })
}

/// The budgets that the Eviction API asks: none for a pod that has not started.
fn asked<'b>(books: &'b Books, pod: &'b Pod) -> Vec<&'b DisruptionBudget> {
    selecting(books, pod).filter(|_| !pod.eviction.starting).collect()
}

/// Whether the eviction of a pod takes one of its budget.
fn costs(budget: &DisruptionBudget, pod: &Pod) -> bool {
    let is_ready = matches!(pod.state, PodState::Bound { ready: true, .. });
    let rest_is_healthy = budget.desired > 0 && budget.healthy >= budget.desired;
    let free = !is_ready && (budget.unhealthy == UnhealthyPods::AlwaysAllow || rest_is_healthy);
    !free && !budget.disrupted.contains(&pod.name)
}
