//! From the outcomes of all metrics to one proposal: the highest wins, and a failure may only hold or grow. With a
//! formula, what it says; without metrics that may be trusted, what the fallback says.

use std::collections::BTreeMap;

use super::decision::{Decision, Limit, LimitKind, SyncError};
use super::formula::{Formula, Terms};
use super::memory::Memory;
use super::proposal::MetricError;
use super::{Context, fallback, measure};
use crate::reason::{ConditionKind, ConditionReason, EventReason};

/// The size to go on with, and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Winner {
    pub(super) replicas: i32,
    pub(super) source: Source,
}

/// Where a size before windows and limits comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The metric of this name.
    Metric(String),
    Formula,
    Fallback,
}

/// Measures all metrics into `decision`. `None` when their proposals may not be acted on, and no fallback applies; the
/// decision then says why.
pub(super) fn combine(ctx: &Context<'_>, memory: &mut Memory, decision: &mut Decision) -> Option<Winner> {
    let policy = &ctx.input.policy;
    let winner = if policy.metrics.is_empty() {
        without_metrics(ctx, decision)
    } else {
        let readings = ctx.input.readings.iter().map(Some).chain(std::iter::repeat(None));
        decision.metrics = policy
            .metrics
            .iter()
            .zip(readings)
            .map(|(m, reading)| measure::outcome(ctx, m, reading))
            .collect();
        for (outcome, options) in decision.metrics.iter_mut().zip(&policy.metric_options) {
            options.apply(outcome);
        }
        let failures: Vec<_> =
            decision.metrics.iter().filter_map(|m| m.proposal.as_ref().err().cloned()).collect();
        for failure in failures {
            decision.warn(failure.event, failure.message);
        }
        match &ctx.formula {
            None => highest(ctx, decision),
            Some(formula) => by_formula(ctx, formula, decision),
        }
    };
    fallback::count(ctx, memory, winner.as_ref());
    winner.or_else(|| fallback::fall_back(ctx, memory, decision))
}

/// The highest proposal, if the failures let it count.
fn highest(ctx: &Context<'_>, decision: &mut Decision) -> Option<Winner> {
    let (mut replicas, mut metric) = (0, String::new());
    let mut failures: Vec<MetricError> = Vec::new();
    for outcome in &decision.metrics {
        match &outcome.proposal {
            // As long as the best is zero the next one replaces it, so among zeros the last names the metric.
            Ok(proposed) if replicas == 0 || *proposed > replicas => {
                (replicas, metric) = (*proposed, outcome.name.clone());
            }
            Ok(_) => {}
            Err(error) => failures.push(error.clone()),
        }
    }
    let spec = ctx.input.target.spec_replicas;
    if let Some(first) = failures.first() {
        let (failed, all) = (failures.len(), decision.metrics.len());
        let message =
            format!("invalid metrics ({failed} invalid out of {all}), first error is: {}", first.in_context);
        let all_failed = failed >= all;
        if all_failed || ctx.size_for(decision, replicas) < spec {
            if !all_failed {
                decision.limits.push(Limit { kind: LimitKind::PartialFailure, from: replicas, to: spec });
            }
            give_up(decision, first.reason, &first.message, message);
            return None;
        }
        decision.error = Some(SyncError { message, ends_sync: false });
    }
    found(decision, &metric);
    Some(Winner { replicas, source: Source::Metric(metric) })
}

/// What the formula makes of the metrics it uses, none of which may have failed.
fn by_formula(ctx: &Context<'_>, formula: &Formula, decision: &mut Decision) -> Option<Winner> {
    let mut terms = BTreeMap::new();
    for ((spec, options), outcome) in
        ctx.input.policy.metrics.iter().zip(&ctx.input.policy.metric_options).zip(&decision.metrics)
    {
        let Some(name) = options.name.as_deref().filter(|name| formula.uses(name)) else { continue };
        if let Err(error) = &outcome.proposal {
            let error = error.clone();
            let message = format!("spec.formula uses the metric {name}, which failed: {}", error.in_context);
            give_up(decision, error.reason, &error.message, message);
            return None;
        }
        if let Some(of_metric) = Terms::of(spec, outcome) {
            terms.insert(name, of_metric);
        }
    }
    match formula.replicas(&terms) {
        Ok(replicas) => {
            found(decision, "spec.formula");
            Some(Winner { replicas, source: Source::Formula })
        }
        Err(problem) => {
            let message = format!("spec.formula: {problem}");
            decision.warn(EventReason::FormulaFailed, message.clone());
            give_up(decision, ConditionReason::FormulaFailed, &message, message.clone());
            None
        }
    }
}

fn found(decision: &mut Decision, source: &str) {
    decision.set_condition(
        ConditionKind::ScalingActive,
        true,
        ConditionReason::ValidMetricFound,
        format!("the HPA was able to successfully calculate a replica count from {source}"),
    );
}

/// Ends the decision: no proposal may be acted on.
fn give_up(decision: &mut Decision, reason: ConditionReason, cause: &str, message: String) {
    let condition = format!("the HPA was unable to compute the replica count: {cause}");
    decision.set_condition(ConditionKind::ScalingActive, false, reason, condition);
    decision.warn(EventReason::FailedComputeMetricsReplicas, message.clone());
    decision.error = Some(SyncError { message, ends_sync: true });
}

