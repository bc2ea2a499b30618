//! Orders are recorded before anybody is asked, and each step is written over the version that it is a step from.

use plimsoll_core::{
    cluster::Record,
    nodes::{NewNodes, NodePlan, remove::RemovalPlan},
    time::Span,
};
use pretty_assertions::assert_eq;

use super::*;
use crate::nodes::world::Call;

pub(super) const ORDERS: &str = "/apis/plimsoll.dev/v1alpha1/nodeorders";

/// So many nodes are to come.
pub(super) fn plan(count: u32) -> NodePlan {
    let new = NewNodes { pool: "general".into(), offering: key(), count, price: 100_000, pods: 3 };
    NodePlan { add: vec![new], ..NodePlan::default() }
}

/// An order with this status.
pub(in crate::nodes) fn recorded(name: &str, status: &Value) -> NodeOrder {
    serde_json::from_value(json!({
        "apiVersion": "plimsoll.dev/v1alpha1",
        "kind": "NodeOrder",
        "metadata": {
            "name": name,
            "uid": format!("uid-{name}"),
            "resourceVersion": "3",
            "creationTimestamp": "2026-11-23T10:00:00Z",
            "finalizers": ["plimsoll.dev/node-order", "example.com/other"],
        },
        "spec": {
            "pool": "general",
            "offering": {
                "instanceType": "m-4", "zone": "zone-a", "capacityType": "on-demand", "price": "0.1",
                "nodeGroup": GROUP,
            },
            "count": 1, "reason": "1 pod has no room", "fencingToken": 4,
        },
        "status": status,
    }))
    .unwrap()
}

/// A provider may send another type of machine than the one that it offers.
#[tokio::test]
async fn a_node_is_what_its_record_says_whichever_of_both_is_seen_first() {
    for is_node_first in [true, false] {
        let mut bench = Bench::new(stored);
        let mut other = node("n", &json!({}));
        other["metadata"]["labels"]["node.kubernetes.io/instance-type"] = json!("m-4-new");
        if is_node_first {
            bench.node(other.clone());
        }
        bench.order(recorded("general-1", &json!({})));
        if !is_node_first {
            bench.node(other);
        }
        bench.planner.world.note_records();
        let seen = bench.planner.world.view.nodes().next().unwrap();
        assert_eq!(seen.offering(), Some(key()), "{is_node_first}");
    }
}

#[tokio::test]
async fn what_a_plan_orders_is_recorded_with_all_that_is_known() {
    let mut bench = Bench::led(Leadership::lasting(Duration::from_mins(1)), stored);
    bench.pool();
    assert!(bench.planner.order_nodes(&plan(2), NOW).await);
    let asked = bench.log.take();
    assert_eq!(asked.iter().map(Asked::line).collect::<Vec<_>>(), [format!("POST {ORDERS}")]);
    let body = &asked[0].body;
    assert_eq!(body["metadata"]["finalizers"], json!(["plimsoll.dev/node-order"]));
    assert_eq!(body["metadata"]["labels"], json!({ "plimsoll.dev/capacity-pool": "general" }));
    assert_eq!(
        body["spec"],
        json!({
            "pool": "general",
            "offering": {
                "instanceType": "m-4", "zone": "zone-a", "capacityType": "on-demand", "price": "0.1",
                "nodeGroup": "m-4.zone-a.on-demand",
            },
            "count": 2,
            "reason": "3 pods have no room on the nodes that are there or ordered",
            "fencingToken": 4,
        })
    );
    // It is planned with before any watch has shown it.
    assert_eq!(bench.planner.world.orders.len(), 1);
}

#[tokio::test]
async fn what_was_not_recorded_is_not_planned_with() {
    for (code, reason, is_known) in [
        (403, "Forbidden", true),
        (409, "Conflict", true),
        (409, "AlreadyExists", false),
        (500, "InternalError", false),
        (504, "Timeout", false),
    ] {
        let mut bench = Bench::new(move |_| failure(code, reason, "general-1"));
        bench.pool();
        assert!(!bench.planner.order_nodes(&plan(2), NOW).await);
        assert!(bench.planner.world.orders.is_empty());
        assert_eq!(bench.log.take()[0].line(), format!("POST {ORDERS}"));
        bench.planner.order_nodes(&plan(2), NOW + Span::from_secs(1)).await;
        assert_eq!(bench.log.take().len(), usize::from(is_known), "{code} {reason}: it may be there");
    }
}

