//! Nodes: one to six, in up to three zones, none quite like the other.

use serde_json::{Value, json};

use super::{Dice, HOSTNAME, Topic, Topics, ZONE, ZONES, taints};

pub(super) fn nodes(dice: &mut Dice, topics: &Topics) -> Vec<Value> {
    let count = dice.index(1, 6);
    let zones = dice.index(1, 3);
    (0..count).map(|n| node(dice, topics, n, zones)).collect()
}

/// The name of a node.
pub(super) fn name(node: &Value) -> String {
    node["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn node(dice: &mut Dice, topics: &Topics, n: usize, zones: usize) -> Value {
    let name = format!("n{n}");
    let mut labels = json!({ HOSTNAME: name, "disk": dice.of(&["ssd", "hdd"]) });
    if dice.chance(92.0) {
        labels[ZONE] = dice.of(&ZONES[..zones]).into();
    }
    if dice.chance(75.0) {
        labels["rack"] = dice.of(&["r1", "r2"]).into();
    }
    if dice.chance(80.0) {
        labels["cores"] = dice.of(&["4", "8", "16", "-3", "many", "007"]).into();
    }
    if dice.chance(3.0) {
        labels.as_object_mut().map(|labels| labels.remove(HOSTNAME));
    }
    let mut taints = taints::taints(dice, topics);
    let unschedulable = topics.chance(dice, Topic::Taints, 30.0);
    if unschedulable && dice.chance(80.0) {
        taints.push(json!({ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" }));
    }
    json!({
        "metadata": { "name": name, "uid": format!("uid-{name}"), "labels": labels },
        "spec": { "unschedulable": unschedulable, "taints": taints },
        "status": {
            "allocatable": allocatable(dice, topics),
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    })
}

fn allocatable(dice: &mut Dice, topics: &Topics) -> Value {
    let tight = topics.0.contains(&Topic::Resources);
    let roomy = ["16", "32", "15900m"];
    let mut amounts = json!({
        "cpu": if tight { dice.of(&["1", "2", "1900m", "3", "4"]) } else { dice.of(&roomy) },
        "memory": if tight { dice.of(&["1Gi", "2Gi", "1500M", "4Gi", "7123456Ki"]) } else { "64Gi" },
        "pods": if tight { dice.of(&["1", "2", "3", "5", "110"]) } else { dice.of(&["8", "110", "110"]) },
    });
    if dice.chance(80.0) {
        amounts["ephemeral-storage"] = dice.of(&["1Gi", "10Gi", "100Gi"]).into();
    }
    if dice.chance(50.0) {
        amounts["example.com/gpu"] = dice.of(&["0", "1", "2", "4"]).into();
    }
    if dice.chance(25.0) {
        amounts["hugepages-2Mi"] = dice.of(&["0", "4Mi", "16Mi"]).into();
    }
    amounts
}
