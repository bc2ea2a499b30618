//! What must survive from one decision to the next.

use serde::{Deserialize, Serialize};

use super::Context;
use super::policy::Behavior;
use super::rules::Rules;
use crate::time::{Span, Timestamp};

/// No list grows beyond this. The longest window is an hour, so it is reached only by asking more than once per
/// second for an hour; the oldest entries then go first.
const MOST_ENTRIES: usize = 4096;

/// Recommendations and rescales of one workload. Start with `Memory::default()`; keep what [`super::decide`] and
/// [`Memory::rescaled`] return; drop it when the object is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// What the metrics asked for, before windows and limits. Empty only before the first decision.
    #[serde(default, rename = "recs")]
    pub(super) recommendations: Vec<Recommendation>,
    /// Growths of ours, for the budgets of rate policies.
    #[serde(default, rename = "ups", skip_serializing_if = "Vec::is_empty")]
    pub(super) scale_ups: Vec<ScaleEvent>,
    /// Shrinkings of ours, for the budgets of rate policies.
    #[serde(default, rename = "downs", skip_serializing_if = "Vec::is_empty")]
    pub(super) scale_downs: Vec<ScaleEvent>,
    /// The looks in a row that ended without metrics that may be trusted. Counted only with a fallback.
    #[serde(default, rename = "fails", skip_serializing_if = "is_zero")]
    pub(super) failures: i32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// A recommended size and its moment. Stored as a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i32, Timestamp)", into = "(i32, Timestamp)")]
pub(super) struct Recommendation {
    pub(super) replicas: i32,
    pub(super) at: Timestamp,
}

/// A change of size that was written, as a positive number of pods. Stored as a pair, or, if it is outdated, as a
/// triple that ends with `true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredEvent", into = "StoredEvent")]
pub(super) struct ScaleEvent {
    pub(super) change: i32,
    pub(super) at: Timestamp,
    /// Whether it was older than every period once. HPA keeps this mark when the periods become longer.
    pub(super) outdated: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredEvent {
    Plain(i32, Timestamp),
    Marked(i32, Timestamp, bool),
}

impl From<(i32, Timestamp)> for Recommendation {
    fn from((replicas, at): (i32, Timestamp)) -> Self {
        Self { replicas, at }
    }
}

impl From<Recommendation> for (i32, Timestamp) {
    fn from(rec: Recommendation) -> Self {
        (rec.replicas, rec.at)
    }
}

impl From<StoredEvent> for ScaleEvent {
    fn from(stored: StoredEvent) -> Self {
        match stored {
            StoredEvent::Plain(change, at) => Self { change, at, outdated: false },
            StoredEvent::Marked(change, at, outdated) => Self { change, at, outdated },
        }
    }
}

impl From<ScaleEvent> for StoredEvent {
    fn from(ScaleEvent { change, at, outdated }: ScaleEvent) -> Self {
        if outdated { Self::Marked(change, at, outdated) } else { Self::Plain(change, at) }
    }
}

impl Memory {
    /// The memory with the present size as its first recommendation, if it had none. After a start without memory
    /// this keeps a workload from shrinking for a whole window.
    pub(super) fn seeded(&self, current: i32, now: Timestamp) -> Self {
        let mut memory = self.clone();
        if memory.recommendations.is_empty() {
            memory.recommendations.push(Recommendation { replicas: current, at: now });
        }
        memory
    }

    /// Adds a recommendation, and lets go of old ones.
    pub(super) fn remember(
        &mut self,
        ctx: &Context<'_>,
        replicas: i32,
        is_old: impl Fn(&Recommendation) -> bool,
    ) {
        let new = Recommendation { replicas, at: ctx.input.now };
        let recs = &mut self.recommendations;
        if ctx.rules.memory_is_compact() {
            recs.retain(|rec| !is_old(rec));
            recs.push(new);
            drop_outdone(recs);
        } else {
            replace_last_or_push(recs, new, is_old);
        }
        cap(recs, |rec| rec.at);
    }

    /// Adds a change of size from `from` to `to`, and lets go of old ones.
    pub(super) fn remember_rescale(
        &mut self,
        rules: Rules,
        behavior: &Behavior,
        (from, to): (i32, i32),
        now: Timestamp,
    ) {
        let grown = to > from;
        let change = if grown { rules.subtract(to, from) } else { rules.subtract(from, to) };
        let new = ScaleEvent { change, at: now, outdated: false };
        let (rules_of_direction, events) = if grown {
            (&behavior.scale_up, &mut self.scale_ups)
        } else {
            (&behavior.scale_down, &mut self.scale_downs)
        };
        let longest_of = |policies: &[super::RatePolicy]| {
            policies.iter().map(|policy| policy.period_seconds).fold(0, i32::max)
        };
        if rules.memory_is_compact() {
            let longest =
                longest_of(&behavior.scale_up.policies).max(longest_of(&behavior.scale_down.policies));
            let cutoff = now - Span::from_secs(longest.into());
            self.scale_ups.retain(|event| event.at > cutoff);
            self.scale_downs.retain(|event| event.at > cutoff);
            if grown { &mut self.scale_ups } else { &mut self.scale_downs }.push(new);
        } else {
            let cutoff = now - Span::from_secs(longest_of(&rules_of_direction.policies).into());
            for event in events.iter_mut().filter(|event| event.at < cutoff) {
                event.outdated = true;
            }
            replace_last_or_push(events, new, |event| event.outdated);
        }
        cap(&mut self.scale_ups, |event| event.at);
        cap(&mut self.scale_downs, |event| event.at);
    }
}

/// HPA's way: the new entry takes the place of the last outdated one.
fn replace_last_or_push<T>(entries: &mut Vec<T>, new: T, is_old: impl Fn(&T) -> bool) {
    match entries.iter_mut().rev().find(|entry| is_old(entry)) {
        Some(entry) => *entry = new,
        None => entries.push(new),
    }
}

/// Drops every entry that later ones outdo from above and from below: it can be neither the highest nor the lowest
/// of any window.
fn drop_outdone(recs: &mut Vec<Recommendation>) {
    recs.sort_by_key(|rec| rec.at);
    let (mut highest, mut lowest) = (None::<i32>, None::<i32>);
    let mut kept: Vec<Recommendation> = Vec::with_capacity(recs.len());
    for rec in recs.iter().rev() {
        let is_new_high = highest.is_none_or(|highest| rec.replicas > highest);
        let is_new_low = lowest.is_none_or(|lowest| rec.replicas < lowest);
        if is_new_high || is_new_low {
            kept.push(*rec);
        }
        highest = highest.max(Some(rec.replicas));
        lowest = Some(lowest.map_or(rec.replicas, |lowest| lowest.min(rec.replicas)));
    }
    kept.reverse();
    *recs = kept;
}

fn cap<T>(entries: &mut Vec<T>, at: impl Fn(&T) -> Timestamp) {
    if entries.len() > MOST_ENTRIES {
        entries.sort_by_key(|entry| at(entry));
        entries.drain(..entries.len() - MOST_ENTRIES);
    }
}

#[cfg(test)]
mod tests;
