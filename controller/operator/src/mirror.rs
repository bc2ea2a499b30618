//! What a watch shows of the objects of one kind, by namespace and name.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use futures::{Stream, StreamExt as _};
use kube::{
    ResourceExt,
    runtime::watcher::{self, Event},
};
use tokio::sync::watch;

type Namespaces<V, I> = HashMap<Box<str>, Namespace<V, I>>;

/// The entries of a namespace, and how some of them are found.
#[derive(Debug)]
pub struct Namespace<V, I> {
    /// By name.
    pub entries: BTreeMap<Box<str>, Arc<V>>,
    /// Kept in step with them.
    pub index: I,
}

/// A way to find entries of a namespace without looking at all of them.
pub trait Index<V>: Default {
    /// There is an entry.
    fn add(&mut self, name: &str, entry: &V);
    /// There is an entry no more.
    fn remove(&mut self, name: &str, entry: &V);
}

impl<V> Index<V> for () {
    fn add(&mut self, _: &str, _: &V) {}
    fn remove(&mut self, _: &str, _: &V) {}
}

/// A part of each object of a kind, by namespace (empty where the kind has none) and name. Clones share the same entries.
pub struct Mirror<V, I = ()> {
    namespaces: Arc<RwLock<Namespaces<V, I>>>,
}

impl<V, I> Clone for Mirror<V, I> {
    fn clone(&self) -> Self {
        Self { namespaces: Arc::clone(&self.namespaces) }
    }
}

impl<V, I> Default for Mirror<V, I> {
    fn default() -> Self {
        Self { namespaces: Arc::default() }
    }
}

impl<V, I: Index<V>> Mirror<V, I> {
    /// What the watch has shown last of an object.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<V>> {
        self.read().get(namespace)?.entries.get(name).cloned()
    }

    /// What `look` makes of a namespace, if there is one.
    pub fn look<T>(&self, namespace: &str, look: impl FnOnce(&Namespace<V, I>) -> T) -> Option<T> {
        self.read().get(namespace).map(look)
    }

    /// Changes how entries of a namespace are found.
    pub fn arrange(&self, namespace: &str, arrange: impl FnOnce(&mut Namespace<V, I>)) {
        if let Some(namespace) = self.write().get_mut(namespace) {
            arrange(namespace);
        }
    }

    /// What is `wanted` of the whole cluster, each with its namespace.
    pub fn select_all(&self, wanted: impl Fn(&V) -> bool) -> Vec<(String, Arc<V>)> {
        let namespaces = self.read();
        let entries = namespaces
            .iter()
            .flat_map(|(namespace, of)| of.entries.values().map(move |entry| (namespace, entry)));
        let wanted = entries.filter(|(_, entry)| wanted(entry));
        wanted.map(|(namespace, entry)| (namespace.to_string(), Arc::clone(entry))).collect()
    }

    /// How many entries each namespace has.
    pub fn count(&self) -> HashMap<Box<str>, usize> {
        self.read().iter().map(|(namespace, of)| (namespace.clone(), of.entries.len())).collect()
    }

    /// Follows `events` until they end, keeping what `part` takes of each object. `seen` turns true once the
    /// first full list was seen; `what` names the watch in the log.
    pub async fn follow<K: ResourceExt>(
        self,
        what: &'static str,
        events: impl Stream<Item = Result<Event<K>, watcher::Error>>,
        part: impl Fn(&K) -> V,
        seen: watch::Sender<bool>,
    ) {
        let mut events = std::pin::pin!(events);
        let mut listing = Namespaces::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listing = Namespaces::new(),
                Ok(Event::InitApply(object)) => insert(&mut listing, &object, part(&object)),
                Ok(Event::InitDone) => {
                    *self.write() = std::mem::take(&mut listing);
                    seen.send_replace(true);
                }
                Ok(Event::Apply(object)) => {
                    // Readers wait for the entry to be put in, not for it to be made.
                    let part = part(&object);
                    insert(&mut self.write(), &object, part);
                }
                Ok(Event::Delete(object)) => remove(&mut self.write(), &object),
                Err(error) => {
                    tracing::warn!(%error, "the watch of {what} was interrupted and is taken up again");
                }
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Namespaces<V, I>> {
        self.namespaces.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Namespaces<V, I>> {
        self.namespaces.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert<V, I: Index<V>>(namespaces: &mut Namespaces<V, I>, object: &impl ResourceExt, value: V) {
    let namespace = namespaces
        .entry(namespace_of(object).into())
        .or_insert_with(|| Namespace { entries: BTreeMap::new(), index: I::default() });
    let name = name_of(object);
    if let Some(before) = namespace.entries.get(name) {
        namespace.index.remove(name, before);
    }
    namespace.index.add(name, &value);
    namespace.entries.insert(name.into(), Arc::new(value));
}

fn remove<V, I: Index<V>>(namespaces: &mut Namespaces<V, I>, object: &impl ResourceExt) {
    let Some(namespace) = namespaces.get_mut(namespace_of(object)) else { return };
    let name = name_of(object);
    if let Some(before) = namespace.entries.remove(name) {
        namespace.index.remove(name, &before);
    }
    if namespace.entries.is_empty() {
        namespaces.remove(namespace_of(object));
    }
}

fn namespace_of(object: &impl ResourceExt) -> &str {
    object.meta().namespace.as_deref().unwrap_or_default()
}

fn name_of(object: &impl ResourceExt) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ObjectMeta;

    use super::*;

    fn object(name: &str, version: &str) -> ConfigMap {
        let metadata = ObjectMeta {
            namespace: Some("shop".into()),
            name: Some(name.into()),
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        };
        ConfigMap { metadata, ..ConfigMap::default() }
    }

    async fn after(events: Vec<Event<ConfigMap>>) -> (Mirror<String>, bool) {
        let mirror = Mirror::default();
        let (seen, is_seen) = watch::channel(false);
        let version = |object: &ConfigMap| object.resource_version().unwrap_or_default();
        let events = futures::stream::iter(events.into_iter().map(Ok));
        mirror.clone().follow("config maps", events, version, seen).await;
        let seen = *is_seen.borrow();
        (mirror, seen)
    }

    #[tokio::test]
    async fn nothing_is_shown_before_the_first_list_is_complete() {
        let (mirror, seen) = after(vec![Event::Init, Event::InitApply(object("a", "1"))]).await;
        assert!(!seen && mirror.get("shop", "a").is_none());
    }

    #[tokio::test]
    async fn changes_are_followed_and_a_new_list_replaces_the_old_one() {
        let mut events = vec![
            Event::Init,
            Event::InitApply(object("a", "1")),
            Event::InitApply(object("b", "1")),
            Event::InitDone,
            Event::Apply(object("a", "2")),
            Event::Delete(object("b", "1")),
            Event::Apply(object("c", "1")),
        ];
        let version = |mirror: &Mirror<String>, name: &str| mirror.get("shop", name).map(|v| v.to_string());
        let (mirror, seen) = after(events.clone()).await;
        assert!(seen);
        assert_eq!(version(&mirror, "a").as_deref(), Some("2"));
        assert_eq!((version(&mirror, "b"), version(&mirror, "c").as_deref()), (None, Some("1")));
        events.extend([Event::Init, Event::InitApply(object("d", "9")), Event::InitDone]);
        let (mirror, _) = after(events).await;
        assert_eq!((version(&mirror, "a"), version(&mirror, "d").as_deref()), (None, Some("9")));
    }
}
