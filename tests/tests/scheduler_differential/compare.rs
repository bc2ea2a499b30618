//! Where the two sides differ.

use std::fmt;

use crate::answer;
use crate::deviations::Deviation;
use crate::ours::Answer;

/// An answer that differs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) node: String,
    pub(crate) ours: String,
    pub(crate) theirs: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, ours, theirs } = self;
        write!(f, "{node}:\n  Plimsoll        {ours}\n  kube-scheduler  {theirs}")
    }
}

/// What came of one case.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// The nodes for which the answers differ: in yes or no, or since our reason is the rule of a filter that says yes.
    pub(crate) differences: Vec<Difference>,
    pub(crate) deviations: Vec<Deviation>,
}

pub(crate) fn compare(ours: &[Answer], theirs: &answer::Answer) -> Outcome {
    let mut outcome = Outcome::default();
    for (ours, theirs) in ours.iter().zip(theirs.nodes.iter().flatten()) {
        assert_eq!(ours.node, theirs.node, "one answer for each node");
        let same = match &ours.refusal {
            None => theirs.fits,
            Some(no) => !theirs.fits && says_no(theirs, no.filters),
        };
        let deviation = ours.may_deviate.filter(|of| !same && of.explains(theirs));
        if let Some(deviation) = deviation {
            outcome.deviations.push(deviation);
        } else if !same {
            outcome.differences.push(difference(ours, theirs));
        }
    }
    outcome
}

fn says_no(theirs: &answer::Verdict, filters: &[&str]) -> bool {
    filters.is_empty() || theirs.refusals.iter().any(|no| filters.contains(&no.plugin.as_str()))
}

fn difference(ours: &Answer, theirs: &answer::Verdict) -> Difference {
    let yes = || "yes".to_owned();
    let nos = theirs.refusals.iter().map(|no| format!("{}: {}", no.plugin, no.reasons.join(", ")));
    Difference {
        node: theirs.node.clone(),
        ours: ours.refusal.as_ref().map_or_else(yes, |no| no.reason.clone()),
        theirs: if theirs.fits { yes() } else { nos.collect::<Vec<_>>().join("; ") },
    }
}
