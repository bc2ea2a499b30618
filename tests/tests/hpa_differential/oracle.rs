//! The other side: a running `tests/hpa-oracle`.

use testbed::tools::HpaOracle;

use crate::answer::Answer;
use crate::case::Case;

/// Answers cases with what comes of each of their syncs.
pub(crate) type Oracle = testbed::oracle::Oracle<Case, Vec<Answer>>;

/// Builds the oracle if needed, and starts it.
pub(crate) fn start() -> Oracle {
    let program = HpaOracle::ensure().expect("the oracle builds").program();
    Oracle::start(&program).expect("the oracle starts")
}
