//! What a watch shows of a kind that may not be there all the time.

use futures::{Stream, TryStreamExt as _};
use kube::{
    ResourceExt,
    runtime::watcher::{self, Event},
};
use tokio::sync::watch;

use crate::mirror::Mirror;

/// A part of each object of a kind, and whether all of them were listed.
pub(super) struct Shown<V> {
    pub(super) objects: Mirror<V>,
    pub(super) listed: watch::Sender<bool>,
}

impl<V> Clone for Shown<V> {
    fn clone(&self) -> Self {
        Self { objects: self.objects.clone(), listed: self.listed.clone() }
    }
}

impl<V> Default for Shown<V> {
    fn default() -> Self {
        Self { objects: Mirror::default(), listed: watch::channel(false).0 }
    }
}

impl<V> Shown<V> {
    /// Follows `events`, calling `touched` at each.
    pub(super) async fn follow<K: ResourceExt>(
        &self,
        what: &'static str,
        events: impl Stream<Item = Result<Event<K>, watcher::Error>>,
        part: impl Fn(&K) -> V,
        touched: impl Fn(&Event<K>),
    ) {
        let events = events.inspect_ok(|event| touched(event));
        self.objects.clone().follow(what, events, part, self.listed.clone()).await;
    }

    /// The same; when it is given up, nothing is listed any more.
    pub(super) async fn follow_while_there<K: ResourceExt>(
        &self,
        what: &'static str,
        events: impl Stream<Item = Result<Event<K>, watcher::Error>>,
        part: impl Fn(&K) -> V,
        touched: impl Fn(&Event<K>),
    ) {
        let _forget = Forget(self);
        self.follow(what, events, part, touched).await;
    }
}

struct Forget<'a, V>(&'a Shown<V>);

impl<V> Drop for Forget<'_, V> {
    fn drop(&mut self) {
        self.0.listed.send_replace(false);
    }
}
