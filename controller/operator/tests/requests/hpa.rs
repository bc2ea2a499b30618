//! HPAs beside PodScalers, in their shadow and in their place, request by request.

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, ToSpan as _};
use kube::{Client, runtime::controller::Action};
use plimsoll_operator::{
    args::HpaMode,
    context::Context,
    hpa::{self, Hpa},
    leadership::{Keeper, Leadership, LeaseConfig},
    podscaler,
};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    look::{self, GET_SCALE, KIND, PATCH_SCALE, PATCH_STATUS, POST_EVENT, USAGE, answer, find, scaler_with},
    script::{Asked, Log, failure, server},
};

const PATCH_HPA: &str = "PATCH /apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web/status";

/// The HPA of the workload of two pods, with this status, last written by the built-in controller so many seconds ago.
fn web(status: &Value, written: Option<i64>) -> Hpa {
    let time = |ago: i64| Timestamp::now().checked_sub(ago.seconds()).unwrap().to_string();
    let managers = written.map(|ago| {
        json!([{ "manager": "kube-controller-manager", "subresource": "status", "operation": "Update", "time": time(ago) }])
    });
    serde_json::from_value(json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "2", "generation": 1, "resourceVersion": "40",
            "managedFields": managers,
        },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "maxReplicas": 10,
            "metrics": [{ "type": "Resource", "resource": {
                "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } }],
        },
        "status": status,
    }))
    .unwrap()
}

/// A workload of two ready pods that request 100m each and use `milli`, under an HPA.
fn with_hpa(asked: &Asked, milli: i64) -> (u16, Value) {
    match asked.line().as_str() {
        PATCH_HPA => (200, json!({ "metadata": { "name": "web" } })),
        _ => answer(asked, milli),
    }
}

async fn context(client: Client, mode: HpaMode) -> Arc<Context> {
    let context = look::context_of(client, Leadership::alone(), true, mode).await;
    context.claims.withdraw("shop", "web");
    let target = serde_json::from_value(web(&json!({}), None).spec["scaleTargetRef"].clone()).unwrap();
    context.hpa_claims.claim_target("shop", "web", Some(&target));
    context
}

async fn look_at(hpa: Hpa, mode: HpaMode, milli: i64) -> (Arc<Context>, Log) {
    let (client, log) = server(move |asked| with_hpa(asked, milli));
    let context = context(client, mode).await;
    hpa::reconcile(Arc::new(hpa), Arc::clone(&context)).await.unwrap();
    (context, log)
}

#[tokio::test]
async fn an_active_podscaler_beside_an_hpa_names_it_and_the_ways_out() {
    for mode in [HpaMode::Ignore, HpaMode::Shadow, HpaMode::Takeover] {
        let (client, log) = server(|asked| answer(asked, 100));
        let context = context(client, mode).await;
        podscaler::reconcile(scaler_with(&json!({})), Arc::clone(&context)).await.unwrap();
        let asked = log.take();
        let lines: Vec<_> = asked.iter().map(Asked::line).collect();
        assert_eq!(lines, [KIND, GET_SCALE, PATCH_STATUS, POST_EVENT]);
        let condition = &find(&asked, PATCH_STATUS).body["status"]["conditions"][0];
        assert_eq!((&condition["status"], &condition["reason"]), (&json!("False"), &json!("Conflicting")));
        let message = condition["message"].to_string();
        assert!(message.contains(": web;") && message.contains("deleted"), "{message}");
        assert!(message.contains("spec.mode Recommend"), "{message}");

        context.hpa_claims.withdraw("shop", "web");
        podscaler::reconcile(scaler_with(&json!({})), context).await.unwrap();
        assert_eq!(log.lines(), [GET_SCALE, USAGE, PATCH_SCALE, PATCH_STATUS, POST_EVENT], "the HPA is gone");
    }
}

#[tokio::test]
async fn a_podscaler_that_recommends_may_stand_beside_an_hpa_and_says_that_it_does_not_write() {
    let (client, log) = server(|asked| answer(asked, 100));
    let recommends = scaler_with(&json!({ "mode": "Recommend" }));
    podscaler::reconcile(recommends, context(client, HpaMode::Ignore).await).await.unwrap();
    let asked = log.take();
    assert_eq!(asked.iter().map(Asked::line).collect::<Vec<_>>(), [KIND, GET_SCALE, USAGE, PATCH_STATUS]);
    let status = &find(&asked, PATCH_STATUS).body["status"];
    assert_eq!(status["desiredReplicas"], 4);
    let conditions = status["conditions"].as_array().unwrap();
    let last = conditions.last().unwrap();
    assert_eq!((&last["type"], &last["status"]), (&json!("Recommending"), &json!("True")));
    assert!(last["message"].to_string().contains("no replicas are written"), "{last}");
}

