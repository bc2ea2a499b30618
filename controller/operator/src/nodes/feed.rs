//! Watches of everything that the planner looks at, each change sent to the one task that keeps the world.
//!
//! [ watch ] → follow → [ channel ] → [`World`]
//!
//! The first full list of each kind is told as a whole: until every kind was listed nothing is planned.

use std::{collections::BTreeSet, fmt::Debug};

use futures::{Stream, StreamExt as _};
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
    pass_on(events, kind, &changes).await;
}

/// Passes events on as changes.
pub(crate) async fn pass_on<K: Shown>(
    events: impl Stream<Item = Result<Event<K>, watcher::Error>>,
    kind: &'static str,
    changes: &mpsc::UnboundedSender<Change>,
) {
    let mut events = std::pin::pin!(events);
    let (mut known, mut listed) = (BTreeSet::new(), BTreeSet::new());
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
                known = std::mem::take(&mut listed);
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
