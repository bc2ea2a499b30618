//! Windows over past recommendations: shrink to the highest, grow to the lowest that is still remembered.
//!
//! What is remembered are raw recommendations, not sizes. A size that was set by hand is therefore undone.

use super::Context;
use super::decision::{Limit, LimitKind};
use super::memory::{Memory, Recommendation};
use super::policy::Behavior;
use crate::reason::ConditionReason;
use crate::time::{Span, Timestamp};

/// What the windows made of a recommendation.
#[derive(Debug)]
pub(super) struct Stabilized {
    pub(super) replicas: i32,
    pub(super) reason: ConditionReason,
    pub(super) message: &'static str,
    pub(super) limit: Option<Limit>,
    /// When the window will give way.
    pub(super) until: Option<Timestamp>,
}

/// The windows of both directions.
#[derive(Clone, Copy, Debug)]
struct Windows {
    up: Span,
    down: Span,
}

impl Windows {
    fn of(ctx: &Context<'_>, behavior: &Behavior) -> Self {
        let seconds = |seconds: Option<i32>| seconds.map(|seconds| Span::from_secs(seconds.into()));
        let default = Span::from_secs(ctx.input.settings.downscale_stabilization.as_secs());
        Self {
            up: seconds(behavior.scale_up.stabilization_window_seconds).unwrap_or_default(),
            down: seconds(behavior.scale_down.stabilization_window_seconds).unwrap_or(default),
        }
    }
}

/// Without `behavior`: the highest recommendation of the window of the settings, both ends included.
pub(super) fn stabilize_legacy(ctx: &Context<'_>, memory: &mut Memory, desired: i32) -> Stabilized {
    let (now, window) = (ctx.input.now, ctx.input.settings.downscale_stabilization);
    let cutoff = now - window;
    let is_old = |rec: &Recommendation| rec.at < cutoff;
    let recent: Vec<Recommendation> = memory.recommendations.iter().filter(|r| !is_old(r)).copied().collect();
    let highest = recent.iter().map(|rec| rec.replicas).fold(desired, i32::max);
    memory.remember(ctx, desired, is_old);
    if highest == desired {
        return ready(desired);
    }
    let last = recent.iter().filter(|rec| rec.replicas == highest).map(|rec| rec.at).max();
    Stabilized {
        replicas: highest,
        reason: ConditionReason::ScaleDownStabilized,
        message: HIGHEST,
        limit: Some(Limit { kind: LimitKind::ScaleDownWindow { window }, from: desired, to: highest }),
        until: last.map(|at| at + window + Span::from_millis(1)),
    }
}

/// With `behavior`: the size moves no further than the lowest recommendation of one window, or the highest of the
/// other, and stays where it is in between. A recommendation as old as the window no longer counts.
pub(super) fn stabilize(
    ctx: &Context<'_>,
    behavior: &Behavior,
    memory: &mut Memory,
    desired: i32,
) -> Stabilized {
    let (now, current) = (ctx.input.now, ctx.input.target.spec_replicas);
    let windows = Windows::of(ctx, behavior);
    let (up_cutoff, down_cutoff) = (now - windows.up, now - windows.down);
    let within = |cutoff: Timestamp| memory.recommendations.iter().filter(move |rec| rec.at > cutoff);
    let lowest = within(up_cutoff).map(|rec| rec.replicas).fold(desired, i32::min);
    let highest = within(down_cutoff).map(|rec| rec.replicas).fold(desired, i32::max);
    // Not `clamp`: with windows of different lengths nothing guarantees an order of the two bounds but the code above.
    let replicas = current.max(lowest).min(highest);
    let last = |cutoff, bound| within(cutoff).filter(|rec| rec.replicas == bound).map(|rec| rec.at).max();
    let (up_until, down_until) = (last(up_cutoff, lowest), last(down_cutoff, highest));
    memory.remember(ctx, desired, |rec| rec.at < up_cutoff && rec.at < down_cutoff);
    if replicas == desired {
        return ready(desired);
    }
    if desired >= current {
        Stabilized {
            replicas,
            reason: ConditionReason::ScaleUpStabilized,
            message: LOWEST,
            limit: Some(Limit {
                kind: LimitKind::ScaleUpWindow { window: windows.up },
                from: desired,
                to: replicas,
            }),
            until: up_until.map(|at| at + windows.up),
        }
    } else {
        Stabilized {
            replicas,
            reason: ConditionReason::ScaleDownStabilized,
            message: HIGHEST,
            limit: Some(Limit {
                kind: LimitKind::ScaleDownWindow { window: windows.down },
                from: desired,
                to: replicas,
            }),
            until: down_until.map(|at| at + windows.down),
        }
    }
}

const HIGHEST: &str =
    "recent recommendations were higher than current one, applying the highest recent recommendation";
const LOWEST: &str =
    "recent recommendations were lower than current one, applying the lowest recent recommendation";

