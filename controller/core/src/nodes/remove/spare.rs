//! Headroom, as pods that nobody sees: room that is kept free moves like a pod when its node goes, and costs no eviction.

use std::sync::Arc;

use super::Input;
use super::planner::Planner;
use super::room::{Group, Left};
use crate::cluster::{Eviction, Pod, PodState};
use crate::nodes::add::headroom::wanted;

/// The headroom of all pools, pod by pod.
pub(super) fn pods(input: &Input<'_>) -> Vec<Pod> {
    let mut pods = Vec::new();
    for (number, (name, shape, count)) in wanted(input.view, input.now).into_iter().enumerate() {
        pods.extend((0..count).map(|index| Pod {
            uid: format!("headroom/{number}/{index:06}").into(),
            name: name.clone(),
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

impl<'a> Planner<'a> {
    /// Finds room for headroom on nodes that are there. What has none has none now either.
    pub(super) fn keep_spare(&mut self, spare: &'a [Pod]) {
        let mut moved = Vec::new();
        for equal in spare.chunk_by(|one, other| Arc::ptr_eq(&one.shape, &other.shape)) {
            let class = self.room.seeking(&equal[0].shape);
            let group = Group { class, pods: equal.iter().collect() };
            self.room.place(Left { groups: vec![group] }, &mut moved);
        }
        self.carry(&moved);
    }
}
