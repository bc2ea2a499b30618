//! The plan that empties half of a fleet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use plimsoll_core::audit::Audit;
use plimsoll_core::nodes::add::{self, Settings};
use plimsoll_core::nodes::remove::{Input, Memory, plan};
use plimsoll_core::placement::View;
use serde::Serialize;

use crate::fleet::used::{NODES, PODS_PER_NODE, changes};
use crate::large::median;
use crate::{NOW, TIMES, check};

/// In thousandths: what the pods of a node take of it.
const IN_USE: i64 = 330;

/// What it costs to find out which nodes can go.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Removal {
    nodes: usize,
    pods: usize,
    /// Nodes that go, and nodes that are bought in their place.
    removed: usize,
    bought: u32,
    /// What is to be added and what is to be removed, from a view.
    seconds: f64,
    /// What the audit takes beside it.
    auditing_seconds: f64,
    breach: Option<String>,
}

pub(crate) fn measure() -> Removal {
    let (mut view, mut audit) = (View::default(), Audit::default());
    for change in changes(IN_USE) {
        audit.apply(&change);
        view.apply(change);
    }
    let (settings, workloads) = (Settings::default(), BTreeMap::new());
    let (mut removed, mut bought, mut breach) = (0, 0, None);
    let mut once = || -> (Duration, Duration) {
        let start = Instant::now();
        let adding = add::plan(&view, &settings, NOW);
        let input = Input {
            view: &view,
            adding: &adding,
            settings: &settings,
            workloads: &workloads,
            surging: 0,
            now: NOW,
        };
        let (removing, _) = plan(&input, &Memory::default());
        let planning = start.elapsed();
        let start = Instant::now();
        let found = check(&audit, &adding, &removing, NOW);
        let auditing = start.elapsed();
        breach = breach.take().or(found);
        removed = removing.remove.len();
        bought = removing.add.iter().map(|new| new.count).sum();
        (planning, auditing)
    };
    let (planning, auditing) = (0..TIMES).map(|_| once()).unzip();
    Removal {
        nodes: NODES,
        pods: NODES * PODS_PER_NODE,
        removed,
        bought,
        seconds: median(planning).as_secs_f64(),
        auditing_seconds: median(auditing).as_secs_f64(),
        breach,
    }
}
