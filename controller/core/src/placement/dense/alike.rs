//! All pods of a view, together with those that are counted alike.

use std::sync::Arc;

use super::{Dense, address, is_daemons};
use crate::cluster::{Name, Pod, PodState};
use crate::lookup::Lookup;
use crate::placement::View;

/// Pods of one shape that all hold room, are all being deleted, or all look for room.
#[derive(Debug)]
pub(super) struct Alike<'v> {
    pub(super) first: &'v Arc<Pod>,
    /// Those that look for room and that we plan for, with their uids and in the order of these.
    pub(super) waiting: Waiting,
    /// The same of those that daemons made.
    pub(super) waiting_daemons: Waiting,
}

pub(super) type Waiting = Vec<(Name, Arc<Pod>)>;

impl Dense {
    /// Looks at each pod of a view once: notes its volumes, and the pods that we do not plan for. All others are told
    /// together with those that are counted alike, in the order of the first uid of each; of those that hold room only the
    /// first.
    pub(super) fn look_at<'v>(&mut self, view: &'v View) -> Vec<Alike<'v>> {
        let mut all: Vec<Alike<'v>> = Vec::new();
        let mut known = Lookup::default();
        for pod in view.pods.values() {
            self.use_volumes(pod);
            let holds_room = pod.state.node().is_some();
            if !holds_room && pod.unplannable.is_some() {
                self.left_alone.insert(pod.uid.clone(), pod.clone());
                continue;
            }
            let leaving = matches!(pod.state, PodState::Terminating { .. });
            let next = all.len();
            let at = *known.get_or_insert((address(&pod.shape), holds_room, leaving), next);
            if at == next {
                all.push(Alike { first: pod, waiting: Vec::new(), waiting_daemons: Vec::new() });
            }
            if !holds_room {
                let of = &mut all[at];
                let waiting = if is_daemons(pod) { &mut of.waiting_daemons } else { &mut of.waiting };
                waiting.push((pod.uid.clone(), pod.clone()));
            }
        }
        all
    }
}
