//! What we would do in the place of the built-in controller, beside what it does.
//!
//! A look in the shadow writes nothing, so it must not remember what it would have written. What it remembers:
//! - its own recommendations, since those are what the windows of `behavior` are about;
//! - the built-in controller's changes of size, known by a new `status.lastScaleTime`, since the budgets of rate
//!   policies are those of the one who scales. It remembers them also where it would have decided differently: else
//!   one difference would bring about the next.
//!
//! A change of size without a new `lastScaleTime` is somebody's by hand, which the HPA does not remember either.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{ResourceExt as _, runtime::controller::Action};
use plimsoll_api::v1alpha1::{Algorithm, PodScalerStatus};
use plimsoll_core::{
    replicas::{Input, Memory, Obstacle, blocked, decide},
    time::Timestamp,
};
use plimsoll_observe::{from_core_time, observe_time};
use serde::Serialize;

use super::{Hpa, without_writing};
use crate::{
    context::Context,
    podscaler::{
        Kind, Subject,
        gather::{Gathered, gather},
        now,
    },
};

/// How our answers compare with those of the built-in controller, per HPA. Clones share it.
#[derive(Clone, Default)]
pub struct Shadows {
    by_hpa: Arc<Mutex<BTreeMap<(String, String), Shadow>>>,
}

/// How our answers compare for one HPA, as `GET /shadow` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shadow {
    /// The HPA's namespace.
    pub namespace: String,
    /// The HPA's name.
    pub name: String,
    /// The algorithm of ours.
    pub algorithm: Algorithm,
    /// `status.desiredReplicas`; None while the built-in controller has not seen this spec.
    pub theirs: Option<i32>,
    /// What we would have decided; None when we could not.
    pub ours: Option<i32>,
    /// Why ours is what it is.
    pub reason: String,
    /// Since when the two differ.
    pub different_since: Option<Time>,
    /// When we last looked.
    pub looked_at: Time,
    /// Since when we look. What was recommended before is not known, so that until a window is over we may hold
    /// longer than the built-in controller does.
    pub shadowed_since: Time,
    /// How often the answers were compared, and how that ended.
    pub looks: Looks,
    #[serde(skip)]
    seen: Seen,
}

/// How comparisons ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Looks {
    /// The same replicas.
    pub equal: u64,
    /// Other replicas.
    pub different: u64,
    /// We had no answer.
    pub undecided: u64,
}

/// What the last look saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    /// The target's size.
    size: Option<i32>,
    last_scale_time: Option<Time>,
    /// The version of the HPA, and when it was new.
    version: Option<(String, Timestamp)>,
}

/// The built-in controller's last answer: the size it found, and the one it decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Theirs {
    current: i32,
    desired: i32,
}

/// How two answers compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Equal,
    Different,
    Undecided,
    /// They have not yet looked at what we looked at.
    Early,
}

impl Shadows {
    /// All of them, ordered by namespace and name.
    pub fn all(&self) -> Vec<Shadow> {
        self.lock().values().cloned().collect()
    }

    /// Forgets an HPA that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// Forgets all: another replica looks at them now.
    pub fn forget_all(&self) {
        self.lock().clear();
    }

