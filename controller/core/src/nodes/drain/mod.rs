//! One node is emptied and given back, step by step.
//!
//! [`step`] looks at what is there and says what to do next; whoever calls it stores the [`Drain`] first, acts, and calls
//! again when something has changed. All that it remembers is in the [`Drain`], and every action may be repeated, so a
//! crash between any two of them loses nothing.
//!
//! 1. The node is tainted, so that nobody moves in.
//! 2. Nodes that were ordered for its pods are waited for.
//! 3. Pods are evicted, the least important first; the more important follow when those are gone. Each eviction is one
//!    that the pod's budget allows now.
//! 4. A pod whose budget allows none, or which is the only one of its Deployment, is made one more elsewhere first where
//!    that is allowed ([`surge`]): one replica more, available, then one less, and the one on the node is preferred to go.
//! 5. When nothing is left, and the scheduler has had time to see the taint, the node is given back. Whoever calls [`step`]
//!    makes sure before that what is seen of its pods is not old, unless the node goes in any case.
//!
//! A drain that takes too long, whose reason is gone, or whose node nobody would take, is undone: the taint goes, replicas
//! too, and the node stays. One of a node that its provider takes away is not given up as long as the node is ours and the
//! provider means it; pods that may not be evicted are left to their end there. Whoever takes the taint away ends any drain
//! but one of a node that goes in any case.

mod act;
mod surge;
mod unreturnable;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::breaker::Tripped;
use super::drainability::{Question, Verdict, of_pod};
use super::pdb::Ledger;
use super::words::full_name;
use crate::cluster::{self, Name, Node, Pod, PodState, Workload};
use crate::time::{Span, Timestamp};

pub use act::{Action, GivenUp, WaitsFor};
pub use surge::Surge;
pub use unreturnable::Unreturnable;

/// From the taint to the return of the node at least this passes: a pod that the scheduler was about to bind is seen.
const SETTLES_IN: Span = Span::from_secs(5);

/// The provider is asked again after this, as long as the node is there: an answer may be lost, and so may we between two
/// steps.
const ASKED_AGAIN: Span = Span::from_secs(30);

/// A notice that is gone for this long was taken back. That it is gone is no proof before: a provider that cannot be asked
/// says nothing, and is asked once a minute.
const RECALLED_AFTER: Span = Span::from_secs(120);

/// A drain, as it is kept with the order of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// When it began.
    pub started: Timestamp,
    /// Whether the provider takes the node away anyway; also where it has said so after the drain began.
    pub interrupted: bool,
    /// Since when it does not say so any more, as long as it was not asked to take the node back.
    #[serde(default)]
    pub recalled: Option<Timestamp>,
    /// Names of orders whose nodes have to be ready first.
    #[serde(default)]
    pub needs: BTreeSet<Name>,
    /// Whether the taint has been seen on the node.
    #[serde(default)]
    pub tainted: bool,
    /// Deployments that have one replica more for it, by the uid of the pods' owner.
    #[serde(default)]
    pub surges: BTreeMap<Name, Surge>,
    /// When the provider was asked to take the node back.
    #[serde(default)]
    pub deleted: Option<Timestamp>,
}

/// What there is at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The node; None when it is gone.
    pub node: Option<&'a Node>,
    /// The pods on it, in the order of their uids.
    pub pods: &'a [&'a Pod],
    /// What pods belong to, by the uid of their owner.
    pub workloads: &'a BTreeMap<Name, Workload>,
    /// Orders whose nodes are not all ready.
    pub coming: &'a BTreeSet<Name>,
    /// Orders that failed, or are gone without their nodes being there.
    pub failed: &'a BTreeSet<Name>,
    /// Namespaces and names of the Deployments that have one replica more for other drains.
    pub surging: &'a BTreeSet<(Name, Name)>,
    /// Why nothing may be removed.
    pub held: Option<&'a Tripped>,
    /// Why nobody can be asked to take the node back.
    pub unreturnable: Option<&'a Unreturnable>,
    /// How the pool wants its nodes emptied.
    pub settings: &'a cluster::Drain,
    /// The cut-off of priorities of the pool.
    pub cut_off: Option<i32>,
    /// The moment.
    pub now: Timestamp,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// To be stored before anything is done; None when the drain is over.
    pub drain: Option<Drain>,
    /// To be done, in this order.
    pub actions: Vec<Action>,
    /// What the drain waits for.
    pub waits: Option<WaitsFor>,
    /// When to look again even if nothing has changed.
    pub next_look: Option<Timestamp>,
}

