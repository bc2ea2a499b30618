//! Drains: what is stored before what is done, over which version, and what happens when it fails.

use std::collections::BTreeSet;

use plimsoll_core::{
    nodes::{
        drain::{Drain, Surge},
        remove::{Removal, RemovalPlan, WhyRemoved},
    },
    time::Span,
};
use pretty_assertions::assert_eq;

use super::{orders::recorded, *};

pub(super) const NODE: &str = "/api/v1/nodes/a";
pub(super) const SCALE: &str = "/apis/apps/v1/namespaces/shop/deployments/web/scale";
pub(super) const EVICTION: &str = "POST /api/v1/namespaces/shop/pods/web-a/eviction";

/// Node `a` goes.
pub(super) fn removal() -> RemovalPlan {
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
        returned: false,
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
