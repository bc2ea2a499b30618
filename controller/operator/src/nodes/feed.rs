//! Watches of everything that the planner looks at, each change sent to the one task that keeps the world.
//!
//! [ watch ] → follow → [ channel ] → [`World`]
//!
//! The first full list of each kind is told as a whole: until every kind was listed nothing is planned.

use std::{collections::BTreeSet, fmt::Debug, time::Duration};

use futures::{Stream, StreamExt as _, future, stream};
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::world::World;

/// What a watch has shown, as a change of the world.
pub(crate) type Change = Box<dyn FnOnce(&mut World) + Send>;

/// A kind that the world is made of.
pub(crate) trait Shown: Sized + Send + 'static {
    /// What tells it from others of its kind for good: its name, or its uid where a name may come back.
    fn key(&self) -> String;
    /// Takes it in.
    fn apply(self, world: &mut World);
    /// Forgets the one with this key.
    fn forget(key: &str, world: &mut World);
}

/// Follows all objects of a kind until the process ends or nobody listens any more.
pub(crate) async fn follow<K>(client: Client, kind: &'static str, changes: mpsc::UnboundedSender<Change>)
where
    K: Shown + Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + Sync,
{
    let events = watcher(Api::<K>::all(client), watcher::Config::default()).default_backoff();
    pass_on(events, kind, &changes, &mut BTreeSet::new()).await;
}

/// How often a kind that is not served is asked for.
const UNTIL_SERVED: Duration = Duration::from_secs(10);

/// Follows all objects of a kind whose definition may be missing: there are none then, until it is there.
pub(crate) async fn follow_if_served<K>(
    client: Client,
    kind: &'static str,
    changes: mpsc::UnboundedSender<Change>,
) where
    K: Shown + Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + Sync,
{
    let (api, mut known) = (Api::<K>::all(client), BTreeSet::new());
    while !changes.is_closed() {
        let events = watcher(api.clone(), watcher::Config::default()).default_backoff();
        let served = events.take_while(|event| future::ready(!event.as_ref().is_err_and(is_not_served)));
        pass_on(served, kind, &changes, &mut known).await;
        // An empty list: what was there went with its definition.
        let nothing = [Ok(Event::<K>::Init), Ok(Event::InitDone)];
        pass_on(stream::iter(nothing), kind, &changes, &mut known).await;
        tokio::time::sleep(UNTIL_SERVED).await;
    }
}

fn is_not_served(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status)) | WatchStartFailed(kube::Error::Api(status)) => {
            status.code == 404
        }
        _ => false,
    }
}

/// Passes events on as changes.
pub(crate) async fn pass_on<K: Shown>(
    events: impl Stream<Item = Result<Event<K>, watcher::Error>>,
    kind: &'static str,
    changes: &mpsc::UnboundedSender<Change>,
    known: &mut BTreeSet<String>,
) {
    let mut events = std::pin::pin!(events);
    let mut listed = BTreeSet::new();
    let send = |change: Change| changes.send(change).is_ok();
    while let Some(event) = events.next().await {
        let goes_on = match event {
            Ok(Event::Init) => {
                listed.clear();
                true
            }
            Ok(Event::InitApply(object)) => {
                listed.insert(object.key());
                known.insert(object.key());
                send(Box::new(|world| object.apply(world)))
            }
            Ok(Event::InitDone) => {
                let gone: Vec<String> = known.difference(&listed).cloned().collect();
                *known = std::mem::take(&mut listed);
                gone.into_iter().all(|key| send(Box::new(move |world| K::forget(&key, world))))
                    && send(Box::new(move |world| world.listed(kind)))
            }
            Ok(Event::Apply(object)) => {
                known.insert(object.key());
                send(Box::new(|world| object.apply(world)))
            }
            Ok(Event::Delete(object)) => {
                let key = object.key();
                known.remove(&key);
                send(Box::new(move |world| K::forget(&key, world)))
            }
            Err(error) => {
                tracing::warn!(kind, %error, "a watch failed and is begun anew");
                true
            }
        };
        if !goes_on {
            return;
        }
    }
}
