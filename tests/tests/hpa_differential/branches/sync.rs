//! Sections 1.3, 1.4, 1.7 and 1.10: the course of one sync.

use plimsoll_core::reason::{ConditionReason, RescaleReason};
use plimsoll_core::replicas::{LimitKind, MetricSpec, Obstacle, PodTarget, RateKind, ValueTarget};

use super::Branch as B;
use super::Sync;
use crate::case::{Rival, ScaleRead, TRIES, Write, selector_of};

pub(super) fn classify(sync: Sync<'_>, hit: &mut impl FnMut(B)) {
    let Sync { step, synced, before } = sync;
    let decision = &synced.decision;
    match step.scale {
        ScaleRead::BadVersion(_) => return hit(B::BadVersion),
        ScaleRead::Unmapped(_) => return hit(B::Unmapped),
        ScaleRead::Fails(_) => return hit(B::GetScaleFails),
        ScaleRead::FallsBack => hit(B::GetScaleFallsBack),
        ScaleRead::Works => {}
    }
    hit(if synced.before.recs.is_empty() { B::FirstSync } else { B::LaterSync });
    if let Some((earlier, then)) = before {
        if step.recreated {
            hit(B::Recreated);
        } else if then.answer.written.unwrap_or(earlier.target.spec_replicas) != step.target.spec_replicas {
            hit(B::ManualChange);
        }
        if earlier.policy != step.policy {
            hit(B::SpecEdited);
        }
    }
    zero(sync, hit);
    if is_jump(sync) {
        hit(if decision.desired < decision.current { B::JumpToMax } else { B::JumpToMin });
        if synced.input.obstacle.is_some() {
            hit(B::JumpDespiteSelector);
        }
    } else if asks_metrics(sync) {
        selector(sync, hit);
        if synced.input.obstacle.is_none() {
            combination(sync, hit);
        }
    }
    if decision.recommendation.is_some() {
        hit(match decision.reason {
            RescaleReason::MetricAboveTarget(_) => B::AboveTarget,
            RescaleReason::AllMetricsBelowTarget => B::BelowTarget,
            _ if decision.is_rescale() && decision.current > 0 => B::RescaleWithoutReason,
            _ => B::NoReason,
        });
    }
    if decision.is_rescale() {
        hit(match step.write {
            Write::Works | Write::Conflicts(0) => B::WriteWorks,
            Write::Fails(_) => B::WriteFails,
            Write::Conflicts(n) if n < TRIES => B::WriteRetried,
            Write::Conflicts(_) => B::WriteGivenUp,
        });
    } else {
        hit(B::NoWrite);
    }
    if step.status_fails.is_some() {
        hit(B::StatusFails);
    }
}

/// Whether the size alone decided.
pub(super) fn is_jump(sync: Sync<'_>) -> bool {
    let (policy, current) = (&sync.step.policy, sync.step.target.spec_replicas);
    current != 0 && (current > policy.max_replicas || current < policy.min_replicas)
}

fn is_disabled(sync: Sync<'_>) -> bool {
    sync.synced.decision.conditions.iter().any(|c| c.reason == ConditionReason::ScalingDisabled)
}

/// Whether the selector, and then the metrics, were looked at.
pub(super) fn asks_metrics(sync: Sync<'_>) -> bool {
    let was_read = matches!(sync.step.scale, ScaleRead::Works | ScaleRead::FallsBack);
    was_read && !is_jump(sync) && !is_disabled(sync)
}

fn selector(sync: Sync<'_>, hit: &mut impl FnMut(B)) {
    match &sync.synced.input.obstacle {
        Some(Obstacle::SelectorRequired) => return hit(B::SelectorEmpty),
        Some(Obstacle::InvalidSelector(_)) => return hit(B::SelectorInvalid),
        Some(Obstacle::AmbiguousSelector { .. }) => return hit(B::SelectorAmbiguous),
        _ => {}
    }
    match sync.step.rival {
        Rival::Overlapping => hit(B::SelectorNoPods),
        Rival::Apart => hit(B::SelectorApart),
        Rival::Waiting if !sync.step.pods.is_empty() => hit(B::SelectorWaiting),
        _ => {}
    }
}

