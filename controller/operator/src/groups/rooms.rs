//! Whether nodes elsewhere have room for pods of a lost zone, as what scales nodes says it on CapacityPools.

use std::collections::BTreeSet;

use futures::Stream;
use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use plimsoll_api::{CapacityPool, v1alpha1::ZoneLossStatus};
use serde_json::Value;

use super::shown::Shown;

/// What each pool says; None for one that has not said it. Clones share it.
#[derive(Clone, Default)]
pub struct Rooms {
    pools: Shown<Option<Vec<ZoneLossStatus>>>,
}

impl Rooms {
    /// The zones of which pods of a namespace would find no room in the others; None where nobody has said it.
    pub(super) fn lacking(&self, namespace: &str) -> Option<BTreeSet<String>> {
        let said = self.pools.objects.select_all(Option::is_some);
        let losses = || said.iter().filter_map(|(_, pool)| pool.as_ref().as_ref()).flatten();
        let concerned = |of: &&ZoneLossStatus| {
            // Of those that are not named nobody knows that they are not among them.
            of.more_namespaces || of.namespaces.iter().any(|named| named == namespace)
        };
        (!said.is_empty()).then(|| losses().filter(concerned).map(|of| of.zone.clone()).collect())
    }

    /// Follows the pools until the watch ends. `touched` is called when they say something new, which is taken in right
    /// after.
    pub async fn follow(self, client: Client, touched: impl Fn()) {
        let pools = Api::<DynamicObject>::all_with(client, &ApiResource::erase::<CapacityPool>(&()));
        let events = watcher(pools, watcher::Config::default()).default_backoff();
        self.take_in(events, touched).await;
    }

    async fn take_in(
        self,
        events: impl Stream<Item = Result<Event<DynamicObject>, watcher::Error>>,
        touched: impl Fn(),
    ) {
        let known = &self.pools.objects;
        let is_new = |event: &Event<DynamicObject>| match event {
            Event::Apply(pool) => {
                let before = known.get("", pool.metadata.name.as_deref().unwrap_or_default());
                before.is_none_or(|before| *before != said(pool))
            }
            Event::Delete(_) | Event::InitDone => true,
            Event::Init | Event::InitApply(_) => false,
        };
        let touch = |event: &Event<DynamicObject>| {
            if is_new(event) {
                touched();
            }
        };
        self.pools.follow("CapacityPools", events, said, touch).await;
    }
}

/// What a pool says of the loss of zones. One that cannot be read says nothing.
fn said(pool: &DynamicObject) -> Option<Vec<ZoneLossStatus>> {
    let status = &pool.data["status"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().find(|condition| condition["type"] == "RoomForZoneLoss")?;
    match &status["zoneLosses"] {
        Value::Null => Some(Vec::new()),
        losses => serde_json::from_value(losses.clone()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;

    fn pool(name: &str, status: &Value) -> DynamicObject {
        let pool = json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "CapacityPool", "metadata": { "name": name },
            "status": status,
        });
        serde_json::from_value(pool).unwrap()
    }

    fn lacking(zone: &str, namespaces: &[&str], more: bool) -> Value {
        let loss =
            json!({ "zone": zone, "withoutRoom": 2, "namespaces": namespaces, "moreNamespaces": more });
        json!({ "conditions": [{ "type": "RoomForZoneLoss", "status": "False" }], "zoneLosses": [loss] })
    }

    async fn followed(events: Vec<Event<DynamicObject>>) -> (Rooms, usize) {
        let (rooms, times) = (Rooms::default(), Cell::new(0));
        let events = futures::stream::iter(events.into_iter().map(Ok));
        rooms.clone().take_in(events, || times.set(times.get() + 1)).await;
        (rooms, times.get())
    }

    fn zones(rooms: &Rooms, namespace: &str) -> Option<Vec<String>> {
        rooms.lacking(namespace).map(|zones| zones.into_iter().collect())
    }

    #[tokio::test]
    async fn a_namespace_hears_of_the_zones_that_concern_it() {
        let listed =
            |status: Value| vec![Event::Init, Event::InitApply(pool("general", &status)), Event::InitDone];
        let (rooms, _) = followed(listed(lacking("a", &["shop"], false))).await;
        assert_eq!(zones(&rooms, "shop"), Some(vec!["a".to_owned()]));
        assert_eq!(zones(&rooms, "bank"), Some(vec![]));
        let (rooms, _) = followed(listed(lacking("a", &["shop"], true))).await;
        assert_eq!(zones(&rooms, "bank"), Some(vec!["a".to_owned()]), "it may be among the rest");
        let fine = json!({ "conditions": [{ "type": "RoomForZoneLoss", "status": "True" }] });
        assert_eq!(zones(&followed(listed(fine)).await.0, "shop"), Some(vec![]));
        assert_eq!(zones(&followed(listed(json!({}))).await.0, "shop"), None, "nobody has said it");
        assert_eq!(zones(&followed(vec![]).await.0, "shop"), None);
    }

    #[tokio::test]
    async fn only_news_of_the_loss_of_zones_is_a_reason_to_look() {
        let status = lacking("a", &["shop"], false);
        let mut busier = status.clone();
        busier["nodes"] = json!("3/4");
        let events = vec![
            Event::Init,
            Event::InitApply(pool("general", &status)),
            Event::InitDone,
            Event::Apply(pool("general", &busier)),
            Event::Apply(pool("general", &lacking("b", &["shop"], false))),
            Event::Delete(pool("general", &busier)),
        ];
        let (rooms, times) = followed(events).await;
        assert_eq!(times, 3, "listed, changed, gone");
        assert_eq!(zones(&rooms, "shop"), None);
    }
}
