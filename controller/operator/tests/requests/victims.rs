//! The costs of pods that are to go, request by request.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::Event;
use plimsoll_operator::{
    context::Context,
    leadership::Leadership,
    podscaler::{reconcile, victims::tidy},
};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    look::{PATCH_SCALE, POST_EVENT, answer, context, find, scaler_with},
    script::{Asked, Log, failure, server},
};

const PODS: &str = "/api/v1/namespaces/shop/pods/";
const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// A look at two pods, one of which is enough, with more in the spec.
async fn shrink(
    more: Value,
    on_pod: impl Fn() -> (u16, Value) + Send + 'static,
    prepare: impl FnOnce(&mut Context),
) -> Vec<Asked> {
    let (client, log) =
        server(move |asked| if asked.path.starts_with(PODS) { on_pod() } else { answer(asked, 10) });
    let mut context = context(client, Leadership::alone(), true).await;
    prepare(Arc::get_mut(&mut context).unwrap());
    let mut spec = json!({ "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } } });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    reconcile(scaler_with(&spec), context).await.unwrap();
    log.take()
}

fn patched() -> (u16, Value) {
    (
        200,
        json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": { "name": "web-2" } }),
    )
}

fn of_pods(asked: &[Asked]) -> Vec<&Asked> {
    asked.iter().filter(|asked| asked.path.starts_with(PODS)).collect()
}

fn managed() -> Value {
    json!({ "podDeletionCost": "Managed" })
}

#[tokio::test(start_paused = true)]
async fn the_pods_that_are_to_go_are_told_before_the_scale_is_written() {
    let asked = shrink(managed(), patched, |_| ()).await;
    let lines: Vec<_> = asked.iter().map(Asked::line).collect();
    let at = |line: &str| lines.iter().position(|other| other == line).unwrap_or_else(|| panic!("{lines:?}"));
    assert!(at(&format!("PATCH {PODS}web-2")) < at(PATCH_SCALE), "{lines:?}");
    let costs = of_pods(&asked);
    assert_eq!(costs.len(), 1, "one pod is to go");
    assert_eq!(costs[0].body["metadata"]["annotations"], json!({ COST: "-1" }));
    assert_eq!(costs[0].body["metadata"]["uid"], "", "the uid of the pod that was seen");
}

#[tokio::test(start_paused = true)]
async fn pods_are_left_alone_unless_they_are_to_be_picked_and_some_go() {
    for more in [
        json!({}),
        json!({ "podDeletionCost": "Unmanaged" }),
        json!({ "podDeletionCost": "Managed", "mode": "Recommend" }),
        json!({ "podDeletionCost": "Managed", "minReplicas": 2 }),
        json!({ "podDeletionCost": "Managed", "minReplicas": 3 }),
    ] {
        let asked = shrink(more.clone(), patched, |_| ()).await;
        assert!(of_pods(&asked).is_empty(), "{more}: {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_right_the_value_to_set_is_told_and_the_scale_is_written() {
    let asked = shrink(managed(), patched, |context| context.options.pod_deletion_cost = false).await;
    assert!(of_pods(&asked).is_empty());
    find(&asked, PATCH_SCALE);
    let events = asked.iter().filter(|asked| asked.line() == POST_EVENT).map(|asked| &asked.body);
    let told = events.filter(|event| event["reason"] == "PodDeletionCostNotSet").collect::<Vec<_>>();
    assert!(told.len() == 1 && told[0]["note"].to_string().contains("podDeletionCost.enabled"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cost_that_cannot_be_set_does_not_stop_the_scale_down() {
    for (code, told) in [(409, false), (404, false), (403, true), (500, true)] {
        let asked = shrink(managed(), move || failure(code, "Failure", "web-2"), |_| ()).await;
        find(&asked, PATCH_SCALE);
        let events = asked.iter().filter(|asked| asked.line() == POST_EVENT);
        let warned = events.filter(|asked| asked.body["reason"] == "PodDeletionCostNotSet").count();
        assert_eq!(warned, usize::from(told), "{code}");
    }
}

fn pod(name: &str, manager: &str, set_at: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": name, "annotations": { COST: "-1" },
            "managedFields": [{ "manager": manager, "operation": "Apply", "time": set_at }],
        },
    }))
    .unwrap()
}

#[tokio::test]
async fn old_costs_of_ours_are_taken_away_and_no_others() {
    const OURS: &str = "plimsoll-pod-deletion-cost";
    let (client, log): (_, Log) = server(|_| patched());
    let context = context(client, Leadership::alone(), true).await;
    let just_now = jiff::Timestamp::now().to_string();
    let long_ago = "2026-11-23T08:00:00Z";
    let events = [
        Event::Apply(pod("old", OURS, long_ago)),
        Event::Apply(pod("new", OURS, &just_now)),
        Event::Apply(pod("theirs", "argocd", long_ago)),
    ];
    let events = futures::stream::iter(events.map(Ok));
    Box::pin(context.pods.clone().follow(events, watch::channel(false).0)).await;
    tidy(&context).await;
    let asked = log.take();
    assert_eq!(asked.iter().map(Asked::line).collect::<Vec<_>>(), [format!("PATCH {PODS}old")]);
    assert_eq!(
        asked[0].body["metadata"],
        json!({ "name": "old", "uid": "old" }),
        "all that we own is nothing"
    );
}
