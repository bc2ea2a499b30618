use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim},
    scheduling::v1::PriorityClass,
};
use plimsoll_api::marks::DRAINING;
use plimsoll_core::time::Span;
use pretty_assertions::assert_eq;
use serde_json::{Value, from_value, json};

use super::*;
use crate::nodes::feed::Shown;

fn shown<K: Shown + serde::de::DeserializeOwned>(world: &mut World, object: Value) {
    from_value::<K>(object).unwrap().apply(world);
}

fn metadata(name: &str) -> Value {
    json!({ "name": name, "namespace": "shop", "uid": format!("uid-{name}") })
}

/// A pod, or a template of pods, with a claim.
fn with_claim(claim: &str) -> Value {
    json!({
        "containers": [],
        "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": claim } }],
    })
}

fn claim_and_volume(world: &mut World, name: &str) {
    let mut claim = metadata(name);
    claim["annotations"] = json!({ "pv.kubernetes.io/bind-completed": "yes" });
    shown::<PersistentVolumeClaim>(
        world,
        json!({ "metadata": claim, "spec": { "volumeName": format!("pv-{name}") } }),
    );
    shown::<PersistentVolume>(world, json!({ "metadata": { "name": format!("pv-{name}") }, "spec": {} }));
}

#[test]
fn a_pod_has_its_volumes_though_it_was_seen_before_them() {
    for on in [None, Some("n")] {
        let mut world = World::default();
        let mut spec = with_claim("data");
        spec["nodeName"] = json!(on);
        shown::<Pod>(&mut world, json!({ "metadata": metadata("db-0"), "spec": spec }));
        claim_and_volume(&mut world, "data");
        world.look_again();
        let pod = world.view.pod("uid-db-0").unwrap();
        assert_eq!((pod.shape.volumes.len(), &pod.unplannable), (1, &None), "on {on:?}");
    }
}

/// It came and went while the watch stood still.
#[test]
fn a_pod_that_was_found_by_asking_goes_when_the_watch_lists_all_pods_without_it() {
    let (mut pod, on) = (metadata("web"), json!({ "nodeName": "n", "containers": [] }));
    let mut world = World::default();
    world.pod_found(from_value(json!({ "metadata": pod, "spec": on })).unwrap());
    world.pod_found(from_value(json!({ "metadata": pod, "spec": on })).unwrap());
    pod["uid"] = json!("uid-other");
    world.pod_found(from_value(json!({ "metadata": pod, "spec": on })).unwrap());
    assert_eq!(world.view.pods_on("n").count(), 2);
    shown::<Pod>(&mut world, json!({ "metadata": pod, "spec": on }));
    world.listed("pods");
    let left: Vec<_> = world.view.pods_on("n").map(|pod| pod.uid.to_string()).collect();
    assert_eq!(left, ["uid-other"]);
}

#[test]
fn pods_are_announced_though_their_claim_was_seen_after_the_template() {
    let mut world = World::default();
    stateful_set(&mut world, 1, &with_claim("data"));
    claim_and_volume(&mut world, "data");
    world.look_again();
    assert_eq!(announced(&mut world, 0), [2]);
}

/// The StatefulSet `db` of two pods.
fn stateful_set(world: &mut World, generation: i64, spec: &Value) {
    let mut of = metadata("db");
    of["generation"] = json!(generation);
    let spec = json!({ "replicas": 2, "selector": {}, "template": { "spec": spec }, "serviceName": "db" });
    shown::<StatefulSet>(world, json!({ "metadata": of, "spec": spec }));
}

/// How many pods each workload is about to get, after so many seconds.
fn announced(world: &mut World, seconds: i64) -> Vec<u32> {
    world.announce(Timestamp::from_secs(seconds));
    world.view.announced().map(|of| of.count).collect()
}

fn no_volumes() -> Value {
    json!({ "containers": [] })
}

#[test]
fn pods_of_a_stateful_set_that_do_not_come_are_announced_for_two_minutes() {
    let mut world = World::default();
    stateful_set(&mut world, 1, &no_volumes());
    assert_eq!(announced(&mut world, 10), [2]);
    assert_eq!(announced(&mut world, 129), [2]);
    assert_eq!(announced(&mut world, 130), [0; 0]);
    stateful_set(&mut world, 1, &no_volumes());
    assert_eq!(announced(&mut world, 131), [0; 0], "only its status has changed");
}

#[test]
fn pods_of_a_stateful_set_are_announced_again_after_a_change_and_when_one_came() {
    let mut world = World::default();
    stateful_set(&mut world, 1, &no_volumes());
    announced(&mut world, 0);
    assert_eq!(announced(&mut world, 120), [0; 0]);
    stateful_set(&mut world, 2, &no_volumes());
    assert_eq!(announced(&mut world, 121), [2]);
    assert_eq!(announced(&mut world, 241), [0; 0]);
    let mut of = metadata("db-0");
    let owner = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "uid-db", "controller": true });
    of["ownerReferences"] = json!([owner]);
    shown::<Pod>(&mut world, json!({ "metadata": of, "spec": no_volumes() }));
    assert_eq!(announced(&mut world, 242), [1]);
    assert_eq!(announced(&mut world, 361), [1]);
    assert_eq!(announced(&mut world, 362), [0; 0]);
}

