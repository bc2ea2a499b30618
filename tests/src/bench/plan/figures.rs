//! The figures of a run, as they are printed and written to a file.

use serde::Serialize;

use super::solve::{Large, Ours, Removal, Solution};
use crate::say;

/// Everything that is known of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    /// When it was, in UTC.
    pub(super) date: String,
    /// Of the work tree, with `-dirty` when it had changes.
    pub(super) commit: String,
    pub(super) karpenter: String,
    pub(super) karpenter_flags: Vec<String>,
    /// With what the pods were drawn.
    pub(super) seed: u32,
    /// Cores of the machine.
    pub(super) cores: usize,
    /// Processes that wanted to run in the last minute, at the start and at the end.
    pub(super) load_average: [String; 2],
    pub(super) rows: Vec<Row>,
    pub(super) alone: Alone,
}

/// What we do and Karpenter's benchmark does not.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alone {
    /// 51,000 pods of two classes, the input of the cluster-autoscaler's estimator benchmark.
    pub(super) two_classes: Ours,
    /// 5,000 nodes and 150,000 pods.
    pub(super) large: Large,
    /// 2,000 nodes with 80,000 pods, a third in use.
    pub(super) removal: Removal,
}

/// One problem, solved by both.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) mix: String,
    pub(super) pods: u32,
    pub(super) ours: Solution,
    /// What of our seconds is the audit's.
    pub(super) auditing_seconds: f64,
    /// What was spent before on taking the pods in, as watches show them.
    pub(super) taking_in_seconds: f64,
    pub(super) theirs: Solution,
    /// How many times as many pods per second ours places.
    pub(super) times_as_fast: f64,
    /// What no plan can do without.
    pub(super) nodes_at_least: u32,
    pub(super) price_at_least: f64,
    /// Why the audit would not let our plan be carried out, if it would not.
    pub(super) breach: Option<String>,
}

impl Row {
    pub(super) fn new(mix: &str, ours: Ours, theirs: Solution) -> Self {
        let Ours { solution, auditing_seconds, taking_in_seconds, nodes_at_least, price_at_least, breach } =
            ours;
        let times_as_fast = (theirs.seconds / solution.seconds * 10.0).round() / 10.0;
        let (mix, pods) = (mix.to_owned(), theirs.pods);
        Self {
            mix,
            pods,
            ours: solution,
            auditing_seconds,
            taking_in_seconds,
            theirs,
            times_as_fast,
            nodes_at_least,
            price_at_least,
            breach,
        }
    }

    /// What a person reads.
    pub(super) fn line(&self) -> String {
        let side = |of: &Solution| {
            let rate = f64::from(of.pods) / of.seconds;
            let left = if of.unplaced > 0 { format!(", {} left", of.unplaced) } else { String::new() };
            format!("{:.4} s, {rate:.0} pods/s, {} nodes, price {:.1}{left}", of.seconds, of.nodes, of.price)
        };
        format!(
            "{} {}: Plimsoll {} (and {:.4} s to take them in); Karpenter {}; {} times as fast; at least {} nodes, price {:.1}{}",
            self.pods,
            self.mix,
            side(&self.ours),
            self.taking_in_seconds,
            side(&self.theirs),
            self.times_as_fast,
            self.nodes_at_least,
            self.price_at_least,
            self.breach.as_ref().map(|breach| format!("; the audit: {breach}")).unwrap_or_default(),
        )
    }
}

impl Figures {
    pub(super) fn print(&self) {
        let Self { karpenter, karpenter_flags, commit, cores, seed, load_average: [first, last], .. } = self;
        let flags = karpenter_flags.join(" ");
        say(&format!(
            "planning beside Karpenter {karpenter} ({flags}; seed {seed}; {commit}; {cores} cores, load {first} to {last})"
        ));
        self.rows.iter().for_each(|row| say(&row.line()));
        let Alone { two_classes, large, removal } = &self.alone;
        let of = &two_classes.solution;
        say(&format!(
            "{} pods of two classes: {:.4} s, {:.4} s of them for the audit (and {:.4} s to take the pods in), {} nodes",
            of.pods, of.seconds, two_classes.auditing_seconds, two_classes.taking_in_seconds, of.nodes
        ));
        say(&format!(
            "{} nodes, {} pods: {:.4} s from scratch, {:.4} s after one change, {} MiB for the view, {} MiB at most{}",
            large.nodes,
            large.pods,
            large.from_scratch_seconds,
            large.after_one_change_seconds,
            large.view_mebibytes,
            large.peak_mebibytes,
            large.breach.as_ref().map(|breach| format!("; the audit: {breach}")).unwrap_or_default(),
        ));
        say(&format!(
            "{} nodes with {} pods, a third in use: {:.4} s to find that {} can go for {} others, {:.4} s to audit it{}",
            removal.nodes,
            removal.pods,
            removal.seconds,
            removal.removed,
            removal.bought,
            removal.auditing_seconds,
            removal.breach.as_ref().map(|breach| format!("; the audit: {breach}")).unwrap_or_default(),
        ));
    }
}
