//! Headroom, as pods that nobody sees: room that is kept free moves like a pod when its node goes, and costs no eviction.

use std::sync::Arc;

use super::planner::{Fate, Planner};
use super::room::{Group, Left, Moved};
use super::{Input, WhyStays};
use crate::cluster::{Affinity, Eviction, Labels, Pod, PodShape, PodState};
use crate::nodes::add::headroom::wanted;
use crate::nodes::words::full_name;
use crate::nodes::{KeptFree, Place};
use crate::placement::ClassId;

/// The headroom of all pools and all buffers, pod by pod.
pub(super) fn pods(input: &Input<'_>) -> Vec<Pod> {
    let mut pods = Vec::new();
    for (number, wanted) in wanted(input.view, input.now).into_iter().enumerate() {
        let name = wanted.of.to_string();
        let shape = Arc::new(plain(&wanted.shape));
        pods.extend((0..wanted.count).map(|index| Pod {
            uid: format!("headroom/{number}/{index:06}").into(),
            name: name.as_str().into(),
            shape: Arc::clone(&shape),
            state: PodState::Pending,
            owner: None,
            created: input.now,
            unplannable: None,
            eviction: Eviction::default(),
        }));
    }
    pods
}

/// What room asks of its node, and of nobody else: real pods are not counted against pods that do not exist.
fn plain(shape: &PodShape) -> PodShape {
    PodShape {
        labels: Labels::new(),
        affinity: Affinity { nodes: shape.affinity.nodes.clone(), ..Affinity::default() },
        spread: Vec::new(),
        ..shape.clone()
    }
}

impl<'a> Planner<'a> {
    /// Finds room for headroom on nodes that are there: first where the plan for new nodes has found it, so that what one plan
    /// keeps the other does not take away. What has none has none now either. Room whose place depends on other pods is not
    /// moved: its nodes stay.
    pub(super) fn keep_spare(&mut self) {
        let mut moved = Vec::new();
        // All three are made of the same headroom in the same order.
        let kept = &self.input.adding.kept_free;
        let wanted = wanted(self.input.view, self.now);
        let groups = self
            .spare()
            .chunk_by(|one, other| Arc::ptr_eq(&one.shape, &other.shape) && one.name == other.name);
        for ((at, equal), wanted) in groups.enumerate().zip(&wanted) {
            let social = self.room.seeking(&wanted.shape);
            if self.room.depends_on_others(social) {
                self.pin(kept.get(at), &equal[0].shape);
                continue;
            }
            let class = self.room.seeking(&equal[0].shape);
            let mut group = Group { class, pods: equal.iter().collect() };
            if let Some(kept) = kept.get(at) {
                self.keep_where_it_is(&mut group, kept, &mut moved);
            }
            self.room.place(Left { groups: vec![group] }, &mut moved);
        }
        self.carry(&moved);
    }

    /// Holds room where it is, and keeps the nodes that have it.
    fn pin(&mut self, kept: Option<&KeptFree>, shape: &PodShape) {
        for spare in kept.into_iter().flat_map(|kept| &kept.places) {
            let Place::Node(name) = &spare.place else { continue };
            let (Some(index), Some(node)) = (self.index(name), self.room.node(name)) else { continue };
            if matches!(self.fates[index], Fate::Goes) {
                continue;
            }
            self.room.hold(node, shape, spare.count);
            if matches!(self.fates[index], Fate::Open) && !self.nodes[index].node.interrupted {
                let of = kept.map(|kept| kept.of.to_string()).unwrap_or_default();
                self.fates[index] = Fate::Stays(WhyStays::KeepsFree { of: of.into(), refusals: Vec::new() });
            }
        }
    }

    /// Why a node stays on which this pod has no other place.
    pub(super) fn no_room(&mut self, pod: &Pod, class: ClassId) -> WhyStays {
        let refusals = self.room.refusals(class);
        if self.spare().as_ptr_range().contains(&std::ptr::from_ref(pod)) {
            WhyStays::KeepsFree { of: pod.name.clone(), refusals }
        } else {
            WhyStays::NoRoom { pod: full_name(pod), refusals }
        }
    }

    fn keep_where_it_is(&mut self, group: &mut Group<'a>, kept: &KeptFree, moved: &mut Vec<Moved<'a>>) {
        for spare in &kept.places {
            let Place::Node(name) = &spare.place else {
                // It will be there, and takes no room that is here.
                let coming = group.pods.len().saturating_sub(spare.count as usize);
                group.pods.truncate(coming);
                continue;
            };
            // Also on one that takes no pods yet: it was ordered for this.
            let stays = |index: &usize| {
                !matches!(self.fates[*index], Fate::Goes) && !self.nodes[*index].node.interrupted
            };
            let Some(index) = self.index(name).filter(stays) else { continue };
            let node = self.nodes[index].at;
            let rest = group.pods.split_off(group.pods.len().min(spare.count as usize));
            self.room.place_on(group, &[node], moved);
            group.pods.extend(rest);
        }
    }
}
