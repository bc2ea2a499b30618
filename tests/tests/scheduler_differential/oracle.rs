//! The other side: a running `tests/scheduler-oracle`.

use testbed::tools::SchedulerOracle;

use crate::answer::Answer;
use crate::case::Case;

/// Says of each case to which nodes the pod may go.
pub(crate) type Oracle = testbed::oracle::Oracle<Case, Answer>;

/// Builds the oracle if needed, and starts it.
pub(crate) fn start() -> Oracle {
    let tools = SchedulerOracle::ensure().expect("the oracle builds");
    Oracle::start(tools.program()).expect("the oracle starts")
}
