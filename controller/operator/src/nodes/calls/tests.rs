//! What is asked of a cloud, and what is recorded before and after, against a scripted API server and a simulated cloud.

use std::{future::poll_fn, task::Poll, time::Duration};

use cloud::{Cloud, Faults, Rpc, Serving, contract::catalogue};
use http::Method;
use plimsoll_api::{CapacityPool, NodeOrder};
use plimsoll_core::{nodes::backoff::OfferingError, time::Span};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Outcome;
use crate::{
    leadership::Leadership,
    nodes::{
        feed::Change,
        planner::{Planner, now},
        polls::Said,
        record::offering,
        script::{Asked, Log, failure, server},
        tests::planner,
        world::Call,
    },
};

const GROUP: &str = "small.zone-a.on-demand";

/// A planner of one pool over a cloud, with one order that is recorded.
struct Scene {
    cloud: Cloud,
    planner: Planner,
    changes: mpsc::UnboundedReceiver<Change>,
    log: Log,
    _serving: Serving,
}

impl Scene {
    async fn new(answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) -> Self {
        let cloud = Cloud::new(catalogue(), Duration::ZERO).unwrap();
        let serving = cloud.serve().await.unwrap();
        let (client, log) = server(answer);
        let (send, changes) = mpsc::unbounded_channel();
        let mut planner = planner(client, Leadership::alone(), send);
        let provider = json!({ "address": serving.address(), "timeoutSeconds": 5 });
        let pool: CapacityPool = serde_json::from_value(json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "CapacityPool",
            "metadata": { "name": "bought" }, "spec": { "provider": { "externalGrpc": provider } },
        }))
        .unwrap();
        planner.world.pools.insert("bought".to_owned(), std::sync::Arc::new(Ok(pool)));
        planner.world.set_order(order(&json!({})));
        let mut scene = Self { cloud, planner, changes, log, _serving: serving };
        scene.look().await;
        scene
    }

    /// Reads what the cloud has.
    async fn look(&mut self) {
        let pool = std::sync::Arc::clone(&self.planner.world.pools["bought"]);
        let spec = &pool.as_ref().as_ref().unwrap().spec;
        let provider = self.planner.polls.provider("bought", spec).unwrap();
        let asked = now();
        let inventory = provider.inventory().await.map(std::sync::Arc::new);
        let said = Said { asked, offerings: None, inventory: Some(inventory) };
        self.planner.world.said.insert("bought".to_owned(), said);
    }

    /// A step of the order, and what comes of the call that it starts, if it does.
    async fn step(&mut self) {
        self.planner.orders(now()).await;
        if !self.planner.world.calls.is_empty() {
            let change = self.changes.recv().await.unwrap();
            change(&mut self.planner.world);
        }
    }

    /// What the order says, as the planner knows it.
    fn status(&self) -> Value {
        serde_json::to_value(&self.planner.world.orders["bought-1"].status).unwrap()
    }

    fn increases(&self) -> usize {
        self.cloud.calls(Rpc::NodeGroupIncreaseSize)
    }
}

fn order(status: &Value) -> NodeOrder {
    serde_json::from_value(json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeOrder",
        "metadata": { "name": "bought-1", "uid": "u", "resourceVersion": "1",
                      "creationTimestamp": jiff::Timestamp::now().to_string() },
        "spec": {
            "pool": "bought", "count": 2, "reason": "8 pods", "fencingToken": 1,
            "offering": { "instanceType": "small", "zone": "zone-a", "capacityType": "on-demand", "price": "0.1",
                          "nodeGroup": GROUP },
        },
        "status": status,
    }))
    .unwrap()
}

/// The API server takes each status, and gives it a later version.
fn takes() -> impl FnMut(&Asked) -> (u16, Value) + Send + 'static {
    let mut version = 1;
    move |asked: &Asked| {
        version += 1;
        let mut status = asked.body["status"].clone();
        if let Some(status) = status.as_object_mut() {
            status.retain(|_, value| !value.is_null());
        }
        let mut order = serde_json::to_value(order(&status)).unwrap();
        order["metadata"]["resourceVersion"] = json!(version.to_string());
        (200, order)
    }
}