impl Drain {
    /// A drain that begins now.
    pub fn new(now: Timestamp, interrupted: bool, needs: BTreeSet<Name>) -> Self {
        Self {
            started: now,
            interrupted,
            recalled: None,
            needs,
            tainted: false,
            surges: BTreeMap::new(),
            deleted: None,
        }
    }
}

/// What to do next with a node. `ledger` is shared by all drains of the moment: what one of them evicts is taken from the
/// others. The same arguments give the same answer.
pub fn step(drain: &Drain, seen: &Seen<'_>, ledger: &mut Ledger<'_>) -> Step {
    let drain = &with_notice(drain, seen);
    let mut step = Step { drain: Some(drain.clone()), actions: Vec::new(), waits: None, next_look: None };
    let Some(node) = seen.node else {
        step.actions = surge::give_all_back(drain, seen);
        step.actions.push(Action::Done);
        step.drain = None;
        return step;
    };
    if let Some(why) = given_up(drain, seen, node, ledger) {
        step.actions = surge::give_all_back(drain, seen);
        step.actions.extend(surge::unmark(drain, seen));
        step.actions.push(Action::Untaint(why));
        step.drain = None;
        return step;
    }
    if !node.is_draining() {
        // What the provider has just been asked for may be gone in a moment; what it refused is kept then.
        if let Some(asked) = drain.deleted.filter(|_| is_vetoed(drain, node)) {
            step.waits = Some(WaitsFor::Provider);
            step.next_look = Some(asked + ASKED_AGAIN);
        } else {
            step.actions.push(Action::Taint);
        }
        return step;
    }
    let state = step.drain.get_or_insert_with(|| drain.clone());
    state.tainted = true;
    let ends = drain.started + seen.settings.time_out;
    let ends = (!drain.interrupted && ends > seen.now).then_some(ends);
    step.next_look = ends.or_else(|| drain.recalled.map(|since| since + RECALLED_AFTER));
    if let Some(tripped) = seen.held.filter(|_| !drain.interrupted) {
        step.waits = Some(WaitsFor::Breaker(tripped.clone()));
        return step;
    }
    let coming: Vec<Name> = drain.needs.intersection(seen.coming).cloned().collect();
    // A node that is taken away cannot wait for others.
    if !coming.is_empty() && !drain.interrupted {
        step.waits = Some(WaitsFor::Orders(coming));
        return step;
    }
    empty(state, seen, ledger, &mut step.actions, &mut step.waits);
    if step.actions.is_empty() && step.waits.is_none() {
        give_back(state, seen, &mut step.actions, &mut step.waits, &mut step.next_look);
    }
    step
}

/// The drain, with what the provider says of its node now. What lies in the future, as after a clock that was set back, is of
/// now.
fn with_notice(drain: &Drain, seen: &Seen<'_>) -> Drain {
    let until_now = |at: Timestamp| at.min(seen.now);
    // A node that is emptied for another reason may be taken away meanwhile.
    let is_said = seen.node.is_some_and(|node| node.interrupted);
    let is_recalled = drain.interrupted && !is_said && drain.deleted.is_none();
    Drain {
        started: until_now(drain.started),
        interrupted: drain.interrupted || is_said,
        recalled: is_recalled.then(|| drain.recalled.map_or(seen.now, until_now)),
        deleted: drain.deleted.map(until_now),
        ..drain.clone()
    }
}

/// Whether somebody took the taint away from a node that need not go.
fn is_vetoed(drain: &Drain, node: &Node) -> bool {
    drain.tainted && !node.is_draining() && !node.interrupted
}

/// Why a drain makes no sense any more, if so.
fn given_up(drain: &Drain, seen: &Seen<'_>, node: &Node, ledger: &Ledger<'_>) -> Option<GivenUp> {
    if let Some(why @ Unreturnable::NotOurs) = seen.unreturnable {
        return Some(GivenUp::Unreturnable(why.clone()));
    }
    if is_vetoed(drain, node) && drain.deleted.is_none_or(|asked| asked + ASKED_AGAIN <= seen.now) {
        return Some(GivenUp::TaintRemoved);
    }
    if drain.recalled.is_some_and(|since| since + RECALLED_AFTER <= seen.now) {
        return Some(GivenUp::Recalled);
    }
    if drain.interrupted {
        return None;
    }
    if let Some(asked) = drain.deleted {
        // It may well go yet, so that pods should not come back at once.
        if asked + seen.settings.time_out > seen.now {
            return None;
        }
        if let Some(why) = seen.unreturnable {
            return Some(GivenUp::Unreturnable(why.clone()));
        }
        // Pods that tolerate everything have come meanwhile.
        let is_used = !is_empty(seen.pods.iter().copied(), seen.cut_off, ledger, seen.now);
        return is_used.then_some(GivenUp::TimedOut(seen.settings.time_out));
    }
    if let Some(why) = seen.unreturnable.filter(|why| why.is_for_good()) {
        return Some(GivenUp::Unreturnable(why.clone()));
    }
    if let Some(order) = drain.needs.intersection(seen.failed).next() {
        return Some(GivenUp::OrderFailed(order.clone()));
    }
    for pod in seen.pods {
        if let Verdict::Blocks(why) = verdict(pod, seen, ledger) {
            return Some(GivenUp::Pod { pod: full_name(pod), why });
        }
    }
    let is_over = drain.started + seen.settings.time_out <= seen.now;
    is_over.then_some(GivenUp::TimedOut(seen.settings.time_out))
}

