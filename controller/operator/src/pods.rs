//! The pods of the cluster by namespace, as the core wants to know them.
//!
//! [ watch of pods ] → observe → [ index ] ← [ gather ]
//!
//! Pods are translated once per change, not once per look, and only what the core needs is kept.

use std::{collections::HashMap, sync::Arc};

use futures::Stream;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    core::Selector,
    runtime::watcher::{self, Event},
};
use plimsoll_observe::{ObservedPod, observe_pod};
use tokio::sync::watch;

use crate::{
    labels::{self, ByLabel},
    mirror::{Mirror, Namespace},
};

/// The pods of the cluster by namespace and name. Clones share the same pods.
#[derive(Clone, Default)]
pub struct PodIndex {
    pods: Mirror<ObservedPod, ByLabel>,
}

impl PodIndex {
    /// The pods of `namespace` that `selector` matches, ordered by name.
    pub fn select(&self, namespace: &str, selector: &Selector) -> Vec<Arc<ObservedPod>> {
        let select =
            |Namespace { entries, index }: &Namespace<_, _>| labels::select(entries, index, selector);
        self.pods.look(namespace, select).unwrap_or_else(|| Some(Vec::new())).unwrap_or_else(|| {
            self.pods.arrange(namespace, |of| labels::arrange(of, selector));
            self.pods.look(namespace, select).flatten().unwrap_or_default()
        })
    }

    /// A pod.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<ObservedPod>> {
        self.pods.get(namespace, name)
    }

    /// The pods of the whole cluster that `wanted` picks, each with its namespace.
    pub fn all(&self, wanted: impl Fn(&ObservedPod) -> bool) -> Vec<(String, Arc<ObservedPod>)> {
        self.pods.select_all(wanted)
    }

    /// How many pods each namespace has.
    pub fn count(&self) -> HashMap<Box<str>, usize> {
        self.pods.count()
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
    async fn what_was_selected_before_a_change_is_selected_as_it_is_now() {
        let index = PodIndex::default();
        let step = async |event: Event<Pod>| {
            let events = futures::stream::iter([Ok(event)]);
            index.clone().follow(events, watch::channel(false).0).await;
            [names(&index, "shop", "app=web"), names(&index, "shop", "app!=web")]
        };
        let none: [&str; 0] = [];
        assert_eq!(step(Event::Apply(pod("shop", "a", "web"))).await, [vec!["a"], none.to_vec()]);
        assert_eq!(step(Event::Apply(pod("shop", "b", "web"))).await, [vec!["a", "b"], none.to_vec()]);
        assert_eq!(step(Event::Apply(pod("shop", "a", "db"))).await, [vec!["b"], vec!["a"]], "relabelled");
        assert_eq!(step(Event::Apply(pod("shop", "a", "web"))).await, [vec!["a", "b"], none.to_vec()]);
        assert_eq!(step(Event::Delete(pod("shop", "a", "web"))).await, [vec!["b"], none.to_vec()]);
        assert_eq!(step(Event::Delete(pod("shop", "b", "web"))).await, [none.to_vec(), none.to_vec()]);
    }

    #[tokio::test]
    async fn all_labels_that_are_asked_for_must_be_there() {
        let events = vec![
            Event::Init,
            Event::InitApply(pod("shop", "a", "web")),
            Event::InitApply(pod("shop", "b", "web")),
            Event::InitDone,
        ];
        let (index, _) = after(events).await;
        assert_eq!(names(&index, "shop", "app=web,app=db"), Vec::<String>::new());
        assert_eq!(names(&index, "shop", "app=web,tier=front"), Vec::<String>::new());
        assert_eq!(names(&index, "shop", "app in (web, db),app=web"), ["a", "b"]);
        assert_eq!(names(&index, "nowhere", "app=web"), Vec::<String>::new());
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