fn writes(log: &Log) -> Vec<Value> {
    let asked = log.take();
    let writes = asked.into_iter().filter(|asked| asked.method == Method::PATCH);
    writes.map(|asked| asked.body).collect()
}

#[tokio::test]
async fn what_there_was_is_recorded_over_the_version_that_was_read_before_a_cloud_is_asked() {
    let mut scene = Scene::new(takes()).await;
    let of_others = scene.cloud.add(&GROUP.into()).unwrap();
    scene.look().await;
    scene.step().await;
    let writes = writes(&scene.log);
    let before = &writes[0];
    assert_eq!(before["metadata"]["resourceVersion"], "1");
    assert_eq!(
        (&before["status"]["phase"], &before["status"]["sizeBefore"], &before["status"]["notOurs"]),
        (&json!("Asked"), &json!(1), &json!([of_others.clone()]))
    );
    assert_eq!(writes[1]["status"]["accepted"], 2, "{writes:?}");
    assert_eq!((writes.len(), scene.increases(), scene.cloud.target(&GROUP.into())), (2, 1, 3));

    // Those that came are its, and the other one is not.
    scene.look().await;
    scene.step().await;
    let status = scene.status();
    let nodes = status["nodes"].as_array().unwrap();
    let ids: Vec<&str> = nodes.iter().filter_map(|node| node["providerID"].as_str()).collect();
    let machines = scene.cloud.machines(&GROUP.into()).into_iter().map(|machine| machine.id);
    let came: Vec<String> = machines.filter(|id| *id != of_others).collect();
    assert_eq!(ids, came);
    assert_eq!(status["notOurs"], Value::Null, "all are known, so it does not matter any more");
}

#[tokio::test]
async fn an_order_that_somebody_else_has_changed_is_not_asked_for() {
    let mut scene = Scene::new(|_| failure(409, "Conflict", "bought-1")).await;
    scene.step().await;
    assert_eq!((scene.log.lines().len(), scene.increases()), (1, 0));
}

#[tokio::test]
async fn a_group_that_waits_for_what_others_asked_for_is_left_to_them() {
    let mut scene = Scene::new(takes()).await;
    scene.cloud.promise(&GROUP.into(), 1);
    scene.look().await;
    scene.step().await;
    let status = scene.status();
    assert_eq!((&status["phase"], &status["reason"]), (&json!("Failed"), &json!("NotTellable")), "{status}");
    assert_eq!(scene.increases(), 0);
    scene.step().await;
    assert_eq!(writes(&scene.log).len(), 1, "what is refused is not written again");
}

#[tokio::test]
async fn an_order_whose_size_has_changed_meanwhile_is_asked_for_anew_and_not_at_once() {
    let mut scene = Scene::new(takes()).await;
    scene.cloud.add(&GROUP.into()).unwrap();
    scene.step().await;
    let status = scene.status();
    assert_eq!((&status["phase"], &status["askedAt"]), (&json!("Recorded"), &Value::Null), "{status}");
    assert_eq!(scene.increases(), 0, "the sizes were compared first");
    scene.look().await;
    scene.step().await;
    assert_eq!(writes(&scene.log).len(), 2, "a moment later");
}

#[tokio::test]
async fn what_became_of_a_call_is_found_out_by_its_size_and_nothing_is_asked_again() {
    let mut scene = Scene::new(takes()).await;
    scene.step().await;
    let asked = json!({ "phase": "Asked", "askedAt": jiff::Timestamp::now().to_string(), "sizeBefore": 0 });
    // As after a crash before the answer was recorded.
    scene.planner.world.orders.clear();
    scene.planner.world.set_order(order(&asked));
    scene.look().await;
    scene.step().await;
    assert_eq!(scene.status()["accepted"], 2, "{}", scene.status());
    assert_eq!((scene.increases(), scene.cloud.target(&GROUP.into())), (1, 2));
}

