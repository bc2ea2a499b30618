//! The raw figures of a comparison, and the table of them.

use std::fmt::Write;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{
    PERIOD, RESOLUTION, SLACK,
    record::Step,
    story::{Act, Told},
    verdict::differences,
};
use crate::Cluster;

/// Everything that is known of a run. Times are seconds since its beginning.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    /// When it was, in UTC.
    pub(super) date: String,
    /// Of the work tree, with `-dirty` when it had changes.
    pub(super) commit: String,
    /// Of the cluster, and so of the HPA.
    pub(super) kubernetes: String,
    /// How far apart the same size may be asked for.
    pub(super) allowed_seconds: u64,
    pub(super) acts: Vec<Act>,
    /// Replicas asked for by kube-controller-manager's HPA.
    pub(super) hpa: Vec<Step>,
    /// Replicas asked for by Plimsoll under HPA-1.37.
    pub(super) plimsoll: Vec<Step>,
    pub(super) lasted: f64,
    /// Empty when both did the same.
    pub(super) differences: Vec<String>,
}

impl Figures {
    pub(super) async fn new(cluster: &Cluster, commit: String, told: Told) -> Result<Self> {
        let Told { acts, hpa, plimsoll, lasted } = told;
        Ok(Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            commit,
            kubernetes: cluster.client().await?.apiserver_version().await?.git_version,
            allowed_seconds: (PERIOD + RESOLUTION + SLACK).as_secs(),
            acts,
            differences: differences(&hpa, &plimsoll),
            hpa,
            plimsoll,
            lasted,
        })
    }

    /// Both series side by side, and what happened between.
    pub(super) fn table(&self) -> String {
        let mut rows: Vec<(f64, String)> =
            self.acts.iter().map(|act| (act.at, format!("{:7.1} s  {}", act.at, act.what))).collect();
        for at in 0..self.hpa.len().max(self.plimsoll.len()) {
            let cell = |steps: &[Step]| {
                let step = steps.get(at);
                step.map_or_else(
                    || "—".to_owned(),
                    |step| format!("{:2} at {:5.1} s", step.replicas, step.at),
                )
            };
            let (hpa, plimsoll) = (self.hpa.get(at), self.plimsoll.get(at));
            let first = hpa.iter().chain(&plimsoll).map(|step| step.at).fold(f64::INFINITY, f64::min);
            let apart = hpa.zip(plimsoll).map_or(String::new(), |(a, b)| format!("{:+.1} s", b.at - a.at));
            rows.push((first, format!("{:11}{:16}{:16}{apart}", "", cell(&self.hpa), cell(&self.plimsoll))));
        }
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut table = format!("{:11}{:16}{:16}apart\n", "", "HPA", "Plimsoll");
        for (_, row) in rows {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{row}");
        }
        match self.differences.as_slice() {
            [] => table.push_str("the same sizes in the same order, each within the phase of the two"),
            differences => table.push_str(&differences.join("\n")),
        }
        table
    }
}
