use std::{fs, path::PathBuf};

use plimsoll_api::v1alpha1::{ObjectReference, ServiceGroupSpec, Survive};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::{template::template, *};
use crate::groups::object::Owner;

fn spec(services: &Value, availability: &Value) -> ServiceGroupSpec {
    serde_json::from_value(json!({ "services": services, "availability": availability })).unwrap()
}

fn owner() -> Owner {
    Owner { namespace: "shop".into(), name: "store".into(), uid: "g".into() }
}

/// All objects of the first service, as they are applied.
fn bodies(spec: &ServiceGroupSpec) -> Vec<Value> {
    let service = &spec.services[0];
    let part = Part {
        group: "store",
        service,
        availability: &spec.availability,
        selector: pod_labels("store", &service.name),
        target: ObjectReference {
            api_version: Some("apps/v1".into()),
            kind: "Deployment".into(),
            name: name("store", &service.name),
        },
    };
    let deployment = service.template.as_ref().map(|template| part.deployment(template));
    let objects = deployment.into_iter().chain([part.budget(), part.service(), part.podscaler()]);
    objects.map(|object| object.body(&owner(), None)).collect()
}

/// Compares with a file, or writes it where `UPDATE_GOLDENS` is set.
fn golden(name: &str, bodies: &[Value]) {
    let yaml: Vec<_> = bodies.iter().map(|body| serde_saphyr::to_string(body).unwrap()).collect();
    let yaml = yaml.join("---\n");
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/groups/desired/goldens");
    let path = folder.join(format!("{name}.yaml"));
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, &yaml).unwrap();
    }
    assert_eq!(yaml, fs::read_to_string(&path).unwrap(), "UPDATE_GOLDENS=1 if this is meant");
}

#[test]
fn a_plain_service_gets_what_it_leaves_out() {
    let services = json!([{
        "name": "get", "port": 80, "targetPort": "http",
        "template": { "spec": { "containers": [
            { "name": "web", "image": "web:1", "ports": [{ "name": "http", "containerPort": 8080 }] },
            { "name": "log", "image": "log:1" },
        ] } },
        "scaling": { "minReplicas": 3, "maxReplicas": 30 },
    }]);
    golden("plain", &bodies(&spec(&services, &json!({}))));
}

#[test]
fn what_a_template_says_itself_is_left_as_it_is() {
    let services = json!([{
        "name": "get", "port": 80,
        "template": {
            "metadata": { "labels": { "app": "web" }, "annotations": { "note": "mine" } },
            "spec": {
                "terminationGracePeriodSeconds": 20,
                "topologySpreadConstraints": [
                    { "topologyKey": "topology.kubernetes.io/zone", "maxSkew": 5, "whenUnsatisfiable": "ScheduleAnyway" },
                ],
                "containers": [
                    { "name": "web", "image": "web:1", "lifecycle": {
                        "preStop": { "exec": { "command": ["quit"] } }, "postStart": { "exec": { "command": ["go"] } } } },
                    { "name": "log", "image": "log:1", "lifecycle": { "postStart": { "exec": { "command": ["go"] } } } },
                ],
            },
        },
        "scaling": { "maxReplicas": 4, "availability": { "survive": "Zone", "maxUnavailable": 1, "preStopSeconds": 30 } },
    }]);
    golden("own-words", &bodies(&spec(&services, &json!({ "survive": "Node" }))));
}

#[test]
fn no_object_names_replicas() {
    let services = json!([{
        "name": "get", "port": 80, "template": { "spec": { "containers": [{ "name": "web", "image": "web" }] } },
        "scaling": { "maxReplicas": 4 },
    }]);
    for body in bodies(&spec(&services, &json!({}))) {
        assert_eq!(body["spec"].get("replicas"), None, "{body}");
    }
}

