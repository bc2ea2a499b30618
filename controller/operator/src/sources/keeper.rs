//! Asks each source now and then, so that its status tells how it is, also while no PodScaler asks it.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use jiff::Timestamp as Clock;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{
    Api, Resource as _,
    api::{Patch, PatchParams},
    core::DeserializeGuard,
};
use plimsoll_api::{ClusterSource, Source};
use plimsoll_signals::SignalError;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, interval},
};

use super::{
    Refusal,
    definitions::{Definition, Id},
};
use crate::{
    context::Context,
    in_time::in_time,
    targets::{FIELD_MANAGER, WRITE_TIME},
};

/// What any Prometheus answers.
const PROBE: &str = "vector(1)";

/// How often a source that answers is asked.
const WELL_EVERY: Duration = Duration::from_secs(30);

/// How often one that does not is asked.
const ILL_EVERY: Duration = Duration::from_secs(5);

/// What was last found of a source.
struct Found {
    uid: String,
    generation: i64,
    at: Instant,
    ready: bool,
}

impl Found {
    fn is_due(&self, definition: &Definition) -> bool {
        let every = if self.ready { WELL_EVERY } else { ILL_EVERY };
        (&self.uid, self.generation) != (&definition.uid, definition.generation) || self.at.elapsed() >= every
    }
}

/// Asks all sources, each apart from the others, while we lead.
pub async fn keep(context: Arc<Context>) {
    let mut tick = interval(Duration::from_secs(1));
    let mut under_way: JoinSet<(Id, Found)> = JoinSet::new();
    let mut found: BTreeMap<Id, Option<Found>> = BTreeMap::new();
    loop {
        tokio::select! {
            Some(asked) = under_way.join_next() => {
                if let Ok((id, answer)) = asked {
                    found.insert(id, Some(answer));
                }
            }
            _ = tick.tick() => {
                if !*context.ready.borrow() || !context.leadership.is_leader() {
                    continue;
                }
                let all: BTreeMap<_, _> = context.sources.definitions().all().into_iter().collect();
                found.retain(|id, _| all.contains_key(id));
                for (id, definition) in all {
                    // An entry without an answer is under way.
                    let due = found.get(&id).is_none_or(|last| {
                        last.as_ref().is_some_and(|last| last.is_due(&definition))
                    });
                    if due {
                        found.insert(id.clone(), None);
                        under_way.spawn(look(Arc::clone(&context), id, definition));
                    }
                }
            }
        }
    }
}

async fn look(context: Arc<Context>, id: Id, definition: Arc<Definition>) -> (Id, Found) {
    let (ready, reason, message) = match context.sources.probe(&id, &definition).await {
        Ok(()) => (true, "Answered", "it answered when it was last asked".to_owned()),
        Err((reason, message)) => (false, reason, message),
    };
    let before = definition.status.conditions.iter().find(|condition| condition.type_ == "Ready");
    let status = if ready { "True" } else { "False" };
    let is_known = before.is_some_and(|before| {
        before.status == status
            && before.reason == reason
            && before.message == message
            && before.observed_generation == Some(definition.generation)
    });
    if !is_known {
        let since = before.filter(|before| before.status == status);
        let condition = Condition {
            type_: "Ready".to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            last_transition_time: since
                .map_or_else(|| Time(Clock::now()), |before| before.last_transition_time.clone()),
            observed_generation: Some(definition.generation),
        };
        write(&context, &id, &definition, &condition).await;
    }
    let Definition { uid, generation, .. } = definition.as_ref();
    (id, Found { uid: uid.clone(), generation: *generation, at: Instant::now(), ready })
}

/// What is not written is written after the next look.
async fn write(context: &Context, id: &Id, definition: &Definition, condition: &Condition) {
    if !context.leadership.outlives(WRITE_TIME) {
        return;
    }
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let patch = |api_version, kind| {
        Patch::Apply(json!({
            "apiVersion": api_version, "kind": kind,
            // The uid keeps us from writing to another object of the same name.
            "metadata": { "name": id.name, "uid": definition.uid },
            "status": { "conditions": [condition] },
        }))
    };
    let client = context.client.clone();
    let writing = async {
        if let Some(namespace) = &id.namespace {
            let api = Api::<DeserializeGuard<Source>>::namespaced(client, namespace);
            let patch = patch(Source::api_version(&()), Source::kind(&()));
            api.patch_status(&id.name, &params, &patch).await.map(drop)
        } else {
            let api = Api::<DeserializeGuard<ClusterSource>>::all(client);
            let patch = patch(ClusterSource::api_version(&()), ClusterSource::kind(&()));
            api.patch_status(&id.name, &params, &patch).await.map(drop)
        }
    };
    let Err(problem) = in_time(writing).await else { return };
    tracing::warn!(
        namespace = id.namespace,
        name = id.name,
        %problem,
        "the status of a source was not written"
    );
}

impl super::Sources {
    /// Asks what any Prometheus answers; the error is the reason of the condition and its message.
    async fn probe(&self, id: &Id, definition: &Definition) -> Result<(), (&'static str, String)> {
        let ready = self.ready(id, definition).await.map_err(|refusal| {
            let reason = match &refusal {
                Refusal::AddressNotAllowed(_) => "AddressNotAllowed",
                Refusal::MissingSecret(_) => "MissingSecret",
                Refusal::InvalidSpec(_) | Refusal::Unknown(_) | Refusal::NamespaceNotAllowed(_) => {
                    "InvalidSpec"
                }
            };
            (reason, refusal.to_string())
        })?;
        let answer = ready.prometheus.read(&PROBE.to_owned(), Duration::ZERO).await;
        ready.hangs.store(matches!(answer, Err(SignalError::TimedOut { .. })), Ordering::Relaxed);
        answer.map(drop).map_err(|error| ("NoAnswer", error.to_string()))
    }
}
