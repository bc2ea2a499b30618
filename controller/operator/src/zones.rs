//! Which zone a node is in.

use futures::Stream;
use k8s_openapi::api::core::v1::Node;
use kube::{
    ResourceExt as _,
    core::PartialObjectMeta,
    runtime::watcher::{self, Event},
};
use tokio::sync::watch;

use crate::mirror::Mirror;

const ZONE: &str = "topology.kubernetes.io/zone";

/// The zones of nodes by name. Empty where nobody asks for zones. Clones share the same zones.
#[derive(Clone, Default)]
pub struct Zones {
    by_node: Mirror<Option<String>>,
}

impl Zones {
    /// The zone of a node, if it is known and has one.
    pub fn of(&self, node: &str) -> Option<String> {
        self.by_node.get("", node).and_then(|zone| (*zone).clone())
    }

    /// Follows `events` until they end. `ready` turns true once the first full list was seen.
    pub async fn follow(
        self,
        events: impl Stream<Item = Result<Event<PartialObjectMeta<Node>>, watcher::Error>>,
        ready: watch::Sender<bool>,
    ) {
        let zone = |node: &PartialObjectMeta<Node>| node.labels().get(ZONE).cloned();
        self.by_node.follow("nodes", events, zone, ready).await;
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
