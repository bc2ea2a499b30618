//! Drains: what is stored before what is done, over which version, and what happens when it fails.

use std::{
    collections::BTreeSet,
    sync::{Arc as Shared, Mutex},
};

use http::{Request, Response};
use kube::client::Body;
use plimsoll_core::{
    nodes::{
        drain::{Drain, Surge},
        remove::{Removal, RemovalPlan, WhyRemoved},
    },
    time::Span,
};
use pretty_assertions::assert_eq;
use tower_test::mock;

use super::{orders::recorded, *};

pub(super) const NODE: &str = "/api/v1/nodes/a";
pub(super) const SCALE: &str = "/apis/apps/v1/namespaces/shop/deployments/web/scale";
const EVICTION: &str = "POST /api/v1/namespaces/shop/pods/web-a/eviction";

fn removal() -> RemovalPlan {
    let removal = Removal {
        node: "a".into(),
        pool: "general".into(),
        why: WhyRemoved::Empty,
        price: None,
        moves: Vec::new(),
        replaced_by: Vec::new(),
        needs: Vec::new(),
        surges: Vec::new(),
    };
    RemovalPlan { remove: vec![removal], ..RemovalPlan::default() }
}

pub(super) fn drain() -> Drain {
    Drain { tainted: true, ..Drain::new(NOW - Span::from_secs(10), false, BTreeSet::new()) }
}

/// A drain for which `web` of shop has one replica more.
pub(super) fn surging() -> Drain {
    let surge = Surge {
        namespace: "shop".into(),
        deployment: "web".into(),
        from: 1,
        pod: "uid-web-a".into(),
        given_back: false,
        absorbed: false,
    };
    Drain { surges: BTreeMap::from([("uid-web-1".into(), surge)]), ..drain() }
}

/// Node `a` with the marks of a drain.
pub(in crate::nodes) fn drained(drain: &Drain) -> Value {
    let mut node = node(
        "a",
        &json!({ "spec": { "taints": [{ "key": "plimsoll.dev/draining", "effect": "NoSchedule" }] } }),
    );
    node["metadata"]["annotations"] = json!({ "plimsoll.dev/drain": serde_json::to_string(drain).unwrap() });
    node["metadata"]["labels"]["plimsoll.dev/draining"] = json!("");
    node
}

/// What `web` of shop is asked to be.
pub(super) fn scale(replicas: i32) -> (u16, Value) {
    let scale = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": { "name": "web", "namespace": "shop", "resourceVersion": "41" },
        "spec": { "replicas": replicas }, "status": { "replicas": replicas },
    });
    (200, scale)
}

impl Bench {
    /// Node `a` is drained, and our own record knows of each replica more.
    pub(super) fn drains(&mut self, drain: &Drain) {
        self.order(recorded("general-1", &json!({})));
        self.node(drained(drain));
        if !drain.surges.is_empty() {
            self.planner.kept.surges.insert("a".into(), drain.clone());
        }
    }
}

/// An API server with node `a` and `web` of so many replicas.
pub(super) fn with_web(replicas: i32) -> impl FnMut(&Asked) -> (u16, Value) + Send + 'static {
    move |asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", SCALE) => scale(replicas),
        ("GET" | "PATCH", NODE) => (200, node("a", &json!({}))),
        _ => stored(asked),
    }
}

#[tokio::test]
async fn the_marks_of_a_drain_are_written_over_the_version_that_was_read() {
    let mut bench = Bench::new(with_web(1));
    bench.pool();
    bench.node(node("a", &json!({})));
    bench.planner.begin_drains(&removal(), &[], NOW).await;
    let asked = bench.log.take();
    let lines: Vec<String> = asked.iter().map(Asked::line).collect();
    let event = "POST /apis/events.k8s.io/v1/namespaces/default/events".to_owned();
    assert_eq!(lines, [format!("GET {NODE}"), format!("PATCH {NODE}"), event]);
    assert_eq!(asked[1].body["metadata"]["resourceVersion"], "7");
    assert_eq!(asked[1].body["metadata"]["labels"], json!({ "plimsoll.dev/draining": "" }));
    assert_eq!(
        asked[1].body["spec"]["taints"],
        json!([{ "key": "plimsoll.dev/draining", "effect": "NoSchedule" }])
    );
    assert_eq!(asked[2].body["reason"], "Draining");
}

