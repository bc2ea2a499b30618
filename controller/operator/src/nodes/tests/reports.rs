//! What is told: the status of pools, and events, once each.

use plimsoll_core::{
    cluster::Unplannable,
    nodes::{
        NodePlan, Refused,
        reason::{Cause, WhyRefused},
    },
    placement::Refusal,
    time::Span,
};
use plimsoll_providers::ProviderError;
use pretty_assertions::assert_eq;

use super::*;
use crate::nodes::{provider::Unusable, world::Failure};

const STATUS: &str = "/apis/plimsoll.dev/v1alpha1/capacitypools/general/status";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/shop/events";

/// Answers the status of a pool with the pool that has it.
fn answers(asked: &Asked) -> (u16, Value) {
    if asked.path == STATUS {
        let mut pool = pool();
        pool["status"] = asked.body["status"].clone();
        return (200, pool);
    }
    stored(asked)
}

fn failed(error: ProviderError, asks_after: bool) -> Failure {
    Failure { pool: "general".to_owned(), offering: key(), error, asks_after }
}

fn refusing() -> NodePlan {
    let why = WhyRefused { cause: Cause::Nodes(Refusal::NodeAffinity), count: 3 };
    let refused = Refused {
        namespace: "shop".into(),
        owner: "web-1".into(),
        pods: vec!["uid-web-a".into()],
        count: 1,
        why: vec![why],
    };
    NodePlan { refused: vec![refused], ..NodePlan::default() }
}

#[tokio::test]
async fn a_status_is_written_when_it_says_something_new_and_not_again() {
    let mut bench = Bench::new(answers);
    bench.pool();
    bench.node(node("a", &json!({})));
    bench.planner.report(&NodePlan::default(), NOW).await;
    let asked = bench.log.take();
    assert_eq!(asked.iter().map(Asked::line).collect::<Vec<_>>(), [format!("PATCH {STATUS}")]);
    let status = &asked[0].body["status"];
    assert_eq!((&status["observedGeneration"], &status["nodes"]), (&json!(2), &json!("1/1")));
    let kinds: Vec<_> =
        status["conditions"].as_array().unwrap().iter().map(|condition| condition["type"].clone()).collect();
    assert_eq!(kinds, ["Ready", "LimitReached", "Disruptable"]);
    bench.planner.report(&NodePlan::default(), NOW).await;
    assert_eq!(bench.log.lines(), [""; 0]);
}

/// The API server keeps whole seconds.
#[tokio::test]
async fn a_status_with_a_failure_in_it_is_written_once() {
    let mut bench = Bench::new(answers);
    bench.pool();
    let now = NOW + Span::from_millis(345);
    bench.planner.world.failures.push(failed(ProviderError::Unavailable("away".to_owned()), false));
    bench.planner.failures(now);
    bench.planner.report(&NodePlan::default(), now).await;
    let asked = bench.log.take();
    assert_eq!(asked[0].body["status"]["avoided"][0]["lastFailure"], "2026-11-23T10:00:00Z");
    bench.planner.report(&NodePlan::default(), now + Span::from_millis(100)).await;
    assert_eq!(bench.log.lines(), [""; 0]);
}

/// A new leader asks anew, which says nothing against a provider.
#[tokio::test]
async fn what_was_said_of_a_provider_holds_until_it_is_asked_anew() {
    for (generation, ready) in [(2, ["True", "Offered"]), (1, ["False", "Asking"])] {
        let mut bench = Bench::new(answers);
        let mut pool = pool();
        pool["status"]["conditions"] = json!([{
            "type": "Ready", "status": "True", "reason": "Offered", "message": "1 offering can be ordered",
            "observedGeneration": generation, "lastTransitionTime": "2026-11-23T09:00:00Z",
        }]);
        let pool: CapacityPool = serde_json::from_value(pool).unwrap();
        bench.planner.world.pools.insert("general".to_owned(), Arc::new(Ok(pool)));
        bench.planner.told.provider("general", Some(Unusable::asking("the Secret cloud is being read")));
        bench.planner.report(&NodePlan::default(), NOW).await;
        let condition = &bench.log.take()[0].body["status"]["conditions"][0];
        assert_eq!([&condition["status"], &condition["reason"]], ready, "of generation {generation}");
    }
}

