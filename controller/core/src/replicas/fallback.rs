//! What to do when the metrics could not be trusted several times in a row.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Context;
use super::combine::{Source, Winner};
use super::decision::Decision;
use super::memory::Memory;
use crate::reason::EventReason;

/// What to do without metrics, and after how many looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// How many looks in a row must have ended without a proposal that may be trusted, 1 or more.
    pub after_failures: i32,
    /// What happens then.
    pub behavior: FallbackBehavior,
}

/// The size without metrics. Windows, rate policies and bounds apply to it as to any recommendation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FallbackBehavior {
    /// The size stays as it is.
    Hold,
    /// This many.
    Static(i32),
    /// This many, or as many as there are, whichever is more.
    StaticIfHigher(i32),
    /// The minimum that the schedules, or without them the policy, set at the moment.
    ScheduledMinimum,
}

impl fmt::Display for FallbackBehavior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold => f.write_str("Hold"),
            Self::Static(replicas) => write!(f, "Static, {replicas} replicas"),
            Self::StaticIfHigher(replicas) => write!(f, "StaticIfHigher, {replicas} replicas"),
            Self::ScheduledMinimum => f.write_str("ScheduledMinimum"),
        }
    }
}

/// Counts the looks in a row without a winner.
pub(super) fn count(ctx: &Context<'_>, memory: &mut Memory, winner: Option<&Winner>) {
    memory.failures = match (&ctx.input.policy.fallback, winner) {
        (Some(_), None) => memory.failures.saturating_add(1),
        _ => 0,
    };
}

/// The size to go on with in place of metrics, if it is time. Says so in `decision`.
pub(super) fn fall_back(ctx: &Context<'_>, memory: &Memory, decision: &mut Decision) -> Option<Winner> {
    let fallback = ctx.input.policy.fallback.filter(|fallback| memory.failures >= fallback.after_failures)?;
    let (behavior, failures) = (fallback.behavior, memory.failures);
    let after = fallback.after_failures;
    decision.fallback = Some(failures);
    // Without the count of the moment, or each look would be a new event.
    let message = format!(
        "spec.fallback.afterFailures ({after}) is reached without metrics that can be trusted: {behavior}"
    );
    decision.warn(EventReason::FallbackApplied, message);
    let replicas = match behavior {
        FallbackBehavior::Hold => return None,
        FallbackBehavior::Static(replicas) => replicas,
        FallbackBehavior::StaticIfHigher(replicas) => replicas.max(ctx.input.target.spec_replicas),
        FallbackBehavior::ScheduledMinimum => ctx.bounds.min_replicas,
    };
    if let Some(error) = &mut decision.error {
        error.ends_sync = false;
    }
    Some(Winner { replicas, source: Source::Fallback })
}
