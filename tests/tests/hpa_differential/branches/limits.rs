//! Sections 1.8 and 1.9: from the recommendation to the size.

use std::cmp::Ordering;

use plimsoll_core::reason::ConditionReason;
use plimsoll_core::replicas::{Behavior, Limit, LimitKind, RateKind, RatePolicy, ScalingRules, SelectPolicy};

use super::Branch as B;
use super::{Sync, sync};

pub(super) fn classify(sync: Sync<'_>, hit: &mut impl FnMut(B)) {
    let behavior = sync.step.policy.behavior.as_ref();
    if sync.synced.answer.written.is_some() {
        remembered(sync, behavior, hit);
    }
    if sync.synced.decision.recommendation.is_none() {
        return;
    }
    match behavior {
        None => legacy(sync, hit),
        Some(behavior) => {
            windows(sync, behavior, hit);
            rates(sync, behavior, hit);
            tolerances(sync, behavior, hit);
        }
    }
}

/// Counts where a tolerance of the spec and that of the flag lead to different answers.
fn tolerances(sync: Sync<'_>, behavior: &Behavior, hit: &mut impl FnMut(B)) {
    let flag = sync.synced.input.settings.tolerance;
    for ratio in sync.outcomes().filter_map(|(_, outcome)| outcome.ratio) {
        let differs = |own: Option<f64>| {
            own.is_some_and(|own| ((ratio - 1.0).abs() <= own) != ((ratio - 1.0).abs() <= flag))
        };
        if ratio > 1.0 && differs(behavior.scale_up.tolerance) {
            hit(B::ToleranceUp);
        }
        if ratio < 1.0 && differs(behavior.scale_down.tolerance) {
            hit(B::ToleranceDown);
        }
    }
}

/// The ages of what was remembered before, in milliseconds.
fn ages<'a>(sync: Sync<'a>, of: &'a [(i64, i64)]) -> impl Iterator<Item = i64> + 'a {
    of.iter().map(move |(_, at)| sync.step.now.as_millis() - at)
}

fn reason(sync: Sync<'_>, of: &str) -> Option<ConditionReason> {
    let conditions = &sync.synced.decision.conditions;
    conditions.iter().find(|condition| condition.kind.to_string() == of).map(|condition| condition.reason)
}

/// Whether the list became longer: then the new entry was appended, otherwise it took the place of an old one.
fn grew(before: &[(i64, i64)], after: &[(i64, i64)], seeds: usize) -> bool {
    after.len() > before.len() + seeds
}

fn legacy(sync: Sync<'_>, hit: &mut impl FnMut(B)) {
    let synced = sync.synced;
    let window = synced.input.settings.downscale_stabilization.as_millis();
    let stabilized = reason(sync, "AbleToScale") == Some(ConditionReason::ScaleDownStabilized);
    hit(if stabilized { B::LegacyStabilized } else { B::LegacyReady });
    if stabilized && window > 0 && ages(sync, &synced.before.recs).any(|age| age == window) {
        hit(B::LegacyEdge);
    }
    let seeds = usize::from(synced.before.recs.is_empty());
    let appended = grew(&synced.before.recs, &synced.answer.memory.recs, seeds);
    hit(if appended { B::LegacyAppended } else { B::LegacyReplaced });
    hit(match reason(sync, "ScalingLimited") {
        Some(ConditionReason::ScaleUpLimit) if sync.step.target.spec_replicas < 2 => B::LegacyFour,
        Some(ConditionReason::ScaleUpLimit) => B::LegacyDoubling,
        Some(ConditionReason::TooManyReplicas) => B::LegacyTooMany,
        Some(ConditionReason::TooFewReplicas) => B::LegacyTooFew,
        _ => B::LegacyWithin,
    });
}

fn windows(sync: Sync<'_>, behavior: &Behavior, hit: &mut impl FnMut(B)) {
    let synced = sync.synced;
    let stabilized = synced.decision.limits.first();
    match reason(sync, "AbleToScale") {
        Some(ConditionReason::ScaleUpStabilized) => hit(B::WindowUp),
        Some(ConditionReason::ScaleDownStabilized) => hit(B::WindowDown),
        _ => hit(B::WindowReady),
    }
    if stabilized.is_some_and(|limit| {
        let window =
            matches!(limit.kind, LimitKind::ScaleUpWindow { .. } | LimitKind::ScaleDownWindow { .. });
        window && limit.to == synced.decision.current
    }) {
        hit(B::WindowStays);
    }
    if behavior.scale_down.stabilization_window_seconds.is_none() {
        hit(B::WindowDefault);
    }
    let windows = [&behavior.scale_up, &behavior.scale_down].map(|rules| rules.stabilization_window_seconds);
    let edge = |age| windows.iter().flatten().any(|window| *window > 0 && i64::from(*window) * 1000 == age);
    if ages(sync, &synced.before.recs).any(edge) {
        hit(B::WindowEdge);
    }
    let seeds = usize::from(synced.before.recs.is_empty());
    let appended = grew(&synced.before.recs, &synced.answer.memory.recs, seeds);
    hit(if appended { B::WindowAppended } else { B::WindowReplaced });
}