#[tokio::test]
async fn a_status_that_was_not_taken_is_written_again() {
    for code in [404, 409, 500] {
        let mut bench = Bench::new(move |_| failure(code, "Refused", "general"));
        bench.pool();
        for _ in 0..2 {
            bench.planner.report(&NodePlan::default(), NOW).await;
            assert_eq!(bench.log.lines(), [format!("PATCH {STATUS}")], "{code}");
        }
    }
}

#[tokio::test]
async fn pods_that_get_no_node_are_told_once_as_long_as_the_reason_is_the_same() {
    let mut bench = Bench::new(answers);
    let mut waiting = pod("web-a", "a");
    waiting["spec"].as_object_mut().unwrap().remove("nodeName");
    waiting["status"] = json!({ "phase": "Pending" });
    bench.pod(waiting);
    bench.planner.report(&refusing(), NOW).await;
    let asked = bench.log.take();
    assert_eq!(asked.iter().map(Asked::line).collect::<Vec<_>>(), [format!("POST {EVENTS}")]);
    let body = &asked[0].body;
    assert_eq!((&body["reason"], &body["type"]), (&json!("NoNodeForPod"), &json!("Warning")));
    assert_eq!(body["regarding"]["uid"], "uid-web-a");
    assert_eq!(
        body["note"],
        "1 pods of shop/web-1 get no node: 3 nodes do not match the node selector or node affinity"
    );
    bench.planner.report(&refusing(), NOW).await;
    assert_eq!(bench.log.lines(), [""; 0]);
    // It got a place, and has none again: that is news.
    bench.planner.report(&NodePlan::default(), NOW).await;
    bench.planner.report(&refusing(), NOW).await;
    assert_eq!(bench.log.lines(), [format!("POST {EVENTS}")]);
}

/// A planner whose API server refuses the first event with this code.
fn refuses_first(code: u16) -> Bench {
    let mut is_first = true;
    Bench::new(move |asked| {
        if asked.path.ends_with("/events") && std::mem::take(&mut is_first) {
            return failure(code, "Refused", "web-a");
        }
        answers(asked)
    })
}

