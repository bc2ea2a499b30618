//! How often which filter of kube-scheduler said no, and why.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::answer::Answer;

/// What a filter can say. `…` stands for anything.
pub(crate) const REASONS: [(&str, &str); 24] = [
    ("SchedulingGates", "waiting for scheduling gates: …"),
    ("NodeUnschedulable", "node(s) were unschedulable"),
    ("TaintToleration", "node(s) had untolerated taint(s)"),
    ("NodeAffinity", "node(s) didn't match Pod's node affinity/selector"),
    ("NodePorts", "node(s) didn't have free ports for the requested pod ports"),
    ("NodeResourcesFit", "Too many pods"),
    ("NodeResourcesFit", "Insufficient cpu"),
    ("NodeResourcesFit", "Insufficient memory"),
    ("NodeResourcesFit", "Insufficient ephemeral-storage"),
    ("NodeResourcesFit", "Insufficient example.com/gpu"),
    ("NodeResourcesFit", "Insufficient hugepages-2Mi"),
    (
        "VolumeRestrictions",
        "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod",
    ),
    ("VolumeRestrictions", "persistentvolumeclaim … not found"),
    ("NodeVolumeLimits", "node(s) exceed max volume count"),
    ("VolumeBinding", "node(s) didn't find available persistent volumes to bind"),
    ("VolumeBinding", "node(s) didn't match PersistentVolume's node affinity"),
    ("VolumeBinding", "pod has unbound immediate PersistentVolumeClaims"),
    ("VolumeZone", "node(s) had no available volume zone"),
    ("VolumeZone", "persistentvolume … not found"),
    ("PodTopologySpread", "node(s) didn't match pod topology spread constraints"),
    ("PodTopologySpread", "node(s) didn't match pod topology spread constraints (missing required label)"),
    ("InterPodAffinity", "node(s) didn't match pod affinity rules"),
    ("InterPodAffinity", "node(s) didn't match pod anti-affinity rules"),
    ("InterPodAffinity", "node(s) didn't satisfy existing pods anti-affinity rules"),
];

/// How often what was said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage {
    /// Questions: a pod and a node.
    pub(crate) questions: u64,
    /// Those with the answer yes.
    pub(crate) yes: u64,
    /// Refusals by the filter that the framework names: the first that says no.
    first: BTreeMap<String, u64>,
    /// Refusals by filter, each asked alone.
    each: BTreeMap<String, u64>,
    reasons: BTreeMap<(String, String), u64>,
}

impl Coverage {
    pub(crate) fn count(&mut self, theirs: &Answer) {
        for verdict in theirs.nodes.iter().flatten() {
            self.questions += 1;
            self.yes += u64::from(verdict.fits);
            if let Some(first) = verdict.refusals.first() {
                *self.first.entry(first.plugin.clone()).or_default() += 1;
            }
            for refusal in &verdict.refusals {
                *self.each.entry(refusal.plugin.clone()).or_default() += 1;
                for reason in &refusal.reasons {
                    let known = (refusal.plugin.clone(), without_names(reason));
                    *self.reasons.entry(known).or_default() += 1;
                }
            }
        }
    }

    /// The reasons that were never heard.
    pub(crate) fn missing(&self) -> Vec<String> {
        let heard = |plugin: &str, reason: &str| {
            self.reasons.keys().any(|(by, heard)| by == plugin && heard == reason)
        };
        let missing = REASONS.iter().filter(|(plugin, reason)| !heard(plugin, reason));
        missing.map(|(plugin, reason)| format!("{plugin}: {reason}")).collect()
    }

    /// Two Markdown tables.
    pub(crate) fn tables(&self) -> String {
        let mut text =
            "| filter | first to say no | says no, asked alone |\n| --- | ---: | ---: |\n".to_owned();
        for (plugin, each) in &self.each {
            let first = self.first.get(plugin).copied().unwrap_or_default();
            let _ = writeln!(text, "| {plugin} | {first} | {each} |");
        }
        text += "\n| filter | what it said | times |\n| --- | --- | ---: |\n";
        for ((plugin, reason), times) in &self.reasons {
            let _ = writeln!(text, "| {plugin} | {reason} | {times} |");
        }
        text
    }
}

/// A reason without the names of a case in it.
fn without_names(reason: &str) -> String {
    match (reason.find(['"', '[']), reason.rfind(['"', ']'])) {
        (Some(from), Some(to)) if from < to => format!("{}…{}", &reason[..from], &reason[to + 1..]),
        _ => reason.to_owned(),
    }
}
