//! Whether every pod that was moved still may be where it is, when the plan is complete.
//!
//! A pod was allowed on its node when it was put there. What happens later can forbid it: a new node makes a domain in which
//! nothing runs yet, or another pod leaves one. Drains follow each other in no certain order, so each move has to be right
//! in the end. Nodes whose pods would not be allowed are kept, and the plan is made anew.

use std::collections::BTreeMap;

use super::WhyStays;
use super::planner::{Fate, Planner};
use super::room::Room;
use crate::cluster::{Name, Pod};
use crate::nodes::words::full_name;
use crate::placement::{ClassId, NodeIx, Refusal};

impl<'a> Planner<'a> {
    /// Promises that are broken before anything is removed are nobody's fault here.
    pub(super) fn check_promises(&mut self) {
        for (class, node) in std::mem::take(&mut self.held) {
            if self.refused(class, node).is_none() {
                self.held.push((class, node));
            }
        }
    }

    /// Nodes to keep, since pods of theirs would break a rule in the end. Where that would not do, or `gently` is not asked
    /// for, all nodes with pods whose place depends on others.
    pub(super) fn broken(&mut self, gently: bool) -> BTreeMap<Name, WhyStays> {
        self.return_those_set_aside();
        let mut broken = BTreeMap::new();
        let mut blames_no_node = false;
        for index in 0..self.nodes.len() {
            if !self.goes_by_choice(index) {
                continue;
            }
            for pod in self.nodes[index].movers.clone() {
                if let Some((class, node)) = self.moved_to(pod)
                    && let Some(refusal) = self.refused(class, node)
                {
                    let why = WhyStays::NoRoom { pod: full_name(pod), refusals: vec![(refusal, 1)] };
                    broken.insert(self.nodes[index].node.name.clone(), why);
                }
            }
        }
        for (class, node) in self.held.clone() {
            blames_no_node |= self.refused(class, node).is_some();
        }
        if blames_no_node || !(gently || broken.is_empty()) {
            broken.extend(self.all_with_a_pod(Room::depends_on_others));
        }
        if blames_no_node && broken.is_empty() {
            // A node that is bought brings a domain in which those who were promised room have nothing.
            broken = self.all_with_a_pod(|_, _| true);
        }
        broken
    }

    /// Nodes that were set aside are still there when the others go, with their pods.
    fn return_those_set_aside(&mut self) {
        for index in 0..self.nodes.len() {
            if !matches!(self.fates[index], Fate::Aside(_)) {
                continue;
            }
            let at = self.nodes[index].at;
            self.room.packing.return_node(at);
            for pod in self.nodes[index].movers.clone() {
                if let Some(node) = self.place_of(pod) {
                    let class = self.room.seeking_of(pod);
                    self.room.packing.take(node, class, 1);
                }
                self.room.stay(at, pod);
            }
            for pod in self.nodes[index].expendable.clone() {
                self.room.stay(at, pod);
            }
        }
    }

    /// Whether this plan removes a node that nobody takes away.
    fn goes_by_choice(&self, index: usize) -> bool {
        let node = self.nodes[index].node;
        matches!(self.fates[index], Fate::Goes) && !node.is_draining() && !node.interrupted
    }

    fn moved_to(&mut self, pod: &'a Pod) -> Option<(ClassId, NodeIx)> {
        let node = self.place_of(pod)?;
        let class = self.room.seeking_of(pod);
        self.room.depends_on_others(class).then_some((class, node))
    }

    /// Why a pod may not be where it is, were it to come there now.
    fn refused(&mut self, class: ClassId, node: NodeIx) -> Option<Refusal> {
        let packing = &mut self.room.packing;
        packing.take(node, class, 1);
        let refusal = packing.refusal(class, node);
        packing.put(node, class, 1);
        refusal
    }

    /// The nodes of this plan with a pod of such a class.
    fn all_with_a_pod(&mut self, is_such: impl Fn(&Room<'a>, ClassId) -> bool) -> BTreeMap<Name, WhyStays> {
        let mut kept = BTreeMap::new();
        for index in 0..self.nodes.len() {
            if !self.goes_by_choice(index) {
                continue;
            }
            for pod in self.nodes[index].movers.clone() {
                let class = self.room.seeking_of(pod);
                if is_such(&self.room, class) {
                    let why = WhyStays::Entangled { pod: full_name(pod) };
                    kept.insert(self.nodes[index].node.name.clone(), why);
                    break;
                }
            }
        }
        kept
    }
}
