//! What `make demo` runs: a small shop on a real cluster, a wave of load on one service, and how it scales.
//!
//! ```text
//! set_up ──► wave ──► verdict ──► figures ──► summary (text), summary.json, plot (SVG)
//!              │ awaits
//!            model ◄── watch (Deployments, PodScalers, pods, metrics.k8s.io)
//!              │
//!            screen (redrawn in place on a terminal, lines and tables elsewhere)
//! ```

mod figures;
mod keep;
mod model;
mod plot;
mod rows;
mod run;
mod screen;
mod set_up;
mod shop;
mod stage;
mod summary;
mod verdict;
mod visitors;
mod watch;
mod wave;

use std::path::PathBuf;

use self::stage::Stage;
pub(crate) use self::{figures::commit, plot::theme};
pub use self::{figures::redraw, run::run};

/// How to run the demo.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Leave the cluster and the operator up.
    pub keep: bool,
    /// Let clients come through a front door, rather than say what usage they would cause.
    pub ingress: bool,
    /// Where to draw the run; the raw figures go beside it.
    pub svg: Option<PathBuf>,
    /// Do not run the operator, to see the demo fail.
    pub without_operator: bool,
    /// Load another service too, to see the demo fail.
    pub disturb: Option<String>,
}

impl Options {
    /// What a person types for it.
    fn command(&self) -> &'static str {
        if self.ingress { "make demo-ingress" } else { "make demo" }
    }
}
