//! A decision with all that it depended on: what the operator keeps, and what a replay starts from.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::decision::Decision;
use super::input::Input;
use super::memory::Memory;
use super::obstacle::{Obstacle, blocked};
use super::policy::{MetricSpec, PodTarget, ValueTarget};
use crate::time::Timestamp;

/// One decision, what was asked, and what became of it. `D` is the decision, or the bytes it was stored as.
///
/// Stored as JSON it must be read back with exact floats (`float_roundtrip` of `serde_json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record<'a, D = Decision> {
    /// What was asked.
    pub asked: Asked<'a>,
    /// The answer.
    pub decision: D,
    /// What became of the answer.
    pub outcome: Outcome,
}

/// What was asked.
// Nearly all of them are the large variant.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Asked<'a> {
    /// [`super::decide`].
    Decide {
        /// Its input.
        input: Cow<'a, Input>,
        /// What was remembered before.
        memory: Cow<'a, Memory>,
    },
    /// [`super::blocked`].
    Blocked {
        /// The moment.
        now: Timestamp,
        /// What stood in the way.
        obstacle: Cow<'a, Obstacle>,
        /// The size that was found; 0 if it was not known.
        current: i32,
    },
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// There was nothing to write, or it was not to be written.
    Nothing,
    /// The new size was written.
    Written,
    /// The write failed. The text of that error.
    Failed(String),
    /// It was not written, since a drain has one replica more for a while, which it gives back itself.
    Lent,
}

impl Asked<'_> {
    /// The moment of the decision.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Decide { input, .. } => input.now,
            Self::Blocked { now, .. } => *now,
        }
    }

    /// The input, if it came to one.
    pub fn input(&self) -> Option<&Input> {
        match self {
            Self::Decide { input, .. } => Some(input),
            Self::Blocked { .. } => None,
        }
    }

    /// Decides again.
    pub fn answer(&self) -> Decision {
        match self {
            Self::Decide { input, memory } => super::decide(input, memory).0,
            Self::Blocked { obstacle, current, .. } => blocked(obstacle, *current),
        }
    }
}

impl MetricSpec {
    /// Whether a reading of `self` is one of `other` too: they measure the same and differ at most in their target.
    pub fn measures_as(&self, other: &Self) -> bool {
        self.untargeted() == other.untargeted()
    }

    fn untargeted(&self) -> Self {
        let mut metric = self.clone();
        match &mut metric {
            Self::Resource { target, .. } | Self::ContainerResource { target, .. } => {
                *target = PodTarget::Unset;
            }
            Self::Pods { average, .. } | Self::Scrape { average, .. } => *average = 0,
            Self::Object { target, .. } | Self::External { target, .. } | Self::Prometheus { target, .. } => {
                *target = ValueTarget::Unset;
            }
            Self::Unknown { .. } => {}
        }
        metric
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{BOTH, NOW, cpu_percent, external, input, load, web};
    use super::super::{Reading, ValueTarget, decide};
    use super::*;

    #[test]
    fn a_record_answers_as_it_did_to_the_byte() {
        for algorithm in BOTH {
            let mut input =
                input(algorithm, 3).pods(web(3)).metric(cpu_percent(50), Reading::Pods(load([71, 73, 79])));
            input.settings.tolerance = 0.1 + 0.2;
            let memory = Memory::default();
            let (decision, _) = decide(&input, &memory);
            let asked = Asked::Decide { input: Cow::Borrowed(&input), memory: Cow::Borrowed(&memory) };
            let record = Record { asked, decision: &decision, outcome: Outcome::Nothing };
            let stored = serde_json::to_string(&record).unwrap();
            let read: Record<'_> = serde_json::from_str(&stored).unwrap();
            assert_eq!(
                serde_json::to_string(&read.asked.answer()).unwrap(),
                serde_json::to_string(&decision).unwrap()
            );
            assert_eq!(serde_json::to_string(&read).unwrap(), stored);
            assert_eq!((read.asked.now(), read.asked.input()), (NOW, Some(&input)));
        }
    }

    #[test]
    fn what_was_in_the_way_answers_too() {
        let asked = Asked::Blocked { now: NOW, obstacle: Cow::Owned(Obstacle::SelectorRequired), current: 3 };
        assert_eq!(asked.answer(), blocked(&Obstacle::SelectorRequired, 3));
        assert_eq!((asked.now(), asked.input()), (NOW, None));
    }

    #[test]
    fn a_metric_measures_the_same_whatever_its_target() {
        assert!(cpu_percent(50).measures_as(&cpu_percent(80)));
        assert!(external(ValueTarget::Value(1)).measures_as(&external(ValueTarget::AverageValue(2))));
        assert!(!cpu_percent(50).measures_as(&external(ValueTarget::Value(50))));
    }
}
