//! What watches show of the kinds of which objects are kept for groups.
//!
//! [ watch ] → follow → [ mirror ] ← [ gather ], and of each change [`Touched`] tells what to look at.

use std::{collections::BTreeMap, sync::Arc};

use futures::TryStreamExt as _;
use kube::{
    Api, Client, ResourceExt as _,
    core::DynamicObject,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use plimsoll_api::marks::SERVICE_GROUP;
use tokio::sync::{mpsc, watch};

use super::{
    door::watches::Watches,
    kind::{Id, OwnedKind},
    triggers::Touched,
};
use crate::mirror::Mirror;

/// The objects that are kept for groups, and what else matters of their kinds. Clones share them.
#[derive(Clone)]
pub struct Owned {
    kinds: Arc<BTreeMap<OwnedKind, Kind>>,
}

struct Kind {
    objects: Mirror<DynamicObject>,
    seen: watch::Sender<bool>,
}

impl Default for Owned {
    fn default() -> Self {
        let kind = |kind| (kind, Kind { objects: Mirror::default(), seen: watch::channel(false).0 });
        Self { kinds: Arc::new(OwnedKind::ALL.into_iter().map(kind).collect()) }
    }
}

impl Owned {
    /// An object that a watch has shown.
    pub fn get(&self, namespace: &str, id: &Id) -> Option<Arc<DynamicObject>> {
        self.kinds.get(&id.kind)?.objects.get(namespace, &id.name)
    }

    /// All objects of a kind in a namespace that a watch has shown.
    pub fn of_namespace(&self, namespace: &str, kind: OwnedKind) -> Vec<Arc<DynamicObject>> {
        let all = self.kinds.get(&kind);
        let all =
            all.and_then(|kind| kind.objects.look(namespace, |of| of.entries.values().cloned().collect()));
        all.unwrap_or_default()
    }

    /// Whether a kind was listed.
    pub fn seen(&self, kind: OwnedKind) -> bool {
        self.kinds.get(&kind).is_some_and(|kind| *kind.seen.borrow())
    }

    /// Whether every kind was listed that is always there.
    pub fn all_seen(&self) -> bool {
        self.always_there().all(|kind| *kind.seen.borrow())
    }

    fn always_there(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.iter().filter(|(kind, _)| !kind.may_be_missing()).map(|(_, kind)| kind)
    }

    /// Resolves once every kind was listed that is always there.
    pub async fn until_all_seen(&self) {
        for kind in self.always_there() {
            // The sender is ours.
            let _ = kind.seen.subscribe().wait_for(|seen| *seen).await;
        }
    }

    /// Follows every kind until a watch ends; one that may be missing, while it is served.
    pub async fn follow(self, client: Client, doors: Watches, touched: mpsc::UnboundedSender<Touched>) {
        let follow = self.kinds.iter().map(|(kind, of)| {
            let (client, doors, touched) = (&client, &doors, &touched);
            Box::pin(async move {
                if kind.may_be_missing() {
                    doors.while_served(|| of.follow_while_served(*kind, client, touched)).await;
                } else {
                    of.follow(*kind, client, touched).await;
                }
            })
        });
        futures::future::select_all(follow).await;
    }
}

impl Kind {
    async fn follow(&self, kind: OwnedKind, client: &Client, touched: &mpsc::UnboundedSender<Touched>) {
        let config = if kind.is_watched_whole() {
            watcher::Config::default()
        } else {
            watcher::Config::default().labels(SERVICE_GROUP)
        };
        let api = Api::<DynamicObject>::all_with(client.clone(), &kind.resource());
        let events = watcher(api, config).default_backoff().inspect_ok(move |event| {
            if let Event::Apply(object) | Event::Delete(object) | Event::InitApply(object) = event {
                // Nobody listens any more when the process ends.
                let _ = touched.send(Touched::by(object, kind));
            }
        });
        self.objects.clone().follow("what is kept for groups", events, kept, self.seen.clone()).await;
    }

    /// When it is given up, nothing is listed any more.
    async fn follow_while_served(
        &self,
        kind: OwnedKind,
        client: &Client,
        touched: &mpsc::UnboundedSender<Touched>,
    ) {
        let _unseen = Unseen(&self.seen);
        self.follow(kind, client, touched).await;
    }
}

/// Says that something is not seen when it goes.
struct Unseen<'a>(&'a watch::Sender<bool>);

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

/// Nobody here asks who set which field, which is a good part of each object.
fn kept(object: &DynamicObject) -> DynamicObject {
    let mut object = object.clone();
    object.managed_fields_mut().clear();
    object
}
