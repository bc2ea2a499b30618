//! The rules of the schema, evaluated here as the API server evaluates them.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kube::core::cel::validate_cel;
use plimsoll_api::PodScaler;
use serde_json::{Value, json};

fn scaler(spec: Value) -> PodScaler {
    let mut object = json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "PodScaler", "metadata": { "name": "web" },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "minReplicas": 1, "maxReplicas": 10, "metrics": [],
        },
    });
    let Value::Object(spec) = spec else { panic!("a spec is an object") };
    for (field, value) in spec {
        object["spec"][field] = value;
    }
    serde_json::from_value(object).unwrap()
}

fn refusals(spec: Value) -> String {
    validate_cel(&scaler(spec)).err().map(|errors| format!("{errors:?}")).unwrap_or_default()
}

#[test]
fn a_plain_spec_is_accepted() {
    assert_eq!(refusals(json!({})), "");
}

#[test]
fn a_minimum_above_the_maximum_is_refused() {
    let refusals = refusals(json!({ "minReplicas": 11 }));
    assert!(refusals.contains("minReplicas must not be larger than maxReplicas"), "{refusals}");
}

#[test]
fn scaling_to_zero_on_pod_metrics_alone_is_refused() {
    let cpu = json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } });
    let queue = json!({ "type": "External", "external": { "metric": { "name": "queue" }, "target": { "type": "Value", "value": "5" } } });
    let alone = refusals(json!({ "minReplicas": 0, "metrics": [cpu] }));
    assert!(
        alone.contains("minReplicas 0 needs at least one metric of type Object, External or Prometheus"),
        "{alone}"
    );
    let query = json!({ "type": "Prometheus", "prometheus": { "source": { "name": "p" }, "query": "up", "target": { "type": "Value", "value": "5" } } });
    for with_a_value in [queue, query] {
        assert_eq!(refusals(json!({ "minReplicas": 0, "metrics": [cpu.clone(), with_a_value] })), "");
    }
}

#[test]
fn a_scrape_has_a_quantile_only_when_it_reads_one() {
    let scrape = |read_as: &str, quantile: Option<&str>| {
        let mut scrape = json!({ "port": 80, "metric": "hits", "readAs": read_as, "target": { "type": "AverageValue", "averageValue": "5" } });
        if let Some(quantile) = quantile {
            scrape["quantile"] = quantile.into();
        }
        refusals(json!({ "metrics": [{ "type": "Scrape", "scrape": scrape }] }))
    };
    assert_eq!(scrape("Rate", None), "");
    assert_eq!(scrape("Quantile", Some("0.95")), "");
    for (read_as, quantile) in [("Quantile", None), ("Gauge", Some("0.5"))] {
        let refused = scrape(read_as, quantile);
        assert!(refused.contains("quantile must be set when readAs is Quantile, and only then"), "{refused}");
    }
    for quantile in ["0", "1", "-1", "95", "half"] {
        let refused = scrape("Quantile", Some(quantile));
        assert!(refused.contains("quantile must be from 0.001 to 0.999"), "{quantile}: {refused}");
    }
}

#[test]
fn a_prometheus_metric_has_exactly_one_target() {
    for target in [json!({ "type": "Value" }), json!({ "type": "Value", "value": 1, "averageValue": 1 })] {
        let metric = json!({ "type": "Prometheus", "prometheus": { "source": { "name": "p" }, "query": "up", "target": target } });
        let refused = refusals(json!({ "metrics": [metric] }));
        assert!(refused.contains("set exactly one of value and averageValue"), "{refused}");
    }
}

#[test]
fn a_target_without_a_group_is_refused_unless_it_is_a_replication_controller() {
    let target =
        |kind: &str| json!({ "scaleTargetRef": { "apiVersion": "v1", "kind": kind, "name": "web" } });
    let refused = refusals(target("Deployment"));
    assert!(refused.contains("apiVersion must name the group and version"), "{refused}");
    assert_eq!(refusals(target("ReplicationController")), "");
}

#[test]
fn a_metric_without_the_field_of_its_type_is_refused() {
    let refused = refusals(json!({ "metrics": [{ "type": "Pods" }] }));
    assert!(refused.contains("pods must be set when type is Pods"), "{refused}");
}

#[test]
fn a_resource_metric_has_exactly_one_target() {
    let metric = |target: Value| json!({ "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": target } }] });
    for target in [
        json!({ "type": "Utilization" }),
        json!({ "type": "Utilization", "averageUtilization": 50, "averageValue": "1" }),
    ] {
        let refused = refusals(metric(target));
        assert!(refused.contains("set exactly one of averageUtilization"), "{refused}");
    }
}

