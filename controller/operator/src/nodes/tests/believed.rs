//! Drains: what is believed of an annotation, what our own record says, and what becomes of a node that nobody would take.

use std::sync::{Arc as Shared, Mutex};

use plimsoll_core::nodes::drain::Drain;
use pretty_assertions::assert_eq;

use super::{
    drains::{NODE, SCALE, drain, drained, surging, with_web},
    orders::recorded,
    *,
};

fn memory(surges: &BTreeMap<&str, Drain>) -> (u16, Value) {
    let surges = serde_json::to_string(surges).unwrap();
    (200, json!({ "metadata": { "name": "memory-0" }, "data": { "surges.json": surges } }))
}

/// An annotation is written by whoever may write the node; what was asked for in its name is on our own record.
#[tokio::test]
async fn a_node_says_how_far_its_drain_is_and_our_record_which_replicas_more_it_has() {
    let deleted = Drain { deleted: Some(NOW), ..drain() };
    let mut bench = Bench::new(|_| memory(&BTreeMap::from([("a", surging())])));
    bench.order(recorded("general-1", &json!({})));
    bench.node(drained(&deleted));
    bench.planner.recall().await;
    bench.planner.believe();
    let believed = Drain { surges: surging().surges, ..deleted };
    assert_eq!(bench.planner.world.drains["a"], believed);
    let mut other = Bench::new(|_| failure(500, "InternalError", "memory-0"));
    other.planner.recall().await;
    assert!(other.planner.world.drains.is_empty(), "what cannot be read is not invented");
}

#[tokio::test]
async fn a_forged_replica_more_resizes_nothing() {
    let mut bench = Bench::new(with_web(2));
    bench.deployed(2, 2);
    bench.drains(&drain());
    // Without a pool its drain is given up, and a replica more would be given back.
    bench.node(drained(&surging()));
    bench.planner.drains(NOW).await;
    let unmarked = node(
        "b",
        &json!({ "metadata": {
        "name": "b", "uid": "uid-b",
        "annotations": { "plimsoll.dev/drain": serde_json::to_string(&surging()).unwrap() },
    } }),
    );
    bench.node(unmarked);
    bench.planner.drains(NOW).await;
    let lines = bench.log.lines();
    assert!(!lines.iter().any(|line| line.contains("/scale") || line.contains("/nodes/b")), "{lines:?}");
}

/// Somebody took the annotation away, and with it what there is to give back.
#[tokio::test]
async fn a_drain_without_its_annotation_goes_on_where_our_record_has_a_replica_more() {
    let mut bench = Bench::new(with_web(2));
    bench.pool();
    bench.deployed(2, 2);
    bench.pod(pod("web-a", "a"));
    bench.drains(&surging());
    let mut without = drained(&surging());
    without["metadata"]["annotations"] = json!({});
    bench.node(without);
    bench.planner.drains(NOW).await;
    let lines = bench.log.lines();
    assert!(lines.contains(&format!("PATCH {SCALE}")), "{lines:?}");
}

/// Neither can it be told what is to be given back, nor may the record be overwritten.
#[tokio::test]
async fn drains_with_a_replica_more_wait_until_our_record_can_be_read() {
    let reads = Shared::new(Mutex::new(0));
    let counted = Shared::clone(&reads);
    let mut bench = Bench::new(move |asked| {
        if (asked.method.as_str(), asked.path.as_str()) != ("GET", MEMORY) {
            return with_web(2)(asked);
        }
        *counted.lock().unwrap() += 1;
        let is_there = *counted.lock().unwrap() > 2;
        if is_there {
            memory(&BTreeMap::from([("a", surging())]))
        } else {
            failure(500, "InternalError", "memory-0")
        }
    });
    bench.pool();
    bench.deployed(2, 2);
    bench.pod(pod("web-a", "a"));
    bench.order(recorded("general-1", &json!({})));
    bench.node(drained(&surging()));
    bench.planner.recall().await;
    bench.planner.recall_unread().await;
    bench.planner.drains(NOW).await;
    let get = format!("GET {MEMORY}");
    assert_eq!(bench.log.lines(), [get.clone(), get]);
    bench.planner.recall_unread().await;
    bench.planner.drains(NOW).await;
    let lines = bench.log.lines();
    assert!(lines.contains(&format!("PATCH {SCALE}")), "{lines:?}");
}

