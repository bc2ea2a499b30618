//! Two drains of one Deployment: it has one replica more for one of them at a time, and in the end the size that it had.

use std::{collections::BTreeSet, sync::Mutex};

use plimsoll_core::{
    cluster::{DisruptionBudget, Selector, UnhealthyPods},
    placement,
};
use pretty_assertions::assert_eq;

use super::{
    drains::{SCALE, drain, drained, scale},
    orders::recorded,
    *,
};

/// `web`, with pod `web-a` on node `a` and `web-b` on node `b`, under a budget that lets none of them go.
struct Story {
    bench: Bench,
    /// Each size that it was asked to have.
    sizes: Arc<Mutex<Vec<i32>>>,
}

impl Story {
    /// So many Deployments may have one replica more at a time.
    fn new(max_surge: i32) -> Self {
        let sizes = Arc::new(Mutex::new(vec![2]));
        let asked_for = Arc::clone(&sizes);
        let mut bench = Bench::new(move |asked| {
            let mut sizes = asked_for.lock().unwrap();
            match (asked.method.as_str(), asked.path.as_str()) {
                ("GET", SCALE) => scale(*sizes.last().unwrap()),
                ("PATCH", SCALE) => {
                    let size = i32::try_from(asked.body["spec"]["replicas"].as_i64().unwrap()).unwrap();
                    sizes.push(size);
                    scale(size)
                }
                ("PATCH", "/api/v1/nodes/a" | "/api/v1/nodes/b") => (200, node("a", &json!({}))),
                _ => stored(asked),
            }
        });
        let mut pool = pool();
        pool["spec"]["drain"]["maxSurge"] = json!(max_surge);
        let spec = serde_json::from_value::<CapacityPool>(pool).unwrap().spec;
        bench.plans_with(&spec, Vec::new());
        let budget = DisruptionBudget {
            namespace: "shop".into(),
            name: "web".into(),
            selector: Some(Selector::default()),
            allowed: 0,
            healthy: 2,
            desired: 2,
            unhealthy: UnhealthyPods::IfHealthyBudget,
            disrupted: BTreeSet::new(),
        };
        bench.planner.world.change(placement::Change::Budget(budget));
        bench.pool();
        bench.order(recorded("general-1", &json!({})));
        bench.deployed(2, 2);
        bench.pod(pod("web-a", "a"));
        bench.pod(pod("web-b", "b"));
        Self { bench, sizes }
    }

    /// The drain of a node begins.
    fn drains(&mut self, name: &str) {
        let mut node = drained(&drain());
        node["metadata"]["name"] = json!(name);
        node["metadata"]["uid"] = json!(format!("uid-{name}"));
        self.bench.node(node);
    }

    /// Passes; after each the size that was asked for is there, and the pod ends whose replica was given back.
    async fn passes(&mut self, passes: usize) {
        for _ in 0..passes {
            self.bench.planner.drains(NOW).await;
            let size = self.sizes().last().copied().unwrap();
            self.bench.deployed(size, size);
            let surges = self.bench.planner.world.drains.values().flat_map(|drain| drain.surges.values());
            let gone = surges.filter(|surge| surge.given_back).map(|surge| surge.pod.to_string());
            for uid in gone.collect::<Vec<_>>() {
                self.ends(uid.trim_start_matches("uid-web-"));
            }
        }
    }

    /// The pod on this node ends.
    fn ends(&mut self, node: &str) {
        let mut pod = pod(&format!("web-{node}"), node);
        pod["metadata"]["deletionTimestamp"] = json!("2026-11-23T10:00:00Z");
        self.bench.pod(pod);
    }

    /// The pods for which nobody looks for room, though their nodes go.
    fn surplus(&mut self) -> Vec<String> {
        self.bench.planner.world.note_surplus();
        self.bench.planner.world.view.surplus().iter().map(ToString::to_string).collect()
    }

    fn sizes(&self) -> Vec<i32> {
        self.sizes.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn two_drains_of_one_deployment_surge_one_after_the_other() {
    for max_surge in [1, 2] {
        let mut story = Story::new(max_surge);
        story.drains("a");
        story.drains("b");
        story.passes(1).await;
        let waits = &story.bench.planner.waits["b"];
        assert_eq!(waits, "waits its turn: shop/web has one replica more for another node");
        story.passes(7).await;
        assert_eq!(story.sizes(), [2, 3, 2, 3, 2], "with a surge of {max_surge}");
    }
}

/// Each would else take the replica of the other for somebody's wish, or for its own.
#[tokio::test]
async fn a_deployment_under_two_drains_that_begin_apart_has_its_old_size_in_the_end() {
    let mut story = Story::new(2);
    story.drains("a");
    story.passes(1).await;
    // The replica more is not available yet.
    story.bench.deployed(3, 2);
    story.drains("b");
    story.passes(8).await;
    assert_eq!(story.sizes(), [2, 3, 2, 3, 2]);
}

#[tokio::test]
async fn the_planner_knows_of_a_pod_that_its_deployment_has_one_more_in_its_place() {
    let mut story = Story::new(1);
    story.drains("a");
    story.passes(1).await;
    for (replicas, surplus) in [(2, vec![]), (4, vec![]), (3, vec!["uid-web-a"])] {
        story.bench.deployed(replicas, 2);
        assert_eq!(story.surplus(), surplus, "while {replicas} are asked for");
    }
    story.bench.pod(pod("web-c", "c"));
    story.bench.deployed(3, 3);
    story.bench.planner.drains(NOW).await;
    assert_eq!(story.sizes(), [2, 3, 2]);
    story.bench.deployed(2, 2);
    assert_eq!(story.surplus(), ["uid-web-a"], "it was given back, and none comes for the pod that goes");
    story.ends("a");
    story.passes(1).await;
    assert_eq!(story.surplus(), [""; 0], "the pod ends");
}

/// A quota forbids it, so it is the pod itself that needs a place.
#[tokio::test]
async fn a_pod_is_not_surplus_where_the_one_more_never_comes() {
    let mut story = Story::new(1);
    story.drains("a");
    story.passes(1).await;
    story.bench.deployed(3, 2);
    assert_eq!(story.surplus(), ["uid-web-a"]);
    let condition = json!({ "type": "ReplicaFailure", "status": "True" });
    let forbidden = json!({
        "metadata": { "name": "web", "namespace": "shop", "uid": "uid-web" },
        "spec": { "replicas": 3, "selector": {}, "template": { "spec": { "containers": [{ "name": "app" }] } } },
        "status": { "replicas": 2, "conditions": [condition] },
    });
    serde_json::from_value::<Deployment>(forbidden).unwrap().apply(&mut story.bench.planner.world);
    assert_eq!(story.surplus(), [""; 0]);
}
