//! Differences that are known: each is as narrow as can be, counted, and printed.

use plimsoll_core::replicas::{MetricSpec, RateKind, ScalingRules, ValueTarget};

use crate::answer::Answer;
use crate::case::{Case, ScaleRead, Step, Write};
use crate::ours::Synced;

/// A difference that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Deviation {
    BeyondInt32,
    AverageOverNoPods,
    OrderOfScalers,
    NamelessCondition,
    ClockDuringRetries,
}

impl Deviation {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::BeyondInt32,
        Self::AverageOverNoPods,
        Self::OrderOfScalers,
        Self::NamelessCondition,
        Self::ClockDuringRetries,
    ];

    /// What differs, and why it stays so.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::BeyondInt32 => {
                "A number of pods above 2147483647. Go leaves the conversion of such a float to the processor: amd64 \
                 makes the smallest number of it, arm64 the largest. HPA-1.37 takes the largest. The case ends there."
            }
            Self::AverageOverNoPods => {
                "The average of an Object or External metric over zero pods, in `status.currentMetrics` only. HPA \
                 divides by zero, and amd64 shows `-9223372036854775808m`. HPA-1.37 shows the undivided value, as \
                 kubernetes#140958 does later."
            }
            Self::OrderOfScalers => {
                "The order in which an ambiguous selector lists the autoscalers. HPA takes them from a Go map, whose \
                 order is random."
            }
            Self::NamelessCondition => {
                "A condition without type, status, reason and message, which HPA sets when `spec.metrics` is empty. The \
                 API server lets this happen to no HPA, and to no PodScaler."
            }
            Self::ClockDuringRetries => {
                "Moments after a write that met conflicts. HPA reads the clock again after each wait of about 10 ms; in \
                 HPA-1.37 the clock stands still within a decision."
            }
        }
    }
}

/// Makes known differences equal, and notes them.
pub(crate) fn excuse(
    case: &Case,
    step: usize,
    ours: &mut Answer,
    theirs: &mut Answer,
    deviations: &mut Vec<Deviation>,
) {
    excuse_average_over_no_pods(&case.steps[step], ours, theirs, deviations);
    excuse_order_of_scalers(ours, theirs, deviations);
    excuse_nameless_condition(&case.steps[step], theirs, deviations);
    excuse_clock_during_retries(case, ours, theirs, deviations);
}

/// The known difference after which there is nothing left to compare, since everything follows from it.
pub(crate) fn ends_case(synced: &Synced) -> Option<Deviation> {
    is_beyond_int32(synced).then_some(Deviation::BeyondInt32)
}

/// Whether a float that became a number of pods did not fit, where HPA does not look after that itself.
fn is_beyond_int32(synced: &Synced) -> bool {
    let (input, decision) = (&synced.input, &synced.decision);
    let from_zero = input.target.spec_replicas == 0;
    let saturates = |metric: &MetricSpec| match metric {
        MetricSpec::External { target: ValueTarget::AverageValue(_), .. } => true,
        MetricSpec::External { .. } | MetricSpec::Object { target: ValueTarget::Value(_), .. } => !from_zero,
        _ => false,
    };
    let outcomes = decision.metrics.iter().zip(&input.policy.metrics);
    let proposal =
        outcomes.into_iter().any(|(outcome, metric)| outcome.proposal == Ok(i32::MAX) && !saturates(metric));
    let current = f64::from(input.target.spec_replicas);
    let percent = |rules: &ScalingRules| {
        let percents = rules.policies.iter().filter(|policy| policy.kind == RateKind::Percent);
        percents.map(|policy| f64::from(policy.value)).fold(0.0, f64::max)
    };
    let reach = match &input.policy.behavior {
        Some(behavior) => current * (1.0 + percent(&behavior.scale_up) / 100.0),
        None => current * 2.0,
    };
    proposal || reach >= f64::from(i32::MAX)
}

fn excuse_average_over_no_pods(
    step: &Step,
    ours: &Answer,
    theirs: &mut Answer,
    deviations: &mut Vec<Deviation>,
) {
    let is_older =
        step.status_fails.is_some() || !matches!(step.scale, ScaleRead::Works | ScaleRead::FallsBack);
    if step.target.status_replicas != 0 && !is_older {
        return;
    }
    for (theirs, ours) in theirs.status.metrics.iter_mut().zip(&ours.status.metrics) {
        let of_all_pods = ["Object", "External"].contains(&ours.r#type.as_str());
        if of_all_pods && theirs.average_value.as_deref() == Some("-9223372036854775808m") {
            theirs.average_value.clone_from(&ours.average_value);
            deviations.push(Deviation::AverageOverNoPods);
        }
    }
}

fn excuse_order_of_scalers(ours: &mut Answer, theirs: &mut Answer, deviations: &mut Vec<Deviation>) {
    let sort = |text: &mut String| {
        let Some((before, scalers)) = text.split_once("(e.g. [") else { return false };
        let Some((scalers, after)) = scalers.split_once("])") else { return false };
        let mut names: Vec<&str> = scalers.split(' ').collect();
        names.sort_unstable();
        let sorted = format!("{before}(e.g. [{}]){after}", names.join(" "));
        let changed = sorted != *text;
        *text = sorted;
        changed
    };
    let mut changed = false;
    for text in texts(theirs).chain(texts(ours)) {
        changed |= sort(text);
    }
    if changed {
        deviations.push(Deviation::OrderOfScalers);
    }
}

/// All messages of an answer.
fn texts(answer: &mut Answer) -> impl Iterator<Item = &mut String> {
    let conditions = answer.status.conditions.iter_mut().map(|condition| &mut condition.message);
    let events = answer.events.iter_mut().map(|event| &mut event.message);
    conditions.chain(events).chain(&mut answer.errors)
}

fn excuse_nameless_condition(step: &Step, theirs: &mut Answer, deviations: &mut Vec<Deviation>) {
    let before = theirs.status.conditions.len();
    theirs.status.conditions.retain(|condition| !condition.r#type.is_empty());
    if theirs.status.conditions.len() < before && step.policy.metrics.is_empty() {
        deviations.push(Deviation::NamelessCondition);
    }
}

/// Longer than all waits between the tries of one write.
const RETRIES_MILLIS: i64 = 60;

fn excuse_clock_during_retries(
    case: &Case,
    ours: &Answer,
    theirs: &mut Answer,
    deviations: &mut Vec<Deviation>,
) {
    let retried = |at: i64| {
        let same = |step: &&Step| step.now.as_millis() == at;
        case.steps.iter().find(same).is_some_and(|step| matches!(step.write, Write::Conflicts(1..)))
    };
    let mut excused = false;
    let mut excuse = |ours: i64, theirs: &mut i64| {
        if (1..RETRIES_MILLIS).contains(&(*theirs - ours)) && retried(ours) {
            *theirs = ours;
            excused = true;
        }
    };
    if let (Some(ours), Some(theirs)) = (ours.status.last_scale, &mut theirs.status.last_scale) {
        excuse(ours, theirs);
    }
    for (ours, theirs) in ours.status.conditions.iter().zip(&mut theirs.status.conditions) {
        excuse(ours.since, &mut theirs.since);
    }
    let (ours, theirs) = (&ours.memory, &mut theirs.memory);
    for (ours, theirs) in [(&ours.ups, &mut theirs.ups), (&ours.downs, &mut theirs.downs)] {
        for ((_, ours), (_, theirs)) in ours.iter().zip(theirs) {
            excuse(*ours, theirs);
        }
    }
    if excused {
        deviations.push(Deviation::ClockDuringRetries);
    }
}