/// Kinds are watched one by one: pods may be seen before their `ReplicaSet`, and before its Deployment too.
#[test]
fn pods_that_are_seen_before_what_they_belong_to_are_not_announced_once_more() {
    let spec = json!({ "replicas": 3, "selector": {}, "template": { "spec": no_volumes() } });
    let owned = |name: &str, kind: &str, owner: &str| {
        let mut of = metadata(name);
        let owner = json!({ "apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": format!("uid-{owner}"), "controller": true });
        of["ownerReferences"] = json!([owner]);
        json!({ "metadata": of, "spec": spec })
    };
    let pod = |name: &str| {
        let mut pod = owned(name, "ReplicaSet", "web-6d4f");
        pod["spec"] = no_volumes();
        pod
    };
    let deployment = json!({ "metadata": metadata("web"), "spec": spec });
    for deployment_is_first in [true, false] {
        let mut world = World::default();
        if deployment_is_first {
            shown::<Deployment>(&mut world, deployment.clone());
            assert_eq!(announced(&mut world, 0), [3]);
        }
        shown::<Pod>(&mut world, pod("web-1"));
        shown::<Pod>(&mut world, pod("web-2"));
        shown::<Deployment>(&mut world, deployment.clone());
        assert_eq!(announced(&mut world, 1), [1], "Deployment first: {deployment_is_first}");
        world.drop_pod(&"uid-web-2".into());
        assert_eq!(announced(&mut world, 2), [2]);
        shown::<ReplicaSet>(&mut world, owned("web-6d4f", "Deployment", "web"));
        assert_eq!(announced(&mut world, 3), [2], "it is counted once");
    }
    let mut world = World::default();
    shown::<Deployment>(&mut world, deployment);
    shown::<Pod>(&mut world, pod("web-1"));
    assert_eq!(announced(&mut world, 0), [2]);
    shown::<ReplicaSet>(&mut world, json!({ "metadata": metadata("web-6d4f"), "spec": spec }));
    assert_eq!(announced(&mut world, 1), [3, 2], "it was another's in spite of its name");
}

/// A pod of a controller, on node `n`; `ends` while it is being deleted.
fn pod_of(controller: &str, kind: &str, name: &str, ends: bool) -> Value {
    let mut of = metadata(name);
    let owner = json!({ "apiVersion": "apps/v1", "kind": kind, "name": controller, "uid": format!("uid-{controller}"), "controller": true });
    of["ownerReferences"] = json!([owner]);
    if ends {
        of["deletionTimestamp"] = json!("2026-11-27T10:00:00Z");
    }
    json!({ "metadata": of, "spec": { "containers": [], "nodeName": "n" } })
}

/// Its room is free when its successor is made; that of a `ReplicaSet` is made at once.
#[test]
fn a_pod_that_ends_is_not_announced_once_more_where_its_successor_waits_for_its_end() {
    let spec = |strategy: &str| json!({ "replicas": 2, "selector": {}, "template": { "spec": no_volumes() }, "strategy": { "type": strategy } });
    let mut of_web = metadata("web-6d4f");
    of_web["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-web", "controller": true }]);
    for (strategy, node, count) in [
        (None, Some(json!({})), vec![]),
        (None, Some(json!({ "taints": [{ "key": DRAINING, "effect": "NoSchedule" }] })), vec![1]),
        (None, None, vec![1]),
        (Some("Recreate"), Some(json!({})), vec![]),
        (Some("RollingUpdate"), Some(json!({})), vec![1]),
    ] {
        let mut world = World::default();
        if let Some(spec) = &node {
            shown::<Node>(&mut world, json!({ "metadata": { "name": "n", "uid": "uid-n" }, "spec": spec }));
        }
        let (controller, kind) = match strategy {
            None => ("db", "StatefulSet"),
            Some(_) => ("web-6d4f", "ReplicaSet"),
        };
        match strategy {
            None => stateful_set(&mut world, 1, &no_volumes()),
            Some(strategy) => {
                shown::<Deployment>(
                    &mut world,
                    json!({ "metadata": metadata("web"), "spec": spec(strategy) }),
                );
                shown::<ReplicaSet>(&mut world, json!({ "metadata": of_web, "spec": spec(strategy) }));
            }
        }
        for (name, ends) in [("one", false), ("two", false), ("two", true)] {
            shown::<Pod>(&mut world, pod_of(controller, kind, name, ends));
        }
        assert_eq!(announced(&mut world, 0), count, "{strategy:?} on {node:?}");
        world.drop_pod(&"uid-two".into());
        assert_eq!(announced(&mut world, 1), [1], "{strategy:?} on {node:?}");
    }
}

