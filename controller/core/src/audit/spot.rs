//! A node that pods are placed on.

use std::collections::BTreeMap;

use super::after::Arrival;
use super::books::Books;
use super::{Breach, Invariant};
use crate::cluster::{Labels, Name, Node, Readiness, Resources, Taint};
use crate::time::{Span, Timestamp};

/// For how long after its creation a node may say nothing of its devices.
const SILENT_FOR: Span = Span::from_secs(900);

/// A node as the plan leaves it, there or to come.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) name: Name,
    pub(super) labels: Labels,
    pub(super) taints: Vec<Taint>,
    pub(super) unschedulable: bool,
    pub(super) free: Resources,
    pub(super) attach_limits: BTreeMap<Name, i64>,
    pub(super) is_new: bool,
    /// For pods of a lower priority the node, which nobody has ordered yet, would not be bought.
    pub(super) cut_off: Option<i32>,
}

impl Spot {
    /// A node that is there and stays.
    pub(super) fn there(books: &Books, node: &Node, now: Timestamp) -> Self {
        let mut free = has(books, node, now);
        if let Some(sum) = books.sums.get(&node.name) {
            free.subtract(&sum.used);
        }
        // A node that says that it is ready loses in a moment the taints by which it was told not to be.
        let loses = |taint: &Taint| {
            let key = &*taint.key;
            node.readiness == Readiness::Ready
                && (key == "node.kubernetes.io/not-ready" || key == "node.kubernetes.io/unreachable")
        };
        let is_starting = node.readiness == Readiness::Starting;
        let pool = node.pool.as_ref().and_then(|pool| books.pools.get(pool));
        let passes = |taint: &&Taint| {
            let startup = pool.is_some_and(|pool| {
                pool.template.startup_taints.iter().any(|of| of.key == taint.key && of.effect == taint.effect)
            });
            !(startup || loses(taint) || (is_starting && pool.is_some() && taint.key.starts_with("node.")))
        };
        Self {
            name: node.name.clone(),
            labels: node.labels.clone(),
            taints: node.taints.iter().filter(passes).cloned().collect(),
            unschedulable: node.unschedulable,
            free,
            attach_limits: node.attach_limits.clone(),
            is_new: false,
            cut_off: None,
        }
    }

    /// No pod is to wait for a new node of a pool that orders none for it.
    pub(super) fn is_worth_having_for(&self, pod: &Arrival<'_>) -> Result<(), Breach> {
        let priority = pod.shape.priority;
        if self.cut_off.is_none_or(|cut_off| priority >= cut_off) {
            return Ok(());
        }
        let what = format!(
            "{} of priority {priority} waits for {}, whose pool orders none for it",
            pod.name(),
            self.name
        );
        Err(Breach::new(Invariant::CutOff, what))
    }
}

/// What pods may have of a node: what it says, and while it is young the devices that its pool offers with it.
pub(super) fn has(books: &Books, node: &Node, now: Timestamp) -> Resources {
    let mut has = node.allocatable.clone();
    let offered = node.pool.as_ref().and_then(|pool| books.devices.get(pool));
    let offered = offered.filter(|_| now.since(node.created) < SILENT_FOR);
    if let Some(devices) = offered.and_then(|offered| offered.get(&node.offering()?)) {
        for (device, amount) in devices {
            let said = has.extended.entry(device.clone()).or_default();
            if *said == 0 {
                *said = *amount;
            }
        }
    }
    has
}