/// The Kubernetes API server never lets this happen to an HPA.
fn without_metrics(ctx: &Context<'_>, decision: &mut Decision) -> Option<Winner> {
    if !ctx.rules.no_metrics_hold() {
        return Some(Winner { replicas: 0, source: Source::Metric(String::new()) });
    }
    let message = "spec.metrics is empty, so the size is held: name at least one metric";
    decision.set_condition(ConditionKind::ScalingActive, false, ConditionReason::NoMetrics, message);
    decision.warn(EventReason::FailedComputeMetricsReplicas, message);
    decision.error = Some(SyncError { message: message.to_owned(), ends_sync: true });
    None
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{BOTH, external, input, load, pods_metric, web};
    use super::super::{Algorithm, Input, Memory, Reading, ReadingError, ValueTarget, decide};
    use super::*;
    use crate::reason::EventReason::{FailedComputeMetricsReplicas, FailedGetPodsMetric};
    use crate::reason::RescaleReason;

    /// Three pods; each entry is a metric with the load per pod of a target of 100, or none.
    fn with(algorithm: Algorithm, loads: &[Option<i64>]) -> Input {
        loads.iter().fold(input(algorithm, 3).pods(web(3)), |input, load_of_each| {
            let reading = load_of_each.map_or_else(
                || Reading::Failed(ReadingError::Empty),
                |value| Reading::Pods(load([value; 3])),
            );
            input.metric(pods_metric(100), reading)
        })
    }

    fn decided(input: &Input) -> Decision {
        decide(input, &Memory::default()).0
    }

    fn active(decision: &Decision) -> (bool, ConditionReason, &str) {
        let condition = decision.conditions.iter().find(|c| c.kind == ConditionKind::ScalingActive);
        let condition = condition.expect("was set");
        (condition.status == true.into(), condition.reason, &condition.message)
    }

    #[test]
    fn the_highest_proposal_wins() {
        for algorithm in BOTH {
            assert_eq!(decided(&with(algorithm, &[Some(100), Some(200), Some(50)])).recommendation, Some(6));
        }
    }

    #[test]
    fn among_equals_the_first_metric_gives_the_name() {
        for algorithm in BOTH {
            let input = with(algorithm, &[Some(200)])
                .metric(external(ValueTarget::AverageValue(100)), Reading::Value(600));
            let decision = decided(&input);
            assert_eq!(decision.recommendation, Some(6));
            let expected = "the HPA was able to successfully calculate a replica count from pods metric rps";
            assert_eq!(active(&decision), (true, ConditionReason::ValidMetricFound, expected));
        }
    }

    #[test]
    fn among_zeros_the_last_metric_gives_the_name() {
        for algorithm in BOTH {
            let mut input =
                with(algorithm, &[Some(0)]).metric(external(ValueTarget::Value(1)), Reading::Value(0));
            input.policy.min_replicas = 0;
            let decision = decided(&input);
            let expected =
                "the HPA was able to successfully calculate a replica count from external metric queue(nil)";
            assert_eq!(active(&decision), (true, ConditionReason::ValidMetricFound, expected));
        }
    }

    /// Without the rule a broken metric would let the others shrink the workload.
    #[test]
    fn one_broken_metric_forbids_shrinking_only() {
        for algorithm in BOTH {
            let down = decided(&with(algorithm, &[None, Some(50)]));
            assert_eq!((down.desired, down.recommendation, down.is_decided()), (3, None, false));
            assert_eq!(down.limits, [Limit { kind: LimitKind::PartialFailure, from: 2, to: 3 }]);

            let hold = decided(&with(algorithm, &[None, Some(100)]));
            assert_eq!((hold.desired, hold.recommendation, hold.is_decided()), (3, Some(3), true));

            let up = decided(&with(algorithm, &[Some(200), None]));
            assert_eq!(
                (up.desired, up.reason.clone()),
                (6, RescaleReason::MetricAboveTarget("pods metric rps".into()))
            );
            let error = up.error.expect("the sync still ends with an error");
            assert_eq!(
                error.message,
                "invalid metrics (1 invalid out of 2), first error is: failed to get pods metric value: unable to get \
                 metric rps: no metrics returned from custom metrics API"
            );
        }
    }

    #[test]
    fn the_first_failure_is_the_one_reported() {
        for algorithm in BOTH {
            let mut input = with(algorithm, &[None, None]);
            input.readings[1] = Reading::Failed(ReadingError::Fetch("connection refused".to_owned()));
            let decision = decided(&input);
            let expected = "the HPA was unable to compute the replica count: unable to get metric rps: no metrics \
                            returned from custom metrics API";
            assert_eq!(active(&decision), (false, ConditionReason::FailedGetPodsMetric, expected));
            let events: Vec<_> = decision.events.iter().map(|event| event.reason).collect();
            assert_eq!(events, [FailedGetPodsMetric, FailedGetPodsMetric, FailedComputeMetricsReplicas]);
            assert!(
                decision.events[2]
                    .message
                    .starts_with("invalid metrics (2 invalid out of 2), first error is: ")
            );
        }
    }

    #[test]
    fn a_reading_that_was_not_handed_in_has_failed() {
        for algorithm in BOTH {
            let mut input = with(algorithm, &[Some(100), Some(50)]);
            input.readings.truncate(1);
            assert!(decided(&input).metrics[1].proposal.is_err());
        }
    }

    /// Without `no_metrics_hold` a lost list would shrink the workload to its minimum.
    #[test]
    fn without_metrics_hpa_shrinks() {
        let mut input = with(Algorithm::Hpa137, &[]);
        input.settings.downscale_stabilization = crate::time::Span::ZERO;
        let seen = Memory::default().seeded(0, super::super::fixtures::ago(1));
        assert_eq!(decide(&input, &seen).0.desired, 1);
        input.policy.algorithm = Algorithm::Plimsoll1;
        let held = decide(&input, &seen).0;
        assert_eq!((held.desired, active(&held).1), (3, ConditionReason::NoMetrics));
    }
}
