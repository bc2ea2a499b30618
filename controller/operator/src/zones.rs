//! Which zone a node is in.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Node;
use kube::{
    ResourceExt as _,
    core::PartialObjectMeta,
    runtime::watcher::{self, Event},
};
use tokio::sync::watch;

const ZONE: &str = "topology.kubernetes.io/zone";

/// The zones of nodes by name. Empty where nobody asks for zones. Clones share the same zones.
#[derive(Clone, Default)]
pub struct Zones {
    by_node: Arc<RwLock<HashMap<String, String>>>,
}

impl Zones {
    /// The zone of a node, if it is known and has one.
    pub fn of(&self, node: &str) -> Option<String> {
        self.by_node.read().unwrap_or_else(PoisonError::into_inner).get(node).cloned()
    }

    /// Follows `events` until they end. `ready` turns true once the first full list was seen.
    pub async fn follow(
        self,
        events: impl Stream<Item = Result<Event<PartialObjectMeta<Node>>, watcher::Error>>,
        ready: watch::Sender<bool>,
    ) {
        let mut events = std::pin::pin!(events);
        let mut listing = HashMap::new();
        while let Some(event) = events.next().await {
            let write = || self.by_node.write().unwrap_or_else(PoisonError::into_inner);
            match event {
                Ok(Event::Init) => listing = HashMap::new(),
                Ok(Event::InitApply(node)) => note(&mut listing, &node),
                Ok(Event::InitDone) => {
                    *write() = std::mem::take(&mut listing);
                    ready.send_replace(true);
                }
                Ok(Event::Apply(node)) => note(&mut write(), &node),
                Ok(Event::Delete(node)) => _ = write().remove(&node.name_any()),
                Err(error) => {
                    tracing::warn!(%error, "the watch of nodes was interrupted and is taken up again");
                }
            }
        }
    }
}

fn note(zones: &mut HashMap<String, String>, node: &PartialObjectMeta<Node>) {
    match node.labels().get(ZONE) {
        Some(zone) => _ = zones.insert(node.name_any(), zone.clone()),
        None => _ = zones.remove(&node.name_any()),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{ObjectMeta, PartialObjectMetaExt as _};

    use super::*;

    fn node(name: &str, zone: Option<&str>) -> PartialObjectMeta<Node> {
        let labels = zone.map(|zone| [(ZONE.to_owned(), zone.to_owned())].into());
        ObjectMeta { name: Some(name.into()), labels, ..ObjectMeta::default() }.into_response_partial()
    }

    #[tokio::test]
    async fn zones_follow_the_nodes() {
        let zones = Zones::default();
        let (ready, is_ready) = watch::channel(false);
        let events = vec![
            Event::Init,
            Event::InitApply(node("a", Some("x"))),
            Event::InitApply(node("b", Some("x"))),
            Event::InitApply(node("c", None)),
            Event::InitDone,
            Event::Apply(node("b", Some("y"))),
            Event::Apply(node("d", Some("z"))),
            Event::Delete(node("d", Some("z"))),
        ];
        zones.clone().follow(futures::stream::iter(events.into_iter().map(Ok)), ready).await;
        assert!(*is_ready.borrow());
        let of = |name| zones.of(name);
        assert_eq!(
            (of("a").as_deref(), of("b").as_deref(), of("c"), of("d")),
            (Some("x"), Some("y"), None, None)
        );
    }
}
