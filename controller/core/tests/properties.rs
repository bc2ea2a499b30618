//! What holds for every input, whatever the rules are.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "the number of cases comes from outside; the core reads nothing"
)]

mod arbitrary;
mod draws;

use arbitrary::{inputs, memories, sane_policies};
use draws::same_everywhere;
use plimsoll_core::replicas::{
    Algorithm, Basis, Decision, Input, Memory, MetricOptions, MetricOutcome, MetricSpec, RateKind,
    RatePolicy, Reading, ReadingError, SelectPolicy, acted, decide,
};
use plimsoll_core::time::{Span, Timestamp};
use proptest::prelude::*;

fn bytes(input: &Input, memory: &Memory) -> String {
    serde_json::to_string(&decide(input, memory)).unwrap()
}

proptest! {
    #![proptest_config(same_everywhere(512))]

    /// Those of the schedules that are open included. Take the clamp out of `limits::bound`, or take the policy's own
    /// bounds there, and this fails.
    #[test]
    fn a_decided_size_lies_within_the_bounds(input in inputs(), memory in memories()) {
        let (decision, _) = decide(&input, &memory);
        let Input { policy, target, .. } = &input;
        let bounds = policy.bounds(input.now).unwrap();
        prop_assert!(bounds.min_replicas <= bounds.max_replicas && bounds.max_replicas <= policy.max_replicas);
        prop_assert!(bounds.min_replicas >= policy.min_replicas.min(bounds.max_replicas), "{bounds}");
        let is_off = target.spec_replicas == 0 && decision.desired == 0 && decision.metrics.is_empty();
        if decision.is_decided() && !is_off {
            let within = bounds.min_replicas..=bounds.max_replicas;
            prop_assert!(within.contains(&decision.desired), "{bounds}: {decision}");
        } else {
            prop_assert_eq!(decision.desired, target.spec_replicas);
        }
    }

    #[test]
    fn the_order_of_pods_does_not_matter(input in inputs(), memory in memories(), turn in 0_usize..20) {
        let expected = bytes(&input, &memory);
        let mut other = input;
        other.pods.reverse();
        if !other.pods.is_empty() {
            let middle = turn % other.pods.len();
            other.pods.rotate_left(middle);
        }
        prop_assert_eq!(bytes(&other, &memory), expected);
    }

    #[test]
    fn a_stored_input_replays_to_the_byte(input in inputs(), memory in memories()) {
        let stored = serde_json::to_string(&(&input, &memory)).unwrap();
        let (read_input, read_memory): (Input, Memory) = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(bytes(&read_input, &read_memory), bytes(&input, &memory));
        let decision = serde_json::to_string(&decide(&input, &memory).0).unwrap();
        let read: Decision = serde_json::from_str(&decision).unwrap();
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), decision);
    }

    /// Numbers of every size, most of them nonsense. In a test an overflow panics too.
    #[test]
    fn nothing_panics(input in arbitrary::wild_inputs(), memory in memories()) {
        let (decision, memory) = decide(&input, &memory);
        prop_assert!(!decision.to_string().is_empty());
        let _ = acted(&decision, Err("no".to_owned()));
        let memory = memory.rescaled(&input, &decision);
        prop_assert!(serde_json::to_string(&memory).unwrap().len() < 500_000);
    }

    /// Take `direction_is_guarded_everywhere` out of the rules and this fails.
    #[test]
    fn no_metric_of_plimsoll_goes_against_its_usage(mut input in inputs(), memory in memories()) {
        input.policy.algorithm = Algorithm::Plimsoll1;
        let spec = input.target.spec_replicas;
        input.policy.metric_options.clear();
        input.policy.formula = None;
        for MetricOutcome { proposal, ratio, .. } in decide(&input, &memory).0.metrics {
            if let (Ok(replicas), Some(ratio)) = (proposal, ratio) {
                prop_assert!(ratio <= 1.0 || replicas >= spec, "shrinks at {ratio}");
                // From zero, any load needs a pod, however far below its target it is.
                prop_assert!(spec == 0 || ratio >= 1.0 || replicas <= spec, "grows at {ratio}");
            }
        }
    }

    #[test]
    fn a_tolerated_ratio_of_plimsoll_holds_the_size(mut input in inputs(), memory in memories()) {
        input.policy.algorithm = Algorithm::Plimsoll1;
        input.policy.metric_options.clear();
        input.policy.formula = None;
        for MetricOutcome { proposal, basis, .. } in decide(&input, &memory).0.metrics {
            if basis == Some(Basis::WithinTolerance) {
                prop_assert_eq!(proposal, Ok(input.target.spec_replicas));
            }
        }
    }

    #[test]
    fn a_failed_metric_never_lets_the_others_shrink(input in inputs(), memory in memories()) {
        let (decision, _) = decide(&input, &memory);
        let some_failed = decision.metrics.iter().any(|metric| metric.proposal.is_err());
        // A fallback is asked to; a formula has no part in metrics it does not use.
        if some_failed && decision.fallback.is_none() && input.policy.formula.is_none() {
            prop_assert!(decision.recommendation.is_none_or(|r| r >= input.target.spec_replicas));
        }
    }

    /// A metric that failed and that the formula uses holds the size, whatever the others say.
    #[test]
    fn a_failed_metric_in_a_formula_holds_the_size(mut input in inputs(), memory in memories()) {
        input.policy.metric_options = vec![MetricOptions { name: Some("m0".to_owned()), ..MetricOptions::default() }];
        input.policy.formula = Some("m0.replicas + 1".to_owned());
        input.policy.fallback = None;
        input.readings[0] = Reading::Failed(ReadingError::Empty);
        let (decision, _) = decide(&input, &memory);
        if decision.metrics.iter().any(|metric| metric.alias.is_some()) {
            prop_assert_eq!(decision.desired, input.target.spec_replicas);
            prop_assert!(!decision.is_decided());
        }
    }

    /// Checked against the sizes the workload really had. Forget scale events in `Memory::rescaled`, or count them
    /// over another period, and this fails.
    #[test]
    fn rate_policies_are_never_exceeded(
        (algorithm, policy) in sane_policies(),
        loads in prop::collection::vec((0_i64..3000, 1_i64..90), 1..60),
    ) {
        let mut input = arbitrary::empty_input(algorithm, policy);
        input.target.spec_replicas = 20;
        let mut memory = Memory::default();
        let mut sizes = vec![(Timestamp::from_secs(0), 20)];
        for (load, pause) in loads {
            input.now = input.now + Span::from_secs(pause);
            input.target.status_replicas = input.target.spec_replicas;
            input.readings = vec![Reading::Value(load * 1000)];
            let (decision, next) = decide(&input, &memory);
            memory = next.rescaled(&input, &decision);
            let behavior = input.policy.behavior.as_ref().unwrap();
            let (grows, rules) = match decision.desired - decision.current {
                0 => continue,
                change if change > 0 => (true, &behavior.scale_up),
                _ => (false, &behavior.scale_down),
            };
            prop_assert_ne!(rules.select_policy, SelectPolicy::Disabled);
            let allows = |rate: &RatePolicy| {
                let start = size_at(&sizes, input.now - Span::from_secs(rate.period_seconds.into()));
                reaches(*rate, start, grows, decision.desired)
            };
            let is_allowed = match rules.select_policy {
                SelectPolicy::Min => rules.policies.iter().all(allows),
                _ => rules.policies.iter().any(allows),
            };
            prop_assert!(is_allowed, "{sizes:?}\n{decision}");
            input.target.spec_replicas = decision.desired;
            sizes.push((input.now, decision.desired));
        }
    }
}

