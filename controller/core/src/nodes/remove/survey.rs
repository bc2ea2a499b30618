//! What can be said of each node before anything is tried.

use crate::cluster::{Name, Node, OwnerKind, Pod, PodState, Pool, Resources};
use crate::nodes::drainability::{self, Blocker, Question, Verdict};
use crate::nodes::pdb::Ledger;
use crate::numeric::saturate_to_i64;
use crate::placement::{NodeIx, View};
use crate::time::Timestamp;

/// A node, and what its pods mean for it.
#[derive(Clone, Debug)]
pub(super) struct Surveyed<'a> {
    pub(super) node: &'a Node,
    pub(super) pool: Option<&'a Pool>,
    pub(super) at: NodeIx,
    /// Pods that would be evicted and need a place elsewhere, in the order of their uids.
    pub(super) movers: Vec<&'a Pod>,
    /// Pods that would be evicted and need none.
    pub(super) expendable: Vec<&'a Pod>,
    /// How many wait for a node and hold room on this one.
    pub(super) promised: u32,
    /// The first pod that keeps the node.
    pub(super) blocked: Option<(&'a Pod, Blocker)>,
    /// What pods other than daemons ask for.
    pub(super) asked: Resources,
    /// What it costs per hour, in millionths of the currency.
    pub(super) price: Option<i64>,
}

impl<'a> Surveyed<'a> {
    /// Looks at the node and its pods.
    pub(super) fn of(
        view: &'a View,
        node: &'a Node,
        at: NodeIx,
        ledger: &Ledger<'_>,
        now: Timestamp,
    ) -> Self {
        let pool = node.pool.as_ref().and_then(|pool| view.pool(pool));
        let mut surveyed = Self {
            node,
            pool,
            at,
            movers: Vec::new(),
            expendable: Vec::new(),
            promised: 0,
            blocked: None,
            asked: Resources::default(),
            price: pool.and_then(|pool| price(node, pool)),
        };
        let cut_off = pool.map(|pool| pool.priority_cutoff);
        for pod in view.pods_on(&node.name) {
            if matches!(pod.state, PodState::Nominated { .. }) {
                surveyed.promised += 1;
                continue;
            }
            // Whether a budget covers it matters to few, and costs more than everything else.
            let covered = &*pod.shape.namespace == "kube-system" && ledger.covers(pod);
            match drainability::of_pod(&Question { pod, covered, cut_off, now }) {
                Verdict::Moves => surveyed.movers.push(pod),
                Verdict::Expendable => surveyed.expendable.push(pod),
                Verdict::Ends | Verdict::Goes => continue,
                Verdict::Blocks(blocker) => {
                    surveyed.blocked.get_or_insert((pod, blocker));
                    if matches!(
                        pod.owner.as_ref().map(|owner| owner.kind),
                        Some(OwnerKind::DaemonSet | OwnerKind::Node)
                    ) {
                        continue;
                    }
                }
            }
            surveyed.ask(pod);
        }
        surveyed
    }

    /// Counts what a pod asks for.
    fn ask(&mut self, pod: &Pod) {
        let requests = &pod.shape.requests;
        self.asked.cpu = self.asked.cpu.saturating_add(requests.cpu);
        self.asked.memory = self.asked.memory.saturating_add(requests.memory);
    }

    /// The larger share of cpu and memory that its pods ask for, and those that were moved to it, in thousandths.
    pub(super) fn utilization(&self, carried: &[&Pod]) -> i64 {
        let mut asked = self.asked.clone();
        for pod in carried {
            asked.cpu = asked.cpu.saturating_add(pod.shape.requests.cpu);
            asked.memory = asked.memory.saturating_add(pod.shape.requests.memory);
        }
        utilization(&asked, &self.node.allocatable)
    }

    /// Its zone, or the empty word.
    pub(super) fn zone(&self) -> Name {
        self.node.zone().cloned().unwrap_or_else(|| "".into())
    }

    /// How many pods would be evicted.
    pub(super) fn evictions(&self) -> usize {
        self.movers.len() + self.expendable.len()
    }
}

/// What a node costs per hour, where its pool still offers what it is.
pub(super) fn price(node: &Node, pool: &Pool) -> Option<i64> {
    let key = node.offering()?;
    pool.offerings.iter().find(|offering| offering.key == key).map(|offering| offering.price.max(0))
}

/// The larger share of cpu and memory, in thousandths. Of a node without either any request is all of it.
fn utilization(asked: &Resources, allocatable: &Resources) -> i64 {
    let share = |asked: i64, of: i64| match (asked.max(0), of) {
        (0, _) => 0,
        (_, ..=0) => 1000,
        (asked, of) => saturate_to_i64(i128::from(asked) * 1000 / i128::from(of)),
    };
    share(asked.cpu, allocatable.cpu).max(share(asked.memory, allocatable.memory))
}
