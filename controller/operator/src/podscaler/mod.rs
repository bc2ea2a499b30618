//! Looks at one PodScaler: gather → decide → act → report.

mod act;
mod availability;
mod budget;
pub mod claims;
pub mod controller;
mod domains;
pub(crate) mod events;
pub(crate) mod gather;
mod gauges;
mod manner;
pub mod memory;
mod readings;
pub(crate) mod report;
pub mod schedule;
pub(crate) mod status;
pub mod victims;
mod write_status;
mod zero;

use std::{borrow::Cow, sync::Arc, time::Duration};

use jiff::Timestamp as Clock;
use kube::{
    ResourceExt as _,
    api::ObjectMeta,
    core::DeserializeGuard,
    runtime::{controller::Action, reflector::ObjectRef},
};
use plimsoll_api::{
    PodScaler,
    v1alpha1::{Mode, PodScalerSpec, PodScalerStatus},
};
use plimsoll_core::{
    replicas::{
        Asked, ConditionUpdate, Decision, Event, Input, Memory, Obstacle, Outcome, Record, acted, blocked,
        decide, recommending,
    },
    time::{Span, Timestamp},
};
use serde_json::Value;
use tokio::time::Instant;

use crate::context::Context;
use act::{Acted, act};
use gather::{Gathered, gather};
use memory::{Remembered, ZeroClaim};
use report::{Report, report};

/// A PodScaler, whether it decodes or not.
pub type Scaler = DeserializeGuard<PodScaler>;

/// After this many changes of the target between our read and our write we wait for the next look.
const MOST_TRIES: usize = 4;

/// The kinds of objects that ask for a workload to be scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours.
    PodScaler,
    /// A HorizontalPodAutoscaler, read as a PodScaler.
    Hpa,
}

/// What a look is about.
pub(crate) struct Subject<'a> {
    pub(crate) kind: Kind,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) metadata: &'a ObjectMeta,
    /// None when the object does not decode.
    pub(crate) spec: Option<&'a PodScalerSpec>,
    pub(crate) status: Option<&'a PodScalerStatus>,
    /// The status of an HPA as it was read, with what a later version may have put into it.
    pub(crate) raw_status: &'a Value,
}

/// Why a look failed. The object is looked at again after the usual time.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody was told what was decided.
    #[error("the status or an event could not be written: {0}")]
    Report(#[source] kube::Error),
    /// The API server took too long over it.
    #[error("the status or an event could not be written: the API server did not answer in time")]
    ReportTimedOut,
}

impl Error {
    /// The step that failed, as a label.
    pub const fn step(&self) -> &'static str {
        match self {
            Self::Report(_) | Self::ReportTimedOut => "report",
        }
    }
}

/// One look at a PodScaler.
///
/// # Errors
/// [`Error`] when what was decided could not be told.
pub async fn reconcile(scaler: Arc<Scaler>, context: Arc<Context>) -> Result<Action, Error> {
    if !context.may_decide() {
        return Ok(Action::await_change());
    }
    let started = Instant::now();
    let result = look(&scaler, &context).await;
    let label = if result.is_ok() { "ok" } else { "error" };
    context.metrics.reconcile_seconds.with_label_values(&[label]).observe(started.elapsed().as_secs_f64());
    result
}

/// What to do after a look that failed.
#[allow(clippy::needless_pass_by_value)] // the signature that kube asks for
pub fn after_error(scaler: Arc<Scaler>, error: &Error, context: Arc<Context>) -> Action {
    let object = ObjectRef::from_obj(scaler.as_ref());
    tracing::warn!(podscaler = %object, step = error.step(), %error, "a look failed");
    context.metrics.errors.with_label_values(&[error.step()]).inc();
    let due = scaler.uid().and_then(|uid| context.memories.due(&uid));
    Action::requeue(due.map_or(context.options.sync_period, |due| due.duration_since(Instant::now())))
}

