//! What a person waiting for the test bed reads.

use std::io::Write;

/// Writes a line to stderr, also while the test harness captures what tests print.
pub(crate) fn say(line: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(std::io::stderr(), "testbed: {line}");
}