/// An API server that answers a creation by no more than this.
fn once_late(answers: Vec<(u16, Value)>) -> Bench {
    let mut answers = answers.into_iter();
    Bench::new(move |asked| answers.next().unwrap_or_else(|| stored(asked)))
}

#[tokio::test(start_paused = true)]
async fn an_order_without_an_answer_is_asked_for_under_the_same_name_and_no_other_is_made_meanwhile() {
    let late = || failure(504, "Timeout", "general");
    let mut requests = 0;
    let mut first = json!(null);
    let mut bench = Bench::new(move |asked| {
        if asked.method == "GET" {
            return (200, json!({ "metadata": {}, "items": [first] }));
        }
        requests += 1;
        match requests {
            1 => {
                first = asked.body.clone();
                late()
            }
            2 | 3 => late(),
            4 => failure(409, "AlreadyExists", "general"),
            _ => stored(asked),
        }
    });
    bench.pool();
    let replacing = RemovalPlan { add: plan(1).add, ..RemovalPlan::default() };
    let mut bodies = Vec::new();
    for second in 0..3 {
        let now = NOW + Span::from_secs(second);
        bench.planner.settle_unanswered(NOW).await;
        assert!(!bench.planner.order_nodes(&plan(2), now).await);
        assert_eq!(bench.planner.order_replacements(&replacing, now).await, [None::<String>]);
        bodies.extend(bench.log.take().into_iter().map(|asked| asked.body));
    }
    assert_eq!(bodies.len(), 3, "one in each pass: {bodies:#?}");
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");

    // It is there, and the API server shows it though the watch does not.
    bench.planner.settle_unanswered(NOW).await;
    assert_eq!(bench.planner.world.orders.keys().collect::<Vec<_>>(), [&bodies[0]["metadata"]["name"]]);
    assert!(bench.planner.order_nodes(&plan(2), NOW + Span::from_secs(4)).await);
    assert_eq!(bench.planner.world.orders.len(), 2);
}

/// It was recorded by the second request, which got an answer.
#[tokio::test]
async fn an_order_without_an_answer_is_planned_with_once_it_is_recorded() {
    let mut bench = once_late(vec![failure(504, "Timeout", "general")]);
    bench.pool();
    bench.planner.order_nodes(&plan(2), NOW).await;
    bench.planner.settle_unanswered(NOW).await;
    assert_eq!(bench.planner.world.orders.len(), 1);
    assert_eq!(bench.planner.settle_unanswered(NOW).await, Duration::MAX);
}

/// What is refused by a webhook that fails for this pool must not hold up others for good.
#[tokio::test(start_paused = true)]
async fn an_order_that_never_gets_an_answer_is_forgotten_and_its_offering_left_alone() {
    let mut bench = Bench::new(|_| failure(500, "InternalError", "general"));
    bench.pool();
    bench.planner.order_nodes(&plan(2), NOW).await;
    for (seconds, is_forgotten) in [(299, false), (1, true)] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        bench.planner.settle_unanswered(NOW).await;
        assert_eq!(bench.planner.unanswered.is_none(), is_forgotten, "{seconds} s later");
        assert_eq!(bench.planner.backoffs.until("general", &key(), NOW).is_some(), is_forgotten);
    }
}

#[tokio::test]
async fn nothing_is_recorded_when_the_lease_is_about_to_end() {
    let mut bench = Bench::deposed(stored);
    bench.pool();
    assert!(!bench.planner.order_nodes(&plan(2), NOW).await);
    assert_eq!(bench.log.lines(), [""; 0]);
}

