//! Specs that are right and wrong, for PodScalers and for HPAs.

// A table reads better with values, and in one piece.
#![allow(clippy::needless_pass_by_value, clippy::too_many_lines)]

use serde_json::{Value, json};

/// What a real HPA says to a spec that we refuse.
pub(crate) enum Verdict {
    Refused,
    Accepted,
    /// The HPA has no such field, and drops it.
    DoesNotKnow,
}

pub(crate) struct Bad {
    /// What the message must name.
    pub(crate) field: &'static str,
    pub(crate) spec: Value,
    pub(crate) verdict_of_hpa: Verdict,
}

/// A spec without anything that could be left out, with changes by JSON pointer. `null` takes a field out.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "maxReplicas": 10,
    });
    for (path, value) in changes {
        let (parent, field) = path.rsplit_once('/').unwrap_or_default();
        if let Some(parent) = spec.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.insert(field.to_owned(), value.clone());
        }
    }
    spec
}

fn without(path: &str) -> Value {
    let mut spec = with(&[]);
    let (parent, field) = path.rsplit_once('/').unwrap_or_default();
    spec.pointer_mut(parent).and_then(Value::as_object_mut).and_then(|parent| parent.remove(field));
    spec
}

fn metric(metric: Value) -> Value {
    with(&[("/metrics", json!([metric]))])
}

fn cpu(target: Value) -> Value {
    metric(json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}))
}

fn queue(target: Value) -> Value {
    json!({"type": "External", "external": {"metric": {"name": "queue"}, "target": target}})
}

fn rules(direction: &str, rules: Value) -> Value {
    let mut spec = with(&[("/behavior", json!({}))]);
    spec["behavior"][direction] = rules;
    spec
}

fn policy(policy: Value) -> Value {
    rules("scaleUp", json!({"policies": [policy]}))
}

