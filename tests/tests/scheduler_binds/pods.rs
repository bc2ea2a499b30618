//! Pods: groups of equal ones that wait, each with wishes of its own, and those that are there already.

use serde_json::{Value, json};

use crate::{
    claims::Claim,
    generate::{CASE, DEDICATED, Dice, HOSTNAME, ZONE, ZONES},
};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const APPS: [&str; 4] = ["web", "db", "api", "job"];
/// Higher first, and nobody is evicted for them: see [`crate::bed`].
pub(crate) const PRIORITIES: [(&str, i32); 2] = [("bound-high", 1000), ("bound-low", -5)];

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    pub(crate) waiting: Vec<Value>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) wishes: Vec<&'static str>,
}

/// What a group of pods asks for beside room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Nothing,
    EvenZones,
    EvenHosts,
    ApartHosts,
    ApartZones,
    OneZone,
    OneHost,
    Beside,
    AwayFrom,
    Zone,
    NotZone,
    OnDemand,
    HostPort,
    BoundVolume,
    NewVolume,
    Important,
    Unimportant,
    Intolerant,
}

impl Wish {
    const ALL: [(Self, &'static str); 18] = [
        (Self::Nothing, "nothing but room"),
        (Self::EvenZones, "spread over zones"),
        (Self::EvenHosts, "spread over nodes"),
        (Self::ApartHosts, "no two on a node"),
        (Self::ApartZones, "no two in a zone"),
        (Self::OneZone, "all in one zone"),
        (Self::OneHost, "all on one node"),
        (Self::Beside, "near another group"),
        (Self::AwayFrom, "on no node of another group"),
        (Self::Zone, "one zone by its name"),
        (Self::NotZone, "any zone but one"),
        (Self::OnDemand, "on demand"),
        (Self::HostPort, "a port of the node"),
        (Self::BoundVolume, "a volume that is in a zone"),
        (Self::NewVolume, "a volume that is made where the pod goes"),
        (Self::Important, "a high priority"),
        (Self::Unimportant, "a low priority"),
        (Self::Intolerant, "no tolerations"),
    ];

    fn words(self) -> &'static str {
        Self::ALL.iter().find(|(wish, _)| *wish == self).map_or("", |(_, words)| words)
    }
}

/// All that groups may ask for, in words.
pub(crate) fn wishes() -> impl Iterator<Item = &'static str> {
    Wish::ALL.into_iter().map(|(_, words)| words)
}

/// One to five groups.
pub(crate) fn groups(dice: &mut Dice, case: &str, pool: &Value) -> Groups {
    let mut groups = Groups::default();
    let zones: Vec<String> =
        serde_json::from_value(pool["provider"]["kwok"]["zones"].clone()).unwrap_or_default();
    for group in 0..dice.index(1, 5) {
        let any = Wish::ALL.map(|(wish, _)| wish);
        let mut asks = vec![dice.of(&any)];
        if dice.chance(35.0) {
            asks.push(dice.of(&any));
        }
        groups.wishes.extend(asks.iter().map(|wish| wish.words()));
        let app = APPS[group % APPS.len()];
        let template = template(dice, case, app, &asks, &zones);
        let count = if dice.chance(12.0) { dice.index(15, 40) } else { dice.index(1, 9) };
        for n in 0..count {
            let mut pod = template.clone();
            let name = format!("{case}-{group}-{n}");
            for wish in &asks {
                let claim = match wish {
                    Wish::BoundVolume => Claim { name: name.clone(), zone: Some(dice.of(&zones)) },
                    Wish::NewVolume => Claim { name: name.clone(), zone: None },
                    _ => continue,
                };
                if groups.claims.iter().all(|other| other.name != name) {
                    let volume = json!({ "name": "data", "persistentVolumeClaim": { "claimName": name } });
                    pod["spec"]["volumes"] = json!([volume]);
                    groups.claims.push(claim);
                }
            }
            pod["metadata"]["name"] = name.into();
            groups.waiting.push(pod);
        }
    }
    groups
}

/// A pod that is on a node.
pub(crate) fn bound(dice: &mut Dice, name: &str) -> Value {
    let (cpu, memory) = (dice.within(1, 5) * 100, dice.within(1, 6) * 128);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { "app": dice.of(&APPS) } },
        "spec": { "terminationGracePeriodSeconds": 0, "containers": [container(cpu, memory)] },
    })
}

