//! One look at a ServiceGroup, request by request.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use http::Method;
use kube::{core::DeserializeGuard, runtime::reflector};
use plimsoll_operator::{
    groups::{Group, Groups, memory::Memories, owned::Owned, reconcile},
    leadership::{Keeper, Leadership, LeaseConfig},
};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::{
    look,
    script::{Asked, Log, failure, server},
};

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/store-get";
const BUDGET: &str = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets/store-get";
const SERVICE: &str = "/api/v1/namespaces/shop/services/store-get";
const SCALER: &str = "/apis/plimsoll.dev/v1alpha1/namespaces/shop/podscalers/store-get";
const OBJECTS: [&str; 4] = [DEPLOYMENT, BUDGET, SERVICE, SCALER];
const GROUP: &str = "/apis/plimsoll.dev/v1alpha1/namespaces/shop/servicegroups/store";
const STATUS: &str = "/apis/plimsoll.dev/v1alpha1/namespaces/shop/servicegroups/store/status";

fn group() -> Value {
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
struct Kept {
    objects: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl Kept {
    fn with(objects: &[(&str, Value)]) -> Self {
        let kept = Self::default();
        kept.objects.lock().unwrap().extend(objects.iter().map(|(path, object)| ((*path).to_owned(), object.clone())));
        kept
    }

    fn answer(&self, asked: &Asked) -> (u16, Value) {
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

struct Scene {
    groups: Arc<Groups>,
    group: Arc<Group>,
    log: Log,
}

impl Scene {
    /// A group, what its watches show of what is kept for it, and an API server.
    async fn new(
        group: Value,
        shown: &[Value],
        leadership: Leadership,
        answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static,
    ) -> Self {
        let (client, log) = server(answer);
        let (store, mut writer) = reflector::store::<Group>();
        let group: Group = DeserializeGuard(Ok(serde_json::from_value(group).unwrap()));
        use kube::runtime::watcher::Event::{Init, InitApply, InitDone};
        for event in [Init, InitApply(group.clone()), InitDone] {
            writer.apply_watcher_event(&event);
        }
        let groups = Groups {
            context: look::context(client, leadership, true).await,
            all: store,
            listed: watch::channel(true).1,
            owned: showing(shown).await,
            memories: Memories::default(),
        };
        Self { groups: Arc::new(groups), group: Arc::new(group), log }
    }

    async fn look(&self) -> Result<Vec<Asked>, reconcile::Error> {
        reconcile::reconcile(Arc::clone(&self.group), Arc::clone(&self.groups)).await?;
        Ok(self.log.take())
    }
}

/// Watches that have shown these objects.
async fn showing(objects: &[Value]) -> Owned {
    let objects = objects.to_vec();
    let (client, _) = server(move |asked| {
        let plural = asked.path.rsplit('/').next().unwrap_or_default().to_owned();
        let is_of = |object: &&Value| format!("{}s", object["kind"].as_str().unwrap().to_lowercase()) == plural;
        let items: Vec<_> = objects.iter().filter(is_of).collect();
        (200, json!({ "kind": "List", "metadata": { "resourceVersion": "9" }, "items": items }))
    });
    let owned = Owned::default();
    let following = tokio::spawn(owned.clone().follow(client, mpsc::unbounded_channel().0));
    owned.until_all_seen().await;
    // What they would show later does not matter here.
    following.abort();
    owned
}

fn lines(asked: &[Asked]) -> Vec<String> {
    asked.iter().map(Asked::line).collect()
}

fn all(method: &str, paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| format!("{method} {path}")).collect()
}

fn written(asked: &[Asked]) -> Vec<&Asked> {
    let is_object = |asked: &&Asked| asked.method == Method::PATCH && asked.path != STATUS;
    asked.iter().filter(is_object).collect()
}

fn conditions_of_service(asked: &[Asked]) -> Value {
    let status = asked.iter().find(|asked| asked.path == STATUS).expect("a status");
    status.body["status"]["services"][0]["conditions"].clone()
}

#[tokio::test]
async fn a_new_group_is_asked_for_tried_dry_and_applied_object_by_object() {
    let kept = Kept::default();
    let scene = Scene::new(group(), &[], Leadership::alone(), move |asked| kept.answer(asked)).await;
    let asked = scene.look().await.unwrap();
    let mut expected = all("GET", &OBJECTS);
    expected.extend(all("PATCH", &[DEPLOYMENT]));
    expected.extend(all("PATCH", &OBJECTS));
    expected.extend(all("PATCH", &[STATUS]));
    expected.push("POST /apis/events.k8s.io/v1/namespaces/shop/events".to_owned());
    assert_eq!(lines(&asked), expected);
    let dry: Vec<_> = written(&asked).iter().map(|asked| asked.query.contains("dryRun=All")).collect();
    assert_eq!(dry, [true, false, false, false, false]);
    assert_eq!(asked.last().unwrap().body["reason"], "Created");
}

/// The first application included, and with one that was scaled meanwhile.
#[tokio::test]
async fn no_apply_names_replicas() {
    let scaled = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "spec": { "replicas": 7 },
        "metadata": { "name": "store-get", "namespace": "shop", "uid": "d", "labels": { "plimsoll.dev/servicegroup": "store" },
            "ownerReferences": [owner("g")] },
    });
    for shown in [vec![], vec![scaled]] {
        let kept = Kept::default();
        let scene = Scene::new(group(), &shown, Leadership::alone(), move |asked| kept.answer(asked)).await;
        let asked = scene.look().await.unwrap();
        let written = written(&asked);
        assert_eq!(written.len(), 5);
        for asked in written {
            assert!(!asked.body.to_string().contains("\"replicas\""), "{}", asked.body);
        }
    }
}

#[tokio::test]
async fn what_is_there_already_is_not_written_again() {
    let kept = Kept::default();
    let scene = Scene::new(group(), &[], Leadership::alone(), move |asked| kept.answer(asked)).await;
    scene.look().await.unwrap();
    // Watches have not shown it yet, so that it is asked for.
    assert_eq!(lines(&scene.look().await.unwrap()), all("GET", &OBJECTS));
}

#[tokio::test]
async fn what_somebody_has_changed_is_applied_again_over_the_object_that_was_seen() {
    let kept = Kept::default();
    let objects = Arc::clone(&kept.objects);
    let scene = Scene::new(group(), &[], Leadership::alone(), move |asked| kept.answer(asked)).await;
    scene.look().await.unwrap();
    objects.lock().unwrap().get_mut(SERVICE).unwrap()["spec"]["ports"][0]["port"] = json!(81);
    let asked = scene.look().await.unwrap();
    let written = written(&asked);
    assert_eq!(written.iter().map(|asked| asked.path.as_str()).collect::<Vec<_>>(), [SERVICE]);
    assert_eq!(written[0].body["metadata"]["uid"], format!("uid of {SERVICE}"));
    assert!(written[0].query.contains("force=true"), "{}", written[0].query);
}

#[tokio::test]
async fn a_template_that_is_refused_leaves_everything_of_its_service_alone() {
    let kept = Kept::default();
    let scene = Scene::new(group(), &[], Leadership::alone(), move |asked| match asked.method {
        Method::PATCH if asked.query.contains("dryRun") => {
            failure(422, "Invalid", "spec.template.spec.containers[0].image")
        }
        _ => kept.answer(asked),
    })
    .await;
    let asked = scene.look().await.unwrap();
    assert_eq!(written(&asked).len(), 1, "the try alone");
    let ready = &conditions_of_service(&asked)[0];
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("TemplateRefused")));
    let message = ready["message"].as_str().unwrap();
    assert!(message.contains("spec.template.spec.containers[0].image"), "{message}");
}

