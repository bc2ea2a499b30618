//! One problem, solved by each side in a process of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Solution {
    pub(super) pods: u32,
    pub(super) seconds: f64,
    /// Pods that got no place.
    pub(super) unplaced: u32,
    pub(super) nodes: u32,
    /// Of all nodes for an hour.
    pub(super) price: f64,
}

/// Plans over a cluster of many nodes, each of them checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Large {
    pub(super) nodes: u32,
    pub(super) pods: u32,
    /// With everything that the planner and the audit count made anew.
    pub(super) from_scratch_seconds: f64,
    /// One more pod that is spread over zones.
    pub(super) after_one_change_seconds: f64,
    /// What the process had at most while it took the cluster in.
    pub(super) view_mebibytes: f64,
    /// What it had at most in the end, after plans from scratch with a second cluster.
    pub(super) peak_mebibytes: f64,
    /// Why the audit would not let a plan be carried out, if it would not.
    pub(super) breach: Option<String>,
}

/// The plan that empties half of a fleet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Removal {
    pub(super) nodes: u32,
    pub(super) pods: u32,
    /// Nodes that go, and nodes that are bought in their place.
    pub(super) removed: u32,
    pub(super) bought: u32,
    pub(super) seconds: f64,
    /// What the audit takes beside it.
    pub(super) auditing_seconds: f64,
    /// Why the audit would not let the plan be carried out, if it would not.
    pub(super) breach: Option<String>,
}

/// Ours knows also what no plan can do without.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ours {
    #[serde(flatten)]
    pub(super) solution: Solution,
    /// What of the seconds is the audit's.
    pub(super) auditing_seconds: f64,
    /// What was spent before on taking the pods in, as watches show them.
    pub(super) taking_in_seconds: f64,
    pub(super) nodes_at_least: u32,
    pub(super) price_at_least: f64,
    /// Why the audit would not let the plan be carried out, if it would not.
    pub(super) breach: Option<String>,
}

/// Karpenter makes the problem, writes it to `input`, and solves it.
pub(super) fn theirs(program: &Path, mix: &str, pods: u32, input: &Path) -> Result<Solution> {
    answer(Command::new(program).arg(mix).arg(pods.to_string()).arg(input))
}

/// We solve the same, or the same with no two pods equal.
pub(super) fn ours(program: &Path, input: &Path, distinct: bool) -> Result<Ours> {
    answer(Command::new(program).arg(input).args(distinct.then_some("--distinct")))
}

/// 51,000 pods of two classes for one type of machines.
pub(super) fn two_classes(program: &Path) -> Result<Ours> {
    answer(Command::new(program).arg("two-classes"))
}

/// A cluster as large as Kubernetes supports.
pub(super) fn large(program: &Path) -> Result<Large> {
    answer(Command::new(program).arg("large"))
}

/// 2,000 nodes with 80,000 pods, a third in use.
pub(super) fn removal(program: &Path) -> Result<Removal> {
    answer(Command::new(program).arg("removal"))
}

fn answer<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{command:?} answers {}", String::from_utf8_lossy(&output.stdout)))
}
