//! What one answer of a provider lacks is gone only once a later answer lacks it too.

use plimsoll_api::v1alpha1::OrderPhase;
use plimsoll_core::time::Span;
use plimsoll_observe::from_core_time;
use pretty_assertions::assert_eq;

use super::{orders::recorded, *};

/// The API server keeps what is written of the order `general-1`.
fn keeps(asked: &Asked) -> (u16, Value) {
    if !asked.path.ends_with("/status") {
        return stored(asked);
    }
    let mut status = asked.body["status"].clone();
    status.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let mut order = serde_json::to_value(recorded("general-1", &status)).unwrap();
    order["metadata"]["resourceVersion"] = json!("4");
    (200, order)
}

/// An order of one machine with this record, whose provider lists nothing.
fn lacking(machine: &Value) -> Bench {
    let mut bench = Bench::new(keeps);
    bench.pool();
    let phase = &machine["phase"];
    let status =
        json!({ "phase": phase, "askedAt": "2026-11-23T10:00:00Z", "accepted": 1, "nodes": [machine] });
    bench.order(recorded("general-1", &status));
    bench.planner.world.said.insert("general".to_owned(), listing(&[]));
    bench
}

/// The same with a Node that says nothing any more.
fn silent() -> Bench {
    let mut bench = lacking(&json!({ "name": "a", "providerID": "kwok://a", "phase": "Ready" }));
    let mut silent = node("a", &json!({ "spec": { "providerID": "kwok://a" } }));
    silent["status"]["conditions"][0]["status"] = json!("Unknown");
    bench.node(silent);
    bench
}

/// How far the machine is, as its record says.
fn phase(bench: &Bench) -> OrderPhase {
    bench.planner.world.orders["general-1"].status.as_ref().unwrap().nodes[0].phase
}

/// Nothing is listed, when the provider is asked then.
fn nothing(asked: Timestamp) -> Said {
    Said { asked, ..listing(&[]) }
}

/// The machine may live in a partition: without its Node its pods would run twice.
#[tokio::test]
async fn a_node_that_is_not_ready_is_not_deleted_for_one_answer_that_lacks_its_machine() {
    let mut bench = silent();
    let deleted = |bench: &Bench| {
        let asked = bench.log.take();
        asked.iter().map(Asked::line).filter(|line| line.starts_with("DELETE")).collect::<Vec<_>>()
    };
    bench.planner.orders(NOW).await;
    bench.planner.orders(NOW + Span::from_secs(11)).await;
    assert_eq!((deleted(&bench), phase(&bench)), (vec![], OrderPhase::Ready));
    let later = NOW + Span::from_secs(12);
    bench.planner.world.said.insert("general".to_owned(), nothing(later));
    bench.planner.orders(later).await;
    assert_eq!(
        (deleted(&bench), phase(&bench)),
        (vec!["DELETE /api/v1/nodes/a".to_owned()], OrderPhase::Failed)
    );
}

#[tokio::test]
async fn a_machine_that_boots_is_counted_on_though_one_answer_lacks_it() {
    let mut bench = lacking(&json!({ "providerID": "kwok://a", "phase": "Creating" }));
    let coming = |bench: &mut Bench, now: Timestamp| {
        bench.planner.orders_that_come(now);
        bench.planner.world.view.orders().count()
    };
    for seconds in [0, 11] {
        let now = NOW + Span::from_secs(seconds);
        bench.planner.orders(now).await;
        assert_eq!((phase(&bench), coming(&mut bench, now)), (OrderPhase::Creating, 1), "{seconds}");
    }
    let later = NOW + Span::from_secs(12);
    bench.planner.world.said.insert("general".to_owned(), nothing(later));
    bench.planner.orders(later).await;
    assert_eq!((phase(&bench), coming(&mut bench, later)), (OrderPhase::Failed, 0));
}

/// Its provider is asked every minute otherwise.
#[tokio::test]
async fn a_provider_that_lacks_a_machine_is_asked_again_soon() {
    let mut bench = silent();
    assert!(!bench.planner.waits("general", NOW));
    bench.planner.orders(NOW).await;
    assert!(bench.planner.waits("general", NOW));
}

/// The clock is set back by an hour, or another leads whose clock is behind.
#[tokio::test]
async fn what_was_noted_in_the_future_counts_from_now_on() {
    let missing =
        json!({ "providerID": "kwok://a", "phase": "Creating", "missingSince": "2026-11-23T09:59:50Z" });
    let mut bench = lacking(&missing);
    let now = NOW - Span::from_secs(3600);
    bench.planner.world.said.insert("general".to_owned(), nothing(now));
    bench.planner.orders(now).await;
    let status = bench.planner.world.orders["general-1"].status.clone().unwrap();
    let since = Some(from_core_time(now));
    assert_eq!((&status.asked_at, &status.nodes[0].missing_since), (&since, &since));
    assert_eq!(phase(&bench), OrderPhase::Creating);
    let later = now + Span::from_secs(12);
    bench.planner.world.said.insert("general".to_owned(), nothing(later));
    bench.planner.orders(later).await;
    assert_eq!(phase(&bench), OrderPhase::Failed);
}
