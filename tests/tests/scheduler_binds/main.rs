//! The real kube-scheduler binds what was planned.
//!
//! For generated pools, nodes and pods the core plans what the operator would; the nodes are made by the provider that the
//! operator asks. kube-scheduler has the pods for nodes that are there at once, and the others when all nodes are ready.
//! Every pod that was promised a place has to be bound, and no node may have been ordered in vain; what differs is printed as
//! a rate. `cargo test -p plimsoll-tests --test scheduler_binds` runs dozens of cases; `make conformance` runs many and writes
//! `docs/conformance/bound.md`. `SCHEDULER_BINDS_SEED` chooses other cases, `SCHEDULER_BINDS_CASES` another number, and
//! `SCHEDULER_BINDS_FROM` where to begin.

// Helpers outside `#[test]` functions may panic here: the whole file is a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod awaited;
mod bed;
mod campaign;
mod claims;
mod generate;
mod outcome;
mod plan;
mod pods;
mod report;
mod seen;

use anyhow::{Result, ensure};

use crate::{bed::Told, campaign::Campaign};

/// A part that takes seconds.
const PART: u64 = 24;
/// What `make conformance` runs.
const ALL: u64 = 2_000;

#[tokio::test]
async fn a_pod_that_was_promised_a_place_is_bound() -> Result<()> {
    let tally = Campaign::of_environment(PART)?.run(Told::Nominated).await?;
    println!("{tally}");
    ensure!(tally.is_kept(), "{}", tally.wrong.join("\n"));
    ensure!(tally.sum.nodes > 0 && tally.sum.on_free_room > 0, "nothing was planned");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make conformance"]
async fn conformance() -> Result<()> {
    let campaign = Campaign::of_environment(ALL)?;
    let tally = campaign.run(Told::Nominated).await?;
    let unheard: Vec<_> = pods::wishes().filter(|wish| !tally.wishes.contains_key(wish)).collect();
    ensure!(unheard.is_empty(), "nobody asked for {unheard:?}");
    let alone = Campaign { cases: campaign.cases / 4, ..campaign }.run(Told::Nothing).await?;
    report::write(&campaign, &tally, &alone)?;
    ensure!(tally.is_kept(), "{}", tally.wrong.join("\n"));
    Ok(())
}
