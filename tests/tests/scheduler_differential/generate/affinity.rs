//! Node selectors, node affinity, and affinity to pods and against them.

use serde_json::{Value, json};

use super::{DOMAINS, Dice, Topic, Topics, ZONE, ZONES, merge};

/// `nodeSelector` and `affinity` of a pod's spec.
pub(super) fn spec(dice: &mut Dice, topics: &Topics) -> Value {
    let mut spec = json!({});
    if topics.chance(dice, Topic::NodeAffinity, 35.0) {
        let (key, value) = dice.of(&[("disk", "ssd"), (ZONE, "a"), ("rack", "r1"), ("disk", "tape")]);
        spec["nodeSelector"] = json!({ key: value });
    }
    let mut affinity = json!({});
    if topics.chance(dice, Topic::NodeAffinity, 70.0) {
        affinity["nodeAffinity"] = node_affinity(dice);
    }
    if topics.chance(dice, Topic::PodAffinity, 50.0) {
        affinity["podAffinity"] = pod_affinity(dice);
    }
    if topics.chance(dice, Topic::PodAffinity, 50.0) {
        affinity["podAntiAffinity"] = pod_affinity(dice);
    }
    merge(&mut spec, json!({ "affinity": affinity }));
    spec
}

fn node_affinity(dice: &mut Dice) -> Value {
    let mut affinity = json!({});
    if dice.chance(90.0) {
        let terms: Vec<_> = (0..dice.index(1, 2)).map(|_| node_term(dice)).collect();
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] = json!({ "nodeSelectorTerms": terms });
    }
    if dice.chance(20.0) {
        let preferred = [json!({ "weight": dice.within(1, 100), "preference": node_term(dice) })];
        affinity["preferredDuringSchedulingIgnoredDuringExecution"] = json!(preferred);
    }
    affinity
}

/// One without requirements matches no node.
pub(super) fn node_term(dice: &mut Dice) -> Value {
    let mut term = json!({});
    if dice.chance(90.0) {
        let expressions: Vec<_> = (0..dice.index(1, 2)).map(|_| node_requirement(dice)).collect();
        term["matchExpressions"] = expressions.into();
    }
    if dice.chance(12.0) {
        let name = dice.of(&["n0", "n1", "n2", "n9"]);
        let operator = dice.of(&["In", "In", "NotIn"]);
        term["matchFields"] = json!([{ "key": "metadata.name", "operator": operator, "values": [name] }]);
    }
    term
}

fn node_requirement(dice: &mut Dice) -> Value {
    let key = dice.of(&["disk", ZONE, "rack", "cores", "cores", "absent"]);
    let values: &[&str] = match key {
        "disk" => &["ssd", "hdd"],
        ZONE => &ZONES,
        "rack" => &["r1", "r2"],
        _ => &["4", "8", "many"],
    };
    let operator = if key == "cores" {
        dice.of(&["Gt", "Lt", "Gt", "Lt", "In", "NotIn"])
    } else {
        dice.of(&["In", "In", "NotIn", "Exists", "DoesNotExist", "Gt"])
    };
    let values = match operator {
        "In" | "NotIn" => {
            let from = dice.index(0, values.len() - 1);
            json!(values[from..=dice.index(from, values.len() - 1)])
        }
        "Gt" | "Lt" => json!([dice.of(&["4", "7", "8", "-4", "0"])]),
        _ => return json!({ "key": key, "operator": operator }),
    };
    json!({ "key": key, "operator": operator, "values": values })
}

fn pod_affinity(dice: &mut Dice) -> Value {
    let mut affinity = json!({});
    if dice.chance(90.0) {
        let terms: Vec<_> = (0..dice.index(1, 2)).map(|_| pod_term(dice)).collect();
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] = terms.into();
    }
    if dice.chance(20.0) {
        let preferred = [json!({ "weight": dice.within(1, 100), "podAffinityTerm": pod_term(dice) })];
        affinity["preferredDuringSchedulingIgnoredDuringExecution"] = json!(preferred);
    }
    affinity
}

fn pod_term(dice: &mut Dice) -> Value {
    let mut term = json!({ "topologyKey": dice.of(&DOMAINS) });
    if dice.chance(95.0) {
        term["labelSelector"] = selector(dice);
        if dice.chance(15.0) {
            term["matchLabelKeys"] = json!(["version"]);
        }
        if dice.chance(15.0) {
            term["mismatchLabelKeys"] = json!([dice.of(&["track", "nothing"])]);
        }
    }
    if dice.chance(25.0) {
        let some: &[&[&str]] = &[&["shop"], &["bank"], &["shop", "bank"], &["nowhere"]];
        term["namespaces"] = json!(dice.of(some));
    }
    if dice.chance(25.0) {
        term["namespaceSelector"] = match dice.index(0, 3) {
            0 => json!({}),
            1 => json!({ "matchLabels": { "team": "red" } }),
            2 => json!({ "matchLabels": { "team": "nobody" } }),
            _ => json!({ "matchExpressions": [{ "key": "team", "operator": "DoesNotExist" }] }),
        };
    }
    term
}

/// A selector of pods: the labels `version` and `track` are left to the keys that a term takes from its pod.
pub(super) fn selector(dice: &mut Dice) -> Value {
    let (key, values) = dice.of(&[("app", ["web", "db"]), ("tier", ["front", "back"])]);
    let value = dice.of(&values);
    match dice.index(0, 9) {
        0 => json!({}),
        1 => json!({ "matchExpressions": [{ "key": key, "operator": "Exists" }] }),
        2 => json!({ "matchExpressions": [{ "key": key, "operator": "DoesNotExist" }] }),
        3 => json!({ "matchExpressions": [{ "key": key, "operator": "NotIn", "values": [value] }] }),
        4 => json!({ "matchExpressions": [{ "key": key, "operator": "In", "values": values }] }),
        5 => json!({
            "matchLabels": { "app": "web" },
            "matchExpressions": [{ "key": "tier", "operator": "NotIn", "values": ["front"] }],
        }),
        _ => json!({ "matchLabels": { key: value } }),
    }
}