fn ready(replicas: i32) -> Stabilized {
    Stabilized {
        replicas,
        reason: ConditionReason::ReadyForNewScale,
        message: "recommended size matches current size",
        limit: None,
        until: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Input;
    use super::super::fixtures::{BOTH, ago, context, input};
    use super::*;

    /// What was recommended how many seconds ago.
    fn memory(recommendations: &[(i32, i64)]) -> Memory {
        let recommendations = recommendations
            .iter()
            .map(|(replicas, age)| Recommendation { replicas: *replicas, at: ago(*age) });
        Memory { recommendations: recommendations.collect(), ..Memory::default() }
    }

    fn with_windows(mut input: Input, up: Option<i32>, down: Option<i32>) -> Input {
        let behavior = input.policy.behavior();
        behavior.scale_up.stabilization_window_seconds = up;
        behavior.scale_down.stabilization_window_seconds = down;
        input
    }

    fn stabilized(input: &Input, past: &[(i32, i64)], desired: i32) -> (i32, ConditionReason) {
        let behavior = input.policy.behavior.as_ref().expect("has behavior");
        let found = stabilize(&context(input), behavior, &mut memory(past), desired);
        (found.replicas, found.reason)
    }

    /// An entry is old only once it has left both windows; HPA writes over the last old one.
    #[test]
    fn an_entry_is_overwritten_once_it_has_left_both_windows() {
        let mut input = with_windows(input(super::super::Algorithm::Hpa137, 5), None, None);
        for (up, down, age, left) in [
            (300, 60, 100, 2),
            (300, 60, 300, 2),
            (300, 60, 400, 1),
            (60, 300, 100, 2),
            (60, 300, 300, 2),
            (60, 300, 400, 1),
        ] {
            input = with_windows(input, Some(up), Some(down));
            let mut memory = memory(&[(5, age)]);
            let behavior = input.policy.behavior.clone().expect("has behavior");
            stabilize(&context(&input), &behavior, &mut memory, 5);
            assert_eq!(memory.recommendations.len(), left, "{up} s and {down} s, an entry of {age} s");
        }
    }

    /// Trap 1.12 #10: the legacy window includes its end, the one of `behavior` does not.
    #[test]
    fn the_two_kinds_of_windows_end_differently() {
        for algorithm in BOTH {
            let input = input(algorithm, 5);
            let legacy = |age| stabilize_legacy(&context(&input), &mut memory(&[(8, age)]), 5).replicas;
            assert_eq!((legacy(299), legacy(300), legacy(301)), (8, 8, 5));
            let input = with_windows(input.clone(), Some(0), Some(300));
            let with_behavior = |age| stabilized(&input, &[(8, age)], 3).0;
            assert_eq!((with_behavior(299), with_behavior(300)), (5, 3), "never above the present size");
        }
    }

    #[test]
    fn shrinking_stops_at_the_highest_recent_recommendation() {
        for algorithm in BOTH {
            let input = with_windows(input(algorithm, 10), Some(0), Some(60));
            let past = [(9, 61), (7, 59), (4, 30)];
            assert_eq!(stabilized(&input, &past, 3), (7, ConditionReason::ScaleDownStabilized));
            assert_eq!(stabilized(&input, &past, 12), (12, ConditionReason::ReadyForNewScale));
        }
    }

    #[test]
    fn growing_stops_at_the_lowest_recent_recommendation() {
        for algorithm in BOTH {
            let input = with_windows(input(algorithm, 10), Some(60), Some(0));
            let past = [(10, 61), (15, 59), (13, 30)];
            assert_eq!(stabilized(&input, &past, 20), (13, ConditionReason::ScaleUpStabilized));
            assert_eq!(stabilized(&input, &past, 11), (11, ConditionReason::ReadyForNewScale));
        }
    }

    #[test]
    fn between_the_two_bounds_the_size_stays() {
        for algorithm in BOTH {
            let input = with_windows(input(algorithm, 10), Some(60), Some(60));
            let past = [(4, 30), (20, 20)];
            assert_eq!(stabilized(&input, &past, 15), (10, ConditionReason::ScaleUpStabilized));
            assert_eq!(stabilized(&input, &past, 10), (10, ConditionReason::ReadyForNewScale));
            assert_eq!(stabilized(&input, &past, 5), (10, ConditionReason::ScaleDownStabilized));
        }
    }

    #[test]
    fn a_window_that_is_not_set_is_that_of_the_settings_for_shrinking_and_none_for_growing() {
        for algorithm in BOTH {
            let input = with_windows(input(algorithm, 10), None, None);
            assert_eq!(stabilized(&input, &[(10, 299)], 3).0, 10);
            assert_eq!(stabilized(&input, &[(10, 300)], 3).0, 3);
            assert_eq!(stabilized(&input, &[(10, 1)], 12).0, 12);
        }
    }

    #[test]
    fn it_says_when_the_window_will_give_way() {
        for algorithm in BOTH {
            let input = with_windows(input(algorithm, 10), Some(0), Some(300));
            let behavior = input.policy.behavior.clone().expect("has behavior");
            let mut memory = memory(&[(10, 200), (10, 100), (4, 50)]);
            let found = stabilize(&context(&input), &behavior, &mut memory, 3);
            assert_eq!(found.until, Some(input.now + Span::from_secs(200)));
        }
    }

    /// Trap 1.12 #7, kept by both: windows hold recommendations, not sizes.
    #[test]
    fn a_size_set_by_hand_has_no_grace() {
        for algorithm in BOTH {
            let input = with_windows(input(algorithm, 30), Some(0), Some(300));
            assert_eq!(
                stabilized(&input, &[(10, 100), (10, 15)], 10),
                (10, ConditionReason::ReadyForNewScale)
            );
        }
    }
}