/// The size after every change up to and including `at`; before the first one the first size.
fn size_at(sizes: &[(Timestamp, i32)], at: Timestamp) -> i32 {
    sizes.iter().rev().find(|(since, _)| *since <= at).unwrap_or(&sizes[0]).1
}

/// Percentages are rounded in favor of the change, and to a double 50 * 1.68 is a little above 84, which becomes 85.
const ROUNDING: f64 = 1.0 + 1e-6;

fn reaches(rate: RatePolicy, start: i32, grows: bool, size: i32) -> bool {
    let (start, size, value) = (f64::from(start), f64::from(size), f64::from(rate.value));
    let change = match rate.kind {
        RateKind::Pods => value,
        RateKind::Percent => start * value / 100.0,
    };
    if grows { size < start + change + ROUNDING } else { size > start - change - ROUNDING }
}

#[test]
fn every_kind_of_metric_is_generated() {
    let metrics = arbitrary::metric_kinds();
    let is = |wanted: fn(&MetricSpec) -> bool| metrics.iter().any(wanted);
    assert!(is(|m| matches!(m, MetricSpec::Resource { .. })) && is(|m| matches!(m, MetricSpec::Pods { .. })));
    assert!(is(|m| matches!(m, MetricSpec::ContainerResource { .. })));
    assert!(
        is(|m| matches!(m, MetricSpec::Object { .. })) && is(|m| matches!(m, MetricSpec::External { .. }))
    );
    assert!(is(|m| matches!(m, MetricSpec::Prometheus { .. })));
    assert!(is(|m| matches!(m, MetricSpec::Scrape { .. })));
}
