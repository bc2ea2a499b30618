//! Plans nodes for pods, and says how long that took: our side of the planner's benchmark.
//!
//! ```text
//! plan_pods FILE [--distinct]   pods as Kubernetes has them, and types of machines; `tests/karpenter` writes the file
//! plan_pods two-classes         51,000 pods of two classes for one type of machines
//! plan_pods large               a cluster of 5,000 nodes and 150,000 pods, and what it takes of memory
//! plan_pods removal             2,000 nodes with 80,000 pods, a third in use: which can go
//! plan_pods zone-loss           5,000 nodes and 150,000 pods: what the loss of a zone would mean
//! ```
//!
//! The answer goes to stdout as a line of JSON. What is measured begins with values of the core and ends with a checked
//! plan; how long it takes to take the values in, as watches show them, is told by itself. It is done several times, and
//! the median is told.

#![allow(clippy::print_stdout, reason = "that is its answer")]

mod bound;
#[allow(clippy::unwrap_used, reason = "made-up clusters, shared with the core's tests")]
#[path = "../../../core/tests/fleet/mod.rs"]
mod fleet;
mod input;
mod large;
mod removal;
mod zone_loss;

use std::error::Error;
use std::time::{Duration, Instant};

use mimalloc::MiMalloc;
use plimsoll_core::audit::{Audit, Audited};
use plimsoll_core::cluster::{Pod, Pool};
use plimsoll_core::nodes::NodePlan;
use plimsoll_core::nodes::add::{self, Settings};
use plimsoll_core::nodes::remove::RemovalPlan;
use plimsoll_core::placement::{Change, View};
use plimsoll_core::time::Timestamp;
use serde::Serialize;

/// The operator's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How often it is done.
const TIMES: usize = 9;
/// When it is.
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// What came of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Solution {
    pods: usize,
    /// From the pods, which nothing has counted yet, to a checked plan.
    seconds: f64,
    /// What of it is the audit's.
    auditing_seconds: f64,
    /// What was spent before on taking the pods in.
    taking_in_seconds: f64,
    unplaced: u32,
    nodes: u32,
    price: f64,
    /// What no plan can do without.
    nodes_at_least: u32,
    price_at_least: f64,
    /// Why the audit would not let the plan be carried out, if it would not.
    breach: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = match arguments[..] {
        ["removal"] => serde_json::to_string(&removal::measure())?,
        ["zone-loss"] => serde_json::to_string(&zone_loss::measure()?)?,
        ["large"] => serde_json::to_string(&large::measure()?)?,
        ["two-classes"] => {
            let (pods, pool) = large::two_classes();
            serde_json::to_string(&solve(&pods, &pool))?
        }
        [file] => {
            let (pods, pool) = input::read(file, false)?;
            serde_json::to_string(&solve(&pods, &pool))?
        }
        [file, "--distinct"] => {
            let (pods, pool) = input::read(file, true)?;
            serde_json::to_string(&solve(&pods, &pool))?
        }
        _ => return Err("wanted: FILE [--distinct], two-classes, large, removal or zone-loss".into()),
    };
    println!("{answer}");
    Ok(())
}

fn solve(pods: &[Pod], pool: &Pool) -> Solution {
    let mut runs: Vec<Run> = Vec::new();
    for _ in 0..TIMES {
        let mut changes: Vec<_> = pods.iter().cloned().map(Change::Pod).collect();
        changes.push(Change::Pool(pool.clone()));
        runs.push(from_scratch(changes));
    }
    runs.sort_by_key(|run| run.planning + run.auditing);
    let Run { taking_in, planning, auditing, plan, breach } = runs.swap_remove(TIMES / 2);
    #[allow(clippy::cast_precision_loss, reason = "prices are small")]
    let price = plan.price as f64 / 1e6;
    let (nodes_at_least, price_at_least) = bound::at_least(bound::demand(pods.iter()), &pool.offerings);
    Solution {
        pods: pods.len(),
        seconds: (planning + auditing).as_secs_f64(),
        auditing_seconds: auditing.as_secs_f64(),
        taking_in_seconds: taking_in.as_secs_f64(),
        unplaced: plan.refused.iter().map(|refused| refused.count).sum(),
        nodes: plan.add.iter().map(|new| new.count).sum(),
        price,
        nodes_at_least,
        price_at_least,
        breach,
    }
}

/// A plan, how long it took, and what the audit has against it.
struct Run {
    taking_in: Duration,
    planning: Duration,
    auditing: Duration,
    plan: NodePlan,
    breach: Option<String>,
}

fn from_scratch(changes: Vec<Change>) -> Run {
    let start = Instant::now();
    let (mut view, mut audit) = (View::default(), Audit::default());
    for change in changes {
        audit.apply(&change);
        view.apply(change);
    }
    let taking_in = start.elapsed();
    let start = Instant::now();
    let plan = add::plan(&view, &Settings::default(), NOW);
    let planning = start.elapsed();
    let start = Instant::now();
    let breach = check(&audit, &plan, &RemovalPlan::default(), NOW);
    Run { taking_in, planning, auditing: start.elapsed(), plan, breach }
}

/// What the audit has against plans.
fn check(audit: &Audit, adding: &NodePlan, removing: &RemovalPlan, now: Timestamp) -> Option<String> {
    let checked = audit.check(&Audited { adding, removing, most_nodes: None, now });
    checked.err().map(|breach| breach.to_string())
}
