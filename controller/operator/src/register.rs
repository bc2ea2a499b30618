//! Keeps what we know of objects in step with their watch.

use std::{collections::HashSet, sync::Arc};

use futures::{Stream, TryStreamExt as _};
use kube::{
    Resource, ResourceExt as _,
    runtime::{
        reflector::{ObjectRef, Store},
        watcher::{self, Event},
    },
};
use tokio::sync::watch;

/// Tells an object from one of the same name that came after it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl Key {
    fn of(object: &impl Resource) -> Self {
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
        }
    }
}

/// Calls `note` for each object as it is now, and `forget` for each that is gone, also where an interrupted watch has
/// missed that. `seen` turns true once all were listed. `what` is their plural, for the log.
pub(crate) fn keep<K: Resource, C>(
    events: impl Stream<Item = Result<Event<K>, watcher::Error>>,
    what: &'static str,
    context: Arc<C>,
    seen: watch::Sender<bool>,
    note: fn(&C, &K),
    forget: fn(&C, &Key),
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> {
    let mut known = HashSet::new();
    let mut listed = HashSet::new();
    events
        .inspect_ok(move |event| match event {
            Event::Apply(object) => {
                note(&context, object);
                known.insert(Key::of(object));
            }
            Event::Delete(object) => {
                forget(&context, &Key::of(object));
                known.remove(&Key::of(object));
            }
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                note(&context, object);
                listed.insert(Key::of(object));
            }
            Event::InitDone => {
                for gone in known.difference(&listed) {
                    forget(&context, gone);
                }
                known = std::mem::take(&mut listed);
                seen.send_replace(true);
            }
        })
        .inspect_err(move |error| {
            tracing::warn!(%error, "the watch of {what} was interrupted and is taken up again");
        })
}

/// Forgets once more an object that is gone from `store`: a look that was under way has kept something of it. `by_uid` forgets
/// what is known by its uid only, where another one has its name by now.
pub(crate) fn forget_if_gone<K, C>(
    store: &Store<K>,
    object: &K,
    context: &C,
    forget: fn(&C, &Key),
    by_uid: fn(&C, &str),
) where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let key = Key::of(object);
    match store.get(&ObjectRef::from_obj(object)) {
        None => forget(context, &key),
        Some(now) if now.uid().as_deref() != Some(&key.uid) => by_uid(context, &key.uid),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::reflector;

    use super::*;

    fn object(uid: &str) -> ConfigMap {
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": "web", "namespace": "shop", "uid": uid },
        }))
        .unwrap()
    }

    #[test]
    fn what_a_look_keeps_of_an_object_that_was_deleted_meanwhile_is_forgotten() {
        let cases = [(None, "all of 1"), (Some("2"), "only 1"), (Some("1"), "")];
        for (there, forgotten) in cases {
            let (store, mut writer) = reflector::store();
            if let Some(uid) = there {
                writer.apply_watcher_event(&Event::Apply(object(uid)));
            }
            let said = Mutex::new(String::new());
            forget_if_gone(
                &store,
                &object("1"),
                &said,
                |said, key| *said.lock().unwrap() = format!("all of {}", key.uid),
                |said, uid| *said.lock().unwrap() = format!("only {uid}"),
            );
            assert_eq!(*said.lock().unwrap(), forgotten);
        }
    }
}
