//! The PodDisruptionBudgets of the cluster, as far as it matters whose pods they select.

use std::{collections::BTreeMap, sync::Arc};

use futures::Stream;
use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    ResourceExt as _,
    core::{Selector, SelectorExt as _},
    runtime::watcher::{self, Event},
};
use tokio::sync::watch;

use crate::mirror::Mirror;

/// What is kept of a budget.
#[derive(Debug)]
pub struct Budget {
    /// Tells it from another of the same name.
    pub uid: String,
    /// The uid of its controller.
    pub owner: Option<String>,
    /// What it says.
    pub spec: PodDisruptionBudgetSpec,
    selector: Option<Selector>,
}

/// The budgets by namespace and name. Empty where nobody asks. Clones share them.
#[derive(Clone, Default)]
pub struct Budgets {
    all: Mirror<Budget>,
}

impl Budgets {
    /// The budget of this name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Budget>> {
        self.all.get(namespace, name)
    }

    /// The names of those, other than what belongs to `owner`, that select a pod with one of these sets of labels.
    pub fn of_others(&self, namespace: &str, owner: &str, pods: &[&BTreeMap<String, String>]) -> Vec<String> {
        let selects = |budget: &Budget| {
            let selector = budget.selector.as_ref();
            selector.is_some_and(|selector| pods.iter().any(|labels| selector.matches(labels)))
        };
        let names = self.all.look(namespace, |of| {
            let others = of.entries.iter().filter(|(_, budget)| budget.owner.as_deref() != Some(owner));
            others.filter(|(_, budget)| selects(budget)).map(|(name, _)| name.to_string()).collect()
        });
        names.unwrap_or_default()
    }

    /// Follows `events` until they end. `seen` turns true once the first full list was seen.
    pub async fn follow(
        self,
        events: impl Stream<Item = Result<Event<PodDisruptionBudget>, watcher::Error>>,
        seen: watch::Sender<bool>,
    ) {
        self.all.follow("PodDisruptionBudgets", events, kept, seen).await;
    }
}

fn kept(budget: &PodDisruptionBudget) -> Budget {
    let spec = budget.spec.clone().unwrap_or_default();
    let controller = budget.owner_references().iter().find(|owner| owner.controller == Some(true));
    // Without a selector it selects nothing; an empty one selects all pods of the namespace.
    let selector = |selector: &LabelSelector| Selector::try_from(selector.clone()).ok();
    Budget {
        uid: budget.uid().unwrap_or_default(),
        owner: controller.map(|owner| owner.uid.clone()),
        selector: spec.selector.as_ref().and_then(selector),
        spec,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn budget(name: &str, owner: Option<&str>, selector: &serde_json::Value) -> PodDisruptionBudget {
        let owners = owner.map(
            |uid| json!([{ "apiVersion": "v1", "kind": "K", "name": "k", "uid": uid, "controller": true }]),
        );
        let metadata = json!({ "name": name, "namespace": "shop", "ownerReferences": owners });
        serde_json::from_value(json!({ "metadata": metadata, "spec": { "selector": selector } })).unwrap()
    }

    #[tokio::test]
    async fn budgets_of_others_that_select_a_pod_are_named() {
        let budgets = Budgets::default();
        let (seen, is_seen) = watch::channel(false);
        let web = json!({ "matchLabels": { "app": "web" } });
        let all = [
            budget("a", None, &web),
            budget("b", None, &json!({ "matchLabels": { "app": "db" } })),
            budget("c", Some("mine"), &web),
            budget("d", None, &json!({})),
            budget("e", None, &json!(null)),
        ];
        let events = all.into_iter().map(Event::InitApply);
        let events = [Event::Init].into_iter().chain(events).chain([Event::InitDone]);
        budgets.clone().follow(futures::stream::iter(events.map(Ok)), seen).await;
        assert!(*is_seen.borrow());
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        assert_eq!(budgets.of_others("shop", "mine", &[&labels]), ["a", "d"]);
        assert!(budgets.of_others("shop", "mine", &[]).is_empty(), "no pod, no rival");
        assert!(budgets.get("shop", "c").is_some() && budgets.get("shop", "z").is_none());
    }
}
