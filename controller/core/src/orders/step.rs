//! The next thing to do about an order.

use std::collections::{BTreeMap, BTreeSet};

use super::outcome::{Action, OrderStep, Phase, Why};
use super::state::{Answer, NodePhase, OrderNode, OrderState, Registered, Seen, Settings};
use crate::cluster::Name;
use crate::time::{Span, Timestamp};

/// The next step of an order.
///
/// - Nothing is asked twice: once [`OrderState::asked`] is set and no answer is recorded, the answer is found out first.
/// - What the provider has is believed only where it could be asked. A Node that is there counts as joined, whatever the
///   provider says.
/// - A node that joined once and is in neither place any more is gone. One that the provider no longer has while its
///   Node is still there was lost, but only if the Node is not ready. One whose Node is gone while the provider has it was
///   deleted by hand, and is given back if it does not join again.
/// - What has joined is lost, and what has not has failed, only once a later answer of the provider lacks it too: a
///   provider may be behind, or know less for a while.
/// - A machine may get another id while it is made: providers list stand-ins. One that is gone before it has joined, while
///   another has come that is of no order, is forgotten, so that the order can claim that one.
/// - What is too much is given back while it has not joined. What has joined goes by the rules for nodes that nobody
///   needs.
/// - What was given back and is still there is given back again, and the record stays until it is gone.
/// - Without its pool nobody can be asked for anything. That is said as long as something is to be done.
pub fn step(order: &OrderState, seen: &Seen, settings: &Settings, now: Timestamp) -> OrderStep {
    if let Some(Answer::Refused(words)) = &order.answer {
        let failed = waiting(Phase::Failed, order, vec![Action::Finish], None);
        return OrderStep { why: Some(Why::Refused(words.clone())), ..failed };
    }
    let Some(asked) = order.asked else {
        let action = if order.deleted { Action::Finish } else { Action::Ask };
        return waiting(Phase::Recorded, order, vec![action], None);
    };
    let Some(Answer::Accepted(accepted)) = order.answer else {
        let settles = waiting(Phase::Asked, order, vec![Action::Settle], Some(settings.look_again));
        return OrderStep { why: seen.pool_is_gone.then_some(Why::PoolGone), ..settles };
    };
    let mut look = Look {
        order,
        seen,
        nodes: recorded(order),
        delete: BTreeSet::new(),
        take_back: 0,
        actions: Vec::new(),
        why: None,
    };
    if accepted < order.count {
        look.why = Some(Why::TakenInPart { accepted, ordered: order.count });
    }
    look.nodes_that_joined();
    look.instances();
    look.gone(settings, now);
    look.deleted_by_hand(settings.provision, now);
    let is_late = order.is_late(settings.provision, now);
    if is_late {
        look.give_up(settings.provision);
    } else {
        look.surplus(accepted);
    }
    look.give_back_again();
    if order.deleted {
        look.drain();
    }
    look.result(accepted, is_late, settings, now.since(asked))
}

fn waiting(phase: Phase, order: &OrderState, actions: Vec<Action>, next_look: Option<Span>) -> OrderStep {
    OrderStep { phase, why: None, nodes: order.nodes.clone(), actions, next_look }
}

fn recorded(order: &OrderState) -> BTreeMap<Name, OrderNode> {
    order.nodes.iter().map(|node| (node.id.clone(), node.clone())).collect()
}

struct Look<'a> {
    order: &'a OrderState,
    seen: &'a Seen,
    nodes: BTreeMap<Name, OrderNode>,
    /// Instances to delete.
    delete: BTreeSet<Name>,
    /// Requests to take back.
    take_back: u32,
    actions: Vec<Action>,
    why: Option<Why>,
}

