//! Drains: one replica more is written down before it is asked for, and given back also after a restart.

use std::sync::{Arc as Shared, Mutex};

use plimsoll_core::nodes::drain::Drain;
use pretty_assertions::assert_eq;

use super::{
    drains::{NODE, SCALE, drain, scale, surging, with_web},
    *,
};

/// The node of the only pod of `web` is drained.
fn alone(answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) -> Bench {
    let mut bench = Bench::new(answer);
    bench.pool();
    bench.plans_with(&serde_json::from_value::<CapacityPool>(pool()).unwrap().spec, Vec::new());
    bench.drains(&drain());
    bench.deployed(1, 1);
    bench.pod(pod("web-a", "a"));
    bench
}

/// First everything that is needed to give it back, then the mark by which others know of it, then the replica.
#[tokio::test]
async fn a_replica_more_is_written_down_before_it_is_asked_for() {
    let mut bench = alone(with_web(1));
    bench.planner.drains(NOW).await;
    let asked = bench.log.take();
    let lines: Vec<String> = asked.iter().map(Asked::line).collect();
    let pod = "PATCH /api/v1/namespaces/shop/pods/web-a".to_owned();
    let wanted = [
        format!("PATCH {NODE}"),
        format!("PATCH {MEMORY}"),
        pod,
        format!("GET {SCALE}"),
        format!("PATCH {SCALE}"),
    ];
    assert_eq!(lines, wanted);
    let kept: BTreeMap<String, Drain> =
        serde_json::from_str(asked[1].body["data"]["surges.json"].as_str().unwrap()).unwrap();
    assert_eq!(kept["a"].surges.len(), 1);
    let cost = json!({ "controller.kubernetes.io/pod-deletion-cost": "-2147483648" });
    assert_eq!(asked[2].body["metadata"], json!({ "uid": "uid-web-a", "annotations": cost }));
    assert_eq!(asked[4].body, json!({ "metadata": { "resourceVersion": "41" }, "spec": { "replicas": 2 } }));
}

/// What could not be given back after a crash is not asked for.
#[tokio::test]
async fn without_a_record_there_is_no_replica_more() {
    for (code, path) in
        [(403, MEMORY), (500, MEMORY), (409, NODE), (403, "/api/v1/namespaces/shop/pods/web-a")]
    {
        let mut bench =
            alone(
                move |asked| {
                    if asked.path == path { failure(code, "Refused", "x") } else { with_web(1)(asked) }
                },
            );
        bench.planner.drains(NOW).await;
        let lines = bench.log.lines();
        assert!(!lines.contains(&format!("PATCH {SCALE}")), "{path}: {lines:?}");
    }
}

/// The watch of pods may lag, or stand still; the API server knows better.
#[tokio::test]
async fn a_pod_that_goes_already_gets_none_more_in_its_place() {
    let ends = json!({ "metadata": { "name": "web-a", "deletionTimestamp": "2026-11-23T10:00:00Z" } });
    for answer in [failure(404, "NotFound", "web-a"), failure(409, "Conflict", "web-a"), (200, ends)] {
        let said = answer.clone();
        let mut bench = alone(move |asked| match asked.path.as_str() {
            "/api/v1/namespaces/shop/pods/web-a" => answer.clone(),
            _ => with_web(1)(asked),
        });
        bench.planner.drains(NOW).await;
        let lines = bench.log.lines();
        assert!(lines.contains(&"PATCH /api/v1/namespaces/shop/pods/web-a".to_owned()), "{lines:?}");
        assert!(!lines.contains(&format!("PATCH {SCALE}")), "{said:?}: {lines:?}");
    }
}

/// Somebody has scaled it meanwhile: what we know of it is out of date.
#[tokio::test]
async fn a_size_that_is_not_one_away_is_left_alone() {
    let mut bench = Bench::new(with_web(9));
    bench.pool();
    bench.drains(&surging());
    bench.deployed(2, 2);
    bench.pod(pod("web-a", "a"));
    bench.planner.drains(NOW).await;
    let lines = bench.log.lines();
    assert!(
        lines.contains(&format!("GET {SCALE}")) && !lines.contains(&format!("PATCH {SCALE}")),
        "{lines:?}"
    );
}

