//! Where pods would fit if nodes were not there, tried on a copy of the counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::survey::Surveyed;
use crate::cluster::{Name, Pod, PodShape};
use crate::placement::{ClassId, Mark, NodeIx, Packing, Placed, Refusal, View};
use crate::time::Timestamp;

/// So many nodes are tried first; all others only where these do not do.
const WINDOW: usize = 64;

/// Copies of the counts in which nodes are emptied.
pub(super) struct Room<'a> {
    view: &'a View,
    pub(super) packing: Packing,
    /// Nodes that may take pods, those that most likely stay first.
    pub(super) targets: Vec<NodeIx>,
    /// Of nodes that are to be bought, the least priority of pods that their pools buy them for.
    cut_offs: BTreeMap<NodeIx, i32>,
    /// The highest of these.
    strictest: i32,
    /// Per class of pods that fit nowhere, why.
    refusals: BTreeMap<ClassId, Vec<(Refusal, u32)>>,
    /// The classes of a shape as it looks for room and as it has it.
    classes: BTreeMap<usize, (Arc<PodShape>, Classes)>,
}

#[derive(Clone, Copy, Debug)]
struct Classes {
    seeking: ClassId,
    residing: ClassId,
}

/// Equal pods of the same nodes.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    pub(super) class: ClassId,
    pub(super) pods: Vec<&'a Pod>,
}

/// Pods that found no place, equal ones together.
#[derive(Clone, Debug, Default)]
pub(super) struct Left<'a> {
    pub(super) groups: Vec<Group<'a>>,
}

/// A pod and the node that it would go to.
pub(super) type Moved<'a> = (&'a Pod, NodeIx);

impl<'a> Room<'a> {
    pub(super) fn new(view: &'a View, now: Timestamp) -> Self {
        Self {
            view,
            packing: view.packing_at(now),
            targets: Vec::new(),
            cut_offs: BTreeMap::new(),
            strictest: i32::MIN,
            refusals: BTreeMap::new(),
            classes: BTreeMap::new(),
        }
    }

    pub(super) fn mark(&self) -> Mark {
        self.packing.mark()
    }

    pub(super) fn undo(&mut self, mark: Mark) {
        self.packing.undo(mark);
    }

    /// The class of pods of this shape that look for room.
    pub(super) fn seeking(&mut self, shape: &PodShape) -> ClassId {
        self.view.dense().seeking_in(&mut self.packing, shape)
    }

    /// The class of a pod where it looks for room.
    pub(super) fn seeking_of(&mut self, pod: &Pod) -> ClassId {
        self.classes(pod).seeking
    }

    /// Puts a pod back on the node that it is on.
    pub(super) fn stay(&mut self, node: NodeIx, pod: &Pod) {
        let class = self.classes(pod).residing;
        self.packing.put(node, class, 1);
    }

    /// Whether pods elsewhere decide where a class may be.
    pub(super) fn depends_on_others(&self, class: ClassId) -> bool {
        let tables = &self.packing.tables;
        tables.classes[class as usize].is_social() || !tables.kept_off[class as usize].is_empty()
    }

    fn classes(&mut self, pod: &Pod) -> Classes {
        let address = Arc::as_ptr(&pod.shape).addr();
        if let Some((_, classes)) = self.classes.get(&address) {
            return *classes;
        }
        let seeking = self.seeking(&pod.shape);
        let residing = self.view.dense().residing_in(&mut self.packing, pod);
        let classes = Classes { seeking, residing };
        self.classes.insert(address, (pod.shape.clone(), classes));
        classes
    }

