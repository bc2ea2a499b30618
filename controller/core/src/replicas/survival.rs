//! How memory outlives the process that made it, and clocks that jump.

use super::input::Input;
use super::memory::{Memory, Recommendation};
use super::policy::Algorithm;
use super::rules::Rules;
use crate::time::{Span, Timestamp};

/// Longer than any window or period that can be set.
const LONGEST: Span = Span::from_secs(24 * 60 * 60);

/// What is new in a memory, as far as it is worth storing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// At most the moments of recommendations that say the same.
    #[default]
    Nothing,
    /// Other recommendations.
    Recommendations,
    /// A change of size, which uses up budget.
    Rescale,
}

impl Algorithm {
    /// Whether what is remembered under this algorithm outlives a restart.
    pub fn memory_survives(self) -> bool {
        Rules::of(self).memory_survives()
    }
}

impl Memory {
    /// What is new since `before`.
    ///
    /// A recommendation that is merely renewed is none: whoever reads the older one back finds it outdated, and then
    /// [`Memory::resumed`] is as careful as at a first start.
    pub fn news(&self, before: &Self) -> News {
        let replicas =
            |memory: &Self| memory.recommendations.iter().map(|rec| rec.replicas).collect::<Vec<_>>();
        if self.scale_ups != before.scale_ups || self.scale_downs != before.scale_downs {
            News::Rescale
        } else if replicas(self) != replicas(before) {
            News::Recommendations
        } else {
            News::Nothing
        }
    }

    /// The memory to go on with when another process made this one. Call it once, at the first look.
    ///
    /// Nothing was recommended between the two. If that was for so long that the scale-down window has nothing left in
    /// it, the present size is remembered as at a first start, and nothing shrinks for a window.
    #[must_use]
    pub fn resumed(&self, input: &Input) -> Self {
        let policy = &input.policy;
        if !policy.algorithm.memory_survives() {
            return Self::default();
        }
        let mut memory = self.clone();
        memory.forget_the_future(input.now);
        let seconds = policy.behavior.as_ref().and_then(|it| it.scale_down.stabilization_window_seconds);
        let window =
            seconds.map_or(input.settings.downscale_stabilization, |secs| Span::from_secs(secs.into()));
        let cutoff = input.now - window;
        if !memory.recommendations.iter().any(|rec| rec.at > cutoff) {
            let size = Recommendation { replicas: input.target.spec_replicas, at: input.now };
            memory.recommendations.push(size);
        }
        memory
    }

    /// Whether nothing in it can matter any more, whatever the policy says.
    pub fn is_spent(&self, now: Timestamp) -> bool {
        let moments = self.recommendations.iter().map(|rec| rec.at);
        let moments = moments.chain(self.scale_ups.iter().chain(&self.scale_downs).map(|event| event.at));
        moments.max().is_none_or(|last| last <= now - LONGEST)
    }