/// Its node is wanted as long as its pod holds its room there, and no longer.
#[test]
fn the_successor_of_a_pod_that_ends_is_announced_once_its_node_goes() {
    let mut world = World::default();
    let node = |spec: Value| json!({ "metadata": { "name": "n", "uid": "uid-n" }, "spec": spec });
    shown::<Node>(&mut world, node(json!({})));
    stateful_set(&mut world, 1, &no_volumes());
    for (name, ends) in [("one", false), ("two", true)] {
        shown::<Pod>(&mut world, pod_of("db", "StatefulSet", name, ends));
    }
    assert_eq!(announced(&mut world, 0), [0; 0]);
    shown::<Node>(&mut world, node(json!({ "taints": [{ "key": DRAINING, "effect": "NoSchedule" }] })));
    assert_eq!(announced(&mut world, 1), [1]);
}

#[test]
fn nothing_is_announced_in_a_namespace_that_is_being_deleted() {
    let spec = json!({ "replicas": 3, "selector": {}, "template": { "spec": no_volumes() } });
    let closing = json!({ "metadata": { "name": "shop", "deletionTimestamp": "2026-11-27T10:00:00Z" } });
    let deployment = json!({ "metadata": metadata("web"), "spec": spec });
    let mut world = World::default();
    shown::<Deployment>(&mut world, deployment.clone());
    assert_eq!(announced(&mut world, 0), [3]);
    shown::<Namespace>(&mut world, closing);
    assert_eq!(announced(&mut world, 1), [0; 0]);
    shown::<Deployment>(&mut world, deployment.clone());
    assert_eq!(announced(&mut world, 2), [0; 0]);
    Namespace::forget("shop", &mut world);
    assert_eq!(announced(&mut world, 3), [3], "another of its name may come");
}

#[test]
fn pods_of_a_replica_set_that_are_forbidden_are_not_announced() {
    for (status, count) in [("True", vec![]), ("False", vec![2])] {
        let mut world = World::default();
        let condition = json!({ "type": "ReplicaFailure", "status": status });
        let spec = json!({ "replicas": 2, "selector": {}, "template": { "spec": no_volumes() } });
        let status = json!({ "replicas": 0, "conditions": [condition] });
        shown::<ReplicaSet>(
            &mut world,
            json!({ "metadata": metadata("web"), "spec": spec, "status": status }),
        );
        assert_eq!(announced(&mut world, 0), count);
    }
}

#[test]
fn announced_pods_have_the_priority_of_the_class_that_their_template_names() {
    let class = |name: &str, value: i32, default: bool| json!({ "metadata": { "name": name }, "value": value, "globalDefault": default });
    for (named, priority) in [(Some("low"), vec![-5]), (None, vec![7]), (Some("unknown"), vec![])] {
        let mut world = World::default();
        let template = json!({ "spec": { "containers": [], "priorityClassName": named } });
        let spec = json!({ "replicas": 1, "selector": {}, "template": template });
        shown::<Deployment>(&mut world, json!({ "metadata": metadata("web"), "spec": spec }));
        world.announce(Timestamp::default());
        shown::<PriorityClass>(&mut world, class("low", -5, false));
        shown::<PriorityClass>(&mut world, class("usual", 7, true));
        world.announce(Timestamp::default() + Span::from_secs(1));
        let priorities: Vec<_> = world.view.announced().map(|of| of.shape.priority).collect();
        assert_eq!(priorities, priority, "{named:?}");
    }
}

#[test]
fn a_node_as_it_was_before_our_write_does_not_undo_what_the_write_has_shown() {
    let mut world = World::default();
    let node = |uid: &str, version: &str, unschedulable: bool| {
        let metadata = json!({ "name": "n", "uid": uid, "resourceVersion": version });
        json!({ "metadata": metadata, "spec": { "unschedulable": unschedulable } })
    };
    shown::<Node>(&mut world, node("first", "10", true));
    shown::<Node>(&mut world, node("first", "9", false));
    assert!(world.view.node("n").unwrap().unschedulable);
    shown::<Node>(&mut world, node("second", "3", false));
    assert!(!world.view.node("n").unwrap().unschedulable, "another node of the name");
}

#[test]
fn new_nodes_are_planned_with_what_the_pods_of_daemons_take() {
    let mut world = World::default();
    let template = json!({ "spec": { "containers": [{ "name": "agent" }] } });
    let mut daemon = metadata("agent");
    daemon["annotations"] = json!({ "deprecated.daemonset.template.generation": "3" });
    shown::<DaemonSet>(
        &mut world,
        json!({ "metadata": daemon, "spec": { "selector": {}, "template": template } }),
    );
    let mut pod = metadata("agent-1");
    pod["labels"] = json!({ "pod-template-generation": "3" });
    pod["ownerReferences"] = json!([
        { "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "uid-agent", "controller": true },
    ]);
    let requests = json!({ "requests": { "cpu": "500m" } });
    let spec = json!({ "nodeName": "n", "containers": [{ "name": "agent", "resources": requests }] });
    shown::<Pod>(&mut world, json!({ "metadata": pod, "spec": spec }));
    let planned: Vec<i64> = world.view.daemons().map(|daemon| daemon.shape.requests.cpu).collect();
    assert_eq!(planned, [500]);
}
