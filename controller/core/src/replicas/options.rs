//! What a policy says about one metric beyond its target: a name, bounds of its own, and when it is idle.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::decision::MetricOutcome;

/// What is said about one metric beyond its target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricOptions {
    /// The name by which the formula and people know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The least it may propose while it is active, 0 or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<i32>,
    /// The most it may propose. Wins over `min_replicas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_replicas: Option<i32>,
    /// The value in thousandths up to which, inclusive, the metric is inactive: it proposes 0. Compared with the total of
    /// a metric that has one value for all pods, else with the average per pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<i64>,
}

/// What the options made of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Adjustment {
    /// The value is not above the activation threshold.
    Inactive {
        /// The proposal before.
        from: i32,
    },
    /// The metric's own `minReplicas`.
    Raised {
        /// The proposal before.
        from: i32,
    },
    /// The metric's own `maxReplicas`.
    Lowered {
        /// The proposal before.
        from: i32,
    },
}

impl fmt::Display for Adjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inactive { from } => write!(f, "inactive, not {from}: not above its activation"),
            Self::Raised { from } => write!(f, "not {from}: its own minReplicas"),
            Self::Lowered { from } => write!(f, "not {from}: its own maxReplicas"),
        }
    }
}

impl MetricOptions {
    /// Applies them to what the metric said.
    pub(super) fn apply(&self, outcome: &mut MetricOutcome) {
        outcome.alias.clone_from(&self.name);
        let Ok(from) = outcome.proposal else { return };
        let value = outcome.total.or_else(|| outcome.status.and_then(|status| status.average_value));
        if let (Some(activation), Some(value)) = (self.activation, value)
            && value <= activation
        {
            outcome.proposal = Ok(0);
            outcome.adjustment = (from != 0).then_some(Adjustment::Inactive { from });
            return;
        }
        let raised = self.min_replicas.map_or(from, |min| from.max(min));
        let replicas = self.max_replicas.map_or(raised, |max| raised.min(max));
        outcome.proposal = Ok(replicas);
        outcome.adjustment = match replicas.cmp(&from) {
            std::cmp::Ordering::Greater => Some(Adjustment::Raised { from }),
            std::cmp::Ordering::Less => Some(Adjustment::Lowered { from }),
            std::cmp::Ordering::Equal => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{BOTH, cpu_percent, external, input, load, web};
    use super::super::{Algorithm, Decision, Input, Memory, Reading, ValueTarget, decide};
    use super::*;

    fn queue(algorithm: Algorithm, replicas: i32, value: i64, options: MetricOptions) -> Input {
        let metric = external(ValueTarget::AverageValue(10_000));
        let mut input = input(algorithm, replicas).metric(metric, Reading::Value(value * 1000));
        input.policy.metric_options = vec![options];
        input.policy.min_replicas = 0;
        input.scaled_to_zero = true;
        input.policy.behavior().scale_down.stabilization_window_seconds = Some(0);
        input
    }

    fn decided(input: &Input) -> Decision {
        decide(input, &Memory::default()).0
    }

    fn between(min: i32, max: i32) -> MetricOptions {
        MetricOptions { min_replicas: Some(min), max_replicas: Some(max), ..MetricOptions::default() }
    }

    #[test]
    fn a_proposal_stays_within_the_bounds_of_its_metric() {
        for algorithm in BOTH {
            for (value, expected, adjustment) in [
                (10, 2, Some(Adjustment::Raised { from: 1 })),
                (30, 3, None),
                (900, 5, Some(Adjustment::Lowered { from: 90 })),
                (0, 2, Some(Adjustment::Raised { from: 0 })),
            ] {
                let decision = decided(&queue(algorithm, 4, value, between(2, 5)));
                assert_eq!(
                    (decision.recommendation, decision.metrics[0].adjustment),
                    (Some(expected), adjustment)
                );
            }
            let crossed = decided(&queue(algorithm, 4, 10, between(9, 5)));
            assert_eq!(crossed.recommendation, Some(5), "the maximum wins");
        }
    }

    /// Other metrics are not bound by it, and the highest still wins.
    #[test]
    fn the_bounds_of_one_metric_leave_the_others_alone() {
        for algorithm in BOTH {
            let input = queue(algorithm, 4, 900, between(0, 5))
                .metric(external(ValueTarget::AverageValue(10_000)), Reading::Value(70_000));
            assert_eq!(decided(&input).recommendation, Some(7));
        }
    }

    /// Compare with `<` and the threshold itself wakes the workload.
    #[test]
    fn a_value_wakes_only_above_its_activation() {
        let idle_up_to_50 = || MetricOptions { activation: Some(50_000), ..between(2, 100) };
        for algorithm in BOTH {
            for (replicas, value, expected) in
                [(0, 50, 0), (0, 51, 6), (0, 1, 0), (8, 50, 0), (8, 51, 6), (8, 0, 0)]
            {
                let decision = decided(&queue(algorithm, replicas, value, idle_up_to_50()));
                assert_eq!(decision.recommendation, Some(expected), "{algorithm}: {replicas} at {value}");
            }
        }
    }

    /// With a ceiling of any positive usage HPA never gets there.
    #[test]
    fn pods_below_their_activation_let_the_workload_reach_zero() {
        for algorithm in BOTH {
            let mut input = queue(algorithm, 1, 0, MetricOptions::default())
                .pods(web(1))
                .metric(cpu_percent(50), Reading::Pods(load([5])));
            assert_eq!(decided(&input).desired, 1, "5 m of cpu are some load");
            let idle_up_to_5m = MetricOptions { activation: Some(5), ..MetricOptions::default() };
            input.policy.metric_options.push(idle_up_to_5m);
            assert_eq!(decided(&input).desired, 0);
        }
    }
}