/// It is left alone for ten seconds meanwhile: each that gets no answer holds up the planner.
#[tokio::test(start_paused = true)]
async fn pods_that_get_no_node_are_told_later_where_the_api_server_takes_no_event() {
    for (code, is_told_later) in [(429, true), (500, true), (403, false)] {
        let mut bench = refuses_first(code);
        bench.pod(pod("web-a", "a"));
        for (seconds, events) in [(0, 1), (9, 0), (1, usize::from(is_told_later)), (10, 0)] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            bench.planner.report(&refusing(), NOW).await;
            assert_eq!(bench.log.lines().len(), events, "{code}, {seconds} s later");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_nobody_ordered_is_told_of_later_where_the_api_server_takes_no_event() {
    let mut bench = refuses_first(500);
    bench.pool();
    let there = listing(&[("kwok://b", InstanceState::Running)]);
    bench.planner.world.said.insert("general".to_owned(), there);
    let mut other = node("b", &json!({ "spec": { "providerID": "kwok://b" } }));
    other["metadata"]["labels"] = json!({});
    bench.node(other);
    for (seconds, events) in [(0, 1), (9, 0), (1, 1), (10, 0)] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        bench.planner.adopt().await;
        let asked = bench.log.take();
        assert!(asked.iter().all(|asked| asked.body["reason"] == "NotOrdered"));
        assert_eq!(asked.len(), events, "{seconds} s later");
    }
}

/// A workload whose pods wait for a claim each.
fn left_alone(claims: &[&str]) -> NodePlan {
    let refused = claims.iter().map(|claim| Refused {
        why: vec![WhyRefused { cause: Cause::LeftAlone(Unplannable::Claim((*claim).into())), count: 0 }],
        ..refusing().refused.remove(0)
    });
    NodePlan { refused: refused.collect(), ..NodePlan::default() }
}

#[tokio::test]
async fn pods_of_one_owner_that_wait_for_claims_are_told_once() {
    let mut bench = Bench::new(answers);
    bench.pod(pod("web-a", "a"));
    bench.planner.report(&left_alone(&["data-0", "data-1"]), NOW).await;
    assert_eq!(bench.log.lines(), [format!("POST {EVENTS}")]);
    bench.planner.report(&left_alone(&["data-1", "data-2"]), NOW).await;
    assert_eq!(bench.log.lines(), [""; 0]);
}

#[tokio::test]
async fn each_cause_of_an_owner_is_told_once() {
    let mut bench = Bench::new(answers);
    bench.pod(pod("web-a", "a"));
    let mut plan = left_alone(&["data-0"]);
    plan.refused.extend(refusing().refused);
    bench.planner.report(&plan, NOW).await;
    assert_eq!(bench.log.lines().len(), 2);
    bench.planner.report(&plan, NOW).await;
    assert_eq!(bench.log.lines(), [""; 0]);
}

/// Nobody has said yet what could be had.
#[tokio::test]
async fn no_pod_is_told_that_it_gets_no_node_before_providers_were_heard() {
    let mut bench = Bench::new(answers);
    bench.pool_with_tls();
    bench.pod(pod("web-a", "a"));
    bench.planner.pools(NOW);
    bench.planner.report(&refusing(), NOW).await;
    assert!(!bench.log.lines().contains(&format!("POST {EVENTS}")));
}

#[tokio::test]
async fn nothing_is_told_when_the_lease_is_about_to_end() {
    let mut bench = Bench::deposed(answers);
    bench.pool();
    bench.pod(pod("web-a", "a"));
    bench.planner.report(&refusing(), NOW).await;
    assert_eq!(bench.log.lines(), [""; 0]);
}

#[tokio::test]
async fn an_offering_that_failed_is_told_on_its_pool() {
    let mut bench = Bench::new(answers);
    bench.pool();
    let error = ProviderError::OutOfCapacity {
        offering: OfferingId("m-4.zone-a.on-demand".to_owned()),
        message: "none left".to_owned(),
    };
    bench.planner.world.failures.push(failed(error, false));
    bench.planner.failures(NOW);
    bench.planner.report(&NodePlan::default(), NOW).await;
    let asked = bench.log.take();
    let event = asked.iter().find(|asked| asked.method == "POST").unwrap();
    assert_eq!(event.body["reason"], "OfferingAvoided");
    assert_eq!(event.body["regarding"]["uid"], "uid-general");
    let note = event.body["note"].as_str().unwrap();
    assert!(note.starts_with("on-demand m-4 in zone-a is avoided until 2026-11-23T10:0"), "{note}");
}

/// It failed when nobody answered, and the provider may be back before that is found out.
#[tokio::test]
async fn an_order_that_is_asked_after_again_and_again_fails_once_as_long_as_that_is_remembered() {
    let mut bench = Bench::new(answers);
    bench.pool();
    let away = || ProviderError::Unavailable("away".to_owned());
    let mut told = Vec::new();
    // An offering is avoided for a minute, and the failure remembered for half an hour more.
    for seconds in [0, 10, 20, 60, 1859, 1860] {
        let now = NOW + Span::from_secs(seconds);
        bench.planner.world.failures.push(failed(away(), true));
        bench.planner.failures(now);
        bench.planner.report(&NodePlan::default(), now).await;
        let events = bench.log.take().into_iter().filter(|asked| asked.method == "POST").count();
        let counted = bench.planner.metrics.failed.with_label_values(&["general", "ProviderUnavailable"]);
        let is_avoided = bench.planner.backoffs.until("general", &key(), now).is_some();
        told.push((seconds, events, counted.get(), is_avoided));
    }
    assert_eq!(
        told,
        [
            (0, 1, 1, true),
            (10, 0, 1, true),
            (20, 0, 1, true),
            (60, 0, 1, false),
            (1859, 0, 1, false),
            (1860, 1, 2, true)
        ]
    );
}
