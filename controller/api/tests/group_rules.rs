//! The rules of ServiceGroups, evaluated here as the API server evaluates them.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kube::core::cel::validate_cel;
use plimsoll_api::ServiceGroup;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

/// A service with a template; null takes a field out.
fn service(name: &str, more: Value) -> Value {
    let mut service = json!({
        "name": name, "port": 80, "scaling": { "minReplicas": 1, "maxReplicas": 3, "metrics": [] },
        "template": { "spec": {} },
    });
    let Value::Object(more) = more else { panic!("fields are an object") };
    for (field, value) in more {
        match value {
            Value::Null => _ = service.as_object_mut().unwrap().remove(&field),
            value => service[field] = value,
        }
    }
    service
}

fn refusals_of(name: &str, spec: &Value) -> String {
    let group: ServiceGroup = serde_json::from_value(json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "ServiceGroup", "metadata": { "name": name }, "spec": spec,
    }))
    .unwrap();
    validate_cel(&group).err().map(|errors| format!("{errors:?}")).unwrap_or_default()
}

fn refusals(services: &[Value]) -> String {
    refusals_of("store", &json!({ "services": services }))
}

#[test]
fn a_plain_group_is_accepted() {
    assert_eq!(refusals(&[service("get", json!({})), service("post", json!({}))]), "");
}

#[test]
fn a_service_has_either_a_template_or_a_workload() {
    let reference = json!({ "kind": "StatefulSet", "name": "db" });
    assert_eq!(refusals(&[service("get", json!({ "template": null, "workloadRef": reference }))]), "");
    for more in [json!({ "template": null }), json!({ "workloadRef": reference })] {
        let refused = refusals(&[service("get", more)]);
        assert!(refused.contains("set exactly one of template and workloadRef"), "{refused}");
    }
}

#[test]
fn each_name_belongs_to_one_service() {
    let refused = refusals(&[service("get", json!({})), service("get", json!({}))]);
    assert!(refused.contains("each name may be given to one service only"), "{refused}");
}

#[test]
fn the_names_of_a_group_and_a_service_fit_into_that_of_a_service() {
    let (of_22, of_40) = ("g".repeat(22), "s".repeat(40));
    let spec = json!({ "services": [service(&of_40, json!({}))] });
    assert_eq!(refusals_of(&of_22, &spec), "");
    let refused = refusals_of(&format!("{of_22}g"), &spec);
    assert!(refused.contains("at most 62 characters together"), "{refused}");
}

#[test]
fn the_name_of_a_group_is_one_of_services_and_a_label() {
    for name in ["1store", "my.store", "Store", "store-"] {
        let refused = refusals_of(name, &json!({ "services": [service("get", json!({}))] }));
        assert!(
            refused.contains("begins with a letter and has letters, digits and dashes only"),
            "{name}: {refused}"
        );
    }
}

#[test]
fn methods_need_paths() {
    let refused = refusals(&[service("get", json!({ "methods": ["GET"] }))]);
    assert!(refused.contains("methods are of no use without paths"), "{refused}");
}

#[test]
fn the_rules_of_podscalers_hold_for_the_scaling_of_a_service_too() {
    let of = |scaling: Value| refusals(&[service("get", json!({ "scaling": scaling }))]);
    let refused = of(json!({ "minReplicas": 4, "maxReplicas": 3, "metrics": [] }));
    assert!(refused.contains("minReplicas must not be larger than maxReplicas"), "{refused}");
    let refused = of(json!({ "minReplicas": 0, "maxReplicas": 3, "metrics": [] }));
    assert!(refused.contains("minReplicas 0 needs at least one metric"), "{refused}");
}

/// What an object gets that leaves it out is what the fields of one that names some of them say.
#[test]
fn availability_has_one_default() {
    let group = |availability: Option<Value>| {
        let mut spec = json!({ "services": [service("get", json!({}))] });
        if let Some(availability) = availability {
            spec["availability"] = availability;
        }
        let object = json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "ServiceGroup", "metadata": { "name": "store" }, "spec": spec,
        });
        serde_json::from_value::<ServiceGroup>(object).unwrap().spec.availability
    };
    assert_eq!(group(None), group(Some(json!({}))));
    assert_eq!(
        serde_json::to_value(group(None)).unwrap(),
        json!({ "survive": "None", "maxUnavailable": "10%", "preStopSeconds": 15 })
    );
}
