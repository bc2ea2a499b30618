//! Our side: `plimsoll_core` decides, and what stands around it does what the operator does.

use plimsoll_core::quantity::Quantity;
use plimsoll_core::reason::{EventKind, EventReason};
use plimsoll_core::replicas::{
    ConditionUpdate, Decision, Input, Memory, MetricOutcome, MetricSpec, acted, decide,
};

use crate::answer::{Answer, Condition, Current, Event, Proposal, Remembered, Status};
use crate::case::{Case, NAMESPACE, ScaleRead, Step};

/// One sync: what went in, what was decided, and what both sides are compared by.
#[derive(Clone, Debug)]
pub(crate) struct Synced {
    pub(crate) input: Input,
    /// What was remembered before.
    pub(crate) before: Remembered,
    pub(crate) decision: Decision,
    pub(crate) answer: Answer,
}

/// The operator in miniature: it keeps the status and the memory of one object.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    settings: plimsoll_core::replicas::Settings,
    status: Option<Status>,
    memory: Memory,
    has_synced: bool,
    /// Changes every input before the decision. Only the controls, which must find differences, do so.
    pub(crate) meddle: fn(&mut Input),
}

/// The whole case.
pub(crate) fn run(case: &Case, meddle: fn(&mut Input)) -> Vec<Synced> {
    let mut operator = Operator::new(case);
    operator.meddle = meddle;
    case.steps.iter().map(|step| operator.sync(step)).collect()
}

impl Operator {
    /// An operator that has just started.
    pub(crate) fn new(case: &Case) -> Self {
        let status = case.scaled_to_zero.then(|| Status {
            conditions: vec![Condition {
                r#type: "ScaledToZero".to_owned(),
                status: "True".to_owned(),
                reason: "ScaledToZero".to_owned(),
                message: "before the case".to_owned(),
                since: GO_ZERO_TIME,
            }],
            ..Status::default()
        });
        Self { settings: case.settings, status, memory: Memory::default(), has_synced: false, meddle: |_| () }
    }

