//! What the containers of a pod ask for, in all the ways in which that can be said.

use serde_json::{Value, json};

use super::{Dice, Topic, Topics};

/// The fields of the pod's spec that have to do with it.
pub(super) fn spec(dice: &mut Dice, topics: &Topics) -> Value {
    let tight = topics.0.contains(&Topic::Resources);
    let whole = topics.chance(dice, Topic::Resources, 20.0);
    // The API server wants requests of the whole pod to be no less than those of its containers.
    let amounts = if whole { 3 } else { 9 };
    let containers: Vec<_> = (0..dice.index(1, if tight { 2 } else { 1 }))
        .map(|n| container(dice, topics, &format!("main{n}"), false, amounts))
        .collect();
    let mut spec = json!({ "containers": containers });
    if topics.chance(dice, Topic::Resources, 45.0) {
        let init: Vec<_> = (0..dice.index(1, 3))
            .map(|n| {
                let restarts = dice.chance(45.0);
                container(dice, topics, &format!("init{n}"), restarts, amounts)
            })
            .collect();
        spec["initContainers"] = init.into();
    }
    if topics.chance(dice, Topic::Resources, 15.0) {
        spec["overhead"] = json!({ "cpu": "100m", "memory": "64Mi" });
    }
    if whole {
        spec["resources"] = whole_pod(dice);
    }
    spec
}

/// Requests of the pod as a whole.
fn whole_pod(dice: &mut Dice) -> Value {
    let mut requests = json!({});
    if dice.chance(70.0) {
        requests["cpu"] = dice.of(&["1", "2500m", "3"]).into();
    }
    if dice.chance(50.0) || requests.as_object().is_some_and(serde_json::Map::is_empty) {
        requests["memory"] = dice.of(&["1Gi", "3Gi"]).into();
    }
    if dice.chance(15.0) {
        // What is limited and not requested is requested.
        return json!({ "limits": requests });
    }
    json!({ "requests": requests })
}

fn container(dice: &mut Dice, topics: &Topics, name: &str, restarts: bool, amounts: usize) -> Value {
    let mut container =
        json!({ "name": name, "image": "web", "resources": resources(dice, topics, amounts) });
    if restarts {
        container["restartPolicy"] = "Always".into();
    }
    let is_init = name.starts_with("init");
    if (!is_init || restarts) && topics.chance(dice, Topic::Ports, if is_init { 40.0 } else { 75.0 }) {
        container["ports"] = ports(dice);
    }
    container
}

fn resources(dice: &mut Dice, topics: &Topics, most: usize) -> Value {
    let tight = topics.0.contains(&Topic::Resources);
    let (mut requests, mut limits) = (json!({}), json!({}));
    if dice.chance(70.0) {
        let amounts = ["0", "1m", "100m", "250m", "500m", "1", "1500m", "2", "0.1"];
        requests["cpu"] = dice.of(&amounts[..most.min(if tight { 9 } else { 5 })]).into();
    }
    if dice.chance(60.0) {
        let amounts = ["0", "64Mi", "100M", "256Mi", "1Gi", "1536Mi", "2Gi", "128974848"];
        requests["memory"] = dice.of(&amounts[..most.min(if tight { 8 } else { 4 })]).into();
    }
    if topics.chance(dice, Topic::Resources, 12.0) {
        requests["ephemeral-storage"] = dice.of(&["1Mi", "1Gi", "8Gi"]).into();
    }
    if topics.chance(dice, Topic::Resources, 12.0) {
        let gpus = dice.of(&["0", "1", "2"]);
        requests["example.com/gpu"] = gpus.into();
        limits["example.com/gpu"] = gpus.into();
    }
    if topics.chance(dice, Topic::Resources, 8.0) {
        requests["cpu"] = "100m".into();
        let pages = dice.of(&["2Mi", "4Mi", "8Mi"]);
        requests["hugepages-2Mi"] = pages.into();
        limits["hugepages-2Mi"] = pages.into();
    }
    if dice.chance(3.0) {
        // Likewise.
        limits["cpu"] = "2".into();
    }
    json!({ "requests": requests, "limits": limits })
}

fn ports(dice: &mut Dice) -> Value {
    let mut ports: Vec<Value> = Vec::new();
    for _ in 0..dice.index(1, 2) {
        let mut port = json!({ "containerPort": dice.within(80, 82) });
        if dice.chance(85.0) {
            port["hostPort"] = dice.within(80, 81).into();
        }
        if dice.chance(50.0) {
            port["hostIP"] = dice.of(&["0.0.0.0", "127.0.0.1", "10.0.0.1", "::", "::1"]).into();
        }
        if dice.chance(50.0) {
            port["protocol"] = dice.of(&["TCP", "UDP", "SCTP"]).into();
        }
        // The API server takes each once.
        if ports.iter().all(|other| other["hostPort"] != port["hostPort"]) {
            ports.push(port);
        }
    }
    ports.into()
}
