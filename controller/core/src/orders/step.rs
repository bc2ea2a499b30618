//! The next thing to do about an order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::state::{Answer, InstanceFault, NodePhase, OrderNode, OrderState, Registered, Seen, Settings};
use crate::cluster::Name;
use crate::time::{Span, Timestamp};

/// What an order has come to, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderStep {
    /// How far it is: as far as its node that is least far.
    pub phase: Phase,
    /// Why it is there; None where everything goes as it should.
    pub why: Option<Why>,
    /// Its nodes, by id.
    pub nodes: Vec<OrderNode>,
    /// What to do, in this order. The record is written before.
    pub actions: Vec<Action>,
    /// When to look again though nothing has changed; None when only a change matters.
    pub next_look: Option<Span>,
}

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// The provider was not asked yet.
    Recorded,
    /// The provider was asked, and its answer is not known.
    Asked,
    /// As far as its node that is least far and not over.
    Under(NodePhase),
    /// It is over, and at least one of its nodes has served.
    Done,
    /// It is over, and none of its nodes ever joined.
    Failed,
}

/// Why an order is where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Why {
    /// The provider refused.
    Refused(Name),
    /// The provider took only a part.
    TakenInPart {
        /// How many nodes.
        accepted: u32,
        /// Of how many.
        ordered: u32,
    },
    /// An instance will not come.
    Fault(InstanceFault),
    /// Nodes have not joined in time.
    NeverJoined {
        /// How many.
        nodes: u32,
        /// The time they had.
        within: Span,
    },
    /// The provider has lost nodes.
    Lost {
        /// How many.
        nodes: u32,
    },
    /// Somebody has deleted the record.
    Deleted,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// Record that the provider is asked now, then ask it.
    Ask,
    /// Find out what became of an earlier call.
    Settle,
    /// Delete instances that never joined or are faulty.
    DeleteInstances(Vec<Name>),
    /// Take back requests that have no instance.
    TakeBack(u32),
    /// Empty nodes, then delete them.
    Drain(Vec<Name>),
    /// Delete Node objects whose instances the provider has lost.
    ForgetNodes(Vec<Name>),
    /// Let the record go.
    Finish,
}

/// The next step of an order.
///
/// - Nothing is asked twice: once [`OrderState::asked`] is set and no answer is recorded, the answer is found out first.
/// - What the provider has is believed only where it could be asked. A Node that is there counts as joined, whatever the
///   provider says.
/// - A node that joined once and is in neither place any more is gone. One that the provider no longer has while its
///   Node is still there was lost, but only if the Node is not ready: a provider may be behind.
pub fn step(order: &OrderState, seen: &Seen, settings: &Settings, now: Timestamp) -> OrderStep {
    let Some(asked) = order.asked else {
        let action = if order.deleted { Action::Finish } else { Action::Ask };
        return waiting(Phase::Recorded, order, vec![action], None);
    };
    let accepted = match &order.answer {
        None => return waiting(Phase::Asked, order, vec![Action::Settle], Some(settings.look_again)),
        Some(Answer::Refused(words)) => {
            let failed = waiting(Phase::Failed, order, vec![Action::Finish], None);
            return OrderStep { why: Some(Why::Refused(words.clone())), ..failed };
        }
        Some(Answer::Accepted(accepted)) => *accepted,
    };
    let mut look = Look { order, seen, nodes: recorded(order), actions: Vec::new(), why: None };
    if accepted < order.count {
        look.why = Some(Why::TakenInPart { accepted, ordered: order.count });
    }
    look.nodes_that_joined();
    look.instances();
    look.gone();
    let is_late = now.since(asked) >= settings.provision;
    if is_late {
        look.give_up(accepted, settings.provision);
    }
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
    actions: Vec<Action>,
    why: Option<Why>,
}

