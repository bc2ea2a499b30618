//! Volumes: bound ones with zones and attach limits, those that wait for their first consumer, and broken ones.

use serde_json::{Value, json};

use super::{Dice, HOSTNAME, Topic, Topics, ZONE, ZONES};

const DRIVER: &str = "csi.example.com";

/// The volumes of a case, while they are made.
#[derive(Default)]
struct Volumes {
    persistent_volumes: Vec<Value>,
    claims: Vec<Value>,
}

/// Gives pods volumes, and returns the objects that belong to them as fields of the case.
pub(super) fn volumes(
    dice: &mut Dice,
    topics: &Topics,
    nodes: &[String],
    cluster: &mut [Value],
    asked: &mut Value,
) -> Value {
    let mut volumes = Volumes::default();
    if topics.chance(dice, Topic::Volumes, 100.0) {
        for pod in cluster {
            let count = dice.of(&[0, 0, 1, 1, 2]);
            volumes.attach(dice, pod, count, Volumes::bound);
        }
        let count = dice.of(&[1, 1, 2, 3]);
        volumes.attach(dice, asked, count, |volumes, dice, namespace| volumes.any(dice, namespace, nodes));
    }
    let Volumes { persistent_volumes, claims } = volumes;
    json!({
        "persistentVolumes": persistent_volumes,
        "persistentVolumeClaims": claims,
        "storageClasses": classes(dice),
        "csiNodes": nodes.iter().filter_map(|node| csi_node(dice, node)).collect::<Vec<_>>(),
    })
}

impl Volumes {
    /// Gives a pod `count` volumes: now and then one that another pod has too.
    fn attach(
        &mut self,
        dice: &mut Dice,
        pod: &mut Value,
        count: usize,
        make: impl Fn(&mut Self, &mut Dice, &str) -> String,
    ) {
        let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let mut names = Vec::new();
        for _ in 0..count {
            let shared: Vec<_> =
                self.claims.iter().filter(|claim| claim["metadata"]["namespace"] == *namespace).collect();
            let name = if !shared.is_empty() && dice.chance(30.0) {
                let claim = &shared[dice.index(0, shared.len() - 1)];
                claim["metadata"]["name"].as_str().unwrap_or_default().to_owned()
            } else {
                make(self, dice, &namespace)
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if !names.is_empty() {
            let claim =
                |name: &String| json!({ "name": name, "persistentVolumeClaim": { "claimName": name } });
            pod["spec"]["volumes"] = names.iter().map(claim).collect();
        }
    }

    /// A claim of any kind.
    fn any(&mut self, dice: &mut Dice, namespace: &str, nodes: &[String]) -> String {
        match dice.index(0, 99) {
            0..50 => self.bound(dice, namespace),
            50..60 => self.claim(namespace, "fast", "ReadWriteOnce", None),
            60..80 => self.claim(namespace, "zoned", "ReadWriteOnce", None),
            80..88 => self.local(dice, namespace, nodes),
            88..92 => self.claim(namespace, "now", "ReadWriteOnce", None),
            92..95 => self.claim(namespace, "fast", "ReadWriteOnce", Some("gone")),
            _ => "missing".to_owned(),
        }
    }

    /// A claim with a volume.
    fn bound(&mut self, dice: &mut Dice, namespace: &str) -> String {
        let mode = dice.of(&["ReadWriteOnce", "ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]);
        let name = format!("v{}", self.persistent_volumes.len());
        let claim = self.claim(namespace, "fast", mode, Some(&name));
        let mut volume = json!({
            "metadata": { "name": name },
            "spec": {
                "capacity": { "storage": "10Gi" },
                "accessModes": [mode],
                "storageClassName": "fast",
                "claimRef": { "namespace": namespace, "name": claim, "uid": format!("uid-{claim}") },
            },
            "status": { "phase": "Bound" },
        });
        if dice.chance(85.0) {
            volume["spec"]["csi"] = json!({ "driver": DRIVER, "volumeHandle": format!("handle-{name}") });
        } else {
            volume["spec"]["nfs"] = json!({ "server": "nfs", "path": "/" });
        }
        if dice.chance(60.0) {
            let from = dice.index(0, 2);
            let zones = &ZONES[from..=dice.index(from, 2)];
            if dice.chance(35.0) {
                // As volumes had it before they had an affinity.
                volume["metadata"]["labels"] = json!({ ZONE: zones.join("__") });
            } else {
                volume["spec"]["nodeAffinity"] = affinity(ZONE, zones);
            }
        }
        self.persistent_volumes.push(volume);
        claim
    }

    /// A claim that waits for its first consumer, and volumes that lie on nodes.
    fn local(&mut self, dice: &mut Dice, namespace: &str, nodes: &[String]) -> String {
        for node in nodes.iter().filter(|_| dice.chance(40.0)) {
            let name = format!("v{}", self.persistent_volumes.len());
            self.persistent_volumes.push(json!({
                "metadata": { "name": name },
                "spec": {
                    "capacity": { "storage": "10Gi" },
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": "local",
                    "local": { "path": "/disk" },
                    "nodeAffinity": affinity(HOSTNAME, &[node]),
                },
                "status": { "phase": "Available" },
            }));
        }
        self.claim(namespace, "local", "ReadWriteOnce", None)
    }

    fn claim(&mut self, namespace: &str, class: &str, mode: &str, volume: Option<&str>) -> String {
        let name = format!("c{}", self.claims.len());
        let mut claim = json!({
            "metadata": { "name": name, "namespace": namespace, "uid": format!("uid-{name}") },
            "spec": {
                "accessModes": [mode],
                "resources": { "requests": { "storage": "5Gi" } },
                "storageClassName": class,
            },
            "status": { "phase": "Pending" },
        });
        if let Some(volume) = volume {
            claim["metadata"]["annotations"] = json!({ "pv.kubernetes.io/bind-completed": "yes" });
            claim["spec"]["volumeName"] = volume.into();
            claim["status"]["phase"] = "Bound".into();
        }
        self.claims.push(claim);
        name
    }
}

fn affinity(key: &str, values: &[impl AsRef<str>]) -> Value {
    let values: Vec<_> = values.iter().map(AsRef::as_ref).collect();
    let expression = json!({ "key": key, "operator": "In", "values": values });
    json!({ "required": { "nodeSelectorTerms": [{ "matchExpressions": [expression] }] } })
}

fn classes(dice: &mut Dice) -> Value {
    let class = |name: &str, provisioner: &str, mode: &str| json!({ "metadata": { "name": name }, "provisioner": provisioner, "volumeBindingMode": mode });
    let mut zoned = class("zoned", DRIVER, "WaitForFirstConsumer");
    let terms: Vec<_> = (0..dice.index(1, 2))
        .map(|_| json!({ "matchLabelExpressions": [{ "key": ZONE, "values": [dice.of(&ZONES)] }] }))
        .collect();
    zoned["allowedTopologies"] = terms.into();
    json!([
        class("fast", DRIVER, "WaitForFirstConsumer"),
        zoned,
        class("local", "kubernetes.io/no-provisioner", "WaitForFirstConsumer"),
        class("now", DRIVER, "Immediate"),
    ])
}

fn csi_node(dice: &mut Dice, node: &str) -> Option<Value> {
    let mut driver = json!({ "name": DRIVER, "nodeID": node, "topologyKeys": [ZONE] });
    if dice.chance(70.0) {
        driver["allocatable"] = json!({ "count": dice.within(0, 3) });
    }
    dice.chance(90.0).then(|| json!({ "metadata": { "name": node }, "spec": { "drivers": [driver] } }))
}
