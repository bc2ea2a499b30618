//! Taints and what tolerates them.

use serde_json::{Value, json};

use super::{Dice, Topic, Topics};

const KEYS: [&str; 3] = ["dedicated", "spot", "node.kubernetes.io/unschedulable"];
const VALUES: [&str; 3] = ["", "x", "y"];
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) fn taints(dice: &mut Dice, topics: &Topics) -> Vec<Value> {
    if !topics.chance(dice, Topic::Taints, 65.0) {
        return Vec::new();
    }
    let mut taints: Vec<Value> = Vec::new();
    for _ in 0..dice.index(1, 2) {
        let (key, effect) = (dice.of(&KEYS[..2]), dice.of(&EFFECTS));
        if taints.iter().all(|other| other["key"] != key || other["effect"] != effect) {
            taints.push(json!({ "key": key, "value": dice.of(&VALUES), "effect": effect }));
        }
    }
    taints
}

pub(super) fn tolerations(dice: &mut Dice, topics: &Topics) -> Vec<Value> {
    if !topics.chance(dice, Topic::Taints, 75.0) {
        return Vec::new();
    }
    (0..dice.index(1, 3)).map(|_| toleration(dice)).collect()
}

fn toleration(dice: &mut Dice) -> Value {
    let mut toleration = json!({});
    if dice.chance(60.0) {
        toleration["effect"] = dice.of(&EFFECTS).into();
    }
    match dice.index(0, 4) {
        0 => toleration["operator"] = "Exists".into(),
        1 => {
            toleration["operator"] = "Exists".into();
            toleration["key"] = dice.of(&KEYS).into();
        }
        operator => {
            toleration["key"] = dice.of(&KEYS).into();
            toleration["value"] = dice.of(&VALUES).into();
            // Equal is what is meant where none is named.
            if operator == 2 {
                toleration["operator"] = "Equal".into();
            }
        }
    }
    if toleration["effect"] == "NoExecute" && dice.chance(40.0) {
        toleration["tolerationSeconds"] = dice.within(0, 300).into();
    }
    toleration
}