async fn look(scaler: &Scaler, context: &Context) -> Result<Action, Error> {
    let (namespace, name) = (scaler.namespace().unwrap_or_default(), scaler.name_any());
    let uid = scaler.uid().unwrap_or_default();
    let (metadata, spec, status) = match &scaler.0 {
        Ok(scaler) => (&scaler.metadata, Some(&scaler.spec), scaler.status.as_ref()),
        Err(invalid) => (&invalid.metadata, None, None),
    };
    let subject = Subject {
        kind: Kind::PodScaler,
        namespace: &namespace,
        name: &name,
        metadata,
        spec,
        status,
        raw_status: &Value::Null,
    };
    let obstacle = match &scaler.0 {
        Ok(valid) if valid.spec.mode == Mode::Paused => Some(Obstacle::Paused),
        Ok(_) => None,
        Err(invalid) => Some(Obstacle::Undecodable(invalid.error.clone())),
    };
    look_at(context, &subject, &uid, obstacle).await
}

/// One look at a subject, and when the next one is due. With an obstacle it is not even looked at.
pub(crate) async fn look_at(
    context: &Context,
    subject: &Subject<'_>,
    uid: &str,
    obstacle: Option<Obstacle>,
) -> Result<Action, Error> {
    let mut remembered = context.memories.recall(uid);
    if let Some(lag) = remembered.due.and_then(|due| Instant::now().checked_duration_since(due)) {
        context.metrics.look_lag.observe(lag.as_secs_f64());
    }
    let result = match (obstacle, subject.spec) {
        (Some(obstacle), _) => pause(context, subject, &obstacle, None, &mut remembered).await,
        (None, Some(spec)) => scale(context, subject, spec, &mut remembered).await,
        (None, None) => Ok(None),
    };
    let now = Instant::now();
    let asked = result.as_ref().ok().copied().flatten();
    let due = context.schedule.next(uid, context.options.period(subject.spec), asked, now);
    remembered.due = Some(due);
    context.memories.keep(uid, remembered);
    if subject.kind == Kind::PodScaler {
        context.decisions.due(subject.namespace, subject.name, in_wall_time(due.duration_since(now)));
    }
    result.map(|_| Action::requeue(due.duration_since(now)))
}

/// A look at one that is active: what the decision says of the next look.
async fn scale(
    context: &Context,
    subject: &Subject<'_>,
    spec: &PodScalerSpec,
    remembered: &mut Remembered,
) -> Result<Option<Span>, Error> {
    let claimed = remembered.zero;
    for _ in 0..MOST_TRIES {
        let now = now();
        // gather (reads from the API server)
        let observation = match gather(context, subject, spec, now).await {
            Gathered::Observed(mut observation) => {
                observation.input.scaled_to_zero |= remembered.zero != ZeroClaim::None;
                observation
            }
            Gathered::Blocked(obstacle, current) => {
                return pause(context, subject, &obstacle, current, remembered).await;
            }
        };
        // decide (pure)
        let before = remembered.before(&observation.input);
        let (decision, memory) = decide(&observation.input, &before);
        // act (writes the costs of pods that are to go and that a size of zero is ours, then the scale)
        let unmarked = victims::mark(context, subject, spec, &observation, &decision).await;
        let mut lent = false;
        let result = match act(context, subject, spec, &observation, &decision, remembered).await {
            Acted::Outdated => continue,
            Acted::NotLeading => return Ok(None),
            Acted::Untold(error) => return Err(error),
            Acted::Nothing => None,
            Acted::Lent => {
                lent = true;
                None
            }
            Acted::Written => Some(Ok(())),
            Acted::Failed(error) => Some(Err(error)),
        };
        let memory = match &result {
            Some(Ok(())) => memory.rescaled(&observation.input, &decision),
            _ => memory,
        };
        let outcome = if lent { Outcome::Lent } else { outcome(result.as_ref()) };
        keep(context, subject, asked(&observation.input, &before), &decision, outcome);
        remembered.after(&observation.input, memory);
        if matches!(result, Some(Err(_))) {
            context.metrics.errors.with_label_values(&["act"]).inc();
        }
        // act beside the size (writes the budget of the pods)
        let looked_after = availability::look_after(context, subject, spec, &observation).await;
        // report (writes status and events)
        let rewritten = remembered.zero != claimed;
        let done = Done { written: result, rewritten, warning: unmarked, conditions: looked_after };
        tell(context, subject, &observation.input, &decision, done, remembered).await?;
        return Ok(decision.next_look);
    }
    tracing::debug!(namespace = subject.namespace, name = subject.name, "the target keeps changing");
    Ok(None)
}