#[tokio::test]
async fn an_object_of_somebody_else_is_not_taken_over() {
    let theirs = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "store-get", "namespace": "shop", "uid": "s" } });
    let kept = Kept::with(&[(SERVICE, theirs)]);
    let scene = Scene::new(group(), &[], Leadership::alone(), move |asked| kept.answer(asked)).await;
    let asked = scene.look().await.unwrap();
    assert_eq!(written(&asked).len(), 0, "{:?}", lines(&asked));
    assert_eq!(conditions_of_service(&asked)[0]["reason"], "NameTaken");
}

#[tokio::test]
async fn what_could_not_be_read_is_neither_written_nor_deleted() {
    let kept = Kept::default();
    let scene = Scene::new(group(), &[shown("store-get", owner("g"))], Leadership::alone(), move |asked| {
        match asked.path.as_str() {
            SCALER if asked.method == Method::GET => failure(500, "InternalError", "etcd is gone"),
            _ => kept.answer(asked),
        }
    })
    .await;
    let error = scene.look().await.unwrap_err();
    assert!(error.to_string().contains("etcd is gone"), "{error}");
    let asked = scene.log.take();
    assert_eq!(written(&asked).len(), 0);
    assert!(asked.iter().all(|asked| asked.method != Method::DELETE), "{:?}", lines(&asked));
}

