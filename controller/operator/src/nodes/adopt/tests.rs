use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;
use crate::nodes::script::{failure, server};

fn order(ids: &[&str]) -> NodeOrder {
    let nodes: Vec<Value> = ids.iter().map(|id| json!({ "providerID": id, "phase": "Creating" })).collect();
    serde_json::from_value(json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeOrder",
        "metadata": { "name": "bought-1" },
        "spec": {
            "pool": "bought", "count": 1, "reason": "2 pods", "fencingToken": 1,
            "offering": { "instanceType": "m-4", "zone": "zone-a", "capacityType": "spot", "price": "0.1", "nodeGroup": "web" },
        },
        "status": { "phase": "Creating", "accepted": 1, "nodes": nodes },
    }))
    .unwrap()
}

fn node(more: &Value) -> Node {
    let mut node = json!({
        "metadata": { "name": "cloud-1", "uid": "u-1", "resourceVersion": "7", "labels": { "team": "cloud" } },
        "spec": { "providerID": "cloud://1", "taints": [{ "key": "gpu", "effect": "NoSchedule" }] },
    });
    for (field, value) in more.as_object().unwrap() {
        for (key, value) in value.as_object().unwrap() {
            node[field][key] = value.clone();
        }
    }
    serde_json::from_value(node).unwrap()
}

fn pool(template: &Value) -> CapacityPoolSpec {
    let provider = json!({ "externalGrpc": { "address": "cloud:1" } });
    serde_json::from_value(json!({ "provider": provider, "template": template })).unwrap()
}

#[test]
fn a_node_of_an_order_gets_its_marks_over_the_version_that_was_read() {
    let patch = marks(&node(&json!({})), &order(&["cloud://1"]), &pool(&json!({}))).unwrap();
    assert_eq!(
        patch,
        json!({ "metadata": {
            "uid": "u-1",
            "resourceVersion": "7",
            "labels": {
                "plimsoll.dev/node-order": "bought-1",
                "plimsoll.dev/capacity-pool": "bought",
                "plimsoll.dev/capacity-type": "spot",
            },
        } })
    );
}

#[test]
fn what_the_template_says_is_added_and_what_kubernetes_and_others_say_stays() {
    let template = json!({
        "labels": { "team": "shop", "kubernetes.io/os": "other", "tier": "web" },
        "annotations": { "note": "bought" },
        "taints": [{ "key": "gpu", "effect": "NoSchedule" }, { "key": "shop", "value": "1", "effect": "NoExecute" }],
        "startupTaints": [{ "key": "network", "effect": "NoSchedule" }],
    });
    let node = node(&json!({ "metadata": { "labels": { "team": "cloud", "kubernetes.io/os": "linux" } } }));
    let patch = marks(&node, &order(&["cloud://1"]), &pool(&template)).unwrap();
    let labels = &patch["metadata"]["labels"];
    assert_eq!((&labels["team"], &labels["tier"]), (&json!("shop"), &json!("web")));
    assert_eq!(labels["kubernetes.io/os"], Value::Null, "it is not in the patch");
    assert_eq!(patch["metadata"]["annotations"], json!({ "note": "bought" }));
    assert_eq!(
        patch["spec"]["taints"],
        json!([
            { "key": "gpu", "effect": "NoSchedule" },
            { "key": "shop", "value": "1", "effect": "NoExecute" },
        ])
    );
}

#[test]
fn no_other_node_is_marked() {
    let (none, of) = (pool(&json!({})), order(&["cloud://1"]));
    for other in [
        json!({ "spec": { "providerID": "cloud://2" } }),
        json!({ "spec": { "providerID": "" } }),
        json!({ "spec": { "providerID": null } }),
        json!({ "metadata": { "labels": { "plimsoll.dev/node-order": "another" } } }),
    ] {
        assert_eq!(marks(&node(&other), &of, &none), None, "{other}");
    }
    assert_eq!(marks(&node(&json!({})), &order(&[""]), &none), None);
}

#[tokio::test]
async fn a_node_is_marked_over_the_version_that_was_read_and_left_alone_when_it_has_changed() {
    let (of, spec) = (order(&["cloud://1"]), pool(&json!({})));
    let read = serde_json::to_value(node(&json!({}))).unwrap();
    let answered = read.clone();
    let (client, log) = server(move |_| (200, answered.clone()));
    assert!(adopt(&client, &"cloud-1".into(), &of, &spec).await.is_some());
    let asked = log.take();
    let lines: Vec<String> = asked.iter().map(crate::nodes::script::Asked::line).collect();
    assert_eq!(lines, ["GET /api/v1/nodes/cloud-1", "PATCH /api/v1/nodes/cloud-1"]);
    assert_eq!(asked[1].body["metadata"]["resourceVersion"], "7");

    let (client, log) = server(move |asked| match asked.method {
        http::Method::GET => (200, read.clone()),
        _ => failure(409, "Conflict", "cloud-1"),
    });
    assert!(adopt(&client, &"cloud-1".into(), &of, &spec).await.is_none());
    assert_eq!(log.lines().len(), 2, "it is looked at again in another pass");

    let another = serde_json::to_value(node(&json!({ "spec": { "providerID": "cloud://2" } }))).unwrap();
    let (client, log) = server(move |_| (200, another.clone()));
    assert!(adopt(&client, &"cloud-1".into(), &of, &spec).await.is_none());
    assert_eq!(log.lines(), ["GET /api/v1/nodes/cloud-1"], "another machine has its name by now");
}
