//! Random cases. Case number `n` of a seed is always the same one, whatever came before it.

use serde_json::{Value, json};

#[path = "../hpa_differential/generate/dice.rs"]
#[allow(dead_code, reason = "others draw what is not drawn here")]
mod dice;

pub(crate) use self::dice::Dice;
use crate::{claims::Claim, pods};

/// The label that all nodes of a case have, and that all its pods select: cases share a cluster and do not meet.
pub(crate) const CASE: &str = "example.com/case";
pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";
pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";
pub(crate) const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
/// A taint that some pools have, and what most pods tolerate.
pub(crate) const DEDICATED: &str = "example.com/dedicated";

/// A pool, nodes of it that are there with pods on them, and pods that wait.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The spec of its `CapacityPool`.
    pub(crate) pool: Value,
    /// A node for each: any number says which of the offerings it is, and these pods are on it.
    pub(crate) there: Vec<(usize, Vec<Value>)>,
    pub(crate) waiting: Vec<Value>,
    pub(crate) claims: Vec<Claim>,
    /// What groups of its pods ask for.
    pub(crate) wishes: Vec<&'static str>,
}

/// Case number `number`.
pub(crate) fn case(seed: u64, number: u64) -> Case {
    let of = |stream| Dice::new(seed, number, stream);
    let name = format!("b{number}");
    let pool = pool(&mut of(0), &name);
    let mut pods = pods::groups(&mut of(1), &name, &pool);
    let mut dice = of(2);
    let count = dice.of(&[0, 0, 1, 2, 3, 5]);
    let there = (0..count).map(|node| {
        let pods = (0..dice.index(0, 3)).map(|n| pods::bound(&mut dice, &format!("{name}-t{node}-{n}")));
        let pods = pods.collect();
        (dice.index(0, 1_000), pods)
    });
    let there = there.collect();
    let claims = std::mem::take(&mut pods.claims);
    Case { name, pool, there, waiting: pods.waiting, claims, wishes: pods.wishes }
}

fn pool(dice: &mut Dice, name: &str) -> Value {
    let zones = &ZONES[..dice.of(&[1, 2, 3, 3, 3])];
    let types: Vec<Value> = (0..dice.index(1, 5)).map(|n| instance_type(dice, n, zones)).collect();
    let mut template = json!({ "labels": { CASE: name } });
    if dice.chance(30.0) {
        let effect = dice.of(&["NoSchedule", "NoSchedule", "PreferNoSchedule"]);
        template["taints"] = json!([{ "key": DEDICATED, "value": "x", "effect": effect }]);
    }
    if dice.chance(20.0) {
        template["kubelet"] = json!({ "reserved": { "cpu": "100m", "memory": "256Mi" } });
    }
    let mut pool = json!({
        "provider": { "kwok": { "zones": zones, "instanceTypes": types } },
        "template": template,
        "expander": dice.of(&["least-price", "least-price", "least-waste", "most-pods", "priority", "random"]),
        "balanceZones": dice.chance(80.0),
    });
    if dice.chance(12.0) {
        pool["limits"] = json!({ "nodes": dice.within(1, 8) });
    }
    pool
}

fn instance_type(dice: &mut Dice, number: usize, zones: &[&str]) -> Value {
    let cpu = dice.of(&[2, 2, 4, 4, 8, 16]);
    let memory = cpu * dice.of(&[2, 4, 8]);
    // About what machines cost, so that no type is always the cheapest.
    let micros = (cpu * 24_000 + memory * 3_000) * dice.within(80, 120) / 100;
    let mut kind = json!({
        "name": format!("t{number}-{cpu}"),
        "capacity": { "cpu": cpu, "memory": format!("{memory}Gi"), "pods": dice.of(&[8, 30, 110, 110]) },
        "price": price(micros),
    });
    if dice.chance(30.0) {
        kind["spotPrice"] = price(micros * 2 / 5).into();
    }
    if number > 0 && dice.chance(25.0) {
        kind["zones"] = json!([dice.of(zones)]);
    }
    kind
}

fn price(micros: i64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
