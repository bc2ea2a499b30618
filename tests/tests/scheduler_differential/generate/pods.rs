//! Pods: those that are there, and the one that is asked about.

use serde_json::{Value, json};

use super::{Dice, NAMESPACES, Topic, Topics, affinity, merge, resources, spread, taints};

/// The pods of the cluster.
pub(super) fn cluster(dice: &mut Dice, topics: &Topics, nodes: &[String]) -> Vec<Value> {
    let mut pods = Vec::new();
    for node in nodes {
        for _ in 0..dice.of(&[0, 0, 1, 1, 2, 3]) {
            pods.push(bound(dice, topics, pods.len(), node));
        }
    }
    if topics.chance(dice, Topic::Nominated, 80.0) {
        for _ in 0..dice.index(1, 3) {
            let mut pod = pod(dice, topics, &format!("p{}", pods.len()));
            pod["status"] = json!({ "phase": "Pending", "nominatedNodeName": dice.of(nodes) });
            pods.push(pod);
        }
    }
    if dice.chance(20.0) {
        let mut pod = pod(dice, topics, &format!("p{}", pods.len()));
        pod["status"] = json!({ "phase": "Pending" });
        pods.push(pod);
    }
    pods
}

/// The pod that is asked about.
pub(super) fn asked(dice: &mut Dice, topics: &Topics) -> Value {
    let mut pod = pod(dice, topics, "asked");
    let constraints = spread::constraints(dice, topics);
    merge(&mut pod["spec"], json!({ "topologySpreadConstraints": constraints }));
    pod["status"] = json!({ "phase": "Pending" });
    if topics.chance(dice, Topic::Gates, 100.0) {
        pod["spec"]["schedulingGates"] = json!([{ "name": "example.com/later" }]);
    }
    pod
}

fn bound(dice: &mut Dice, topics: &Topics, n: usize, node: &str) -> Value {
    let mut pod = pod(dice, topics, &format!("p{n}"));
    pod["spec"]["nodeName"] = node.into();
    pod["status"] = json!({ "phase": "Running" });
    if dice.chance(8.0) {
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        pod["metadata"]["deletionGracePeriodSeconds"] = 30.into();
    }
    if dice.chance(6.0) {
        pod["status"]["phase"] = dice.of(&["Succeeded", "Failed"]).into();
    }
    if topics.chance(dice, Topic::Resources, 10.0) {
        resized(dice, &mut pod);
    }
    pod
}

/// A pod whose kubelet has not caught up with its new requests yet.
fn resized(dice: &mut Dice, pod: &mut Value) {
    let name = pod["spec"]["containers"][0]["name"].clone();
    let has = json!({ "cpu": dice.of(&["100m", "1500m", "2"]), "memory": dice.of(&["64Mi", "2Gi"]) });
    let mut status = json!({
        "name": name, "image": "web", "imageID": "web", "ready": true, "restartCount": 0,
        "allocatedResources": has,
    });
    if dice.chance(60.0) {
        status["resources"] = json!({ "requests": has });
    }
    pod["status"]["containerStatuses"] = json!([status]);
    let reason = dice.of(&["", "Deferred", "Infeasible"]);
    if !reason.is_empty() {
        pod["status"]["conditions"] =
            json!([{ "type": "PodResizePending", "status": "True", "reason": reason }]);
    }
}

/// What all of them have.
fn pod(dice: &mut Dice, topics: &Topics, name: &str) -> Value {
    let mut labels = json!({});
    for (key, values) in [
        ("app", ["web", "web", "db"]),
        ("tier", ["front", "back", "back"]),
        ("version", ["1", "1", "2"]),
        ("track", ["stable", "stable", "canary"]),
    ] {
        if dice.chance(85.0) {
            labels[key] = dice.of(&values).into();
        }
    }
    let mut spec = resources::spec(dice, topics);
    merge(&mut spec, affinity::spec(dice, topics));
    spec["tolerations"] = taints::tolerations(dice, topics).into();
    if dice.chance(60.0) {
        spec["priority"] = dice.of(&[0, 0, 10, -5]).into();
    }
    let namespaces = NAMESPACES.map(|(name, _)| name);
    let namespace = if dice.chance(70.0) { namespaces[0] } else { dice.of(&namespaces) };
    json!({
        "metadata": { "name": name, "namespace": namespace, "uid": format!("uid-{name}"), "labels": labels },
        "spec": spec,
    })
}
