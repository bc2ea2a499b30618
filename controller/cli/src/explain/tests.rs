use plimsoll_api::PodScaler;
use plimsoll_core::time::Span;
use serde_json::json;

use super::*;
use crate::{
    fixtures::{golden, history, now},
    output::Paint,
};

fn explained(index: usize) -> String {
    let history = history();
    let told = told(&history, &history.decisions[index]).unwrap();
    text::render(&told, now(), Paint { colours: false })
}

#[test]
fn a_growth_is_told_from_the_metrics_to_the_size() {
    golden("explain_growth", &explained(1));
}

#[test]
fn a_size_that_is_held_says_by_what() {
    golden("explain_held", &explained(0));
}

#[test]
fn a_target_that_cannot_be_read_is_told() {
    let told = explained(2);
    assert!(told.contains("Stays at 3: nothing could be decided."), "{told}");
    assert!(told.contains("Error: deployments.apps \"web\" is forbidden."), "{told}");
    assert!(told.contains("AbleToScale=False"), "{told}");
    assert!(!told.contains("METRIC"), "{told}");
}

#[test]
fn colours_change_no_word() {
    let history = history();
    let told = newest(&history).unwrap();
    let [plain, coloured] = [false, true].map(|colours| text::render(&told, now(), Paint { colours }));
    assert!(coloured.contains('\u{1b}'));
    assert_eq!(console::strip_ansi_codes(&coloured), plain);
}

#[test]
fn programs_get_the_same() {
    let history = history();
    let json = serde_json::to_value(newest(&history).unwrap()).unwrap();
    assert_eq!(json["source"], "operator");
    assert_eq!(json["explanation"]["metrics"][0]["target"], "50 %");
    assert_eq!(json["at"], json!((now() - Span::from_secs(30)).as_millis()));
}

#[test]
fn the_status_tells_what_it_can() {
    let scaler: PodScaler = serde_json::from_value(json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "PodScaler",
        "metadata": { "name": "web", "namespace": "shop" },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "minReplicas": 2, "maxReplicas": 8,
            "metrics": [{ "type": "Resource", "resource": {
                "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } }],
        },
        "status": {
            "currentReplicas": 3, "desiredReplicas": 7,
            "currentMetrics": [{ "type": "Resource", "resource": {
                "name": "cpu", "current": { "averageUtilization": 210, "averageValue": "210m" } } }],
            "conditions": [{
                "type": "ScalingLimited", "status": "True", "reason": "ScaleUpLimit",
                "message": "the desired replica count is increasing faster than the maximum scale rate",
                "lastTransitionTime": "2026-11-24T08:00:30Z",
            }],
            "lastDecision": {
                "time": "2026-11-24T08:00:30Z",
                "reason": "cpu resource utilization (percentage of request) above target",
                "recommendation": 13,
                "proposals": [{ "metric": "cpu resource utilization (percentage of request)", "replicas": 13 }],
                "reserve": "0 of 7 replicas are there for the loss of the largest of 3 zones, of the 7 that it takes: at most 4 pods per 15s (scaleUp.policies)",
                "limits": ["20 -> 7: at most 4 pods per 15s (scaleUp.policies)"],
            },
        },
    }))
    .unwrap();
    let told = status::told("shop", "web", &scaler).unwrap();
    golden("explain_status", &text::render(&told, now(), Paint { colours: false }));
}

#[test]
fn without_a_status_there_is_nothing_to_tell() {
    let spec = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "maxReplicas": 8,
    });
    let scaler = PodScaler::new("web", serde_json::from_value(spec).unwrap());
    let error = status::told("shop", "web", &scaler).unwrap_err().to_string();
    assert!(error.contains("shop/web has no status yet"), "{error}");
}
