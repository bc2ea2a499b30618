//! The size and the pods of what a buffer names and no watch shows: any kind with a scale.
//!
//! Asked beside the planner, by GET `/scale`, a quarter of a minute after the last answer. What its next pod will ask for is
//! what its newest one does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject, SelectorExt as _},
    discovery::oneshot,
};
use plimsoll_api::upstream::ScalableReference;
use plimsoll_core::{
    cluster::{Name, PodShape},
    nodes::buffer::Problem,
};
use plimsoll_observe::parse_selector;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{feed::Change, world::World};
use crate::targets::TIME_OUT;

/// How often a scalable is asked about.
const EVERY: Duration = Duration::from_secs(15);

/// A scalable: its namespace, and what a buffer calls it.
type Key = (String, ScalableReference);

/// What is known of scalables.
#[derive(Default)]
pub(crate) struct Sizes(BTreeMap<Key, Known>);

/// What its newest pod asks for, if it has one, and how many it has.
type Known = Result<(Option<Arc<PodShape>>, i32), Problem>;

impl Sizes {
    /// What is known of one; None before it was asked about.
    pub(crate) fn get(&self, namespace: &str, scalable: &ScalableReference) -> Option<Known> {
        self.0.get(&(namespace.to_owned(), scalable.clone())).cloned()
    }
}

/// Asks about scalables.
pub(crate) struct Scalables {
    client: Client,
    changes: mpsc::UnboundedSender<Change>,
    asked: BTreeMap<Key, Instant>,
}

/// What a scale says.
struct Scale {
    replicas: i32,
    selector: String,
}

impl Scalables {
    pub(crate) fn new(client: Client, changes: mpsc::UnboundedSender<Change>) -> Self {
        Self { client, changes, asked: BTreeMap::new() }
    }

    /// Asks about those whose time has come, and forgets all others; answers when the next one's has.
    pub(crate) fn ask(&mut self, wanted: BTreeSet<Key>, sizes: &mut Sizes) -> Duration {
        self.asked.retain(|key, _| wanted.contains(key));
        sizes.0.retain(|key, _| wanted.contains(key));
        let now = Instant::now();
        let mut pause = EVERY;
        for key in wanted {
            let left = self.asked.get(&key).map(|at| EVERY.saturating_sub(now.duration_since(*at)));
            if let Some(left) = left.filter(|left| !left.is_zero()) {
                pause = pause.min(left);
                continue;
            }
            self.asked.insert(key.clone(), now);
            let (client, changes) = (self.client.clone(), self.changes.clone());
            tokio::spawn(async move {
                let scale = match timeout(TIME_OUT, read(client, &key)).await {
                    Ok(scale) => scale,
                    Err(_) => Err(Asked::Unknown("the API server did not answer in time".to_owned())),
                };
                // A planner that is gone needs no answer.
                let _ = changes.send(Box::new(move |world| take_in(world, key, scale)));
            });
        }
        pause
    }
}

/// Why a scale was not read.
enum Asked {
    /// The buffer names what cannot be scaled.
    Wrong(Problem),
    /// The API server could not say.
    Unknown(String),
}

fn take_in(world: &mut World, key: Key, scale: Result<Scale, Asked>) {
    let known = match scale {
        Ok(scale) => newest_pod(world, &key.0, &scale).map(|shape| (shape, scale.replicas)),
        Err(Asked::Wrong(problem)) => Err(problem),
        // What was known holds on.
        Err(Asked::Unknown(why)) if world.buffers.sizes.0.get(&key).is_some_and(Result::is_ok) => {
            tracing::debug!(scalable = key.1.name, why, "the size of a scalable is not known");
            return;
        }
        Err(Asked::Unknown(why)) => Err(Problem::NotScalable(why)),
    };
    world.buffers.sizes.0.insert(key, known);
}

/// What the newest pod asks for that a scale selects.
fn newest_pod(world: &World, namespace: &str, scale: &Scale) -> Result<Option<Arc<PodShape>>, Problem> {
    let selector =
        parse_selector(&scale.selector).map_err(|error| Problem::NotScalable(error.to_string()))?;
    let selects = |labels: &BTreeMap<Name, Name>| {
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        selector.matches(&labels)
    };
    let pods = world.view.pods().filter(|pod| *pod.shape.namespace == *namespace);
    let pods = pods.filter(|pod| pod.unplannable.is_none() && selects(&pod.shape.labels));
    Ok(pods.max_by_key(|pod| (pod.created, &pod.uid)).map(|pod| Arc::clone(&pod.shape)))
}

async fn read(client: Client, (namespace, named): &Key) -> Result<Scale, Asked> {
    let kind = kind(&client, named).await?;
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &kind);
    let scale = api.get_scale(&named.name).await.map_err(|error| match &error {
        kube::Error::Api(status) if status.code == 404 => {
            Asked::Wrong(Problem::NoScalable(named.kind.as_str().into(), named.name.as_str().into()))
        }
        _ => Asked::Unknown(error.to_string()),
    })?;
    let selector = scale.status.as_ref().and_then(|status| status.selector.clone()).unwrap_or_default();
    if selector.is_empty() {
        let why =
            format!("the scale of {} {} has no selector, so its pods are not known", named.kind, named.name);
        return Err(Asked::Wrong(Problem::NotScalable(why)));
    }
    Ok(Scale { replicas: scale.spec.and_then(|spec| spec.replicas).unwrap_or(0), selector })
}

/// The resource of a kind, in the version that the API server likes best.
async fn kind(client: &Client, named: &ScalableReference) -> Result<ApiResource, Asked> {
    let unknown = || {
        let group = if named.api_group.is_empty() { "the core group" } else { &named.api_group };
        let why = format!("the API server serves no kind {} in {group}: check apiGroup and kind", named.kind);
        Asked::Wrong(Problem::NotScalable(why))
    };
    let group = match oneshot::group(client, &named.api_group).await {
        Ok(group) => group,
        Err(kube::Error::Discovery(_)) => return Err(unknown()),
        Err(error) => return Err(Asked::Unknown(error.to_string())),
    };
    let (kind, abilities) = group.recommended_kind(&named.kind).ok_or_else(unknown)?;
    if !abilities.subresources.iter().any(|(resource, _)| resource.plural == "scale") {
        let why = format!(
            "{} has no scale subresource, so how many it has cannot be read: name what makes its pods, or use \
             spec.podTemplateRef",
            named.kind
        );
        return Err(Asked::Wrong(Problem::NotScalable(why)));
    }
    Ok(kind)
}
