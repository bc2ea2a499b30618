//! What watches show of the kinds of which objects are kept for groups.
//!
//! [ watch ] → follow → [ mirror ] ← [ gather ], and of each change [`Touched`] tells what to look at.

use std::{collections::BTreeMap, sync::Arc};

use kube::{
    Api, Client, ResourceExt as _,
    core::DynamicObject,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use plimsoll_api::marks::SERVICE_GROUP;
use tokio::sync::mpsc;

use super::{
    door::watches::Watches,
    kind::{Id, OwnedKind},
    shown::Shown,
    triggers::Touched,
};

/// The objects that are kept for groups, and what else matters of their kinds. Clones share them.
#[derive(Clone)]
pub struct Owned {
    kinds: Arc<BTreeMap<OwnedKind, Shown<DynamicObject>>>,
}

impl Default for Owned {
    fn default() -> Self {
        Self { kinds: Arc::new(OwnedKind::ALL.map(|kind| (kind, Shown::default())).into()) }
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
        self.kinds.get(&kind).is_some_and(|kind| *kind.listed.borrow())
    }

    /// Whether every kind was listed that is always there.
    pub fn all_seen(&self) -> bool {
        self.always_there().all(|kind| *kind.listed.borrow())
    }

    fn always_there(&self) -> impl Iterator<Item = &Shown<DynamicObject>> {
        self.kinds.iter().filter(|(kind, _)| !kind.may_be_missing()).map(|(_, kind)| kind)
    }

    /// Resolves once every kind was listed that is always there.
    pub async fn until_all_seen(&self) {
        for kind in self.always_there() {
            // The sender is ours.
            let _ = kind.listed.subscribe().wait_for(|listed| *listed).await;
        }
    }

    /// Follows every kind until a watch ends; one that may be missing, while it is served.
    pub async fn follow(self, client: Client, doors: Watches, touched: mpsc::UnboundedSender<Touched>) {
        let follow = self.kinds.iter().map(|(kind, of)| {
            let (client, doors, touched) = (&client, &doors, &touched);
            Box::pin(async move {
                if kind.may_be_missing() {
                    doors.while_served(|| follow(of, *kind, client, touched)).await;
                } else {
                    follow(of, *kind, client, touched).await;
                }
            })
        });
        futures::future::select_all(follow).await;
    }
}

async fn follow(
    shown: &Shown<DynamicObject>,
    kind: OwnedKind,
    client: &Client,
    touched: &mpsc::UnboundedSender<Touched>,
) {
    let config = if kind.is_watched_whole() {
        watcher::Config::default()
    } else {
        watcher::Config::default().labels(SERVICE_GROUP)
    };
    let api = Api::<DynamicObject>::all_with(client.clone(), &kind.resource());
    let touch = |event: &Event<DynamicObject>| {
        if let Event::Apply(object) | Event::Delete(object) | Event::InitApply(object) = event {
            // Nobody listens any more when the process ends.
            let _ = touched.send(Touched::by(object, kind));
        }
    };
    let (what, events) = ("what is kept for groups", watcher(api, config).default_backoff());
    if kind.may_be_missing() {
        shown.follow_while_there(what, events, kept, touch).await;
    } else {
        shown.follow(what, events, kept, touch).await;
    }
}

/// Nobody here asks who set which field, which is a good part of each object.
fn kept(object: &DynamicObject) -> DynamicObject {
    let mut object = object.clone();
    object.managed_fields_mut().clear();
    object
}