fn combination(sync: Sync<'_>, hit: &mut impl FnMut(B)) {
    let (step, decision) = (sync.step, &sync.synced.decision);
    let proposals: Vec<i32> =
        decision.metrics.iter().filter_map(|m| m.proposal.as_ref().ok().copied()).collect();
    let failed = decision.metrics.len() - proposals.len();
    let best = proposals.iter().copied().max().unwrap_or_default();
    match decision.metrics.len() {
        0 => return hit(B::NoMetrics),
        1 => hit(B::OneMetric),
        _ if proposals.len() > 1 && best > 0 => {
            let first = proposals.iter().position(|replicas| *replicas == best);
            hit(if first == Some(0) { B::EarlierMetricWins } else { B::LaterMetricWins });
        }
        _ if proposals.len() > 1 && proposals.iter().all(|replicas| *replicas == 0) => hit(B::LastZeroNames),
        _ => {}
    }
    if failed > 1 {
        hit(B::FirstErrorReported);
    }
    let spec = step.target.spec_replicas;
    if proposals.is_empty() {
        hit(B::AllInvalid);
    } else if failed > 0 {
        hit(match best.cmp(&spec) {
            std::cmp::Ordering::Less => B::SomeInvalidWouldShrink,
            std::cmp::Ordering::Equal => B::SomeInvalidHolds,
            std::cmp::Ordering::Greater => B::SomeInvalidGrows,
        });
    }
    name(sync, hit);
}

/// The name of the metric that won, if it was told.
fn name(sync: Sync<'_>, hit: &mut impl FnMut(B)) {
    let Some(proposal) = &sync.synced.answer.proposal else { return };
    let winner = sync.outcomes().find(|(_, o)| o.name == proposal.metric && o.proposal.is_ok());
    let Some((index, _)) = winner else { return };
    let metric = &sync.step.policy.metrics[index];
    hit(match metric {
        MetricSpec::Resource { target: PodTarget::AverageValue(_), .. }
        | MetricSpec::ContainerResource { target: PodTarget::AverageValue(_), .. } => B::NameResource,
        MetricSpec::Resource { .. } => B::NameResourceUtilization,
        MetricSpec::ContainerResource { .. } => B::NameContainerUtilization,
        MetricSpec::Pods { .. } => B::NamePods,
        MetricSpec::Object { target: ValueTarget::AverageValue(_), .. } => B::NameObjectExternal,
        MetricSpec::Object { .. } => B::NameObject,
        _ => B::NameExternal,
    });
    if selector_of(metric).is_some() && proposal.metric.contains("LabelSelector") {
        hit(B::NameWithSelector);
    }
}

fn zero(sync: Sync<'_>, hit: &mut impl FnMut(B)) {
    let (step, synced) = (sync.step, sync.synced);
    let decision = &synced.decision;
    if synced.answer.written.is_some() {
        hit(if decision.to_zero { B::ToZero } else { B::NotToZero });
    }
    let crashed = |index: usize| decision.metrics[index].ratio > Some(0.0);
    if decision.to_zero
        && !step.pods.iter().any(plimsoll_core::replicas::PodView::is_ready)
        && (0..decision.metrics.len()).any(crashed)
    {
        hit(B::ZeroAfterCrash);
    }
    if step.target.spec_replicas != 0 {
        return;
    }
    if is_disabled(sync) {
        return hit(if synced.input.scaled_to_zero { B::ZeroUnwakeable } else { B::ZeroByHand });
    }
    let raised = step.policy.min_replicas > 0;
    if !decision.is_decided() {
        hit(B::FromZeroFails);
    } else if !decision.is_rescale() {
        hit(B::FromZeroHolds);
        let only_percent = |b: &plimsoll_core::replicas::Behavior| {
            b.scale_up.policies.iter().all(|policy| policy.kind == RateKind::Percent)
        };
        let wanted = decision.recommendation > Some(0);
        let limited = decision.limits.iter().any(|limit| matches!(limit.kind, LimitKind::ScaleUpRate { .. }));
        if wanted && limited && step.policy.behavior.as_ref().is_some_and(only_percent) {
            hit(B::ZeroPercentOnly);
        }
    } else if raised {
        hit(B::FromZeroByMin);
        let lifted =
            decision.limits.last().is_some_and(|l| l.kind == LimitKind::Min && l.to == decision.desired);
        if lifted && step.policy.behavior.is_some() {
            hit(B::FromZeroLifted);
        }
    } else {
        hit(B::FromZero);
    }
}
