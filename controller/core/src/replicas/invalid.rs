//! What a policy says that cannot be meant.

use std::fmt;

/// A field of a policy that cannot be used. Its `Display` names the field, what is wrong, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPolicy {
    /// Path of the field in the object, such as `spec.schedules[0].start`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl InvalidPolicy {
    pub(super) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

impl fmt::Display for InvalidPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}