impl Look<'_> {
    fn nodes_that_joined(&mut self) {
        for Registered { name, id, ready, draining } in &self.seen.nodes {
            let node = self.node(id);
            node.name = Some(name.clone());
            node.phase = match (node.phase, draining, ready) {
                (NodePhase::Deleting, ..) => NodePhase::Deleting,
                (_, true, _) => NodePhase::Draining,
                // A node that was ready once stays so to its order: what to do with a sick one is not the order's matter.
                (_, false, true) | (NodePhase::Ready, false, false) => NodePhase::Ready,
                (_, false, false) => NodePhase::Registered,
            };
        }
    }

    fn instances(&mut self) {
        let mut faulty = Vec::new();
        for instance in self.seen.instances.iter().flatten() {
            let has_joined = self.has_joined(&instance.id);
            let node = self.node(&instance.id);
            if instance.deleting {
                node.phase = NodePhase::Deleting;
            } else if let Some(fault) = instance.fault.as_ref().filter(|_| !has_joined) {
                node.phase = NodePhase::Failed;
                self.why = Some(Why::Fault(fault.clone()));
                faulty.push(instance.id.clone());
            }
        }
        if !faulty.is_empty() {
            self.actions.push(Action::DeleteInstances(faulty));
        }
    }

    /// What is recorded and no longer there. Nothing is gone as long as the provider cannot be asked.
    fn gone(&mut self) {
        let Some(instances) = &self.seen.instances else { return };
        let there: BTreeSet<&Name> = instances.iter().map(|instance| &instance.id).collect();
        let joined: BTreeMap<&Name, &Registered> =
            self.seen.nodes.iter().map(|node| (&node.id, node)).collect();
        let mut lost = Vec::new();
        for node in self.nodes.values_mut().filter(|node| !node.phase.is_over() && !there.contains(&node.id))
        {
            match joined.get(&node.id) {
                Some(registered) if !registered.ready => {
                    lost.push(registered.name.clone());
                    node.phase = NodePhase::Failed;
                }
                Some(_) => {}
                None if node.name.is_some() => node.phase = NodePhase::GivenBack,
                None => node.phase = NodePhase::Failed,
            }
        }
        if !lost.is_empty() {
            self.why = Some(Why::Lost { nodes: count(lost.len()) });
            self.actions.push(Action::ForgetNodes(lost));
        }
    }

    /// Gives back what has not joined in time.
    fn give_up(&mut self, accepted: u32, within: Span) {
        let late: Vec<Name> = self
            .nodes
            .values_mut()
            .filter(|node| node.phase == NodePhase::Creating)
            .map(|node| {
                node.phase = NodePhase::Failed;
                node.id.clone()
            })
            .collect();
        let without_instance = match &self.seen.instances {
            Some(_) => accepted.saturating_sub(count(self.nodes.len())),
            None => 0,
        };
        let nodes = count(late.len()).saturating_add(without_instance);
        if nodes > 0 {
            self.why = Some(Why::NeverJoined { nodes, within });
        }
        if !late.is_empty() {
            self.actions.push(Action::DeleteInstances(late));
        }
        if without_instance > 0 {
            self.actions.push(Action::TakeBack(without_instance));
        }
    }

    fn drain(&mut self) {
        self.why = Some(Why::Deleted);
        let is_up = |node: &&OrderNode| matches!(node.phase, NodePhase::Registered | NodePhase::Ready);
        let up: Vec<Name> = self.nodes.values().filter(is_up).filter_map(|node| node.name.clone()).collect();
        let mut creating = Vec::new();
        for node in self.nodes.values_mut().filter(|node| node.phase == NodePhase::Creating) {
            node.phase = NodePhase::Deleting;
            creating.push(node.id.clone());
        }
        if !creating.is_empty() {
            self.actions.push(Action::DeleteInstances(creating));
        }
        if !up.is_empty() {
            self.actions.push(Action::Drain(up));
        }
    }

    fn result(mut self, accepted: u32, is_late: bool, settings: &Settings, waited: Span) -> OrderStep {
        let nodes: Vec<OrderNode> = self.nodes.into_values().collect();
        let unseen = accepted.saturating_sub(count(nodes.len()));
        let unfinished = nodes.iter().map(|node| node.phase).filter(|phase| !phase.is_over());
        let awaited = (unseen > 0 && !is_late).then_some(NodePhase::Creating);
        let phase = match unfinished.chain(awaited).min() {
            Some(least) => Phase::Under(least),
            None if nodes.iter().any(|node| node.phase == NodePhase::GivenBack) => Phase::Done,
            None => Phase::Failed,
        };
        if matches!(phase, Phase::Done | Phase::Failed) {
            self.actions.push(Action::Finish);
        }
        let next_look = match phase {
            Phase::Under(NodePhase::Creating) => {
                let left =
                    Span::from_millis(settings.provision.as_millis().saturating_sub(waited.as_millis()));
                Some(settings.look_again.min(left.max(Span::from_secs(1))))
            }
            Phase::Under(NodePhase::Deleting) => Some(settings.look_again),
            _ => None,
        };
        OrderStep { phase, why: self.why, nodes, actions: self.actions, next_look }
    }

    fn has_joined(&self, id: &Name) -> bool {
        self.seen.nodes.iter().any(|node| node.id == *id)
            || self.order.nodes.iter().any(|node| node.id == *id && node.name.is_some())
    }

    fn node(&mut self, id: &Name) -> &mut OrderNode {
        let new = || OrderNode { id: id.clone(), name: None, phase: NodePhase::Creating };
        self.nodes.entry(id.clone()).or_insert_with(new)
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