    /// Takes nodes away with everything on them, pods included that were moved there. The pods that have to move, equal ones
    /// together, the largest first: the order depends on what they ask for and on uids only.
    pub(super) fn take_out(&mut self, nodes: &[(&Surveyed<'a>, &[&'a Pod])]) -> Left<'a> {
        let mut groups: BTreeMap<ClassId, Group<'a>> = BTreeMap::new();
        for (surveyed, carried) in nodes {
            for pod in surveyed.movers.iter().chain(&surveyed.expendable) {
                let class = self.classes(pod).residing;
                self.packing.take(surveyed.at, class, 1);
            }
            for pod in *carried {
                let class = self.classes(pod).seeking;
                self.packing.take(surveyed.at, class, 1);
            }
            for pod in surveyed.movers.iter().chain(*carried) {
                let class = self.classes(pod).seeking;
                groups.entry(class).or_insert_with(|| Group { class, pods: Vec::new() }).pods.push(pod);
            }
            self.packing.remove_node(surveyed.at);
        }
        in_turn(groups)
    }

    /// Places pods on nodes that stay. What fits nowhere is left.
    pub(super) fn place(&mut self, left: Left<'a>, moved: &mut Vec<Moved<'a>>) -> Left<'a> {
        let mut window: Option<Vec<NodeIx>> = None;
        let mut rest = Vec::new();
        for mut group in left.groups {
            if window.is_none() {
                window = Some(self.window(group.class));
            }
            let near = window.as_deref().unwrap_or_default();
            self.place_on(&mut group, near, moved);
            if !group.pods.is_empty() {
                let targets = std::mem::take(&mut self.targets);
                self.place_on(&mut group, &targets, moved);
                self.targets = targets;
            }
            if !group.pods.is_empty() {
                rest.push(group);
            }
        }
        Left { groups: rest }
    }

    /// A node that is to be bought may take pods too, but none that its pool would not buy it for.
    pub(super) fn comes(&mut self, node: NodeIx, cut_off: i32) {
        self.targets.push(node);
        self.cut_offs.insert(node, cut_off);
        self.strictest = self.strictest.max(cut_off);
    }

    /// Takes a node away to which these pods were moved; they look for room again.
    pub(super) fn take_from(&mut self, node: NodeIx, pods: &[&'a Pod]) -> Left<'a> {
        let mut groups: BTreeMap<ClassId, Group<'a>> = BTreeMap::new();
        for pod in pods {
            let class = self.classes(pod).seeking;
            self.packing.take(node, class, 1);
            groups.entry(class).or_insert_with(|| Group { class, pods: Vec::new() }).pods.push(pod);
        }
        self.packing.remove_node(node);
        in_turn(groups)
    }

    /// Places all of these pods on these nodes, and on no others; false where one fits on none.
    pub(super) fn place_all_on(&mut self, left: Left<'a>, on: &[NodeIx], moved: &mut Vec<Moved<'a>>) -> bool {
        for mut group in left.groups {
            self.place_on(&mut group, on, moved);
            if !group.pods.is_empty() {
                return false;
            }
        }
        true
    }

    /// Places pods on these nodes only.
    pub(super) fn place_on(&mut self, group: &mut Group<'a>, on: &[NodeIx], moved: &mut Vec<Moved<'a>>) {
        let count = u32::try_from(group.pods.len()).unwrap_or(u32::MAX);
        let mut placed = Placed::new();
        let priority = self.packing.class(group.class).shape.priority;
        if priority < self.strictest {
            let is_for_others =
                |node: &NodeIx| self.cut_offs.get(node).is_some_and(|least| priority < *least);
            let on: Vec<NodeIx> = on.iter().filter(|node| !is_for_others(node)).copied().collect();
            self.packing.place(group.class, count, &on, &mut placed);
        } else {
            self.packing.place(group.class, count, on, &mut placed);
        }
        let mut pods = group.pods.drain(..);
        for (node, count) in placed {
            moved.extend(pods.by_ref().take(count as usize).map(|pod| (pod, node)));
        }
        group.pods = pods.collect();
    }

    /// The first nodes with room for one pod of the class, which is the largest.
    fn window(&self, class: ClassId) -> Vec<NodeIx> {
        let ask = &self.packing.class(class).ask;
        let has_room = |node: &&NodeIx| self.packing.nodes[**node as usize].free.holds(ask);
        self.targets.iter().filter(has_room).take(WINDOW).copied().collect()
    }

    /// Why nodes that stay refuse a pod of this class, the most frequent reason first. Looked at once per class.
    pub(super) fn refusals(&mut self, class: ClassId) -> Vec<(Refusal, u32)> {
        if let Some(known) = self.refusals.get(&class) {
            return known.clone();
        }
        let mut counts: BTreeMap<Refusal, u32> = BTreeMap::new();
        for node in &self.targets {
            if let Some(refusal) =
                self.packing.refusal(class, *node).filter(|why| *why != Refusal::NoSuchNode)
            {
                *counts.entry(refusal).or_default() += 1;
            }
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|(one, ones), (other, others)| others.cmp(ones).then_with(|| one.cmp(other)));
        self.refusals.insert(class, counts.clone());
        counts
    }

    /// Holds room for pods that a plan has placed on a node; says of which class they are.
    pub(super) fn hold(&mut self, node: NodeIx, shape: &PodShape, count: u32) -> ClassId {
        let class = self.seeking(shape);
        self.packing.put(node, class, count);
        class
    }

    /// A node by its name.
    pub(super) fn node(&self, name: &Name) -> Option<NodeIx> {
        self.view.dense().node(name)
    }
}

/// Equal pods in the order in which they are served.
fn in_turn(groups: BTreeMap<ClassId, Group<'_>>) -> Left<'_> {
    let mut groups: Vec<_> = groups.into_values().collect();
    for group in &mut groups {
        group.pods.sort_by(|one, other| one.uid.cmp(&other.uid));
    }
    groups.sort_by(|one, other| {
        let key = |group: &Group<'_>| {
            let requests = &group.pods[0].shape.requests;
            (std::cmp::Reverse(requests.cpu), std::cmp::Reverse(requests.memory))
        };
        key(one).cmp(&key(other)).then_with(|| one.pods[0].uid.cmp(&other.pods[0].uid))
    });
    Left { groups }
}
