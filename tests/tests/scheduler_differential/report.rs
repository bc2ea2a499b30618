//! `docs/conformance/placement.md`: what the last full run came to.

use std::process::Command;

use testbed::tools::{SchedulerOracle, repository};

use crate::campaign::{Campaign, Tally};
use crate::deviations::Deviation;

/// The page.
pub(crate) fn page(campaign: Campaign, tally: &Tally, replayed: usize) -> String {
    let oracle = SchedulerOracle::ensure().expect("the oracle builds");
    let (kubernetes, go) = (oracle.kubernetes_version(), output("go", &["env", "GOVERSION"]));
    let date = output("date", &["-u", "+%Y-%m-%d"]);
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]);
    let changed = if output("git", &["status", "--porcelain"]).is_empty() { "" } else { " with changes" };
    let known = Deviation::ALL
        .map(|of| format!("| {} | {} |\n", tally.deviations.get(&of).unwrap_or(&0), of.reason()))
        .concat();
    let Tally { cases, invalid, coverage, failed, took, .. } = tally;
    format!(
        "# Placement against the filters of kube-scheduler\n\n\
         Written by `make conformance`; do not edit. How it works: `tests/tests/scheduler_differential`.\n\n\
         `plimsoll_core::placement`, fed by `plimsoll_observe`, and the scheduling framework of Kubernetes with the filters of\n\
         its default configuration got the same generated clusters and pods. A question is: may this pod go to this node?\n\
         Compared are the answers, and that the reason of our no is the rule of a filter that says no too.\n\n\
         | | |\n| --- | --- |\n\
         | date | {date} |\n\
         | commit | {commit}{changed} |\n\
         | Kubernetes | {kubernetes}, {go}, {arch} |\n\
         | seed | {seed} |\n\
         | clusters | {cases} |\n\
         | clusters that the API server would not store, left out | {invalid} |\n\
         | kept cases replayed | {replayed} |\n\
         | questions | {questions} |\n\
         | answered yes | {yes} |\n\
         | answers that differ, known deviations aside | {failed} |\n\
         | time | {seconds} s |\n\n\
         ## Known deviations\n\n| seen | deviation |\n| ---: | --- |\n{known}\n\
         ## What the filters said\n\n\
         A run in which a filter, or one of its reasons, is never heard fails. A no before the filters (a scheduling gate, a\n\
         claim that is missing) counts for every node.\n\n{tables}",
        arch = std::env::consts::ARCH,
        seed = campaign.seed,
        questions = coverage.questions,
        yes = coverage.yes,
        seconds = took.as_secs(),
        tables = coverage.tables(),
    )
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(repository()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