#[test]
fn a_quantity_of_zero_or_none_is_refused() {
    let metric = |value: &str| json!({ "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "AverageValue", "averageValue": value } } }] });
    for value in ["0", "-1", "lots"] {
        let refused = refusals(metric(value));
        assert!(refused.contains("averageValue must be a quantity greater than 0"), "{value}: {refused}");
    }
    assert_eq!(refusals(metric("100m")), "");
}

#[test]
fn a_negative_tolerance_is_refused() {
    let refused = refusals(json!({ "behavior": { "scaleUp": { "tolerance": "-0.1" } } }));
    assert!(refused.contains("tolerance must be a quantity of at least 0"), "{refused}");
    assert_eq!(refusals(json!({ "behavior": { "scaleUp": { "tolerance": "0" } } })), "");
}

fn queue(extra: Value) -> Value {
    let mut metric = json!({
        "type": "External", "external": { "metric": { "name": "q" }, "target": { "type": "Value", "value": "5" } },
    });
    let Value::Object(extra) = extra else { panic!("fields are an object") };
    for (field, value) in extra {
        metric[field] = value;
    }
    metric
}

#[test]
fn a_schedule_that_cannot_be_meant_is_refused() {
    let with = |field: &str, value: Value| {
        let mut schedule = json!({
            "name": "day", "start": "0 8 * * 1-5", "end": "0 18 * * MON-FRI", "timeZone": "Europe/Berlin", "minReplicas": 2,
        });
        schedule[field] = value;
        refusals(json!({ "schedules": [schedule] }))
    };
    assert_eq!(with("maxReplicas", json!(2)), "");
    assert_eq!(with("timeZone", json!("Etc/GMT+5")), "");
    for (field, value, message) in [
        ("start", json!("0 8 * *"), "start must be a cron expression of five fields"),
        ("start", json!("0 8 * * * *"), "start must be a cron expression of five fields"),
        ("end", json!("0 18 ? * 1-5"), "end must be a cron expression of five fields"),
        ("end", json!("0 8 * * 1-5"), "end must differ from start"),
        ("timeZone", json!("+02:00"), "timeZone must be a name of the IANA database"),
        ("maxReplicas", json!(1), "minReplicas must not be larger than maxReplicas"),
    ] {
        let refused = with(field, value);
        assert!(refused.contains(message), "{field}: {refused}");
    }
    let empty = json!({ "name": "day", "start": "0 8 * * *", "end": "0 9 * * *", "timeZone": "UTC" });
    let refused = refusals(json!({ "schedules": [empty] }));
    assert!(refused.contains("set minReplicas, maxReplicas or both"), "{refused}");
}

#[test]
fn a_fallback_has_replicas_when_its_behavior_needs_them() {
    let of = |fallback: Value| refusals(json!({ "fallback": fallback }));
    assert_eq!(of(json!({})), "");
    assert_eq!(of(json!({ "behavior": "Static", "replicas": 3 })), "");
    for fallback in [json!({ "behavior": "StaticIfHigher" }), json!({ "behavior": "Hold", "replicas": 3 })] {
        let refused = of(fallback);
        assert!(
            refused.contains("replicas must be set when behavior is Static or StaticIfHigher"),
            "{refused}"
        );
    }
}

#[test]
fn a_formula_needs_names_and_each_belongs_to_one_metric() {
    let of = |metrics: Value| refusals(json!({ "metrics": metrics, "formula": "jobs.replicas" }));
    assert_eq!(of(json!([queue(json!({ "name": "jobs" })), queue(json!({}))])), "");
    let refused = of(json!([queue(json!({}))]));
    assert!(refused.contains("formula needs metrics with a name"), "{refused}");
    let refused = of(json!([queue(json!({ "name": "jobs" })), queue(json!({ "name": "jobs" }))]));
    assert!(refused.contains("each name may be given to one metric only"), "{refused}");
    let refused = of(json!([queue(json!({ "name": "in" }))]));
    assert!(refused.contains("name must not be a reserved word of CEL"), "{refused}");
}

#[test]
fn options_of_a_metric_that_contradict_themselves_are_refused() {
    let of = |options: Value| refusals(json!({ "metrics": [queue(options)] }));
    assert_eq!(of(json!({ "minReplicas": 2, "maxReplicas": 2, "activation": "0" })), "");
    let refused = of(json!({ "minReplicas": 3, "maxReplicas": 2 }));
    assert!(
        refused.contains("minReplicas must not be larger than maxReplicas of the same metric"),
        "{refused}"
    );
    for activation in ["-1", "some"] {
        let refused = of(json!({ "activation": activation }));
        assert!(refused.contains("activation must be a quantity of at least 0"), "{refused}");
    }
}

#[test]
fn pods_are_picked_only_where_their_costs_are_read() {
    let managed = |kind: &str| {
        let target = json!({ "apiVersion": "apps/v1", "kind": kind, "name": "web" });
        refusals(json!({ "scaleTargetRef": target, "podDeletionCost": "Managed" }))
    };
    assert_eq!((managed("Deployment").as_str(), managed("ReplicaSet").as_str()), ("", ""));
    let refused = managed("StatefulSet");
    assert!(refused.contains("podDeletionCost Managed needs a Deployment or a ReplicaSet"), "{refused}");
}