/// The write was carried out, and as it got no answer nobody was asked.
#[tokio::test]
async fn an_order_that_is_recorded_as_asked_by_a_write_without_an_answer_is_asked_for() {
    let (mut answers, mut is_first) = (takes(), true);
    let mut scene = Scene::new(move |asked| {
        if std::mem::take(&mut is_first) { failure(504, "Timeout", "bought-1") } else { answers(asked) }
    })
    .await;
    scene.step().await;
    let written = writes(&scene.log).remove(0);
    assert_eq!((&written["status"]["phase"], scene.increases()), (&json!("Asked"), 0));
    scene.planner.world.set_order(order(&written["status"]));
    scene.step().await;
    assert_eq!(scene.status()["phase"], "Recorded", "{}", scene.status());
    scene.step().await;
    assert_eq!(scene.status()["accepted"], 2, "{}", scene.status());
    assert_eq!((scene.increases(), scene.cloud.target(&GROUP.into())), (1, 2));
    assert_eq!(scene.planner.backoffs.count("bought", now()), 0);
}

/// It has failed when nobody answered it, and the provider is back. Nor is it a lack of capacity.
#[tokio::test]
async fn that_nothing_was_done_of_a_call_without_an_answer_is_no_further_failure_of_its_offering() {
    for is_remembered in [true, false] {
        let mut scene = Scene::new(takes()).await;
        let (begun, at) = (now(), jiff::Timestamp::now().to_string());
        let lost = order(&json!({ "phase": "Asked", "askedAt": at, "sizeBefore": 0 }));
        let key = offering(&lost);
        if is_remembered {
            let (error, away) = (OfferingError::Other, "it is away".to_owned());
            scene.planner.backoffs.failed("bought", &key, error, away, begun - Span::from_secs(61));
        }
        scene.planner.world.orders.clear();
        scene.planner.world.set_order(lost);
        scene.step().await;
        assert_eq!(scene.status()["reason"], "NoAnswer", "{}", scene.status());
        scene.step().await;
        let status = scene.status();
        assert_eq!((&status["phase"], &status["reason"]), (&json!("Failed"), &json!("TakenInPart")));
        let until = scene.planner.backoffs.until("bought", &key, now());
        assert_eq!(until.is_none(), is_remembered, "{until:?}");
        let longest = now() + Span::from_secs(60);
        assert!(until.is_none_or(|until| until <= longest), "{until:?}, not after {longest:?}");
    }
}

#[tokio::test]
async fn that_an_order_was_refused_is_another_failure_than_that_nobody_says_what_became_of_it() {
    let asked = json!({ "phase": "Asked", "askedAt": jiff::Timestamp::now().to_string(), "sizeBefore": 0 });
    let cases = [(json!({}), Rpc::NodeGroupIncreaseSize, false), (asked, Rpc::NodeGroupTargetSize, true)];
    for (status, rpc, asks_after) in cases {
        let mut scene = Scene::new(takes()).await;
        scene.planner.world.orders.clear();
        scene.planner.world.set_order(order(&status));
        scene.cloud.misbehave(Faults { loses_answer: [rpc].into(), ..Faults::default() });
        scene.step().await;
        let failures: Vec<bool> =
            scene.planner.world.failures.iter().map(|failure| failure.asks_after).collect();
        assert_eq!(failures, [asks_after], "{status}");
    }
}

/// Until a call has ended nothing else is done about its order.
#[tokio::test]
async fn a_call_that_panics_has_ended_and_its_order_is_looked_at_later() {
    let mut scene = Scene::new(takes()).await;
    let call = Call { pool: "bought".to_owned(), offering: GROUP.into(), grows: true };
    let panics = poll_fn(|_| -> Poll<Outcome> { panic!("a provider that is broken") });
    scene.planner.spawn("bought-1".to_owned(), call, panics);
    assert!(scene.planner.world.calls.contains_key("bought-1"));
    let ended = scene.changes.recv().await.unwrap();
    ended(&mut scene.planner.world);
    assert!(scene.planner.world.calls.is_empty() && scene.planner.world.rests("bought-1"));
}
