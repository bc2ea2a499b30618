//! The pods of the cluster by namespace, as the core wants to know them.
//!
//! [ watch of pods ] → observe → [ index ] ← [ gather ]
//!
//! Pods are translated once per change, not once per look, and only what the core needs is kept.

use std::sync::Arc;

use futures::Stream;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    core::{Selector, SelectorExt as _},
    runtime::watcher::{self, Event},
};
use plimsoll_observe::{ObservedPod, observe_pod};
use tokio::sync::watch;

use crate::mirror::Mirror;

/// The pods of the cluster by namespace and name. Clones share the same pods.
#[derive(Clone, Default)]
pub struct PodIndex {
    pods: Mirror<ObservedPod>,
}

impl PodIndex {
    /// The pods of `namespace` that `selector` matches, ordered by name.
    pub fn select(&self, namespace: &str, selector: &Selector) -> Vec<Arc<ObservedPod>> {
        self.pods.select(namespace, |pod| selector.matches(&pod.labels))
    }

    /// A pod.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<ObservedPod>> {
        self.pods.get(namespace, name)
    }

    /// The pods of the whole cluster that `wanted` picks, each with its namespace.
    pub fn all(&self, wanted: impl Fn(&ObservedPod) -> bool) -> Vec<(String, Arc<ObservedPod>)> {
        self.pods.select_all(wanted)
    }

    /// Follows `events` until they end. `ready` turns true once the first full list was seen.
    pub async fn follow(
        self,
        events: impl Stream<Item = Result<Event<Pod>, watcher::Error>>,
        ready: watch::Sender<bool>,
    ) {
        self.pods.follow("pods", events, observe_pod, ready).await;
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;
    use plimsoll_observe::parse_selector;
    use pretty_assertions::assert_eq;

    use super::*;

    fn pod(namespace: &str, name: &str, app: &str) -> Pod {
        Pod {
            metadata: ObjectMeta {
                namespace: Some(namespace.into()),
                name: Some(name.into()),
                labels: Some([("app".into(), app.into())].into()),
                ..ObjectMeta::default()
            },
            ..Pod::default()
        }
    }

    async fn after(events: Vec<Event<Pod>>) -> (PodIndex, bool) {
        let index = PodIndex::default();
        let (ready, is_ready) = watch::channel(false);
        index.clone().follow(futures::stream::iter(events.into_iter().map(Ok)), ready).await;
        let ready = *is_ready.borrow();
        (index, ready)
    }

    fn names(index: &PodIndex, namespace: &str, selector: &str) -> Vec<String> {
        let selector = parse_selector(selector).unwrap();
        index.select(namespace, &selector).iter().map(|pod| pod.view.name.clone()).collect()
    }

    #[tokio::test]
    async fn nothing_is_shown_before_the_first_list_is_complete() {
        let (index, ready) = after(vec![Event::Init, Event::InitApply(pod("shop", "a", "web"))]).await;
        assert!(!ready);
        assert_eq!(names(&index, "shop", "app=web"), Vec::<String>::new());
    }

    #[tokio::test]
    async fn changes_after_the_first_list_are_followed() {
        let (index, ready) = after(vec![
            Event::Init,
            Event::InitApply(pod("shop", "b", "web")),
            Event::InitApply(pod("shop", "a", "web")),
            Event::InitApply(pod("shop", "c", "db")),
            Event::InitApply(pod("other", "d", "web")),
            Event::InitDone,
            Event::Apply(pod("shop", "e", "web")),
            Event::Delete(pod("shop", "b", "web")),
        ])
        .await;
        assert!(ready);
        assert_eq!(names(&index, "shop", "app=web"), ["a", "e"]);
    }

    #[tokio::test]
    async fn a_new_list_replaces_the_old_one() {
        let (index, _) = after(vec![
            Event::Init,
            Event::InitApply(pod("shop", "gone", "web")),
            Event::InitDone,
            Event::Init,
            Event::InitApply(pod("shop", "new", "web")),
            Event::InitDone,
        ])
        .await;
        assert_eq!(names(&index, "shop", "app=web"), ["new"]);
    }
}
