//! Headroom, as pods that nobody sees: room that is kept free moves like a pod when its node goes, and costs no eviction.

use std::sync::Arc;

use super::planner::Planner;
use super::room::{Group, Left, Moved};
use super::{Input, WhyStays};
use crate::cluster::{Eviction, Pod, PodState};
use crate::nodes::add::headroom::wanted;
use crate::nodes::words::full_name;
use crate::nodes::{KeptFree, Place};
use crate::placement::ClassId;

/// The headroom of all pools and all buffers, pod by pod.
pub(super) fn pods(input: &Input<'_>) -> Vec<Pod> {
    let mut pods = Vec::new();
    for (number, wanted) in wanted(input.view, input.now).into_iter().enumerate() {
        let name = wanted.of.to_string();
        pods.extend((0..wanted.count).map(|index| Pod {
            uid: format!("headroom/{number}/{index:06}").into(),
            name: name.as_str().into(),
            shape: Arc::clone(&wanted.shape),
            state: PodState::Pending,
            owner: None,
            created: input.now,
            unplannable: None,
            eviction: Eviction::default(),
        }));
    }
    pods
}

impl<'a> Planner<'a> {
    /// Finds room for headroom on nodes that are there: first where the plan for new nodes has found it, so that what one plan
    /// keeps the other does not take away. What has none has none now either.
    pub(super) fn keep_spare(&mut self) {
        let mut moved = Vec::new();
        // Both are made of the same headroom in the same order.
        let kept = &self.input.adding.kept_free;
        let groups = self
            .spare()
            .chunk_by(|one, other| Arc::ptr_eq(&one.shape, &other.shape) && one.name == other.name);
        for (at, equal) in groups.enumerate() {
            let class = self.room.seeking(&equal[0].shape);
            let mut group = Group { class, pods: equal.iter().collect() };
            if let Some(kept) = kept.get(at) {
                self.keep_where_it_is(&mut group, kept, &mut moved);
            }
            self.room.place(Left { groups: vec![group] }, &mut moved);
        }
        self.carry(&moved);
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
            let Some(node) = self.room.node(name).filter(|node| self.room.targets.contains(node)) else {
                continue;
            };
            let rest = group.pods.split_off(group.pods.len().min(spare.count as usize));
            self.room.place_on(group, &[node], moved);
            group.pods.extend(rest);
        }
    }
}