/// That it is given back is on record before it is.
#[tokio::test]
async fn a_replica_that_could_not_be_noted_as_given_back_is_kept() {
    let mut bench = Bench::new(|asked| {
        if asked.line() == format!("PATCH {MEMORY}") {
            failure(500, "InternalError", "x")
        } else {
            with_web(2)(asked)
        }
    });
    bench.pool();
    bench.deployed(2, 2);
    bench.pod(pod("web-a", "a"));
    bench.drains(&surging());
    bench.planner.drains(NOW).await;
    let lines = bench.log.lines();
    assert!(lines.contains(&format!("PATCH {MEMORY}")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("/scale")), "{lines:?}");
}

/// However often the marks cannot be taken off.
#[tokio::test]
async fn a_drain_that_is_given_up_gives_a_replica_back_once() {
    let mut bench = Bench::new(|asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("PATCH", NODE) => failure(403, "Forbidden", "a"),
        ("PATCH", path) if path.ends_with("/pods/web-a") => (200, pod("web-a", "a")),
        _ => with_web(2)(asked),
    });
    bench.deployed(2, 2);
    bench.pod(pod("web-a", "a"));
    bench.drains(&surging());
    let patched = format!("PATCH {NODE}");
    for (times, tries) in [(1, 1), (0, 0)] {
        bench.planner.drains(NOW).await;
        let lines = bench.log.lines();
        let count = |line: &String| lines.iter().filter(|other| *other == line).count();
        assert_eq!(count(&format!("PATCH {SCALE}")), times, "{lines:?}");
        assert_eq!(count(&patched), tries, "what is refused is let be for a while: {lines:?}");
    }
}

/// Whatever is gone of that by which a node is given back, it does not stay tainted.
#[tokio::test]
async fn a_node_that_nobody_would_take_loses_the_marks_of_its_drain() {
    for (what, is_given_up) in [("nothing", false), ("pool", true), ("order", true), ("mark", true)] {
        let mut bench = Bench::new(with_web(1));
        bench.pool();
        bench.pod(pod("web-a", "a"));
        bench.drains(&drain());
        match what {
            "pool" => bench.planner.world.pools.clear(),
            "order" => bench.planner.world.orders.clear(),
            "mark" => {
                let mut unmarked = drained(&drain());
                unmarked["metadata"]["labels"].as_object_mut().unwrap().remove("plimsoll.dev/node-order");
                bench.node(unmarked);
            }
            _ => {}
        }
        bench.planner.drains(NOW).await;
        let asked = bench.log.take();
        let patch = asked.iter().find(|asked| asked.line() == format!("PATCH {NODE}"));
        let unmarks =
            patch.is_some_and(|patch| patch.body["metadata"]["labels"]["plimsoll.dev/draining"].is_null());
        assert_eq!(unmarks, is_given_up, "without {what}");
        assert_eq!(bench.planner.world.drains.is_empty(), is_given_up, "without {what}");
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_used_is_not_noted_as_asked() {
    let mut bench = Bench::new(with_web(1));
    bench.drains(&drain());
    let mut unreadable = BTreeMap::new();
    unreadable.insert("general".to_owned(), Arc::new(Err("spec.provider is missing".to_owned())));
    bench.planner.world.pools = unreadable;
    bench.planner.drains(NOW).await;
    assert_eq!(bench.log.lines(), [""; 0]);
    assert!(bench.planner.waits["a"].contains("cannot be read"), "{:?}", bench.planner.waits);
}
