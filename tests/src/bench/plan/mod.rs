//! `make bench`: how fast nodes are planned for, beside Karpenter's own scheduling benchmark.
//!
//! ```text
//!  Karpenter's benchmark, its mix and its types ──► pods and types as JSON
//!            │ Solve, timed                               │
//!            ▼                                            ▼ plan, timed
//!        nodes, price  ◄── the same run ──►  nodes, price, and what no plan can do without
//! ```
//!
//! Both have the machine to themselves, one after the other.

mod figures;
mod plot;
mod solve;

use std::path::PathBuf;

use anyhow::{Result, ensure};

use self::figures::{Figures, Row};
use crate::tools::KarpenterBenchmark;
use crate::{demo::commit, say};

/// How to run it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Our solver: the example `plan_pods` of `plimsoll-observe`, optimized.
    pub solver: PathBuf,
    /// Pods of the diverse mix, one run each.
    pub sizes: Vec<u32>,
    /// Pods with preferences.
    pub preferences: u32,
    /// Where the figures and their picture go.
    pub folder: PathBuf,
}

/// Measures both, prints the figures and writes them to `plan.json` and `plan.svg`.
pub fn run(options: &Options) -> Result<()> {
    let karpenter = KarpenterBenchmark::ensure()?;
    let folder = tempfile::tempdir()?;
    let mut rows = Vec::new();
    let sizes = options.sizes.iter().map(|size| ("diverse", *size));
    for (mix, pods) in sizes.chain([("preferences", options.preferences)]) {
        let input = folder.path().join(format!("{mix}-{pods}.json"));
        let theirs = solve::theirs(karpenter.program(), mix, pods, &input)?;
        let ours = solve::ours(&options.solver, &input)?;
        ensure!(ours.solution.pods == theirs.pods, "both were to get {pods} pods");
        let row = Row::new(mix, ours, theirs);
        say(&row.line());
        rows.push(row);
    }
    let figures = Figures {
        date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        commit: commit(),
        karpenter: karpenter.version().to_owned(),
        cores: std::thread::available_parallelism()?.get(),
        rows,
    };
    figures.write(&options.folder.join("plan.json"))?;
    plot::draw(&figures, &options.folder.join("plan.svg"))?;
    figures.print();
    Ok(())
}
