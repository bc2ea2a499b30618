use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use k8s_openapi::api::core::v1::{Node, Pod};
use plimsoll_api::CapacityPool;
use plimsoll_core::{nodes::drain::Drain, time::Span};
use plimsoll_providers::ProviderError;
use pretty_assertions::assert_eq;
use serde_json::{Value, from_value, json};

use super::*;
use crate::nodes::{
    feed::Shown as _,
    polls::Said,
    provider::Unusable,
    script::{Asked, Log, failure, server},
    tests::{NOW, drains::drained, listing, node, orders::recorded, planner, pod, pool},
};

/// A planner of the pool `general` that is about to lead again, and what its provider answers.
fn again() -> (Planner, mpsc::UnboundedReceiver<Change>, Log) {
    again_with(answer)
}

/// The same with an API server that answers so.
fn again_with(
    answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static,
) -> (Planner, mpsc::UnboundedReceiver<Change>, Log) {
    let (client, log) = server(answer);
    let (send, changes) = mpsc::unbounded_channel();
    let mut planner = planner(client, Leadership::alone(), send);
    planner.world.pools.insert("general".to_owned(), Arc::new(Ok(named("general"))));
    (planner, changes, log)
}

/// A pool of this name whose nodes take pods.
fn named(name: &str) -> CapacityPool {
    let mut pool = pool();
    pool["metadata"] = json!({ "name": name, "uid": format!("uid-{name}"), "resourceVersion": "5" });
    pool["spec"]["provider"]["kwok"]["instanceTypes"][0]["capacity"]["pods"] = json!("110");
    from_value(pool).unwrap()
}

/// An API server without nodes, memory or anything else.
fn answer(asked: &Asked) -> (u16, Value) {
    if asked.line() == "GET /api/v1/nodes" {
        return (200, json!({ "kind": "NodeList", "metadata": {}, "items": [] }));
    }
    failure(404, "NotFound", "memory-0")
}

/// What the API server was asked to change since the last call.
fn changed(log: &Log) -> Vec<String> {
    log.lines().into_iter().filter(|line| !line.starts_with("GET ")).collect()
}

/// Takes in what a provider has answered.
async fn hear(planner: &mut Planner, changes: &mut mpsc::UnboundedReceiver<Change>) {
    let answered = changes.recv().await.unwrap();
    answered(&mut planner.world);
}

/// What the provider of a pool answers that has no machine yet.
async fn offered() -> Said {
    let (mut planner, mut changes, _log) = again();
    planner.pools(NOW);
    hear(&mut planner, &mut changes).await;
    planner.world.said.remove("general").unwrap()
}

/// The other leader has ordered it meanwhile.
#[tokio::test]
async fn a_machine_of_which_a_provider_knew_nothing_in_an_earlier_term_is_not_taken_for_gone() {
    let (mut planner, _changes, log) = again();
    planner.world.said.insert("general".to_owned(), listing(&[]));
    // One machine is being made.
    planner.world.set_order(recorded(
        "general-1",
        &json!({
            "phase": "Creating", "askedAt": "2026-11-23T09:59:00Z", "accepted": 1,
            "nodes": [{ "providerID": "kwok://general-1-0", "phase": "Creating" }],
        }),
    ));
    planner.begin_term().await;
    log.take();
    planner.orders(NOW).await;
    assert_eq!(log.lines(), [""; 0]);
}

#[tokio::test]
async fn an_answer_to_what_was_asked_in_an_earlier_term_is_none() {
    let (mut planner, mut changes, _log) = again();
    planner.pools(NOW);
    planner.begin_term().await;
    hear(&mut planner, &mut changes).await;
    assert!(planner.world.said.is_empty());
}