/// Whether nothing of what is on a node has to move, keeps it or still ends. `cut_off` is that of priorities of its pool.
pub fn is_empty<'p>(
    pods: impl IntoIterator<Item = &'p Pod>,
    cut_off: Option<i32>,
    ledger: &Ledger<'_>,
    now: Timestamp,
) -> bool {
    pods.into_iter().all(|pod| match of_pod(&Question { pod, covered: ledger.covers(pod), cut_off, now }) {
        Verdict::Moves | Verdict::Expendable => !matches!(pod.state, PodState::Bound { .. }),
        Verdict::Goes => true,
        Verdict::Ends | Verdict::Blocks(_) => false,
    })
}

fn verdict(pod: &Pod, seen: &Seen<'_>, ledger: &Ledger<'_>) -> Verdict {
    of_pod(&Question { pod, covered: ledger.covers(pod), cut_off: seen.cut_off, now: seen.now })
}

/// Evicts the least important pods that are left.
fn empty(
    drain: &mut Drain,
    seen: &Seen<'_>,
    ledger: &mut Ledger<'_>,
    actions: &mut Vec<Action>,
    waits: &mut Option<WaitsFor>,
) {
    let mut evicted: Vec<&Pod> = Vec::new();
    let mut ending: Vec<&Pod> = Vec::new();
    for pod in seen.pods {
        match verdict(pod, seen, ledger) {
            // One that is nominated is not there yet, and the taint keeps it away.
            Verdict::Moves | Verdict::Expendable if matches!(pod.state, PodState::Bound { .. }) => {
                evicted.push(pod);
            }
            Verdict::Ends => ending.push(pod),
            Verdict::Blocks(why) => {
                waits.get_or_insert(WaitsFor::Pod { pod: full_name(pod), why });
            }
            Verdict::Moves | Verdict::Expendable | Verdict::Goes => {}
        }
    }
    surge::forget_those_that_went(drain, seen);
    let Some(least) = evicted.iter().chain(&ending).map(|pod| pod.shape.priority).min() else { return };
    let turn = |pod: &&&Pod| pod.shape.priority == least;
    for pod in evicted.iter().filter(turn) {
        match surge::instead_of_eviction(drain, seen, ledger, pod) {
            surge::Instead::Evict => match ledger.evict(pod) {
                Ok(()) => actions.push(act::evict(pod, seen.settings.max_grace)),
                Err(why) => {
                    waits.get_or_insert(WaitsFor::Budget { pod: full_name(pod), why });
                }
            },
            surge::Instead::Do(action) => actions.push(action),
            surge::Instead::Wait(why) => {
                waits.get_or_insert(why);
            }
        }
    }
    let ends = ending.iter().filter(turn).count();
    if ends > 0 {
        waits.get_or_insert(WaitsFor::Ending { pods: u32::try_from(ends).unwrap_or(u32::MAX) });
    }
}

/// Asks the provider to take back a node on which nothing is left, once; and again where that had no effect.
fn give_back(
    drain: &mut Drain,
    seen: &Seen<'_>,
    actions: &mut Vec<Action>,
    waits: &mut Option<WaitsFor>,
    next_look: &mut Option<Timestamp>,
) {
    let settled = drain.started + SETTLES_IN;
    if settled > seen.now {
        *waits = Some(WaitsFor::Settling);
        *next_look = Some(settled);
        return;
    }
    let again = drain.deleted.map(|asked| asked + ASKED_AGAIN);
    if let Some(again) = again.filter(|again| *again > seen.now) {
        *waits = Some(WaitsFor::Provider);
        *next_look = Some(again);
        return;
    }
    if let Some(why) = seen.unreturnable {
        *waits = Some(WaitsFor::Unreturnable(why.clone()));
        if let Some(asked) = drain.deleted.filter(|_| !drain.interrupted) {
            *next_look = Some(asked + seen.settings.time_out);
        }
        return;
    }
    drain.deleted = Some(seen.now);
    actions.push(Action::Delete);
}

#[cfg(test)]
mod tests;