impl Look<'_> {
    fn nodes_that_joined(&mut self) {
        for Registered { name, id, takes_pods, draining, .. } in &self.seen.nodes {
            let node = self.node(id);
            if node.name.is_none() {
                // It lives, whatever the provider lacked before.
                node.missing = None;
            }
            node.name = Some(name.clone());
            node.phase = match (node.phase, draining, takes_pods) {
                (NodePhase::Deleting, ..) => NodePhase::Deleting,
                (_, true, _) => NodePhase::Draining,
                // A node that was ready once stays so to its order: what to do with a sick one, or with one that gets a
                // taint, is not the order's matter.
                (_, false, true) | (NodePhase::Ready, false, false) => NodePhase::Ready,
                (_, false, false) => NodePhase::Registered,
            };
        }
    }

    fn instances(&mut self) {
        for instance in self.seen.instances.iter().flatten() {
            let has_joined = self.has_joined(&instance.id);
            let node = self.node(&instance.id);
            if instance.deleting {
                node.phase = NodePhase::Deleting;
            } else if let Some(fault) = instance.fault.as_ref().filter(|_| !has_joined) {
                node.phase = NodePhase::Failed;
                self.why = Some(Why::Fault(fault.clone()));
                self.delete.insert(instance.id.clone());
            }
        }
    }

    /// What is recorded and no longer at the provider. Nothing is gone as long as the provider cannot be asked.
    fn gone(&mut self, settings: &Settings, now: Timestamp) {
        let Some(instances) = &self.seen.instances else { return };
        let there: BTreeSet<&Name> = instances.iter().map(|instance| &instance.id).collect();
        let joined = self.joined();
        let as_of = self.seen.as_of;
        let is_confirmed =
            |missing: &mut Option<Timestamp>| as_of.since(*missing.get_or_insert(now)) >= settings.look_again;
        let (mut lost, mut forgotten) = (0_usize, Vec::new());
        let mut unclaimed = self.seen.unclaimed;
        let mut renamed = Vec::new();
        for node in self.nodes.values_mut() {
            if there.contains(&node.id) {
                if node.name.is_none() || joined.contains_key(&node.id) {
                    node.missing = None;
                }
                continue;
            }
            if node.phase.is_over() {
                continue;
            }
            match joined.get(&node.id) {
                Some(registered) if !registered.ready => {
                    if !is_confirmed(&mut node.missing) {
                        continue;
                    }
                    forgotten.push(registered.name.clone());
                    if matches!(node.phase, NodePhase::Draining | NodePhase::Deleting) {
                        node.phase = NodePhase::GivenBack;
                    } else {
                        lost += 1;
                        node.phase = NodePhase::Failed;
                    }
                }
                Some(_) => node.missing = None,
                None if node.name.is_some() => node.phase = NodePhase::GivenBack,
                None if node.phase == NodePhase::Creating && unclaimed > 0 => {
                    unclaimed -= 1;
                    renamed.push(node.id.clone());
                }
                None => {
                    if is_confirmed(&mut node.missing) {
                        node.phase = NodePhase::Failed;
                    }
                }
            }
        }
        for id in renamed {
            self.nodes.remove(&id);
        }
        if lost > 0 {
            self.why = Some(Why::Lost { nodes: count(lost) });
        }
        if !forgotten.is_empty() {
            self.actions.push(Action::ForgetNodes(forgotten));
        }
    }

    /// Instances that have joined once and whose Node is gone. One that was being emptied or deleted has nothing left to
    /// lose.
    fn deleted_by_hand(&mut self, within: Span, now: Timestamp) {
        let joined = self.joined();
        let mut given_up = 0;
        for instance in self.seen.instances.iter().flatten().filter(|instance| !instance.deleting) {
            let Some(node) = self.nodes.get_mut(&instance.id) else { continue };
            if node.name.is_none() || node.phase.is_over() || joined.contains_key(&instance.id) {
                continue;
            }
            let since = *node.missing.get_or_insert(now);
            if matches!(node.phase, NodePhase::Draining | NodePhase::Deleting) {
                node.phase = NodePhase::Deleting;
            } else if now.since(since) >= within {
                node.phase = NodePhase::Failed;
                given_up += 1;
            } else {
                node.phase = node.phase.min(NodePhase::Registered);
                continue;
            }
            self.delete.insert(instance.id.clone());
        }
        if given_up > 0 {
            self.why = Some(Why::NodeDeleted { nodes: given_up, within });
        }
    }

    /// Gives back what has not joined in time.
    fn give_up(&mut self, within: Span) {
        let mut late = 0;
        for node in self.nodes.values_mut().filter(|node| node.phase == NodePhase::Creating) {
            node.phase = NodePhase::Failed;
            self.delete.insert(node.id.clone());
            late += 1;
        }
        if self.seen.instances.is_some() {
            self.take_back = self.unseen();
        }
        let nodes = self.take_back.saturating_add(late);
        if nodes > 0 {
            self.why = Some(Why::NeverJoined { nodes, within });
        }
    }

    /// Gives back what the provider made beyond the order, as far as it has not joined: requests first, then the instances
    /// that came last by their ids.
    fn surplus(&mut self, accepted: u32) {
        if self.seen.instances.is_none() {
            return;
        }
        let unseen = self.unseen();
        let is_live = |node: &&OrderNode| !node.phase.is_over() && !may_be_gone(node);
        let live = count(self.nodes.values().filter(is_live).count());
        let excess = live.saturating_add(unseen).saturating_sub(accepted);
        self.take_back = excess.min(unseen);
        let mut nodes = self.take_back;
        let is_coming = |node: &&mut OrderNode| node.phase == NodePhase::Creating && !may_be_gone(node);
        let creating = self.nodes.values_mut().rev().filter(is_coming);
        for node in creating.take(usize::try_from(excess - self.take_back).unwrap_or(usize::MAX)) {
            node.phase = NodePhase::Failed;
            self.delete.insert(node.id.clone());
            nodes += 1;
        }
        if nodes > 0 {
            self.why = Some(Why::Surplus { nodes });
        }
    }

    /// What was given up and is still there.
    fn give_back_again(&mut self) {
        let still_there: Vec<Name> = self.given_up_and_there().cloned().collect();
        self.delete.extend(still_there);
    }

    fn given_up_and_there(&self) -> impl Iterator<Item = &Name> {
        let instances = self.seen.instances.iter().flatten().filter(|instance| !instance.deleting);
        instances.map(|instance| &instance.id).filter(|id| {
            let phase = self.nodes.get(*id).map(|node| node.phase);
            matches!(phase, Some(NodePhase::Failed | NodePhase::Deleting))
                && !self.seen.nodes.iter().any(|node| node.id == **id)
        })
    }

    fn drain(&mut self) {
        self.why = Some(Why::Deleted);
        let is_up = |node: &&OrderNode| matches!(node.phase, NodePhase::Registered | NodePhase::Ready);
        let up: Vec<Name> = self.nodes.values().filter(is_up).filter_map(|node| node.name.clone()).collect();
        for node in self.nodes.values_mut().filter(|node| node.phase == NodePhase::Creating) {
            node.phase = NodePhase::Deleting;
            self.delete.insert(node.id.clone());
        }
        if !up.is_empty() {
            self.actions.push(Action::Drain(up));
        }
    }

    fn result(mut self, accepted: u32, is_late: bool, settings: &Settings, waited: Span) -> OrderStep {
        let unseen = self.unseen();
        let unfinished = self.nodes.values().map(|node| node.phase).filter(|phase| !phase.is_over());
        let awaited = (unseen > 0 && !is_late).then_some(NodePhase::Creating);
        let phase = match unfinished.chain(awaited).min() {
            Some(least) => Phase::Under(least),
            None if self.nodes.values().any(|node| node.phase == NodePhase::GivenBack) => Phase::Done,
            None => Phase::Failed,
        };
        // Some of it may come yet although the provider seemed to take less.
        let claimed = OrderState { nodes: self.nodes.values().cloned().collect(), ..self.order.clone() };
        let may_come = accepted < self.order.count && claimed.may_claim() > 0 && !is_late;
        let is_over = matches!(phase, Phase::Done | Phase::Failed);
        if self.seen.pool_is_gone && !is_over {
            self.why = Some(Why::PoolGone);
        }
        let waits = may_come || !self.delete.is_empty() || self.take_back > 0;
        let mut actions = Vec::new();
        if !self.delete.is_empty() {
            actions.push(Action::DeleteInstances(std::mem::take(&mut self.delete).into_iter().collect()));
        }
        if self.take_back > 0 {
            actions.push(Action::TakeBack(self.take_back));
        }
        actions.append(&mut self.actions);
        if is_over && !waits {
            actions.push(Action::Finish);
        }
        let is_missing = self.nodes.values().any(|node| node.missing.is_some() && !node.phase.is_over());
        let next_look = match phase {
            Phase::Under(NodePhase::Creating) => {
                let left =
                    Span::from_millis(settings.provision.as_millis().saturating_sub(waited.as_millis()));
                Some(settings.look_again.min(left.max(Span::from_secs(1))))
            }
            Phase::Under(NodePhase::Deleting) => Some(settings.look_again),
            _ => (waits || is_missing).then_some(settings.look_again),
        };
        let nodes = self.nodes.into_values().collect();
        OrderStep { phase, why: self.why, nodes, actions, next_look }
    }

    /// Nodes that are expected and of which no instance is known.
    fn unseen(&self) -> u32 {
        self.order.expected().saturating_sub(count(self.nodes.len()))
    }

    fn joined(&self) -> BTreeMap<Name, Registered> {
        self.seen.nodes.iter().map(|node| (node.id.clone(), node.clone())).collect()
    }

    fn has_joined(&self, id: &Name) -> bool {
        self.seen.nodes.iter().any(|node| node.id == *id)
            || self.order.nodes.iter().any(|node| node.id == *id && node.name.is_some())
    }

    fn node(&mut self, id: &Name) -> &mut OrderNode {
        let new = || OrderNode { id: id.clone(), name: None, phase: NodePhase::Creating, missing: None };
        self.nodes.entry(id.clone()).or_insert_with(new)
    }
}

/// Whether the provider no longer lists a machine that has not joined: another may have come in its place.
fn may_be_gone(node: &OrderNode) -> bool {
    node.name.is_none() && node.missing.is_some()
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