#[tokio::test]
async fn a_drain_that_was_not_stored_has_not_begun() {
    for code in [404, 409, 500] {
        let mut bench = Bench::new(move |asked| match asked.method.as_str() {
            "GET" => (200, node("a", &json!({}))),
            _ => failure(code, "Refused", "a"),
        });
        bench.pool();
        bench.node(node("a", &json!({})));
        bench.planner.begin_drains(&removal(), &[], NOW).await;
        assert_eq!(bench.log.lines(), [format!("GET {NODE}"), format!("PATCH {NODE}")]);
        assert!(bench.planner.world.drains.is_empty(), "{code}");
    }
}

#[tokio::test]
async fn a_pod_is_evicted_by_its_uid() {
    let mut bench = Bench::new(stored);
    bench.pool();
    bench.drains(&drain());
    bench.pod(pod("web-a", "a"));
    bench.planner.drains(NOW).await;
    let asked = bench.log.take();
    let lines: Vec<String> = asked.iter().map(Asked::line).collect();
    assert_eq!(lines, [EVICTION]);
    assert_eq!(asked[0].body["deleteOptions"], json!({ "preconditions": { "uid": "uid-web-a" } }));
}

/// A budget that has changed meanwhile is not told twice within a pass, and ends nothing.
#[tokio::test]
async fn an_eviction_that_may_pass_later_is_tried_again_at_the_next_look() {
    for code in [404, 409, 429] {
        let mut bench = Bench::new(move |_| {
            let (code, mut body) = failure(code, "Refused", "web-a");
            body["details"]["causes"] = json!([{ "reason": "DisruptionBudget", "message": "it needs 2" }]);
            (code, body)
        });
        bench.pool();
        bench.drains(&drain());
        bench.pod(pod("web-a", "a"));
        for _ in 0..2 {
            bench.planner.drains(NOW).await;
            assert_eq!(bench.log.lines(), [EVICTION], "{code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_eviction_is_refused_is_left_alone_for_a_while() {
    for code in [403, 429, 500] {
        let mut bench = Bench::new(move |_| failure(code, "Refused", "web-a"));
        bench.pool();
        bench.drains(&drain());
        bench.pod(pod("web-a", "a"));
        for (seconds, lines) in [(0, vec![EVICTION]), (5, vec![]), (6, vec![EVICTION])] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            bench.planner.drains(NOW).await;
            assert_eq!(bench.log.lines(), lines, "{code}, {seconds} s later");
        }
    }
}

/// As long as it is left alone, too.
#[tokio::test]
async fn a_drain_waits_for_a_pod_whose_eviction_is_refused_in_the_words_of_the_api_server() {
    let mut bench = Bench::new(|_| failure(403, "Refused", "web-a"));
    bench.pool();
    bench.drains(&drain());
    bench.pod(pod("web-a", "a"));
    for _ in 0..2 {
        bench.planner.drains(NOW).await;
        assert_eq!(bench.planner.waits["a"], "pod shop/web-a is not evicted: web-a: Refused");
    }
}

/// Each would hold up the planner for as long.
#[tokio::test(start_paused = true)]
async fn after_an_eviction_that_gets_no_answer_no_other_is_asked_for_in_a_pass() {
    let (service, mut requests) = mock::pair::<Request<Body>, Response<Body>>();
    let (asked, mut seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut unanswered = Vec::new();
        while let Some((request, answer)) = requests.next_request().await {
            asked.send(request.uri().path().to_owned()).unwrap();
            unanswered.push(answer);
        }
    });
    let (send, changes) = mpsc::unbounded_channel();
    let planner = planner(Client::new(service, "default"), Leadership::alone(), send);
    let mut bench = Bench { planner, log: Log::default(), changes };
    bench.pool();
    bench.drains(&drain());
    let mut other = drained(&drain());
    other["metadata"]["name"] = json!("b");
    other["metadata"]["uid"] = json!("uid-b");
    bench.node(other);
    for (name, node) in [("web-a", "a"), ("web-b", "a"), ("web-c", "b")] {
        bench.pod(pod(name, node));
    }
    let again = bench.planner.drains(NOW).await;
    assert!(again <= Duration::from_secs(5), "{again:?}");
    let mut paths = Vec::new();
    while let Ok(path) = seen.try_recv() {
        paths.push(path);
    }
    assert_eq!(paths, ["/api/v1/namespaces/shop/pods/web-a/eviction"]);
}

/// A drain that waits for the two nodes of order `general-2`.
fn waiting() -> Drain {
    Drain { needs: BTreeSet::from(["general-2".into()]), ..drain() }
}

/// A planner that drains node `a`, which has a pod, once the nodes of order `general-2` are there.
fn replacing() -> Bench {
    let mut bench = Bench::new(with_web(1));
    bench.pool();
    bench.drains(&waiting());
    bench.pod(pod("web-a", "a"));
    bench
}

/// Order `general-2` of two nodes, which are so far.
fn replacement(phases: [&str; 2]) -> NodeOrder {
    let nodes = phases.map(|phase| json!({ "providerID": format!("kwok://{phase}"), "phase": phase }));
    let mut order = recorded("general-2", &json!({ "phase": phases[0], "accepted": 2, "nodes": nodes }));
    order.spec.count = 2;
    order
}

#[tokio::test]
async fn a_drain_is_given_up_when_not_all_of_its_replacement_will_come() {
    let mut bench = replacing();
    bench.order(replacement(["Ready", "Failed"]));
    bench.planner.drains(NOW).await;
    let lines = bench.log.lines();
    assert!(bench.planner.world.drains.is_empty() && !lines.contains(&EVICTION.to_owned()), "{lines:?}");
}

#[tokio::test]
async fn a_drain_whose_order_has_no_record_is_given_up_unless_its_node_is_there() {
    for is_there in [false, true] {
        let mut bench = replacing();
        if is_there {
            let mut other = node("b", &json!({}));
            other["metadata"]["labels"]["plimsoll.dev/node-order"] = json!("general-2");
            bench.node(other);
        }
        bench.planner.drains(NOW).await;
        assert_eq!(bench.log.lines().contains(&EVICTION.to_owned()), is_there);
        assert_eq!(bench.planner.world.drains.is_empty(), !is_there);
    }
}

/// An API server that keeps what is written of orders, too.
fn with_orders(asked: &Asked) -> (u16, Value) {
    let orders = "/apis/plimsoll.dev/v1alpha1/nodeorders/";
    let Some(name) = asked.path.strip_prefix(orders).and_then(|path| path.strip_suffix("/status")) else {
        return with_web(1)(asked);
    };
    let mut order = serde_json::to_value(recorded(name, &json!({}))).unwrap();
    order["status"] = asked.body["status"].clone();
    (200, order)
}

/// With and without the record of its order. A node with such a taint is Ready.
#[tokio::test]
async fn a_drain_waits_until_its_replacement_has_lost_its_startup_taints() {
    let taint = json!({ "key": "example.com/agent", "effect": "NoSchedule" });
    for is_recorded in [true, false] {
        let mut bench = Bench::new(with_orders);
        bench.pool();
        let mut with_taint = pool();
        with_taint["spec"]["template"] = json!({ "startupTaints": [taint] });
        with_taint["spec"]["drain"] = json!({ "maxSurge": 0 });
        let with_taint: CapacityPool = serde_json::from_value(with_taint).unwrap();
        let seen = plimsoll_observe::cluster::observe_pool("general", &with_taint.spec, Vec::new());
        bench.planner.world.change(plimsoll_core::placement::Change::Pool(seen));
        bench.drains(&waiting());
        bench.pod(pod("web-a", "a"));
        let asked = json!({ "phase": "Creating", "accepted": 1, "askedAt": "2026-11-23T09:59:00Z" });
        let mut going = asked.clone();
        going["nodes"] = json!([{ "name": "a", "phase": "Draining" }]);
        bench.order(recorded("general-1", &going));
        if is_recorded {
            bench.order(recorded("general-2", &asked));
        }
        for (taints, goes_on) in [(json!([taint]), false), (json!([]), true)] {
            let mut other = node("b", &json!({ "spec": { "providerID": "kwok://b", "taints": taints } }));
            other["metadata"]["labels"]["plimsoll.dev/node-order"] = json!("general-2");
            bench.node(other);
            bench.planner.orders(NOW).await;
            bench.planner.drains(NOW).await;
            let lines = bench.log.lines();
            assert_eq!(lines.contains(&EVICTION.to_owned()), goes_on, "{is_recorded}: {lines:?}");
        }
    }
}

#[tokio::test]
async fn that_a_drain_needs_an_order_no_more_is_stored_before_anything_is_evicted() {
    let mut bench = replacing();
    bench.order(replacement(["Ready", "Ready"]));
    bench.planner.drains(NOW).await;
    let asked = bench.log.take();
    assert_eq!(
        asked.iter().map(Asked::line).collect::<Vec<_>>(),
        [format!("PATCH {NODE}"), EVICTION.to_owned()]
    );
    let stored: Drain = serde_json::from_str(
        asked[0].body["metadata"]["annotations"]["plimsoll.dev/drain"].as_str().unwrap(),
    )
    .unwrap();
    assert_eq!(stored, drain());
}

#[tokio::test]
async fn a_drain_whose_replacement_came_goes_on_when_that_goes_again() {
    let mut bench = replacing();
    bench.order(replacement(["Ready", "Ready"]));
    bench.planner.drains(NOW).await;
    bench.log.take();
    bench.planner.world.orders.remove("general-2");
    bench.planner.drains(NOW).await;
    assert_eq!(bench.log.lines(), [EVICTION]);
}

#[tokio::test]
async fn nothing_is_done_about_drains_when_the_lease_is_about_to_end() {
    let mut bench = Bench::deposed(with_web(2));
    bench.pool();
    bench.drains(&surging());
    bench.deployed(2, 2);
    bench.pod(pod("web-a", "a"));
    bench.planner.begin_drains(&removal(), &[], NOW).await;
    bench.planner.drains(NOW).await;
    assert_eq!(bench.log.lines(), [""; 0]);
}

/// First everything that is needed to give it back, then the mark by which others know of it, then the replica.
#[tokio::test]
async fn a_replica_more_is_written_down_before_it_is_asked_for() {
    let mut bench = Bench::new(with_web(1));
    bench.pool();
    let seen = plimsoll_observe::cluster::observe_pool(
        "general",
        &serde_json::from_value::<CapacityPool>(pool()).unwrap().spec,
        Vec::new(),
    );
    bench.planner.world.change(plimsoll_core::placement::Change::Pool(seen));
    bench.drains(&drain());
    bench.deployed(1, 1);
    bench.pod(pod("web-a", "a"));
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
            Bench::new(
                move |asked| {
                    if asked.path == path { failure(code, "Refused", "x") } else { with_web(1)(asked) }
                },
            );
        bench.pool();
        let seen = plimsoll_observe::cluster::observe_pool(
            "general",
            &serde_json::from_value::<CapacityPool>(pool()).unwrap().spec,
            Vec::new(),
        );
        bench.planner.world.change(plimsoll_core::placement::Change::Pool(seen));
        bench.drains(&drain());
        bench.deployed(1, 1);
        bench.pod(pod("web-a", "a"));
        bench.planner.drains(NOW).await;
        let lines = bench.log.lines();
        assert!(!lines.contains(&format!("PATCH {SCALE}")), "{path}: {lines:?}");
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
    assert_eq!(lines, [format!("GET {SCALE}"), format!("PATCH {SCALE}"), format!("PATCH {MEMORY}")]);
    assert_eq!(asked[1].body, json!({ "metadata": { "resourceVersion": "41" }, "spec": { "replicas": 1 } }));
    assert_eq!(asked[2].body, json!({ "data": { "surges.json": null } }));
    assert!(bench.planner.world.drains.is_empty());
}

/// A new leader has read no Secret yet.
#[tokio::test]
async fn a_node_whose_provider_cannot_be_asked_is_given_back_later() {
    let mut bench = Bench::new(stored);
    bench.pool_with_tls();
    bench.node(drained(&Drain { deleted: Some(NOW), ..drain() }));
    bench.order(recorded("general-1", &json!({})));
    let waiting = BTreeSet::from(["a".into()]);
    bench.planner.world.to_give_back.clone_from(&waiting);
    bench.planner.drains(NOW).await;
    assert_eq!(bench.planner.world.to_give_back, waiting);
}

/// Its kubelet stops before its Node is gone, which looks like a partition.
#[tokio::test]
async fn a_node_knows_that_it_was_given_back() {
    let mut bench = Bench::new(stored);
    bench.node(node("a", &json!({})));
    let given_back = |bench: &mut Bench, deleted: Option<Timestamp>| {
        bench.planner.world.drains.insert("a".into(), Drain { deleted, ..drain() });
        bench.planner.world.note_records();
        bench.planner.world.view.node("a").unwrap().given_back
    };
    assert_eq!(given_back(&mut bench, None), None);
    assert_eq!(given_back(&mut bench, Some(NOW)), Some(NOW));
    bench.node(node("a", &json!({})));
    assert_eq!(bench.planner.world.view.node("a").unwrap().given_back, Some(NOW), "as it is shown");
    assert_eq!(given_back(&mut bench, None), None);
}

/// A spot machine: the provider says that it deletes what nobody has given back.
#[tokio::test]
async fn a_node_whose_instance_its_provider_deletes_is_interrupted_unless_we_have_asked_for_that() {
    for (drain, is_interrupted) in [
        (None, true),
        (Some(drain()), true),
        (Some(Drain { deleted: Some(NOW), ..drain() }), false),
        (Some(Drain { deleted: Some(NOW), interrupted: true, ..drain() }), true),
    ] {
        let mut bench = Bench::new(stored);
        bench.pool();
        let mut seen = node("a", &json!({}));
        seen["spec"]["providerID"] = json!("cloud://a");
        bench.node(seen);
        bench.planner.world.drains.extend(drain.clone().map(|drain| ("a".into(), drain)));
        bench.order(recorded("general-1", &json!({})));
        bench.planner.world.note_records();
        let is_seen = |bench: &Bench| bench.planner.world.view.node("a").unwrap().interrupted;
        assert!(!is_seen(&bench), "the provider says nothing of it");
        bench.provider_deletes("cloud://a");
        bench.planner.world.note_records();
        assert_eq!(is_seen(&bench), is_interrupted, "{drain:?}");
    }
}

/// A provider that cannot be asked has taken back nothing of what it said.
#[tokio::test]
async fn a_node_that_its_provider_was_taking_away_is_interrupted_also_while_nobody_can_be_asked() {
    for (was_interrupted, is_interrupted) in [(true, true), (false, false)] {
        let mut bench = Bench::new(stored);
        bench.pool();
        let mut seen = node("a", &json!({}));
        seen["spec"]["providerID"] = json!("cloud://a");
        bench.node(seen);
        let drain = Drain { interrupted: was_interrupted, ..drain() };
        bench.planner.world.drains.insert("a".into(), drain);
        bench.order(recorded("general-1", &json!({})));
        bench.planner.world.outdate("general");
        bench.planner.world.note_records();
        assert_eq!(bench.planner.world.view.node("a").unwrap().interrupted, is_interrupted);
    }
}