pub(crate) fn bad() -> Vec<Bad> {
    use Verdict::{DoesNotKnow, Refused};
    let bad = |field, spec| Bad { field, spec, verdict_of_hpa: Refused };
    let ours = |field, spec| Bad { field, spec, verdict_of_hpa: DoesNotKnow };
    let utilization = json!({"type": "Utilization", "averageUtilization": 50});
    let average = json!({"type": "AverageValue", "averageValue": "1"});
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "web"});
    let night = json!({"name": "night", "start": "0 22 * * *", "end": "0 6 * *", "timeZone": "UTC", "maxReplicas": 1});
    let named = |name: &str| {
        let mut metric = queue(json!({"type": "Value", "value": "5"}));
        metric["name"] = json!(name);
        metric
    };
    vec![
        ours("schedules[0].end", with(&[("/schedules", json!([night]))])),
        ours("fallback.replicas", with(&[("/fallback", json!({"behavior": "Static"}))])),
        ours("formula", with(&[("/formula", json!("jobs.replicas"))])),
        ours("metrics", with(&[("/metrics", json!([named("jobs"), named("jobs")]))])),
        ours("metrics[0].name", with(&[("/metrics", json!([named("true")]))])),
        bad("minReplicas", with(&[("/minReplicas", json!(11))])),
        bad("minReplicas", with(&[("/minReplicas", json!(-1))])),
        bad("minReplicas", with(&[("/minReplicas", json!(0))])),
        bad("maxReplicas", with(&[("/maxReplicas", json!(0))])),
        bad("maxReplicas", with(&[("/maxReplicas", json!("many"))])),
        bad("maxReplicas", without("/maxReplicas")),
        bad("scaleTargetRef", without("/scaleTargetRef")),
        bad("scaleTargetRef.name", with(&[("/scaleTargetRef/name", json!(""))])),
        bad("scaleTargetRef.name", with(&[("/scaleTargetRef/name", json!("a/b"))])),
        bad("scaleTargetRef.kind", with(&[("/scaleTargetRef/kind", json!(""))])),
        bad("scaleTargetRef.apiVersion", with(&[("/scaleTargetRef/apiVersion", json!("v1"))])),
        bad("scaleTargetRef.apiVersion", with(&[("/scaleTargetRef/apiVersion", json!(""))])),
        bad("scaleTargetRef.apiVersion", without("/scaleTargetRef/apiVersion")),
        bad("metrics[0].type", metric(json!({"type": "Weather"}))),
        bad("metrics[0].resource", metric(json!({"type": "Resource"}))),
        bad("pods", metric(json!({"type": "Pods", "resource": {"name": "cpu", "target": utilization}}))),
        bad(
            "pods",
            metric(json!({
                "type": "Resource",
                "resource": {"name": "cpu", "target": utilization},
                "pods": {"metric": {"name": "requests"}, "target": average},
            })),
        ),
        bad("target", metric(json!({"type": "Resource", "resource": {"name": "cpu"}}))),
        bad("target", cpu(json!({"type": "Utilization"}))),
        bad("target", cpu(json!({"type": "Value", "value": "1"}))),
        bad("target", cpu(json!({"type": "Utilization", "averageUtilization": 50, "averageValue": "100m"}))),
        bad("averageUtilization", cpu(json!({"type": "Utilization", "averageUtilization": 0}))),
        bad("averageValue", cpu(json!({"type": "AverageValue", "averageValue": "0"}))),
        bad("averageValue", cpu(json!({"type": "AverageValue", "averageValue": "-1"}))),
        bad("averageValue", cpu(json!({"type": "AverageValue", "averageValue": "lots"}))),
        bad("target.type", cpu(json!({"type": "Some", "averageUtilization": 50}))),
        bad("name", metric(json!({"type": "Resource", "resource": {"name": "", "target": utilization}}))),
        bad(
            "container",
            metric(
                json!({"type": "ContainerResource", "containerResource": {"name": "cpu", "target": utilization}}),
            ),
        ),
        bad(
            "name",
            metric(json!({
                "type": "ContainerResource",
                "containerResource": {"name": "speed", "container": "app", "target": utilization},
            })),
        ),
        bad(
            "averageValue",
            metric(json!({
                "type": "Pods",
                "pods": {"metric": {"name": "requests"}, "target": {"type": "Value", "value": "1"}},
            })),
        ),
        bad(
            "metric.name",
            metric(json!({"type": "Pods", "pods": {"metric": {"name": ""}, "target": average}})),
        ),
        bad(
            "target",
            metric(json!({
                "type": "Object",
                "object": {"describedObject": ingress, "metric": {"name": "hits"}, "target": {"type": "Value"}},
            })),
        ),
        bad(
            "describedObject.name",
            metric(json!({
                "type": "Object",
                "object": {
                    "describedObject": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": ""},
                    "metric": {"name": "hits"},
                    "target": {"type": "Value", "value": "1"},
                },
            })),
        ),
        bad("target", metric(queue(json!({"type": "Value", "value": "1", "averageValue": "1"})))),
        bad("target", metric(queue(json!({"type": "Value"})))),
        bad("value", metric(queue(json!({"type": "Value", "value": "0"})))),
        bad("policies", rules("scaleUp", json!({"policies": []}))),
        bad("policies[0].value", policy(json!({"type": "Pods", "value": 0, "periodSeconds": 15}))),
        bad("policies[0].periodSeconds", policy(json!({"type": "Pods", "value": 1, "periodSeconds": 0}))),
        bad("policies[0].periodSeconds", policy(json!({"type": "Pods", "value": 1, "periodSeconds": 1801}))),
        bad("policies[0].type", policy(json!({"type": "Nodes", "value": 1, "periodSeconds": 15}))),
        bad("stabilizationWindowSeconds", rules("scaleDown", json!({"stabilizationWindowSeconds": 3601}))),
        bad("stabilizationWindowSeconds", rules("scaleDown", json!({"stabilizationWindowSeconds": -1}))),
        bad("selectPolicy", rules("scaleDown", json!({"selectPolicy": "Mean"}))),
        bad("tolerance", rules("scaleDown", json!({"tolerance": "-0.1"}))),
        bad("tolerance", rules("scaleDown", json!({"tolerance": "some"}))),
        ours("algorithm", with(&[("/algorithm", json!("HPA-1.0"))])),
        ours("mode", with(&[("/mode", json!("Sometimes"))])),
        ours("podDeletionCost", with(&[("/podDeletionCost", json!("Sometimes"))])),
        // Nobody has more, and the API server's time for checking is bounded.
        Bad {
            field: "metrics",
            spec: with(&[(
                "/metrics",
                Value::Array(vec![queue(json!({"type": "Value", "value": "1"})); 31]),
            )]),
            verdict_of_hpa: Verdict::Accepted,
        },
    ]
}