    /// What claims to be from the future happened now. A clock that was set back would otherwise hold a workload for
    /// as long as it was ahead, on top of the window.
    pub(super) fn forget_the_future(&mut self, now: Timestamp) {
        let recommendations = self.recommendations.iter_mut().map(|rec| &mut rec.at);
        let events = self.scale_ups.iter_mut().chain(&mut self.scale_downs).map(|event| &mut event.at);
        for at in recommendations.chain(events) {
            *at = (*at).min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Algorithm::{Hpa137, Plimsoll1};
    use super::super::fixtures::{BOTH, NOW, ago, external, input};
    use super::super::memory::ScaleEvent;
    use super::super::{Input, RatePolicy, Reading, ValueTarget, decide};
    use super::*;

    fn memory(recommendations: &[(i32, i64)], ups: &[(i32, i64)]) -> Memory {
        Memory {
            recommendations: recommendations
                .iter()
                .map(|(replicas, age)| Recommendation { replicas: *replicas, at: ago(*age) })
                .collect(),
            scale_ups: ups
                .iter()
                .map(|(change, age)| ScaleEvent { change: *change, at: ago(*age), outdated: false })
                .collect(),
            ..Memory::default()
        }
    }

    /// Ten pods and a queue that needs `wanted` of them, with a window of 60 s for shrinking.
    fn queue(algorithm: Algorithm, wanted: i64) -> Input {
        let metric = external(ValueTarget::AverageValue(1000));
        let mut input = input(algorithm, 10).metric(metric, Reading::Value(wanted * 1000));
        let behavior = input.policy.behavior();
        behavior.scale_down.stabilization_window_seconds = Some(60);
        behavior.scale_up.policies = vec![RatePolicy::pods(4, 60)];
        behavior.scale_down.policies = vec![RatePolicy::percent(100, 15)];
        input
    }

    fn desired(input: &Input, stored: &Memory) -> i32 {
        decide(input, &stored.resumed(input)).0.desired
    }

    #[test]
    fn a_window_goes_on_where_it_was() {
        let stored = memory(&[(10, 50), (3, 20)], &[]);
        assert_eq!(desired(&queue(Plimsoll1, 3), &stored), 10, "within the window");
        let stored = memory(&[(10, 61), (3, 20)], &[]);
        assert_eq!(desired(&queue(Plimsoll1, 3), &stored), 3, "the window is over, and was not begun anew");
        assert_eq!(desired(&queue(Hpa137, 3), &stored), 10, "HPA begins anew");
    }

    #[test]
    fn a_budget_that_was_used_is_not_given_again() {
        let stored = memory(&[(14, 10)], &[(3, 30)]);
        assert_eq!(desired(&queue(Plimsoll1, 50), &stored), 11);
        assert_eq!(desired(&queue(Hpa137, 50), &stored), 14, "HPA gives it again");
    }

    #[test]
    fn a_recommendation_as_old_as_the_window_is_no_longer_in_it() {
        assert_eq!(desired(&queue(Plimsoll1, 3), &memory(&[(3, 60)], &[])), 10, "seeded");
        assert_eq!(desired(&queue(Plimsoll1, 3), &memory(&[(3, 59)], &[])), 3);
    }

    /// Without the seed nothing would be left in the window, and one low reading would shrink at once.
    #[test]
    fn after_a_gap_longer_than_the_window_nothing_shrinks_for_a_window() {
        let stored = memory(&[(3, 3600)], &[]);
        let input = queue(Plimsoll1, 3);
        let (decision, next) = decide(&input, &stored.resumed(&input));
        assert_eq!(decision.desired, 10);
        let later = Input { now: input.now + Span::from_secs(60), ..input };
        assert_eq!(decide(&later, &next).0.desired, 3);
    }

    #[test]
    fn a_clock_that_jumps_back_an_hour_holds_for_a_window_and_no_longer() {
        for algorithm in BOTH {
            let ahead = memory(&[(10, -3600)], &[(4, -3600)]);
            let input = queue(algorithm, 3);
            let (decision, next) = decide(&input, &ahead);
            assert_eq!(decision.desired, 10, "{algorithm}");
            let later = Input { now: input.now + Span::from_secs(60), ..input };
            let (decision, next) = decide(&later, &next);
            assert_eq!(decision.desired, 3, "{algorithm}");
            let grown = Input { readings: vec![Reading::Value(50_000)], ..later };
            assert_eq!(decide(&grown, &next).0.desired, 14, "{algorithm}: the budget is there again");
        }
    }

    #[test]
    fn a_clock_that_jumps_ahead_only_lets_things_expire() {
        for algorithm in BOTH {
            let past = memory(&[(10, 3600), (7, 3500)], &[(4, 3600)]);
            assert_eq!(decide(&queue(algorithm, 3), &past).0.desired, 3, "{algorithm}");
            assert_eq!(decide(&queue(algorithm, 50), &past).0.desired, 14, "{algorithm}");
        }
    }

    #[test]
    fn news_are_other_recommendations_and_rescales_but_not_the_time() {
        let before = memory(&[(5, 100), (3, 50)], &[(1, 100)]);
        assert_eq!(memory(&[(5, 100), (3, 0)], &[(1, 100)]).news(&before), News::Nothing);
        assert_eq!(memory(&[(5, 100), (4, 0)], &[(1, 100)]).news(&before), News::Recommendations);
        assert_eq!(memory(&[(3, 0)], &[(1, 100)]).news(&before), News::Recommendations);
        assert_eq!(memory(&[(3, 0)], &[(1, 0)]).news(&before), News::Rescale);
        assert!(News::Nothing < News::Recommendations && News::Recommendations < News::Rescale);
    }

    #[test]
    fn memory_is_spent_a_day_after_its_last_entry() {
        assert!(Memory::default().is_spent(NOW));
        assert!(!memory(&[(5, 86_399)], &[]).is_spent(NOW));
        assert!(memory(&[(5, 86_400)], &[(1, 90_000)]).is_spent(NOW));
        assert!(!memory(&[(5, 90_000)], &[(1, 0)]).is_spent(NOW));
    }

    #[test]
    fn what_was_stored_is_what_is_read_back() {
        let before = memory(&[(5, 100), (3, 0)], &[(1, 100)]);
        let json = serde_json::to_string(&before).unwrap();
        assert_eq!(serde_json::from_str::<Memory>(&json).unwrap(), before);
    }
}
