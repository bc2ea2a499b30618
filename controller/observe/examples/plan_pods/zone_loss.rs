//! What it takes to say what the loss of a zone would mean for a cluster as large as Kubernetes supports.

use std::error::Error;
use std::time::Instant;

use plimsoll_core::nodes::add::{self, Settings};
use plimsoll_core::nodes::loss;
use plimsoll_core::placement::View;
use serde::Serialize;

use crate::fleet::{self, ZONES};
use crate::large::{alone, median, most_memory};
use crate::{NOW, TIMES};

/// What one zone costs, and what came of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Loss {
    nodes: usize,
    pods: usize,
    /// The pods of the zone, how many of them have room on nodes that are there, and on new ones.
    of_zone: u32,
    at_once: u32,
    on_new_nodes: u32,
    seconds: f64,
    /// A copy of what that is asked of, which is all that it keeps the planner's loop from its work.
    copy_seconds: f64,
    /// What the process had at most before it asked, and while it worked on a copy.
    view_mebibytes: f64,
    peak_mebibytes: f64,
}

pub(crate) fn measure() -> Result<Loss, Box<dyn Error>> {
    let mut view = View::default();
    fleet::large::changes().map(alone).for_each(|change| view.apply(change));
    let zone = ZONES[0].into();
    // What the planner counts is there already when it asks.
    drop(add::plan(&view, &Settings::default(), NOW));
    let view_mebibytes = most_memory()?;
    let answer = loss::lose(&view, &Settings::default(), NOW, &zone);
    let times = (0..TIMES).map(|_| {
        let start = Instant::now();
        let again = loss::lose(&view, &Settings::default(), NOW, &zone);
        let time = start.elapsed();
        assert_eq!(again, answer, "the same question has the same answer");
        time
    });
    let seconds = median(times.collect()).as_secs_f64();
    let copies = (0..TIMES).map(|_| {
        let start = Instant::now();
        let copy = view.clone();
        let time = start.elapsed();
        drop(copy);
        time
    });
    let copy_seconds = median(copies.collect()).as_secs_f64();
    let copy = view.clone();
    drop(loss::lose(&copy, &Settings::default(), NOW, &zone));
    Ok(Loss {
        nodes: view.nodes().count(),
        pods: view.pods().count(),
        of_zone: answer.pods,
        at_once: answer.at_once,
        on_new_nodes: answer.on_new_nodes,
        seconds,
        copy_seconds,
        view_mebibytes,
        peak_mebibytes: most_memory()?,
    })
}
