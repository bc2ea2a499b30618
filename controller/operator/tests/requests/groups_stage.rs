//! A ServiceGroup, an API server that keeps what is applied, and watches that have shown something.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use http::Method;
use kube::runtime::{controller::Action, reflector, watcher::Event};
use plimsoll_operator::{
    groups::{
        Group, Groups, door::watches::Watches, memory::Memories, owned::Owned, reconcile, rooms::Rooms,
    },
    leadership::Leadership,
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::{
    look,
    script::{Asked, Log, failure, server},
};

pub(crate) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/store-get";
pub(crate) const BUDGET: &str = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets/store-get";
pub(crate) const SERVICE: &str = "/api/v1/namespaces/shop/services/store-get";
pub(crate) const SCALER: &str = "/apis/plimsoll.dev/v1alpha1/namespaces/shop/podscalers/store-get";
pub(crate) const OBJECTS: [&str; 4] = [DEPLOYMENT, BUDGET, SERVICE, SCALER];
pub(crate) const GROUP: &str = "/apis/plimsoll.dev/v1alpha1/namespaces/shop/servicegroups/store";
pub(crate) const STATUS: &str = "/apis/plimsoll.dev/v1alpha1/namespaces/shop/servicegroups/store/status";

pub(crate) fn group() -> Value {
    json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "ServiceGroup",
        "metadata": { "name": "store", "namespace": "shop", "uid": "g", "generation": 1, "resourceVersion": "5" },
        "spec": { "services": [{
            "name": "get", "port": 80, "scaling": { "minReplicas": 3, "maxReplicas": 9 },
            "template": { "spec": { "containers": [{ "name": "web", "image": "web" }] } },
        }] },
    })
}

/// An API server that keeps what is applied. What `refuse` answers comes first.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) objects: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl Kept {
    pub(crate) fn with(objects: &[(&str, Value)]) -> Self {
        let kept = Self::default();
        kept.objects
            .lock()
            .unwrap()
            .extend(objects.iter().map(|(path, object)| ((*path).to_owned(), object.clone())));
        kept
    }

    pub(crate) fn answer(&self, asked: &Asked) -> (u16, Value) {
        let mut objects = self.objects.lock().unwrap();
        match asked.method {
            _ if asked.path.ends_with("/events") => {
                let event = json!({ "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": "e" }, "eventTime": null });
                (201, event)
            }
            Method::PATCH if asked.path == STATUS => (200, group()),
            Method::PATCH => {
                let mut object = asked.body.clone();
                object["metadata"]["uid"] = json!(format!("uid of {}", asked.path));
                object["metadata"]["resourceVersion"] = json!("7");
                if !asked.query.contains("dryRun") {
                    objects.insert(asked.path.clone(), object.clone());
                }
                (200, object)
            }
            Method::GET => match objects.get(&asked.path) {
                Some(object) => (200, object.clone()),
                None => failure(404, "NotFound", "store-get"),
            },
            Method::DELETE => {
                objects.remove(&asked.path);
                (200, json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }))
            }
            _ => panic!("unexpected request {}", asked.line()),
        }
    }
}

pub(crate) struct Scene {
    groups: Arc<Groups>,
    group: Arc<Group>,
    pub(crate) log: Log,
}

impl Scene {
    /// A group, what its watches show of what is kept for it, and an API server.
    pub(crate) async fn new(
        group: Value,
        shown: &[Value],
        leadership: Leadership,
        answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static,
    ) -> Self {
        let (client, log) = server(answer);
        let (store, mut writer) = reflector::store::<Group>();
        let group: Group = serde_json::from_value(group).unwrap();
        for event in [Event::Init, Event::InitApply(group.clone()), Event::InitDone] {
            writer.apply_watcher_event(&event);
        }
        let groups = Groups {
            context: look::context(client, leadership, true).await,
            all: store,
            listed: watch::channel(true).1,
            owned: showing(shown).await,
            doors: Watches::default(),
            rooms: Rooms::default(),
            memories: Memories::default(),
        };
        Self { groups: Arc::new(groups), group: Arc::new(group), log }
    }

    pub(crate) async fn look(&self) -> Result<Vec<Asked>, reconcile::Error> {
        self.next_look().await?;
        Ok(self.log.take())
    }

    /// Looks, and says when it is to be done again.
    pub(crate) async fn next_look(&self) -> Result<Action, reconcile::Error> {
        reconcile::reconcile(Arc::clone(&self.group), Arc::clone(&self.groups)).await
    }
}

/// Watches that have shown these objects.
pub(crate) async fn showing(objects: &[Value]) -> Owned {
    let objects = objects.to_vec();
    let (client, _) = server(move |asked| {
        let plural = asked.path.rsplit('/').next().unwrap_or_default().to_owned();
        let is_of = |object: &&Value| {
            let kind = object["kind"].as_str().unwrap().to_lowercase();
            [format!("{kind}s"), format!("{kind}es")].contains(&plural)
        };
        let items: Vec<_> = objects.iter().filter(is_of).collect();
        (200, json!({ "kind": "List", "metadata": { "resourceVersion": "9" }, "items": items }))
    });
    let owned = Owned::default();
    let following =
        tokio::spawn(owned.clone().follow(client, Watches::default(), mpsc::unbounded_channel().0));
    owned.until_all_seen().await;
    // What they would show later does not matter here.
    following.abort();
    owned
}

pub(crate) fn lines(asked: &[Asked]) -> Vec<String> {
    asked.iter().map(Asked::line).collect()
}

pub(crate) fn all(method: &str, paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| format!("{method} {path}")).collect()
}

pub(crate) fn written(asked: &[Asked]) -> Vec<&Asked> {
    let is_object = |asked: &&Asked| asked.method == Method::PATCH && asked.path != STATUS;
    asked.iter().filter(is_object).collect()
}

pub(crate) fn conditions_of_service(asked: &[Asked]) -> Value {
    let status = asked.iter().find(|asked| asked.path == STATUS).expect("a status");
    status.body["status"]["services"][0]["conditions"].clone()
}

pub(crate) fn owner(uid: &str) -> Value {
    json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "ServiceGroup", "name": "store", "uid": uid, "controller": true })
}

/// A Service that is labelled as the group's.
pub(crate) fn shown(name: &str, owner: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "spec": {},
        "metadata": { "name": name, "namespace": "shop", "uid": "s", "resourceVersion": "3",
            "labels": { "plimsoll.dev/servicegroup": "store" }, "ownerReferences": [owner] },
    })
}