/// The provider kwok talks to the same API server.
pub(super) fn cloud(asked: &Asked) -> (u16, Value) {
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/api/v1/nodes") => (200, json!({ "kind": "NodeList", "metadata": {}, "items": [] })),
        ("GET", path) if path.contains("/configmaps/") => failure(404, "NotFound", "memory-1"),
        ("PATCH", path) if path.ends_with("/status") => {
            let mut order = serde_json::to_value(recorded("general-1", &json!({}))).unwrap();
            order["status"] = asked.body["status"].clone();
            order["metadata"]["resourceVersion"] = json!("4");
            (200, order)
        }
        _ => stored(asked),
    }
}

#[tokio::test]
async fn that_a_provider_is_asked_is_written_over_the_version_that_was_read_and_before_it_is_asked() {
    let mut bench = Bench::new(cloud);
    bench.pool();
    bench.order(recorded("general-1", &json!({})));
    bench.planner.orders(NOW).await;
    bench.call_ends().await;
    let asked = bench.log.take();
    let lines: Vec<String> = asked.iter().map(Asked::line).collect();
    let status = format!("PATCH {ORDERS}/general-1/status");
    assert_eq!(lines.first(), Some(&status));
    let patches: Vec<&Asked> = asked.iter().filter(|asked| asked.line() == status).collect();
    assert_eq!(patches.len(), 2, "{lines:#?}");
    let made = lines.iter().filter(|line| *line == "POST /api/v1/nodes").count();
    assert_eq!(made, 1, "{lines:#?}");
    assert_eq!(asked[0].body["metadata"]["resourceVersion"], "3");
    assert_eq!(asked[0].body["status"]["phase"], "Asked");
    assert_eq!(asked[0].body["status"]["sizeBefore"], 0);
    let last = &patches[1].body;
    assert_eq!(last["metadata"]["resourceVersion"], "4", "over what was written before");
    assert_eq!((&last["status"]["phase"], &last["status"]["accepted"]), (&json!("Creating"), &json!(1)));
}

#[tokio::test]
async fn a_provider_is_not_asked_when_that_cannot_be_written() {
    for code in [404, 409, 500] {
        let mut bench = Bench::new(move |asked| {
            if asked.path.ends_with("/status") { failure(code, "Refused", "general-1") } else { cloud(asked) }
        });
        bench.pool();
        bench.order(recorded("general-1", &json!({})));
        bench.planner.orders(NOW).await;
        assert_eq!(bench.log.lines(), [format!("PATCH {ORDERS}/general-1/status")]);
        assert!(bench.planner.world.calls.is_empty());
    }
}

#[tokio::test]
async fn a_provider_is_not_asked_when_the_lease_is_about_to_end() {
    let mut bench = Bench::deposed(cloud);
    bench.pool();
    bench.order(recorded("general-1", &json!({})));
    bench.planner.orders(NOW).await;
    assert_eq!(bench.log.lines(), [""; 0]);
}

/// A new leader has read no Secret yet.
#[tokio::test]
async fn a_recorded_order_waits_for_credentials_until_somebody_says_that_there_are_none() {
    for (code, reason, gives_up) in [(500, "InternalError", false), (404, "NotFound", true)] {
        let mut bench = Bench::new(move |asked| {
            if asked.path.contains("/secrets/") { failure(code, reason, "cloud") } else { cloud(asked) }
        });
        bench.pool_with_tls();
        bench.order(recorded("general-1", &json!({})));
        bench.planner.orders(NOW).await;
        assert_eq!(bench.planner.backoffs.count("general", NOW), 0, "it is being read");
        bench.call_ends().await;
        bench.planner.orders(NOW).await;
        let read = "GET /api/v1/namespaces/plimsoll-system/secrets/cloud".to_owned();
        let given_up = gives_up.then(|| format!("PATCH {ORDERS}/general-1/status"));
        assert_eq!(bench.log.lines(), [read].into_iter().chain(given_up).collect::<Vec<_>>(), "{code}");
        assert_eq!(bench.planner.backoffs.count("general", NOW), u32::from(gives_up), "{code}");
    }
}

/// While a call is under way nothing else is done about an order.
#[tokio::test]
async fn an_order_that_is_busy_is_let_be() {
    let mut bench = Bench::new(cloud);
    bench.pool();
    bench.order(recorded("general-1", &json!({})));
    let call = Call { pool: "general".to_owned(), offering: OfferingId("m-4".to_owned()), grows: true };
    bench.planner.world.calls.insert("general-1".to_owned(), call);
    bench.planner.orders(NOW).await;
    assert_eq!(bench.log.lines(), [""; 0]);
}

