//! Which branches of the algorithm a case takes.
//!
//! A branch is counted where our decision says that it was taken: by the basis and the counts of a metric, the kind of a
//! limit, the reason of a condition. Where the decision does not say it (which of two rules made a pod unready), the case
//! itself is classified, by the words of the rule and without the code of the core. Since both sides agree on every
//! compared sync, what our side took is what HPA took.

mod limits;
mod metrics;
mod names;
mod pods;
mod requests;
mod sync;

use std::collections::BTreeMap;
use std::fmt::Write;

use plimsoll_core::replicas::MetricOutcome;

pub(crate) use self::names::Branch;
use crate::case::{Case, Step};
use crate::ours::Synced;

/// How often what happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage {
    branches: BTreeMap<Branch, u64>,
    /// `type=status reason` of every condition, and `type reason` of every event.
    reasons: BTreeMap<String, u64>,
}

/// One sync and its past.
#[derive(Clone, Copy)]
struct Sync<'a> {
    step: &'a Step,
    synced: &'a Synced,
    before: Option<(&'a Step, &'a Synced)>,
}

impl Sync<'_> {
    fn outcomes(&self) -> impl Iterator<Item = (usize, &MetricOutcome)> {
        self.synced.decision.metrics.iter().enumerate()
    }
}

impl Coverage {
    /// Counts the first `compared` syncs of a case.
    pub(crate) fn count(&mut self, case: &Case, ours: &[Synced], compared: usize) {
        let mut hit = |branch| *self.branches.entry(branch).or_default() += 1;
        let steps = case.steps.iter().zip(ours).take(compared);
        let mut before = None;
        for (step, synced) in steps.clone() {
            let sync = Sync { step, synced, before };
            sync::classify(sync, &mut hit);
            metrics::classify(sync, &mut hit);
            limits::classify(sync, &mut hit);
            before = Some((step, synced));
        }
        for (_, synced) in steps {
            let conditions = synced.answer.status.conditions.iter();
            let conditions = conditions.map(|c| format!("{}={} {}", c.r#type, c.status, c.reason));
            let events = synced.answer.events.iter().map(|e| format!("{} {}", e.r#type, e.reason));
            for reason in conditions.chain(events) {
                *self.reasons.entry(reason).or_default() += 1;
            }
        }
    }

    /// What was never taken.
    pub(crate) fn missing(&self) -> Vec<String> {
        let branches = Branch::ALL.iter().filter(|branch| !self.branches.contains_key(branch));
        let branches = branches.map(|branch| {
            let (section, words) = branch.words();
            format!("{section}: {words} ({branch:?})")
        });
        let reasons = REASONS.iter().filter(|reason| !self.reasons.contains_key(**reason));
        branches.chain(reasons.map(|reason| format!("1.11: {reason}"))).collect()
    }

    /// A Markdown table for each section.
    pub(crate) fn tables(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for branch in Branch::ALL {
            let (section, words) = branch.words();
            if section != last {
                let _ = write!(text, "\n### {section}\n\n| branch | taken |\n| --- | ---: |\n");
                last = section;
            }
            let taken = self.branches.get(branch).copied().unwrap_or_default();
            let _ = writeln!(text, "| {words} | {taken} |");
        }
        text.push_str("\n### 1.11 Conditions and events\n\n| condition or event | seen |\n| --- | ---: |\n");
        for reason in REASONS {
            let _ =
                writeln!(text, "| {reason} | {} |", self.reasons.get(*reason).copied().unwrap_or_default());
        }
        text
    }
}

/// Every condition and event that HPA 1.37 knows.
const REASONS: &[&str] = &[
    "AbleToScale=True SucceededGetScale",
    "AbleToScale=True ReadyForNewScale",
    "AbleToScale=True ScaleDownStabilized",
    "AbleToScale=True ScaleUpStabilized",
    "AbleToScale=True SucceededRescale",
    "AbleToScale=False FailedGetScale",
    "AbleToScale=False FailedUpdateScale",
    "ScalingActive=True ValidMetricFound",
    "ScalingActive=False ScalingDisabled",
    "ScalingActive=False InvalidSelector",
    "ScalingActive=False AmbiguousSelector",
    "ScalingActive=False FailedGetResourceMetric",
    "ScalingActive=False FailedGetContainerResourceMetric",
    "ScalingActive=False FailedGetPodsMetric",
    "ScalingActive=False FailedGetObjectMetric",
    "ScalingActive=False FailedGetExternalMetric",
    "ScalingActive=False InvalidMetricSourceType",
    "ScalingLimited=True ScaleUpLimit",
    "ScalingLimited=True ScaleDownLimit",
    "ScalingLimited=True TooManyReplicas",
    "ScalingLimited=True TooFewReplicas",
    "ScalingLimited=False DesiredWithinRange",
    "ScaledToZero=True ScaledToZero",
    "ScaledToZero=False NotScaledToZero",
    "Normal SuccessfulRescale",
    "Warning FailedGetScale",
    "Warning SelectorRequired",
    "Warning InvalidSelector",
    "Warning AmbiguousSelector",
    "Warning FailedGetResourceMetric",
    "Warning FailedGetContainerResourceMetric",
    "Warning FailedGetPodsMetric",
    "Warning FailedGetObjectMetric",
    "Warning FailedGetExternalMetric",
    "Warning InvalidMetricSourceType",
    "Warning FailedComputeMetricsReplicas",
    "Warning FailedRescale",
    "Warning FailedUpdateStatus",
];
