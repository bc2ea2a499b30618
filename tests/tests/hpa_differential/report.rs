//! What a full run leaves in `docs/conformance/hpa.md`.

use std::fmt::Write;
use std::process::Command;

use testbed::tools::{HpaOracle, repository};

use crate::campaign::{Campaign, Tally};
use crate::deviations::Deviation;

/// What was run, and on what, as of the start of the run.
pub(crate) struct Versions {
    date: String,
    commit: String,
    kubernetes: String,
}

impl Versions {
    /// Asks git and Go.
    pub(crate) fn now() -> Self {
        let oracle = HpaOracle::ensure().expect("it was built");
        let commit = output("git", &["rev-parse", "--short=12", "HEAD"]);
        let parts = ["controller/core", "tests/hpa-oracle", "tests/tests/hpa_differential"];
        let changed = output("git", &[&["status", "--porcelain"], parts.as_slice()].concat());
        let (go, arch) = (output("go", &["env", "GOVERSION"]), std::env::consts::ARCH);
        Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
            commit: if changed.is_empty() { commit } else { format!("{commit} with changes") },
            kubernetes: format!("{}, {go}, {arch}", oracle.kubernetes_version()),
        }
    }
}

/// The page.
pub(crate) fn page(versions: &Versions, campaign: Campaign, tally: &Tally, replayed: usize) -> String {
    let Versions { date, commit, kubernetes } = versions;
    let Campaign { seed, calculations, sequences, .. } = campaign;
    let mut text = format!(
        "# HPA-1.37 against the HPA controller of Kubernetes\n\n\
         Written by `make conformance`; do not edit. How it works: `tests/tests/hpa_differential`.\n\n\
         `plimsoll-core` under `algorithm: HPA-1.37` and the controller of `k8s.io/kubernetes/pkg/controller/podautoscaler`\n\
         itself, in virtual time, got the same generated cases. Compared after each sync: the proposal of the metrics and\n\
         the metric it is from, the size that is written, `status.currentMetrics`, `currentReplicas`, `desiredReplicas` and\n\
         `lastScaleTime`, every condition with its status, reason, message and time, every event, the error the sync ends\n\
         with, and what is remembered for the next sync.\n\n\
         | | |\n| --- | --- |\n\
         | date | {date} |\n\
         | commit | {commit} |\n\
         | Kubernetes | {kubernetes} |\n\
         | seed | {seed} |\n\
         | calculations (one sync each) | {calculations} |\n\
         | sequences of syncs | {sequences} |\n\
         | kept cases replayed | {replayed} |\n\
         | syncs compared in full | {} |\n\
         | cases that differ, known deviations aside | {} |\n\
         | time | {} s |\n\n\
         ## Known deviations\n\n| seen | deviation |\n| ---: | --- |\n",
        tally.syncs,
        tally.failed,
        tally.took.as_secs(),
    );
    for deviation in Deviation::ALL {
        let seen = tally.deviations.get(&deviation).copied().unwrap_or_default();
        let _ = writeln!(text, "| {seen} | {} |", deviation.reason());
    }
    text += "\nThe pods of a case are listed by name. The real lister has no order, and then chance decides which of several \
             pods\nwithout a request HPA names in an error; HPA-1.37 names the first by name.\n\n\
             Not compared, since they are the operator's and not the core's: queueing, the check that the informer is not\n\
             stale, defaulting and validation, and how metrics APIs are discovered and called.\n\n\
             ## Branches\n\nHow often each branch of the algorithm was taken. A run in which one is never taken fails.\n";
    text + &tally.coverage.tables()
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(repository()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