#[tokio::test]
async fn an_hpa_that_is_ignored_is_not_looked_at() {
    let (_, log) = look_at(web(&json!({}), None), HpaMode::Ignore, 100).await;
    assert_eq!(log.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_takeover_scales_and_writes_what_the_hpa_controller_writes() {
    let zero = json!({ "type": "ScaledToZero", "status": "False", "reason": "NotScaledToZero" });
    let status = json!({ "currentReplicas": 2, "desiredReplicas": 2, "conditions": [zero], "forecast": 9 });
    let (context, log) = look_at(web(&status, Some(31)), HpaMode::Takeover, 100).await;
    let asked = log.take();
    let lines: Vec<_> = asked.iter().map(Asked::line).collect();
    assert_eq!(lines, [KIND, GET_SCALE, USAGE, PATCH_SCALE, PATCH_HPA, POST_EVENT]);
    let mut patch = find(&asked, PATCH_HPA).body.clone();
    let scaled_at = patch["status"]["lastScaleTime"].take();
    assert!(scaled_at.as_str().unwrap().parse::<Timestamp>().is_ok());
    for condition in patch["status"]["conditions"].as_array_mut().unwrap() {
        condition.as_object_mut().unwrap().remove("lastTransitionTime");
    }
    let condition = |kind, status, reason, message| json!({ "type": kind, "status": status, "reason": reason, "message": message });
    assert_eq!(
        patch,
        json!({ "metadata": { "uid": "2" }, "status": {
            "observedGeneration": 1,
            "desiredReplicas": 4,
            "lastScaleTime": null,
            "currentMetrics": [{ "type": "Resource", "resource": {
                "name": "cpu", "current": { "averageUtilization": 100, "averageValue": "100m" } } }],
            "conditions": [
                condition("ScaledToZero", "False", "NotScaledToZero", "the HPA controller did not scale the workload to zero"),
                condition("AbleToScale", "True", "SucceededRescale", "the HPA controller was able to update the target scale to 4"),
                condition("ScalingActive", "True", "ValidMetricFound", "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)"),
                condition("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range"),
            ],
        } })
    );
    let event = &find(&asked, POST_EVENT).body;
    assert_eq!(
        event["note"],
        "New size: 4; reason: cpu resource utilization (percentage of request) above target"
    );
    assert_eq!(event["regarding"]["kind"], "HorizontalPodAutoscaler");
    assert_eq!(event["regarding"]["apiVersion"], "autoscaling/v2");
    let metrics = context.metrics.render().unwrap();
    assert!(metrics.contains(r#"plimsoll_hpa_desired_replicas{hpa="web",namespace="shop"} 4"#), "{metrics}");
}

#[tokio::test]
async fn a_takeover_that_finds_nothing_new_writes_nothing() {
    let (context, log) = look_at(web(&json!({}), None), HpaMode::Takeover, 50).await;
    let asked = log.take();
    let written = find(&asked, PATCH_HPA).body.clone();
    assert_eq!(written["metadata"]["resourceVersion"], "40", "only over what was read");
    hpa::reconcile(Arc::new(web(&written["status"], None)), context).await.unwrap();
    assert_eq!(log.lines(), [GET_SCALE, USAGE]);
}

#[tokio::test]
async fn a_status_that_somebody_wrote_meanwhile_is_left_for_the_next_look() {
    let (client, log) = server(|asked| match asked.line().as_str() {
        PATCH_HPA => failure(409, "Conflict", "web"),
        _ => answer(asked, 50),
    });
    let hpa = Arc::new(web(&json!({}), None));
    hpa::reconcile(hpa, context(client, HpaMode::Takeover).await).await.unwrap();
    assert_eq!(log.lines(), [KIND, GET_SCALE, USAGE, PATCH_HPA]);
}

#[tokio::test]
async fn a_takeover_is_refused_while_another_controller_writes_the_status() {
    let hpa = || web(&json!({}), Some(15));
    let (context, log) = look_at(hpa(), HpaMode::Takeover, 100).await;
    let asked = log.take();
    assert_eq!(asked.iter().map(Asked::line).collect::<Vec<_>>(), [POST_EVENT], "not even the status");
    let event = &find(&asked, POST_EVENT).body;
    assert_eq!(event["reason"], "TakeoverRefused");
    let note = event["note"].to_string();
    assert!(note.contains("kube-controller-manager writes") && note.contains("--hpa=shadow"), "{note}");
    let refused = |context: &Context| {
        let metrics = context.metrics.render().unwrap();
        let line = metrics.lines().find(|line| line.starts_with("plimsoll_hpa_takeover_refused{"));
        line.unwrap().ends_with(" 1")
    };
    assert!(refused(&context));
    hpa::reconcile(Arc::new(hpa()), Arc::clone(&context)).await.unwrap();
    assert_eq!(log.lines(), Vec::<String>::new(), "told once");
    hpa::reconcile(Arc::new(web(&json!({}), Some(31))), Arc::clone(&context)).await.unwrap();
    assert_eq!(log.lines(), [KIND, GET_SCALE, USAGE, PATCH_SCALE, PATCH_HPA, POST_EVENT]);
    assert!(!refused(&context));
}

#[tokio::test]
async fn an_hpa_and_a_podscaler_on_one_target_both_hold() {
    let (client, log) = server(|asked| with_hpa(asked, 100));
    let context = context(client, HpaMode::Takeover).await;
    if let Ok(scaler) = &scaler_with(&json!({})).0 {
        context.claims.claim("shop", "rival", &scaler.spec);
    }
    hpa::reconcile(Arc::new(web(&json!({}), None)), context).await.unwrap();
    let asked = log.take();
    let lines: Vec<_> = asked.iter().map(Asked::line).collect();
    assert_eq!(lines, [KIND, GET_SCALE, PATCH_HPA, POST_EVENT]);
    let note = find(&asked, POST_EVENT).body["note"].to_string();
    assert!(note.contains("a PodScaler has the same target: rival"), "{note}");
}

#[tokio::test]
async fn a_zero_of_the_built_in_controller_is_ours_to_wake() {
    let zero = json!([{ "type": "ScaledToZero", "status": "True", "reason": "ScaledToZero" }]);
    for (conditions, wakes) in [(zero, true), (json!([]), false)] {
        let hpa = web(&json!({ "conditions": conditions }), None);
        let (client, log) = server(|asked| match asked.line().as_str() {
            GET_SCALE => look::scale(0, "7"),
            _ => with_hpa(asked, 100),
        });
        hpa::reconcile(Arc::new(hpa), context(client, HpaMode::Takeover).await).await.unwrap();
        // The minimum of 1 is what wakes it, and its metric of pods has nothing to say.
        let asked = log.take();
        let conditions = find(&asked, PATCH_HPA).body["status"]["conditions"].to_string();
        assert_eq!(conditions.contains("ScalingDisabled"), !wakes, "{conditions}");
    }
}

#[tokio::test]
async fn a_shadow_computes_and_writes_nothing() {
    let theirs = json!({ "observedGeneration": 1, "currentReplicas": 2, "desiredReplicas": 2 });
    let (context, log) = look_at(web(&theirs, Some(0)), HpaMode::Shadow, 100).await;
    assert_eq!(log.lines(), [KIND, GET_SCALE, USAGE]);
    let shadow = context.shadows.all().remove(0);
    assert_eq!((shadow.theirs, shadow.ours), (Some(2), Some(4)));
    assert!(shadow.different_since.is_some() && shadow.reason.contains("above target"), "{shadow:?}");
    assert_eq!((shadow.looks.equal, shadow.looks.different), (0, 1));
    let metrics = context.metrics.render().unwrap();
    for line in [
        r#"plimsoll_shadow_desired_replicas{hpa="web",namespace="shop"} 4"#,
        r#"plimsoll_shadow_difference_replicas{hpa="web",namespace="shop"} 2"#,
        r#"plimsoll_shadow_looks_total{result="different"} 1"#,
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
}

/// The built-in controller has used up its budget with its own step, so it holds, and its shadow must know that.
#[tokio::test]
async fn a_shadow_remembers_the_steps_of_the_built_in_controller() {
    for (told, ours) in [(true, 3), (false, 4)] {
        let mut size = 2;
        let (client, _) = server(move |asked| match asked.line().as_str() {
            GET_SCALE => {
                size += 1;
                look::scale(size - 1, "7")
            }
            _ => with_hpa(asked, 200),
        });
        let context = context(client, HpaMode::Shadow).await;
        let hpa = |version: &str, current: i32, scaled_at: Option<String>| {
            let status = json!({
                "observedGeneration": 1, "currentReplicas": current, "desiredReplicas": 3, "lastScaleTime": scaled_at,
            });
            let mut hpa = web(&status, None);
            hpa.metadata.resource_version = Some(version.to_owned());
            let policies = json!([{ "type": "Pods", "value": 1, "periodSeconds": 600 }]);
            hpa.spec["behavior"] = json!({ "scaleUp": { "policies": policies } });
            Arc::new(hpa)
        };
        hpa::reconcile(hpa("40", 2, None), Arc::clone(&context)).await.unwrap();
        assert_eq!(context.shadows.all()[0].ours, Some(3), "a step of one");
        let scaled_at = told.then(|| Timestamp::now().to_string());
        hpa::reconcile(hpa("41", 3, scaled_at), Arc::clone(&context)).await.unwrap();
        assert_eq!(context.shadows.all()[0].ours, Some(ours), "whose step it was: {told}");
    }
}

#[tokio::test]
async fn a_replica_without_the_lease_neither_shadows_nor_takes_over() {
    for mode in [HpaMode::Shadow, HpaMode::Takeover] {
        let (client, log) = server(|asked| with_hpa(asked, 100));
        let config = LeaseConfig {
            namespace: "plimsoll-system".into(),
            name: "plimsoll-operator".into(),
            identity: "plimsoll-2".into(),
            duration: Duration::from_secs(15),
            renew_every: Duration::from_secs(5),
        };
        let (_keeper, leadership) = Keeper::new(client.clone(), config);
        let context = look::context_of(client, leadership, true, mode).await;
        let due = hpa::reconcile(Arc::new(web(&json!({}), None)), context).await.unwrap();
        assert_eq!((due, log.lines()), (Action::await_change(), Vec::<String>::new()));
    }
}