/// What came of acting.
struct Done {
    /// Of writing a size, where one was to be written.
    written: Option<Result<(), String>>,
    /// Whether the subject was written to since it was read.
    rewritten: bool,
    warning: Option<Event>,
    /// What there is to say beside the size.
    conditions: Vec<ConditionUpdate>,
}

async fn tell(
    context: &Context,
    subject: &Subject<'_>,
    input: &Input,
    decision: &Decision,
    done: Done,
    remembered: &mut Remembered,
) -> Result<(), Error> {
    let Done { written, rewritten, warning, conditions: further } = done;
    let rescaled = matches!(written, Some(Ok(())));
    let size = written.as_ref().map(Result::is_ok);
    let mut conditions = conditions(subject, decision);
    conditions.extend(further);
    conditions.extend(zero::said(decision, size, remembered.zero));
    let mut events = decision.events.clone();
    if let Some(result) = written {
        let (further_conditions, further_events) = acted(decision, result);
        for further in further_conditions {
            further.set_in(&mut conditions);
        }
        events.extend(further_events);
    }
    events.extend(warning);
    let seen = Some((&input.policy, input.pods.as_slice()));
    let told =
        Report { decision, conditions, events, rescaled, rewritten, seen, now: input.now, status: true };
    let is_told = report(context, subject, &told, remembered).await;
    remembered.zero = zero::after(decision, size, remembered.zero, matches!(is_told, Ok(true)));
    is_told.map(drop)
}

/// The conditions of a decision, and that it is a recommendation where it is no more than that.
fn conditions(subject: &Subject<'_>, decision: &Decision) -> Vec<ConditionUpdate> {
    let recommends = subject.spec.is_some_and(|spec| spec.mode == Mode::Recommend);
    decision.conditions.iter().cloned().chain(recommends.then(recommending)).collect()
}

/// Reports what stands in the way; replicas stay as they are, and nothing is worth an earlier look.
async fn pause(
    context: &Context,
    subject: &Subject<'_>,
    obstacle: &Obstacle,
    current: Option<i32>,
    remembered: &mut Remembered,
) -> Result<Option<Span>, Error> {
    let (now, current) = (now(), current.unwrap_or(0));
    let decision = blocked(obstacle, current);
    keep(
        context,
        subject,
        Asked::Blocked { now, obstacle: Cow::Borrowed(obstacle), current },
        &decision,
        Outcome::Nothing,
    );
    let report_ = Report {
        decision: &decision,
        conditions: conditions(subject, &decision),
        events: decision.events.clone(),
        rescaled: false,
        rewritten: false,
        seen: None,
        now,
        // To write into a status that another controller writes is what this obstacle keeps us from.
        status: !matches!(obstacle, Obstacle::StatusWrittenElsewhere { .. }),
    };
    report(context, subject, &report_, remembered).await?;
    Ok(None)
}

fn asked<'a>(input: &'a Input, memory: &'a Memory) -> Asked<'a> {
    Asked::Decide { input: Cow::Borrowed(input), memory: Cow::Borrowed(memory) }
}

/// Keeps the decision on a PodScaler for whoever wants it explained.
fn keep(context: &Context, subject: &Subject<'_>, asked: Asked<'_>, decision: &Decision, outcome: Outcome) {
    if subject.kind != Kind::PodScaler {
        return;
    }
    context.decisions.keep(subject.namespace, subject.name, &Record { asked, decision, outcome });
}

fn outcome(result: Option<&Result<(), String>>) -> Outcome {
    match result {
        None => Outcome::Nothing,
        Some(Ok(())) => Outcome::Written,
        Some(Err(error)) => Outcome::Failed(error.clone()),
    }
}

fn in_wall_time(after: Duration) -> Timestamp {
    now() + Span::from_millis(i64::try_from(after.as_millis()).unwrap_or(i64::MAX))
}

/// The one place where a look reads the clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(Clock::now().as_millisecond())
}