#[tokio::test]
async fn a_new_leader_drains_once_the_provider_was_heard_and_as_the_pool_says() {
    let (mut planner, mut changes, log) = again();
    let mut patient = named("general");
    patient.spec.drain = from_value(json!({ "maxGracePeriodSeconds": 3600 })).unwrap();
    planner.world.pools.insert("general".to_owned(), Arc::new(Ok(patient)));
    planner.world.set_order(recorded("general-1", &json!({})));
    let drain = Drain { tainted: true, ..Drain::new(now(), false, BTreeSet::new()) };
    from_value::<Node>(drained(&drain)).unwrap().apply(&mut planner.world);
    let mut slow = pod("web-a", "a");
    slow["spec"]["terminationGracePeriodSeconds"] = json!(7200);
    from_value::<Pod>(slow).unwrap().apply(&mut planner.world);
    planner.begin_term().await;
    log.take();
    planner.pass().await;
    assert_eq!(changed(&log), [""; 0]);
    hear(&mut planner, &mut changes).await;
    planner.pass().await;
    let asked = log.take();
    let eviction = asked.iter().find(|asked| asked.path.ends_with("/eviction")).unwrap();
    assert_eq!(eviction.body["deleteOptions"]["gracePeriodSeconds"], 3600);
}

/// A planner of an empty node, and an API server by which that is not needed for a minute, and which cannot say so while it
/// `is_away`.
fn with_empty_node(is_away: &Arc<AtomicBool>) -> (Memory, Planner, mpsc::UnboundedReceiver<Change>, Log) {
    let since = now() - Span::from_secs(60);
    let memory = Memory { unneeded: BTreeMap::from([("uid-a".into(), since)]), ..Memory::default() };
    let kept = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "memory-0" },
        "data": { "nodes.json": serde_json::to_string(&memory).unwrap() },
    });
    let is_away = Arc::clone(is_away);
    let (mut planner, changes, log) = again_with(move |asked| {
        let is_recalled = asked.line() == "GET /api/v1/namespaces/plimsoll-system/configmaps/memory-0";
        match (is_recalled, is_away.load(Ordering::Relaxed)) {
            (true, true) => failure(500, "InternalError", "memory-0"),
            (true, false) => (200, kept.clone()),
            (false, _) => answer(asked),
        }
    });
    planner.world.set_order(recorded("general-1", &json!({})));
    let mut empty = node("a", &json!({}));
    empty["metadata"]["creationTimestamp"] = json!("2020-01-01T00:00:00Z");
    from_value::<Node>(empty).unwrap().apply(&mut planner.world);
    (memory, planner, changes, log)
}

#[tokio::test]
async fn the_time_of_unneeded_nodes_survives_a_leader_that_was_not_answered_yet() {
    let (memory, mut planner, mut changes, log) = with_empty_node(&Arc::default());
    planner.begin_term().await;
    log.take();
    planner.pass().await;
    assert_eq!((&planner.memory, changed(&log)), (&memory, Vec::new()));
    hear(&mut planner, &mut changes).await;
    planner.pass().await;
    assert_eq!(planner.memory.unneeded, memory.unneeded);
}

/// Terms begin when calls fail.
#[tokio::test]
async fn the_time_of_unneeded_nodes_survives_a_leader_that_cannot_read_it_at_first() {
    let is_away = Arc::new(AtomicBool::new(true));
    let (memory, mut planner, mut changes, log) = with_empty_node(&is_away);
    planner.begin_term().await;
    log.take();
    planner.pass().await;
    hear(&mut planner, &mut changes).await;
    planner.pass().await;
    assert!(planner.memory.unneeded["uid-a"] > memory.unneeded["uid-a"], "it begins anew");
    let lines = changed(&log);
    assert!(!lines.iter().any(|line| line.contains("/configmaps/")), "written over: {lines:?}");
    is_away.store(false, Ordering::Relaxed);
    planner.pass().await;
    assert_eq!(planner.memory.unneeded, memory.unneeded);
    // Nobody else has led in between.
    is_away.store(true, Ordering::Relaxed);
    planner.begin_term().await;
    assert_eq!(planner.memory.unneeded, memory.unneeded);
}