fn container(cpu: i64, memory: i64) -> Value {
    let requests = json!({ "cpu": format!("{cpu}m"), "memory": format!("{memory}Mi") });
    json!({ "name": "app", "image": "app", "resources": { "requests": requests } })
}

fn template(dice: &mut Dice, case: &str, app: &str, asks: &[Wish], zones: &[String]) -> Value {
    let cpu = dice.of(&[100, 250, 500, 900, 1500, 3500]);
    let memory = cpu * dice.of(&[1, 2, 4, 6]);
    let mut tolerations = vec![json!({ "key": "kwok.x-k8s.io/node", "operator": "Exists" })];
    if !asks.contains(&Wish::Intolerant) {
        tolerations.push(json!({ "key": DEDICATED, "operator": "Equal", "value": "x" }));
    }
    let mut spec = json!({
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": { CASE: case },
        "tolerations": tolerations,
        "schedulingGates": [{ "name": "example.com/planned" }],
        "containers": [container(cpu, memory)],
    });
    for wish in asks {
        ask(dice, &mut spec, *wish, app, zones);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "labels": { "app": app, CASE: case } },
        "spec": spec,
    })
}

fn ask(dice: &mut Dice, spec: &mut Value, wish: Wish, app: &str, zones: &[String]) {
    let other = dice.of(&APPS);
    match wish {
        Wish::Nothing | Wish::Intolerant | Wish::BoundVolume | Wish::NewVolume => {}
        Wish::EvenZones => spread(spec, app, dice.of(&[1, 1, 1, 2]), ZONE),
        Wish::EvenHosts => spread(spec, app, dice.of(&[1, 2, 3]), HOSTNAME),
        Wish::Zone => node(spec, ZONE, "In", &dice.of(zones)),
        Wish::NotZone => node(spec, ZONE, "NotIn", dice.of(&ZONES)),
        Wish::OnDemand => node(spec, "plimsoll.dev/capacity-type", "In", "on-demand"),
        Wish::ApartHosts => near(spec, "podAntiAffinity", app, HOSTNAME),
        Wish::ApartZones => near(spec, "podAntiAffinity", app, ZONE),
        Wish::OneZone => near(spec, "podAffinity", app, ZONE),
        Wish::OneHost => near(spec, "podAffinity", app, HOSTNAME),
        Wish::Beside => near(spec, "podAffinity", other, dice.of(&[HOSTNAME, ZONE, ZONE])),
        Wish::AwayFrom => near(spec, "podAntiAffinity", other, HOSTNAME),
        Wish::HostPort => spec["containers"][0]["ports"] = json!([{ "containerPort": 80, "hostPort": 80 }]),
        Wish::Important => spec["priorityClassName"] = PRIORITIES[0].0.into(),
        Wish::Unimportant => spec["priorityClassName"] = PRIORITIES[1].0.into(),
    }
}

fn selector(app: &str) -> Value {
    json!({ "matchLabels": { "app": app } })
}

fn spread(spec: &mut Value, app: &str, skew: i64, key: &str) {
    let constraint = json!({
        "maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector(app),
    });
    let constraints = &mut spec["topologySpreadConstraints"];
    // The API server takes each key once.
    let has = constraints.as_array().is_some_and(|all| all.iter().any(|other| other["topologyKey"] == key));
    if !has {
        push(constraints, constraint);
    }
}

fn node(spec: &mut Value, key: &str, operator: &str, value: &str) {
    let terms = &mut spec["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"];
    if terms.is_null() {
        *terms = json!([{ "matchExpressions": [] }]);
    }
    push(&mut terms[0]["matchExpressions"], json!({ "key": key, "operator": operator, "values": [value] }));
}

/// Affinity to pods of an app, or against them.
fn near(spec: &mut Value, kind: &str, app: &str, key: &str) {
    let term = json!({ "topologyKey": key, "labelSelector": selector(app) });
    push(&mut spec["affinity"][kind][REQUIRED], term);
}

/// Adds to a list, once.
fn push(list: &mut Value, item: Value) {
    if list.is_null() {
        *list = json!([]);
    }
    if let Some(list) = list.as_array_mut()
        && !list.contains(&item)
    {
        list.push(item);
    }
}
