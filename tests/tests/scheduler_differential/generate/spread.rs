//! Topology spread constraints.

use serde_json::{Value, json};

use super::{DOMAINS, Dice, Topic, Topics, affinity::selector};

pub(super) fn constraints(dice: &mut Dice, topics: &Topics) -> Vec<Value> {
    if !topics.chance(dice, Topic::Spread, 85.0) {
        return Vec::new();
    }
    let mut constraints: Vec<Value> = Vec::new();
    for _ in 0..dice.index(1, 2) {
        let constraint = constraint(dice);
        let same = |other: &Value| {
            ["topologyKey", "whenUnsatisfiable"].iter().all(|field| other[field] == constraint[field])
        };
        // The API server takes each pair once.
        if !constraints.iter().any(same) {
            constraints.push(constraint);
        }
    }
    constraints
}

fn constraint(dice: &mut Dice) -> Value {
    let waits = dice.chance(85.0);
    let mut constraint = json!({
        "maxSkew": dice.of(&[1, 1, 1, 2, 3]),
        "topologyKey": dice.of(&DOMAINS),
        "whenUnsatisfiable": if waits { "DoNotSchedule" } else { "ScheduleAnyway" },
    });
    if dice.chance(95.0) {
        constraint["labelSelector"] = selector(dice);
        if dice.chance(25.0) {
            constraint["matchLabelKeys"] = json!([dice.of(&["version", "version", "nothing"])]);
        }
    }
    if waits && dice.chance(35.0) {
        constraint["minDomains"] = dice.within_i32(1, 4).into();
    }
    for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
        if dice.chance(40.0) {
            constraint[policy] = dice.of(&["Honor", "Ignore"]).into();
        }
    }
    constraint
}
