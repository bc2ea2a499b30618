//! `make bench`: how fast nodes are planned for, beside Karpenter's own scheduling benchmark.
//!
//! ```text
//!  Karpenter's benchmark, its mix and its types ──► pods and types as JSON
//!            │ Solve, timed                               │
//!            ▼                                            ▼ plan and audit, timed
//!        nodes, price  ◄── the same run ──►  nodes, price, and what no plan can do without
//! ```
//!
//! Both have the machine to themselves, one after the other. The same pods with no two equal, 51,000 pods of two classes,
//! a cluster of 5,000 nodes and the removal of 2,000 nodes are planned for by us alone.

mod figures;
mod page;
mod plot;
mod solve;

use std::path::PathBuf;

use anyhow::{Result, ensure};

use self::figures::{Alone, Figures, Row};
use super::run::load_average;
use crate::tools::KarpenterBenchmark;
use crate::{demo::commit, save, say};

/// With what Karpenter's benchmark draws its pods.
const SEED: u32 = 42;
/// What `tests/karpenter` sets beside the defaults.
const KARPENTER_FLAGS: [&str; 1] = ["NumConcurrentReconciles=5"];

/// How to run it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Our solver: the example `plan_pods` of `plimsoll-observe`, optimized.
    pub solver: PathBuf,
    /// Pods of the diverse mix, one run each.
    pub sizes: Vec<u32>,
    /// Pods with preferences.
    pub preferences: u32,
    /// Of which size of the diverse mix no two pods are equal in a further run.
    pub distinct: u32,
    /// Where the figures and their picture go.
    pub folder: PathBuf,
}

/// Measures both, prints the figures and writes them to `plan.json`, `plan.svg` and the table of `README.md`.
pub fn run(options: &Options) -> Result<()> {
    let karpenter = KarpenterBenchmark::ensure()?;
    let folder = tempfile::tempdir()?;
    let load_at_start = load_average();
    let mut rows = Vec::new();
    let sizes = options.sizes.iter().map(|size| ("diverse", *size));
    for (mix, pods) in sizes.chain([("preferences", options.preferences)]) {
        let input = folder.path().join(format!("{mix}-{pods}.json"));
        let theirs = solve::theirs(karpenter.program(), mix, pods, &input)?;
        let mut mixes = vec![(mix, false)];
        if mix == "diverse" && pods == options.distinct {
            mixes.push(("all different", true));
        }
        for (mix, distinct) in mixes {
            let ours = solve::ours(&options.solver, &input, distinct)?;
            ensure!(ours.solution.pods == theirs.pods, "both were to get {pods} pods");
            let row = Row::new(mix, ours, theirs.clone());
            say(&row.line());
            rows.push(row);
        }
    }
    let figures = Figures {
        date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        commit: commit(),
        karpenter: karpenter.version().to_owned(),
        karpenter_flags: KARPENTER_FLAGS.map(str::to_owned).to_vec(),
        seed: SEED,
        cores: std::thread::available_parallelism()?.get(),
        load_average: [load_at_start, load_average()],
        rows,
        alone: Alone {
            two_classes: solve::two_classes(&options.solver)?,
            large: solve::large(&options.solver)?,
            removal: solve::removal(&options.solver)?,
        },
    };
    save::figures(&options.folder.join("plan.json"), &figures)?;
    plot::draw(&figures, &options.folder.join("plan.svg"))?;
    page::write(&figures, &options.folder.join("README.md"))?;
    figures.print();
    Ok(())
}
