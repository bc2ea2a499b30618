use std::sync::Arc;

use plimsoll_api::CapacityPool;
use pretty_assertions::assert_eq;
use serde_json::{Value, from_value, json};

use super::*;
use crate::nodes::{
    script::{Asked, Log, failure, server},
    tests::{NOW, listing, orders::recorded, planner, pool},
};

/// A planner of the pool `general` that is about to lead again, and what its provider answers.
fn again() -> (Planner, mpsc::UnboundedReceiver<Change>, Log) {
    let (client, log) = server(answer);
    let (send, changes) = mpsc::unbounded_channel();
    let mut planner = planner(client, Leadership::alone(), send);
    let pool: CapacityPool = from_value(pool()).unwrap();
    planner.world.pools.insert("general".to_owned(), Arc::new(Ok(pool)));
    (planner, changes, log)
}

/// An API server without nodes, memory or anything else.
fn answer(asked: &Asked) -> (u16, Value) {
    if asked.line() == "GET /api/v1/nodes" {
        return (200, json!({ "kind": "NodeList", "metadata": {}, "items": [] }));
    }
    failure(404, "NotFound", "memory-0")
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
    let answered = changes.recv().await.unwrap();
    answered(&mut planner.world);
    assert!(planner.world.said.is_empty());
}

/// Whoever has led meanwhile has planned with what was there.
#[tokio::test]
async fn an_order_without_an_answer_is_not_asked_for_in_another_term() {
    let (mut planner, _changes, log) = again();
    planner.unanswered = Some(Unanswered::new(recorded("general-1", &json!({}))));
    planner.begin_term().await;
    log.take();
    assert_eq!(planner.settle_unanswered().await, Duration::MAX);
    assert_eq!(log.lines(), [""; 0]);
}
