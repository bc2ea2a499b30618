//! The lease, request by request.

use std::time::Duration;

use futures::StreamExt as _;
use plimsoll_operator::leadership::{Keeper, LeaseConfig, gains};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::script::{Asked, failure, server};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/plimsoll-system/leases/plimsoll-operator";

fn config() -> LeaseConfig {
    LeaseConfig {
        namespace: "plimsoll-system".into(),
        name: "plimsoll-operator".into(),
        identity: "me".into(),
        duration: Duration::from_secs(15),
        renew_every: Duration::from_secs(5),
    }
}

fn lease(holder: Option<&str>, resource_version: u32) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "plimsoll-operator", "resourceVersion": resource_version.to_string() },
        "spec": { "holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 3 },
    })
}

/// Answers a PUT with what was put, under a new version.
fn stored(asked: &Asked) -> (u16, Value) {
    let mut body = asked.body.clone();
    body["metadata"]["resourceVersion"] = json!("9");
    (200, body)
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_another_is_taken_once_it_was_unchanged_for_its_duration() {
    let (client, log) = server(|asked| match asked.method.as_str() {
        "GET" => (200, lease(Some("other"), 7)),
        _ => stored(asked),
    });
    let (keeper, leadership) = Keeper::new(client, config());
    let started = tokio::time::Instant::now();
    tokio::spawn(keeper.run(std::future::pending()));
    Box::pin(gains(leadership.clone())).next().await.unwrap();
    assert!(leadership.is_leader());
    assert_eq!(started.elapsed(), Duration::from_secs(15));
    let put = log.take().into_iter().find(|asked| asked.method == "PUT").unwrap();
    assert_eq!(put.path, LEASE);
    assert_eq!(put.body["metadata"]["resourceVersion"], "7", "another that was faster wins");
    assert_eq!(put.body["spec"]["holderIdentity"], "me");
    assert_eq!(put.body["spec"]["leaseTransitions"], 4);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_see_an_expired_lease_the_slower_one_does_not_lead() {
    let (client, log) = server(|asked| match asked.method.as_str() {
        "GET" => (200, lease(None, 7)),
        _ => failure(409, "Conflict", "plimsoll-operator"),
    });
    let (keeper, leadership) = Keeper::new(client, config());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(keeper.run(async { _ = stopped.await }));
    while !log.take().iter().any(|asked| asked.method == "PUT") {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!leadership.is_leader());
    stop.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_leading_when_the_lease_may_have_expired() {
    let mut asked_before = 0;
    let (client, _) = server(move |asked| {
        asked_before += 1;
        match (asked_before, asked.method.as_str()) {
            (1, _) => (200, lease(None, 7)),
            (2, _) => stored(asked),
            _ => failure(500, "InternalError", "plimsoll-operator"),
        }
    });
    let (keeper, leadership) = Keeper::new(client, config());
    tokio::spawn(keeper.run(std::future::pending()));
    Box::pin(gains(leadership.clone())).next().await.unwrap();
    let gained = tokio::time::Instant::now();
    while leadership.is_leader() {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert!(gained.elapsed() <= Duration::from_secs(15), "{:?}", gained.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_stops_lets_go_of_the_lease() {
    let (client, log) = server(|asked| match asked.method.as_str() {
        "GET" => (200, lease(Some("me"), 7)),
        _ => stored(asked),
    });
    let (keeper, leadership) = Keeper::new(client, config());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(keeper.run(async { _ = stopped.await }));
    Box::pin(gains(leadership.clone())).next().await.unwrap();
    log.take();
    stop.send(()).unwrap();
    running.await.unwrap();
    assert!(!leadership.is_leader());
    let last = log.take().pop().unwrap();
    assert_eq!((last.method.as_str(), &last.body["spec"]["holderIdentity"]), ("PUT", &Value::Null));
}

/// As after a pause of the whole machine: what would have been looked at meanwhile was turned away until the next term.
#[tokio::test(start_paused = true)]
async fn a_lease_that_ran_out_before_it_was_renewed_is_gained_anew() {
    let (client, _) = server(|asked| match asked.method.as_str() {
        "GET" => (200, lease(Some("me"), 7)),
        _ => stored(asked),
    });
    let (keeper, leadership) = Keeper::new(client, config());
    tokio::spawn(keeper.run(std::future::pending()));
    let mut gained = Box::pin(gains(leadership.clone()));
    gained.next().await.unwrap();
    let first = leadership.term();
    tokio::time::advance(Duration::from_secs(16)).await;
    let again = tokio::time::timeout(Duration::from_mins(1), gained.next()).await;
    assert!(again.is_ok() && leadership.is_leader(), "it goes on as if nothing had been");
    assert!(leadership.term() > first, "{:?} after {first:?}", leadership.term());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_in_time_stays_the_same_term() {
    let (client, log) = server(|asked| match asked.method.as_str() {
        "GET" => (200, lease(Some("me"), 7)),
        _ => stored(asked),
    });
    let (keeper, leadership) = Keeper::new(client, config());
    tokio::spawn(keeper.run(std::future::pending()));
    Box::pin(gains(leadership.clone())).next().await.unwrap();
    let first = leadership.term();
    let mut renewals = 0;
    while renewals < 3 {
        tokio::time::advance(Duration::from_secs(1)).await;
        renewals += log.take().iter().filter(|asked| asked.method == "PUT").count();
    }
    assert_eq!(leadership.term(), first);
}
