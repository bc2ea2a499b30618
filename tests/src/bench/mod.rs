//! `make bench`: what a decision costs, beside the HPA controller of kube-controller-manager.
//!
//! ```text
//!  one cluster, the same Deployments, pods and load
//!  ├─ nobody scales            what the bed itself costs, taken off the rest
//!  ├─ the operator             one PodScaler for each Deployment
//!  ├─ the HPA controller       one HPA for each, with the flags that it is shipped with
//!  └─ the HPA controller       with as much room as it can use
//! ```
//!
//! The bed's own kube-controller-manager and scheduler end once the cluster stands: the HPA controller then
//! runs alone in a process of its own, so that its cpu time is that of its decisions and of nothing else, and
//! the Deployments stay as they were made. kwok ends too: the pods are made directly, with the status of pods that
//! have been ready for an hour, and what they use is said by kubelets that the bench plays (`kubelets.rs`).

pub mod burst;
mod contestant;
mod figures;
mod kubelets;
mod manager;
mod objects;
pub mod plan;
mod plot;
mod process;
mod requests;
mod run;
mod scrape;

use std::{path::PathBuf, time::Duration};

pub use self::run::run;

/// How to run the bench.
#[derive(Clone, Debug)]
pub struct Options {
    /// Objects to scale.
    pub size: usize,
    /// How long the operator is measured: long enough for each refresh of what it shows, which it writes every
    /// three minutes. The others, which write at each decision, for a third of it.
    pub window: Duration,
    /// Where the figures and their picture go.
    pub folder: PathBuf,
}