fn owner(uid: &str) -> Value {
    json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "ServiceGroup", "name": "store", "uid": uid, "controller": true })
}

/// A Service that is labelled as the group's.
fn shown(name: &str, owner: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "spec": {},
        "metadata": { "name": name, "namespace": "shop", "uid": "s", "resourceVersion": "3",
            "labels": { "plimsoll.dev/servicegroup": "store" }, "ownerReferences": [owner] },
    })
}

/// The deletions of a look at which the watch shows a Service, and GET the group as it is now.
async fn deletions(service: Value, generation: i64) -> Vec<Asked> {
    let mut now = group();
    now["metadata"]["generation"] = json!(generation);
    let kept = Kept::with(&[(GROUP, now)]);
    let scene = Scene::new(group(), &[service], Leadership::alone(), move |asked| kept.answer(asked)).await;
    let mut asked = scene.look().await.unwrap();
    asked.retain(|asked| asked.method == Method::DELETE);
    asked
}

#[tokio::test]
async fn what_no_service_has_any_more_is_deleted_as_it_was_seen() {
    let deleted = deletions(shown("store-gone", owner("g")), 1).await;
    assert_eq!(lines(&deleted), ["DELETE /api/v1/namespaces/shop/services/store-gone"]);
    assert_eq!(deleted[0].body["preconditions"], json!({ "uid": "s", "resourceVersion": "3" }));
}

#[tokio::test]
async fn what_belongs_to_another_group_of_the_same_name_stays() {
    assert_eq!(lines(&deletions(shown("store-gone", owner("of before")), 1).await), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_deleted_by_a_spec_that_is_no_longer_the_present_one() {
    assert_eq!(lines(&deletions(shown("store-gone", owner("g")), 2).await), Vec::<String>::new());
}

#[tokio::test]
async fn who_does_not_lead_asks_and_writes_nothing() {
    let (client, _) = server(|_| failure(500, "InternalError", "lease"));
    let config = LeaseConfig {
        namespace: "plimsoll-system".into(),
        name: "lease".into(),
        identity: "other".into(),
        duration: std::time::Duration::from_secs(15),
        renew_every: std::time::Duration::from_secs(5),
    };
    let (_keeper, leadership) = Keeper::new(client, config);
    let kept = Kept::default();
    let scene = Scene::new(group(), &[], leadership, move |asked| kept.answer(asked)).await;
    assert_eq!(lines(&scene.look().await.unwrap()), Vec::<String>::new());
}

#[tokio::test]
async fn a_group_that_goes_is_left_to_the_garbage_collector() {
    let mut going = group();
    going["metadata"]["deletionTimestamp"] = json!("2026-11-25T12:00:00Z");
    let kept = Kept::default();
    let scene = Scene::new(going, &[], Leadership::alone(), move |asked| kept.answer(asked)).await;
    assert_eq!(lines(&scene.look().await.unwrap()), Vec::<String>::new());
}