fn over() -> Value {
    json!({
        "phase": "GivenBack", "accepted": 1, "askedAt": "2026-11-23T09:00:00Z",
        "nodes": [{ "name": "general-1-0", "providerId": "kwok://general-1-0", "phase": "GivenBack" }],
    })
}

#[tokio::test]
async fn the_record_of_an_order_that_is_over_is_kept_for_people_and_then_let_go() {
    let mut bench = Bench::new(|asked| {
        let object = || (200, serde_json::to_value(recorded("general-1", &over())).unwrap());
        if asked.path.ends_with("/status") { cloud(asked) } else { object() }
    });
    bench.pool();
    bench.order(recorded("general-1", &over()));
    // Its status is brought up to date first.
    bench.planner.orders(NOW).await;
    bench.log.take();
    bench.planner.orders(NOW + Span::from_secs(60)).await;
    assert_eq!(bench.log.lines(), [""; 0]);
    bench.planner.orders(NOW + Span::from_secs(601)).await;
    let asked = bench.log.take();
    let object = format!("{ORDERS}/general-1");
    let lines: Vec<String> = asked.iter().map(Asked::line).collect();
    assert_eq!(lines, [format!("PATCH {object}"), format!("DELETE {object}")]);
    assert_eq!(
        asked[0].body,
        json!({ "metadata": { "resourceVersion": "4", "finalizers": ["example.com/other"] } })
    );
}

#[tokio::test]
async fn a_record_that_somebody_has_changed_is_not_deleted() {
    let mut bench = Bench::new(|asked| {
        if asked.path.ends_with("/status") { cloud(asked) } else { failure(409, "Conflict", "general-1") }
    });
    bench.pool();
    bench.order(recorded("general-1", &over()));
    bench.planner.orders(NOW).await;
    bench.log.take();
    bench.planner.orders(NOW + Span::from_secs(601)).await;
    assert_eq!(bench.log.lines(), [format!("PATCH {ORDERS}/general-1")]);
}

/// Orders and nodes are shown by different watches, in any order.
#[tokio::test]
async fn a_node_knows_what_has_become_of_the_record_of_its_order() {
    let mut bench = Bench::new(stored);
    let mut order = recorded("general-1", &json!({}));
    bench.node(node("a", &json!({})));
    let record = |bench: &mut Bench| {
        bench.planner.world.note_records();
        bench.planner.world.view.node("a").unwrap().record
    };
    assert_eq!(record(&mut bench), Record::Gone);
    bench.order(order.clone());
    assert_eq!(record(&mut bench), Record::Kept);
    order.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-11-23T11:00:00Z")).unwrap());
    bench.order(order);
    assert_eq!(record(&mut bench), Record::Deleted);
    bench.node(node("a", &json!({})));
    assert_eq!(bench.planner.world.view.node("a").unwrap().record, Record::Deleted, "as it is shown");
}

#[tokio::test]
async fn an_order_whose_pool_is_gone_says_so_once_and_until_it_is_back() {
    let up = json!({
        "phase": "Ready", "accepted": 1, "askedAt": "2026-11-23T09:00:00Z",
        "nodes": [{ "name": "a", "providerId": "kwok://a", "phase": "Ready" }],
    });
    let mut bench = Bench::new(cloud);
    bench.node(node("a", &json!({ "spec": { "providerID": "kwok://a" } })));
    bench.order(recorded("general-1", &up));
    bench.planner.orders(NOW).await;
    let asked = bench.log.take();
    let status = &asked[0].body["status"];
    assert_eq!((&status["phase"], &status["reason"]), (&json!("Ready"), &json!("PoolGone")));
    bench.planner.orders(NOW).await;
    assert_eq!(bench.log.lines(), [""; 0]);
    bench.pool();
    bench.planner.orders(NOW).await;
    let asked = bench.log.take();
    assert_eq!(asked[0].body["status"]["reason"], Value::Null);
}