fn rates(sync: Sync<'_>, behavior: &Behavior, hit: &mut impl FnMut(B)) {
    let decision = &sync.synced.decision;
    let current = decision.current;
    let window = |limit: &&Limit| {
        matches!(limit.kind, LimitKind::ScaleUpWindow { .. } | LimitKind::ScaleDownWindow { .. })
    };
    let stabilized = decision.limits.first().filter(window).map(|limit| limit.to).or(decision.recommendation);
    let rules = match stabilized.map(|replicas| replicas.cmp(&current)) {
        Some(Ordering::Greater) => Some((&behavior.scale_up, true)),
        Some(Ordering::Less) => Some((&behavior.scale_down, false)),
        _ => None,
    };
    if let Some((rules, upwards)) = rules.filter(|(rules, _)| rules.select_policy != SelectPolicy::Disabled) {
        rules.policies.iter().for_each(|policy| budget(sync, *policy, upwards, hit));
    }
    for limit in &decision.limits {
        match (&limit.kind, limit.from > current) {
            (LimitKind::ScaleUpRate { policy }, _) => {
                hit(if policy.kind == RateKind::Pods { B::UpPods } else { B::UpPercent });
                selected(&behavior.scale_up, [B::UpMin, B::UpMax], hit);
                if limit.to == current {
                    hit(B::UpSpent);
                }
            }
            (LimitKind::ScaleDownRate { policy }, _) => {
                hit(if policy.kind == RateKind::Pods { B::DownPods } else { B::DownPercent });
                selected(&behavior.scale_down, [B::DownMin, B::DownMax], hit);
                if limit.to == current {
                    hit(B::DownSpent);
                }
            }
            (LimitKind::ScaleUpDisabled, _) => hit(B::UpDisabled),
            (LimitKind::ScaleDownDisabled, _) => hit(B::DownDisabled),
            (LimitKind::Max, true) => hit(B::UpTooMany),
            (LimitKind::Min, false) if current > 0 => hit(B::DownTooFew),
            _ => {}
        }
    }
    if reason(sync, "ScalingLimited") == Some(ConditionReason::DesiredWithinRange) {
        hit(B::RateWithin);
    }
}

fn selected(rules: &ScalingRules, [least, most]: [B; 2], hit: &mut impl FnMut(B)) {
    if rules.policies.len() > 1 {
        hit(if rules.select_policy == SelectPolicy::Min { least } else { most });
    }
}

/// What the budget of a policy is reckoned with. Reckoned it is whenever windows leave a change, limiting or not.
fn budget(sync: Sync<'_>, policy: RatePolicy, upwards: bool, hit: &mut impl FnMut(B)) {
    let before = &sync.synced.before;
    let (same, opposite) = if upwards { (&before.ups, &before.downs) } else { (&before.downs, &before.ups) };
    let period = i64::from(policy.period_seconds) * 1000;
    if ages(sync, same).any(|age| age < period) {
        hit(B::EventCounts);
    }
    if ages(sync, opposite).any(|age| age < period) {
        hit(B::EventOpposite);
    }
    if ages(sync, same).chain(ages(sync, opposite)).any(|age| age == period) {
        hit(B::EventEdge);
    }
    let start = i64::from(sync.synced.decision.current);
    if upwards && policy.kind == RateKind::Pods && start + i64::from(policy.value) > i64::from(i32::MAX) {
        hit(B::PolicyWraps);
    }
}

fn remembered(sync: Sync<'_>, behavior: Option<&Behavior>, hit: &mut impl FnMut(B)) {
    let (before, after) = (&sync.synced.before, &sync.synced.answer.memory);
    if behavior.is_none() {
        return hit(B::EventNotKept);
    }
    if sync::is_jump(sync) {
        hit(B::EventOfJump);
    }
    let appended = grew(&before.ups, &after.ups, 0) || grew(&before.downs, &after.downs, 0);
    hit(if appended { B::EventAppended } else { B::EventReplaced });
}