#[tokio::test]
async fn what_is_on_order_in_a_pool_that_was_not_heard_is_not_ordered_from_another() {
    for (is_on_order, orders) in [(true, 0), (false, 1)] {
        let (mut planner, mut changes, log) = again();
        planner.world.pools.insert("other".to_owned(), Arc::new(Ok(named("other"))));
        if is_on_order {
            planner.world.set_order(recorded("general-1", &json!({})));
        }
        let mut waiting = pod("web-a", "");
        let unscheduled = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable" });
        waiting["status"] = json!({ "phase": "Pending", "conditions": [unscheduled] });
        from_value::<Pod>(waiting).unwrap().apply(&mut planner.world);
        planner.begin_term().await;
        let asked = planner.world.asked("other");
        planner.world.hear("other".to_owned(), offered().await, asked);
        log.take();
        planner.pass().await;
        assert_eq!(changed(&log), [""; 0], "on order: {is_on_order}");
        // Both were asked.
        hear(&mut planner, &mut changes).await;
        hear(&mut planner, &mut changes).await;
        planner.pass().await;
        let recorded = changed(&log).iter().filter(|line| line.ends_with("/nodeorders")).count();
        assert_eq!(recorded, orders, "on order: {is_on_order}");
    }
}

#[tokio::test]
async fn a_provider_is_waited_for_until_it_answers_or_fails_in_this_term() {
    let unavailable = || Err(ProviderError::Unavailable("away".to_owned()));
    let away = || Said { offerings: Some(unavailable()), ..Said::default() };
    let (mut planner, _changes, _log) = again();
    planner.begin_term().await;
    planner.pools(now());
    assert!(planner.waits_for_providers(now()));
    let asked = planner.world.asked("general");
    planner.world.hear("general".to_owned(), away(), asked - 1);
    assert!(planner.waits_for_providers(now()), "it was asked in an earlier term");
    planner.world.outdate("general");
    planner.world.hear("general".to_owned(), listing(&[]), asked);
    assert!(planner.waits_for_providers(now()), "something was asked for since");
    planner.world.hear("general".to_owned(), away(), asked);
    assert!(!planner.waits_for_providers(now()), "it fails");
    assert!(planner.world.said.is_empty());
    planner.begin_term().await;
    assert!(planner.waits_for_providers(now()), "another term");
    let asked = planner.world.asked("general");
    planner.world.hear("general".to_owned(), listing(&[]), asked);
    assert!(!planner.waits_for_providers(now()), "it has answered");
    planner.begin_term().await;
    planner.since = Timestamp::default();
    assert!(!planner.waits_for_providers(now()), "no call takes so long");
}

#[tokio::test]
async fn a_pool_whose_provider_cannot_be_asked_holds_up_nobody() {
    let of = |provider: Value| {
        let mut pool = pool();
        pool["spec"]["provider"] = provider;
        Ok(from_value::<CapacityPool>(pool).unwrap())
    };
    let tls = json!({ "externalGrpc": { "address": "cloud:8086", "tls": { "secret": "cloud" } } });
    for (pool, waits) in
        [(Err("spec.provider is missing".to_owned()), false), (of(json!({})), false), (of(tls), true)]
    {
        let (mut planner, _changes, _log) = again();
        planner.world.pools.insert("general".to_owned(), Arc::new(pool));
        planner.begin_term().await;
        planner.pools(now());
        assert_eq!(planner.waits_for_providers(now()), waits, "its Secret is being read: {waits}");
        planner.told.provider("general", Some(Unusable::not_read("the API server is away")));
        assert!(!planner.waits_for_providers(now()));
    }
}

/// Whoever has led meanwhile has planned with what was there.
#[tokio::test]
async fn an_order_without_an_answer_is_not_asked_for_in_another_term() {
    let (mut planner, _changes, log) = again();
    planner.unanswered = Some(Unanswered::new(recorded("general-1", &json!({}))));
    planner.begin_term().await;
    log.take();
    assert_eq!(planner.settle_unanswered(now()).await, Duration::MAX);
    assert_eq!(log.lines(), [""; 0]);
}

/// The machines of a kwok provider go on booting as long as somebody holds it.
#[tokio::test]
async fn who_does_not_lead_holds_no_provider() {
    let (mut planner, _changes, _log) = again();
    let provider = planner.polls.provider("general", &named("general").spec).unwrap();
    let held = Arc::downgrade(&provider);
    drop(provider);
    assert!(held.upgrade().is_some());
    planner.stand_by();
    assert!(held.upgrade().is_none());
}
