//! Why a source gave no value, in words for people.

use std::{borrow::Cow, time::Duration};

/// Why a source gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// Nobody serves the source.
    #[error("{what} is not available: {way_out} ({answer})")]
    Unavailable {
        /// The source.
        what: Cow<'static, str>,
        /// What to look at.
        way_out: Cow<'static, str>,
        /// What was answered.
        answer: String,
    },
    /// The operator may not read it.
    #[error("not allowed to read {what}: check the operator's ClusterRole ({answer})")]
    Forbidden {
        /// The source.
        what: Cow<'static, str>,
        /// What was answered.
        answer: String,
    },
    /// No answer in time, the time in the queue of the source included.
    #[error("{what} did not answer within {} s", .after.as_secs())]
    TimedOut {
        /// The source.
        what: Cow<'static, str>,
        /// How long was waited.
        after: Duration,
    },
    /// The answer is larger than any honest one.
    #[error("{what} answered with more than {most} bytes, which no answer to this question should have")]
    TooLarge {
        /// The source.
        what: Cow<'static, str>,
        /// Bytes.
        most: usize,
    },
    /// The source was asked and says why it has no value.
    #[error("{0}")]
    Refused(String),
    /// The source answered, with nothing.
    #[error("no metrics returned")]
    Empty,
    /// Anything else.
    #[error("reading {what} failed: {problem}")]
    Failed {
        /// The source.
        what: Cow<'static, str>,
        /// What happened.
        problem: String,
    },
}