    fn of(&self, namespace: &str, name: &str) -> Option<Shadow> {
        self.lock().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    fn keep(&self, shadow: Shadow) {
        self.lock().insert((shadow.namespace.clone(), shadow.name.clone()), shadow);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Shadow>> {
        self.by_hpa.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One look in the shadow.
pub(super) async fn look(context: &Context, hpa: &Hpa) -> Action {
    let (namespace, name) = (hpa.namespace().unwrap_or_default(), hpa.name_any());
    let uid = hpa.uid().unwrap_or_default();
    let (now, status) = (now(), hpa.podscaler_status());
    let before = context.shadows.of(&namespace, &name);
    let mut seen = before.as_ref().map(|before| before.seen.clone()).unwrap_or_default();
    let (algorithm, decision) = match hpa.podscaler_spec().map(without_writing) {
        Err(invalid) => (Algorithm::Hpa137, blocked(&Obstacle::Undecodable(invalid.to_string()), 0)),
        Ok(spec) => {
            let subject = Subject {
                kind: Kind::Hpa,
                namespace: &namespace,
                name: &name,
                metadata: &hpa.metadata,
                spec: Some(&spec),
                status: Some(&status),
                raw_status: &hpa.status,
            };
            let decision = match gather(context, &subject, &spec, now).await {
                Gathered::Blocked(obstacle, current) => blocked(&obstacle, current.unwrap_or_default()),
                Gathered::Observed(observation) => {
                    let mut remembered = context.memories.recall(&uid);
                    let memory = remembered.before(&observation.input);
                    let memory = followed(&memory, &mut seen, &observation.input, &status);
                    let (decision, memory) = decide(&observation.input, &memory);
                    remembered.after(&observation.input, memory);
                    context.memories.keep(&uid, remembered);
                    decision
                }
            };
            (spec.algorithm, decision)
        }
    };
    let fresh = is_fresh(&mut seen, hpa, now, context);
    let generation = hpa.metadata.generation;
    let is_seen = status.observed_generation.is_some() && status.observed_generation >= generation;
    let theirs = is_seen
        .then(|| status.current_replicas.map(|current| Theirs { current, desired: status.desired_replicas }))
        .flatten();
    let ours = decision.is_decided().then_some(decision.desired);
    let verdict = judge(theirs, ours, fresh);
    show(context, &namespace, &name, theirs, ours, verdict);
    let time = from_core_time(now);
    let differs = theirs.zip(ours).is_some_and(|(theirs, ours)| theirs.desired != ours);
    let different_since = before.as_ref().and_then(|before| before.different_since.clone());
    context.shadows.keep(Shadow {
        algorithm,
        theirs: theirs.map(|theirs| theirs.desired),
        ours,
        reason: decision.why(),
        different_since: differs.then(|| different_since.unwrap_or_else(|| time.clone())),
        looked_at: time.clone(),
        shadowed_since: before.as_ref().map_or(time, |before| before.shadowed_since.clone()),
        looks: before.map(|before| before.looks).unwrap_or_default().and(verdict),
        namespace,
        name,
        seen,
    });
    // A little later than their next look, which is the better reason to look again.
    Action::requeue(context.options.sync_period.mul_f64(1.25))
}

/// The memory with the built-in controller's last change of size in it.
fn followed(memory: &Memory, seen: &mut Seen, input: &Input, status: &PodScalerStatus) -> Memory {
    let size = input.target.spec_replicas;
    let scaled_at = status.last_scale_time.as_ref().filter(|at| seen.last_scale_time.as_ref() != Some(*at));
    if scaled_at.is_some() && seen.size.is_some() && size != status.desired_replicas {
        // Their status is here before the size that they have written. The next look sees both.
        return memory.clone();
    }
    let memory = match (seen.size, scaled_at) {
        (Some(before), Some(at)) => {
            memory.followed(&input.policy, (before, size), observe_time(at).min(input.now))
        }
        _ => memory.clone(),
    };
    seen.size = Some(size);
    seen.last_scale_time.clone_from(&status.last_scale_time);
    memory
}

/// Whether they have just looked too, or have had the time to and found nothing worth writing.
fn is_fresh(seen: &mut Seen, hpa: &Hpa, now: Timestamp, context: &Context) -> bool {
    let version = hpa.metadata.resource_version.clone().unwrap_or_default();
    match &seen.version {
        Some((known, since)) if *known == version => {
            let two_periods = 2 * context.options.sync_period.max(super::takeover::THEIR_PERIOD);
            u128::try_from(now.since(*since).as_millis()).is_ok_and(|age| age >= two_periods.as_millis())
        }
        _ => {
            seen.version = Some((version, now));
            true
        }
    }
}

/// How two answers compare. `fresh` says that both are of the same moment.
///
/// A look right after their change of size already sees the new size, which they will see at their next one: where
/// it goes on in the same direction, that is what they are about to do.
fn judge(theirs: Option<Theirs>, ours: Option<i32>, fresh: bool) -> Verdict {
    let Some(ours) = ours else { return Verdict::Undecided };
    let Some(theirs) = theirs else { return Verdict::Early };
    let moved = (theirs.desired - theirs.current).signum();
    let further = (ours - theirs.desired).signum();
    match further {
        0 => Verdict::Equal,
        _ if !fresh || further == moved => Verdict::Early,
        _ => Verdict::Different,
    }
}

fn show(
    context: &Context,
    namespace: &str,
    name: &str,
    theirs: Option<Theirs>,
    ours: Option<i32>,
    verdict: Verdict,
) {
    let metrics = &context.metrics.hpa;
    if let Some(ours) = ours {
        metrics.shadow_desired.set(namespace, name, ours.into());
    }
    match theirs.zip(ours) {
        Some((theirs, ours)) => {
            metrics.shadow_difference.set(namespace, name, f64::from(ours) - f64::from(theirs.desired));
        }
        None => metrics.shadow_difference.forget(namespace, name),
    }
    let result = match verdict {
        Verdict::Equal => "equal",
        Verdict::Different => "different",
        Verdict::Undecided => "undecided",
        Verdict::Early => return,
    };
    metrics.shadow_looks.with_label_values(&[result]).inc();
    if verdict == Verdict::Different {
        tracing::info!(%namespace, %name, theirs = theirs.map(|theirs| theirs.desired), ours, "the shadow differs");
    }
}

impl Looks {
    fn and(mut self, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Equal => self.equal += 1,
            Verdict::Different => self.different += 1,
            Verdict::Undecided => self.undecided += 1,
            Verdict::Early => {}
        }
        self
    }
}

#[cfg(test)]
mod tests;