/// The pods' spec for a template and an availability.
fn pods(given: &Value, availability: &Value) -> Value {
    let given = PodTemplate(given.as_object().cloned().unwrap());
    let availability = serde_json::from_value(availability.clone()).unwrap();
    template(&given, &pod_labels("store", "get"), &availability)["spec"].clone()
}

#[test]
fn pods_are_bound_to_be_spread_over_what_may_be_lost_and_prefer_it_otherwise() {
    let (must, prefer) = ("DoNotSchedule", "ScheduleAnyway");
    for (survive, zones, hosts) in
        [(Survive::None, prefer, prefer), (Survive::Zone, must, prefer), (Survive::Node, prefer, must)]
    {
        let pods = pods(&json!({ "spec": {} }), &json!({ "survive": survive }));
        let constraints = &pods["topologySpreadConstraints"];
        let said = [0, 1].map(|at| {
            let of = |field: &str| constraints[at][field].as_str().unwrap_or_default().to_owned();
            [of("topologyKey"), of("whenUnsatisfiable"), of("nodeTaintsPolicy")]
        });
        assert_eq!(said[0], ["topology.kubernetes.io/zone", zones, "Honor"]);
        assert_eq!(said[1], ["kubernetes.io/hostname", hosts, "Honor"]);
        assert_eq!(constraints[0].get("minDomains"), None);
    }
}

#[test]
fn the_grace_period_leaves_room_for_the_hook() {
    let containers = json!([{ "name": "web" }]);
    let left = |grace: Value, pre_stop: i32| {
        let mut spec = json!({ "containers": containers });
        if !grace.is_null() {
            spec["terminationGracePeriodSeconds"] = grace;
        }
        let pods = pods(&json!({ "spec": spec }), &json!({ "preStopSeconds": pre_stop }));
        let sleep = pods["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_i64();
        (sleep, pods["terminationGracePeriodSeconds"].as_i64())
    };
    assert_eq!(left(Value::Null, 15), (Some(15), Some(45)));
    assert_eq!(left(Value::Null, 0), (None, None));
    assert_eq!(left(json!(60), 15), (Some(15), Some(60)));
    assert_eq!(left(json!(20), 15), (Some(10), Some(20)), "half of it is left for the container");
    assert_eq!(left(json!(1), 15), (None, Some(1)));
    assert_eq!(left(json!(0), 15), (None, Some(0)));
}

/// Its schema allows anything; the API server says what is wrong with it.
#[test]
fn a_template_that_makes_no_sense_is_handed_on() {
    for odd in [
        json!({}),
        json!({ "metadata": 3, "spec": "text" }),
        json!({ "metadata": { "labels": [] }, "spec": { "containers": {}, "topologySpreadConstraints": 1 } }),
        json!({ "metadata": null, "spec": { "containers": [1, null, { "lifecycle": "x" }], "terminationGracePeriodSeconds": "x" } }),
    ] {
        let given = PodTemplate(odd.as_object().cloned().unwrap());
        template(&given, &pod_labels("store", "get"), &Availability::default());
    }
    let named = pods(&json!({ "spec": { "containers": "odd" } }), &json!({}));
    assert_eq!(named["containers"], "odd");
}

#[test]
fn the_availability_of_a_service_wins_over_that_of_its_group() {
    let service = |scaling: Value| {
        let services = json!([{ "name": "get", "port": 80, "scaling": scaling,
            "template": { "spec": { "containers": [{ "name": "web" }] } } }]);
        let bodies = bodies(&spec(&services, &json!({ "survive": "Zone", "maxUnavailable": "20%" })));
        let survives = bodies[3]["spec"]["availability"]["survive"].as_str().unwrap().to_owned();
        (survives, bodies[1]["spec"]["maxUnavailable"].clone())
    };
    assert_eq!(service(json!({ "maxReplicas": 2 })), ("Zone".into(), json!("20%")));
    let own = json!({ "maxReplicas": 2, "availability": { "survive": "None", "maxUnavailable": 3 } });
    assert_eq!(service(own), ("None".into(), json!(3)));
}
