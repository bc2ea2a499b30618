//! What kube-scheduler makes of a case, as `tests/scheduler-oracle/answer.go` writes it.

use serde::Deserialize;

/// One answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Answer {
    /// Why the API server would not have stored the case's pods. Then nothing else is said.
    #[serde(default)]
    pub(crate) invalid: Vec<String>,
    /// One for each node, in the order of the case.
    pub(crate) nodes: Option<Vec<Verdict>>,
}

/// Whether the pod may go to a node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) node: String,
    pub(crate) fits: bool,
    /// What forbids it: first the plugin that the framework names, then the other filters, each asked alone.
    pub(crate) refusals: Vec<Refusal>,
}

/// The no of one plugin.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) plugin: String,
    pub(crate) reasons: Vec<String>,
}