    /// Decides once and acts on it.
    pub(crate) fn sync(&mut self, step: &Step) -> Synced {
        if step.recreated && self.has_synced {
            (self.status, self.memory) = (None, Memory::default());
        }
        self.has_synced = true;
        let scaled_to_zero = self.status.iter().flat_map(|status| &status.conditions);
        let scaled_to_zero =
            scaled_to_zero.into_iter().any(|c| c.r#type == "ScaledToZero" && c.status == "True");
        let mut input = step.input(self.settings, scaled_to_zero);
        (self.meddle)(&mut input);
        let before = remembered(&self.memory);
        let (decision, memory) = decide(&input, &self.memory);
        self.memory = memory;

        let mut status = self.status.clone().unwrap_or_default();
        let mut answer = Answer { proposal: proposal(&decision), ..Answer::default() };
        let now = input.now.as_millis();
        set(&mut status, &decision.conditions, now);
        answer.events.extend(decision.events.iter().map(event));
        let mut failed = decision.error.as_ref().map(|error| error.message.clone());
        let mut ends = !decision.is_decided();
        if decision.is_rescale() {
            let written = step.write.result();
            let (conditions, events) = acted(&decision, written.clone());
            set(&mut status, &conditions, now);
            answer.events.extend(events.iter().map(event));
            match written {
                Ok(()) => {
                    answer.written = Some(decision.desired);
                    status.last_scale = Some(now);
                    self.memory = self.memory.rescaled(&input, &decision);
                }
                Err(error) => {
                    failed = Some(format!("failed to rescale Deployment/{NAMESPACE}/web: {error}"));
                    ends = true;
                }
            }
        }
        let was_read = matches!(step.scale, ScaleRead::Works | ScaleRead::FallsBack);
        if was_read {
            status.current = input.target.spec_replicas;
            status.desired = if ends { status.desired } else { decision.desired };
            status.metrics = decision.metrics.iter().zip(&input.policy.metrics).map(current).collect();
        }
        self.write_status(step, status, was_read, ends, &mut failed, &mut answer);
        answer.errors.extend(failed);
        answer.status = self.status.clone().unwrap_or_default();
        answer.memory = remembered(&self.memory);
        Synced { input, before, decision, answer }
    }

    /// HPA writes a status that has changed; one that was read always has, by its `observedGeneration`.
    fn write_status(
        &mut self,
        step: &Step,
        status: Status,
        was_read: bool,
        ends: bool,
        failed: &mut Option<String>,
        answer: &mut Answer,
    ) {
        if !was_read && self.status.as_ref() == Some(&status) {
            return;
        }
        let Some(error) = &step.status_fails else {
            self.status = Some(status);
            return;
        };
        let told = Event {
            r#type: EventKind::Warning.to_string(),
            reason: EventReason::FailedUpdateStatus.to_string(),
            message: error.clone(),
        };
        let summary = EventReason::FailedComputeMetricsReplicas.to_string();
        let before_summary = answer.events.iter().position(|event| event.reason == summary);
        answer.events.insert(before_summary.unwrap_or(answer.events.len()), told);
        let error = format!("failed to update status for x: {error}");
        if ends {
            answer.errors.push(error);
        } else {
            *failed = Some(error);
        }
    }
}

/// The milliseconds of Go's zero time, which stands for "never".
const GO_ZERO_TIME: i64 = -62_135_596_800_000;

fn set(status: &mut Status, updates: &[ConditionUpdate], now: i64) {
    for update in updates {
        let new = Condition {
            r#type: update.kind.to_string(),
            status: update.status.to_string(),
            reason: update.reason.to_string(),
            message: update.message.clone(),
            since: now,
        };
        match status.conditions.iter_mut().find(|old| old.r#type == new.r#type) {
            Some(old) => {
                let since = if old.status == new.status { old.since } else { now };
                *old = Condition { since, ..new };
            }
            None => status.conditions.push(new),
        }
    }
}

fn event(event: &plimsoll_core::replicas::Event) -> Event {
    Event { r#type: event.kind.to_string(), reason: event.reason.to_string(), message: event.message.clone() }
}

/// The proposal, and the metric that the condition `ScalingActive` names.
fn proposal(decision: &Decision) -> Option<Proposal> {
    let replicas = decision.recommendation?;
    let told = "the HPA was able to successfully calculate a replica count from ";
    let metric = decision.conditions.iter().find_map(|c| c.message.strip_prefix(told)).unwrap_or_default();
    Some(Proposal { replicas, metric: metric.to_owned() })
}

fn current((outcome, metric): (&MetricOutcome, &MetricSpec)) -> Current {
    let Some(status) = outcome.status else { return Current::default() };
    let amount = |milli: Option<i64>| milli.map(|m| Quantity::from_milli(m, metric.format()).to_string());
    let kind = match metric {
        MetricSpec::Resource { .. } => "Resource",
        MetricSpec::ContainerResource { .. } => "ContainerResource",
        MetricSpec::Pods { .. } => "Pods",
        MetricSpec::Object { .. } => "Object",
        MetricSpec::External { .. } => "External",
        MetricSpec::Prometheus { .. } | MetricSpec::Scrape { .. } | MetricSpec::Unknown { .. } => "",
    };
    Current {
        r#type: kind.to_owned(),
        average_utilization: status.average_utilization,
        average_value: amount(status.average_value),
        value: amount(status.value),
    }
}

fn remembered(memory: &Memory) -> Remembered {
    let mut stored = serde_json::to_value(memory).expect("JSON");
    // Whether an event is marked as outdated shows in what becomes of it.
    for entry in stored.as_object_mut().into_iter().flat_map(|lists| lists.values_mut()) {
        for event in entry.as_array_mut().into_iter().flatten().filter_map(|event| event.as_array_mut()) {
            event.truncate(2);
        }
    }
    serde_json::from_value(stored).expect("the same JSON")
}