pub(crate) fn good() -> Vec<Value> {
    let utilization = json!({"type": "Utilization", "averageUtilization": 50});
    let average = json!({"type": "AverageValue", "averageValue": "1500m"});
    let value = json!({"type": "Value", "value": "2k"});
    let both = json!({"type": "AverageValue", "value": "2k", "averageValue": "1"});
    let selector = json!({
        "matchLabels": {"queue": "orders"},
        "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["test"]}],
    });
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "web"});
    let service = json!({"kind": "Service", "name": "web"});
    let pods = json!({"type": "Pods", "pods": {"metric": {"name": "requests", "selector": selector}, "target": average}});
    let object = |described: &Value, target: &Value| {
        let metric = json!({"name": "hits"});
        let object = json!({"describedObject": described, "metric": metric, "target": target});
        metric_of("Object", "object", object)
    };
    let container = json!({"name": "cpu", "container": "app", "target": utilization});
    let external = json!({"metric": {"name": "queue", "selector": selector}, "target": value});
    let slowly = json!({"policies": [
        {"type": "Percent", "value": 10, "periodSeconds": 60},
        {"type": "Pods", "value": 1, "periodSeconds": 1800},
    ]});
    vec![
        with(&[]),
        with(&[("/minReplicas", Value::Null), ("/metrics", Value::Null), ("/behavior", Value::Null)]),
        with(&[("/metrics", json!([]))]),
        with(&[("/minReplicas", json!(10))]),
        with(&[(
            "/scaleTargetRef",
            json!({"apiVersion": "v1", "kind": "ReplicationController", "name": "web"}),
        )]),
        with(&[("/scaleTargetRef", json!({"kind": "ReplicationController", "name": "web"}))]),
        with(&[(
            "/scaleTargetRef",
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "Web.1"}),
        )]),
        cpu(json!({"type": "Utilization", "averageUtilization": 250})),
        cpu(json!({"type": "AverageValue", "averageValue": "250m"})),
        // The field that is set counts, whatever the type says.
        cpu(json!({"type": "Value", "averageUtilization": 50})),
        metric(json!({"type": "Resource", "resource": {"name": "example.com/gpu", "target": average}})),
        metric(metric_of("ContainerResource", "containerResource", container)),
        metric(pods.clone()),
        metric(object(&ingress, &value)),
        metric(object(&ingress, &both)),
        metric(object(&service, &average)),
        metric(metric_of("External", "external", external.clone())),
        with(&[
            ("/minReplicas", json!(0)),
            ("/metrics", json!([metric_of("External", "external", external.clone())])),
        ]),
        with(&[("/minReplicas", json!(0)), ("/metrics", json!([pods, object(&ingress, &value)]))]),
        with(&[("/metrics", Value::Array(vec![queue(value.clone()); 30]))]),
        with(&[("/behavior", json!({}))]),
        rules("scaleUp", json!({})),
        rules("scaleDown", json!({})),
        rules("scaleUp", json!({"selectPolicy": "Disabled"})),
        rules("scaleUp", slowly.clone()),
        rules("scaleDown", slowly),
        rules(
            "scaleUp",
            json!({"stabilizationWindowSeconds": 3600, "selectPolicy": "Min", "tolerance": "50m"}),
        ),
        rules("scaleDown", json!({"stabilizationWindowSeconds": 0, "tolerance": "0"})),
        rules("scaleDown", json!({"tolerance": "2"})),
        rules(
            "scaleDown",
            json!({"policies": null, "selectPolicy": null, "stabilizationWindowSeconds": null}),
        ),
    ]
}

fn metric_of(kind: &str, field: &str, value: Value) -> Value {
    let mut metric = json!({"type": kind});
    metric[field] = value;
    metric
}

/// Whether the metrics are an empty list, which an HPA has filled.
pub(crate) fn names_no_metric(spec: &Value) -> bool {
    spec["metrics"].as_array().is_some_and(Vec::is_empty)
}

/// Good ones with quantities that the API server writes otherwise in an HPA, and leaves as they are in ours.
pub(crate) fn good_with_other_quantities() -> Vec<Value> {
    vec![
        cpu(json!({"type": "AverageValue", "averageValue": 2})),
        cpu(json!({"type": "AverageValue", "averageValue": "0.5"})),
        rules("scaleUp", json!({"tolerance": "0.05"})),
        rules("scaleUp", json!({"tolerance": 1})),
    ]
}