/// The node took its annotation with it, and the process that knew of it has ended.
#[tokio::test]
async fn after_a_restart_the_replica_more_of_a_node_that_vanished_is_given_back() {
    let surges = serde_json::to_string(&BTreeMap::from([("a", surging())])).unwrap();
    let tries = Shared::new(Mutex::new(0));
    let counted = Shared::clone(&tries);
    let mut bench = Bench::new(move |asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", MEMORY) => {
            (200, json!({ "metadata": { "name": "memory-0" }, "data": { "surges.json": surges } }))
        }
        ("GET", SCALE) => scale(2),
        ("PATCH", SCALE) => {
            *counted.lock().unwrap() += 1;
            if *counted.lock().unwrap() == 1 { failure(409, "Conflict", "web") } else { scale(1) }
        }
        _ => stored(asked),
    });
    bench.deployed(2, 2);
    bench.pod(pod("web-b", "b"));
    bench.planner.recall().await;
    assert_eq!(bench.log.lines(), [format!("GET {MEMORY}")]);
    // What failed is not forgotten, and looked at again soon.
    let again = bench.planner.drains(NOW).await;
    assert_eq!(bench.log.lines(), [format!("GET {SCALE}"), format!("PATCH {SCALE}")]);
    assert!(again <= Duration::from_secs(5), "{again:?}");
    bench.planner.drains(NOW).await;
    let asked = bench.log.take();
    let lines: Vec<String> = asked.iter().map(Asked::line).collect();
    let (read, resized, kept) = (format!("GET {SCALE}"), format!("PATCH {SCALE}"), format!("PATCH {MEMORY}"));
    assert_eq!(lines, [read, resized, kept.clone(), kept]);
    assert_eq!(asked[1].body, json!({ "metadata": { "resourceVersion": "41" }, "spec": { "replicas": 1 } }));
    let first = asked[2].body["data"]["surges.json"].as_str().unwrap();
    assert!(first.contains("\"returned\":true"), "who comes after us gives it back once more: {first}");
    assert_eq!(asked[3].body, json!({ "data": { "surges.json": null } }));
    assert!(bench.planner.world.drains.is_empty());
}

/// A spot machine is reclaimed while its drain gives a replica back.
#[tokio::test]
async fn a_replica_that_was_not_taken_back_before_its_node_went_is_given_back() {
    let mut has_failed = false;
    let mut bench = Bench::new(move |asked| {
        if asked.line() == format!("PATCH {SCALE}") && !std::mem::replace(&mut has_failed, true) {
            failure(500, "InternalError", "web")
        } else {
            with_web(2)(asked)
        }
    });
    bench.pool();
    bench.deployed(2, 2);
    bench.pod(pod("web-a", "a"));
    bench.drains(&surging());
    let resized = format!("PATCH {SCALE}");
    bench.planner.drains(NOW).await;
    assert!(bench.log.lines().contains(&resized));
    Pod::forget("uid-web-a", &mut bench.planner.world);
    Node::forget("a", &mut bench.planner.world);
    for is_open in [true, false] {
        bench.planner.drains(NOW).await;
        let lines = bench.log.lines();
        assert_eq!(lines.contains(&resized), is_open, "{lines:?}");
    }
    assert!(bench.planner.kept.surges.is_empty());
}

/// Its annotation and its taint are gone at once then.
#[tokio::test]
async fn the_replica_more_of_a_node_that_was_made_anew_is_given_back() {
    let mut bench = Bench::new(with_web(2));
    bench.pool();
    bench.deployed(2, 2);
    bench.pod(pod("web-b", "b"));
    bench.drains(&surging());
    bench.node(node("a", &json!({})));
    bench.planner.drains(NOW).await;
    let lines = bench.log.lines();
    assert!(lines.contains(&format!("PATCH {SCALE}")), "{lines:?}");
    assert!(!lines.contains(&format!("PATCH {NODE}")), "it carries no mark: {lines:?}");
    assert!(bench.planner.kept.surges.is_empty());
    bench.planner.drains(NOW).await;
    assert_eq!(bench.log.lines(), [""; 0]);
}
