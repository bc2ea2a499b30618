//! The PodDisruptionBudget of a PodScaler, request by request.

use std::sync::Arc;

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::runtime::watcher::Event;
use plimsoll_operator::{
    leadership::Leadership,
    podscaler::{Scaler, reconcile},
};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    look::{PATCH_STATUS, answer, context, find, scaler_with},
    script::{Asked, failure, server},
};

const WRITE: &str = "PATCH /apis/policy/v1/namespaces/shop/poddisruptionbudgets/web";
const DELETE: &str = "DELETE /apis/policy/v1/namespaces/shop/poddisruptionbudgets/web";
/// The uid of the PodScaler, and what selects the pods of its target.
const OWNER: &str = "1";

/// A budget as a watch shows it, with the pods of the target.
fn there(name: &str, owner: Option<&str>, spec: &Value) -> Value {
    let owners = owner.map(|uid| {
        json!([{ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "PodScaler", "name": "web", "uid": uid, "controller": true }])
    });
    let metadata = json!({ "name": name, "namespace": "shop", "uid": "b", "ownerReferences": owners });
    let mut all = json!({ "selector": { "matchLabels": { "app": "web" } } });
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({ "metadata": metadata, "spec": all })
}

fn good() -> Value {
    json!({ "maxUnavailable": "10%", "unhealthyPodEvictionPolicy": "AlwaysAllow" })
}

fn asks() -> Value {
    json!({ "availability": {} })
}

/// What one look asks of the API server while these budgets are there.
async fn look(
    scaler: Arc<Scaler>,
    budgets: &[Value],
    written: impl Fn() -> (u16, Value) + Send + 'static,
    is_allowed: bool,
) -> Vec<Asked> {
    let (client, log) = server(move |asked| match asked.line().as_str() {
        WRITE | DELETE => written(),
        _ => answer(asked, 50),
    });
    let mut context = context(client, Leadership::alone(), true).await;
    let of = |budget: &Value| serde_json::from_value::<PodDisruptionBudget>(budget.clone()).unwrap();
    let events = budgets.iter().map(|budget| Event::InitApply(of(budget)));
    let events = [Event::Init].into_iter().chain(events).chain([Event::InitDone]);
    let events: Vec<_> = events.map(Ok).collect();
    context.budgets.clone().follow(futures::stream::iter(events), watch::channel(false).0).await;
    Arc::get_mut(&mut context).unwrap().options.availability = is_allowed;
    reconcile(scaler, context).await.unwrap();
    log.take()
}

fn done() -> (u16, Value) {
    (200, there("web", Some(OWNER), &good()))
}

fn writes(asked: &[Asked]) -> Vec<String> {
    let of_budgets = asked.iter().filter(|asked| asked.path.contains("poddisruptionbudgets"));
    of_budgets.map(Asked::line).collect()
}

/// What is said of the budget: the reason, and the message.
fn said(asked: &[Asked]) -> Option<(String, String)> {
    let conditions = find(asked, PATCH_STATUS).body["status"]["conditions"].as_array().unwrap().clone();
    let of_budget = conditions.into_iter().find(|condition| condition["type"] == "DisruptionBudget")?;
    let text = |field: &str| of_budget[field].as_str().unwrap().to_owned();
    Some((text("reason"), text("message")))
}

#[tokio::test]
async fn one_is_made_for_the_pods_of_the_target_and_takes_nothing_from_anybody() {
    let asked = look(scaler_with(&asks()), &[], done, true).await;
    let body = &find(&asked, WRITE).body;
    assert_eq!(
        body["spec"],
        json!({
            "maxUnavailable": "10%", "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": { "matchLabels": { "app": "web" } },
        })
    );
    let owner = &body["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["uid"], &owner["controller"]),
        (&json!("PodScaler"), &json!(OWNER), &json!(true))
    );
    let query = &find(&asked, WRITE).query;
    assert!(query.contains("fieldManager=plimsoll-podscalers") && !query.contains("force=true"), "{query}");
    assert_eq!(said(&asked).unwrap().0, "Made");
}

#[tokio::test]
async fn one_that_is_as_it_should_be_is_left_alone() {
    let asked = look(scaler_with(&asks()), &[there("web", Some(OWNER), &good())], done, true).await;
    assert!(writes(&asked).is_empty(), "{asked:?}");
    assert_eq!(said(&asked).unwrap().0, "Made");
}

#[tokio::test]
async fn what_is_ours_and_was_changed_is_put_right() {
    for changed in [
        json!({ "maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow" }),
        json!({ "maxUnavailable": "10%" }),
        json!({ "maxUnavailable": "10%", "unhealthyPodEvictionPolicy": "IfHealthyBudget" }),
        json!({ "minAvailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow" }),
        json!({ "maxUnavailable": "10%", "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": { "matchLabels": { "app": "web", "tier": "front" } } }),
    ] {
        let asked = look(scaler_with(&asks()), &[there("web", Some(OWNER), &changed)], done, true).await;
        let write = find(&asked, WRITE);
        assert_eq!(write.body["metadata"]["uid"], "b", "that one and no other of its name");
        assert!(write.query.contains("force=true"), "{changed}: {}", write.query);
    }
}

#[tokio::test]
async fn one_that_nobody_asks_for_any_more_goes_by_its_uid() {
    let own = there("web", Some(OWNER), &good());
    let asked = look(scaler_with(&json!({})), std::slice::from_ref(&own), done, true).await;
    assert_eq!(find(&asked, DELETE).body["preconditions"]["uid"], "b");
    assert!(said(&asked).is_none(), "{asked:?}");

    let theirs = there("web", Some("another"), &good());
    let asked = look(scaler_with(&json!({})), &[theirs], done, true).await;
    assert!(writes(&asked).is_empty(), "one of somebody else stays: {asked:?}");
}

#[tokio::test]
async fn beside_one_of_somebody_else_that_selects_the_pods_there_is_none() {
    let others = there("theirs", None, &json!({ "minAvailable": 1 }));
    let asked = look(scaler_with(&asks()), std::slice::from_ref(&others), done, true).await;
    assert!(writes(&asked).is_empty(), "{asked:?}");
    let (reason, message) = said(&asked).unwrap();
    assert_eq!(reason, "OthersSelectThem");
    assert!(message.starts_with("PodDisruptionBudget theirs selects the pods too"), "{message}");

    let own = there("web", Some(OWNER), &good());
    let asked = look(scaler_with(&asks()), &[others, own], done, true).await;
    assert_eq!(writes(&asked), [DELETE], "ours goes, since a pod under two cannot be evicted");
}

#[tokio::test]
async fn a_name_that_is_taken_is_told_and_left_alone() {
    let other = json!({ "selector": { "matchLabels": { "app": "db" } } });
    let asked = look(scaler_with(&asks()), &[there("web", None, &other)], done, true).await;
    assert!(writes(&asked).is_empty(), "{asked:?}");
    assert_eq!(said(&asked).unwrap().0, "NameTaken");
}

#[tokio::test]
async fn what_the_api_server_says_against_one_is_told() {
    for (code, reason) in [(403, "Forbidden"), (409, "Conflict")] {
        let asked = look(scaler_with(&asks()), &[], move || failure(code, reason, "web"), true).await;
        let (told, message) = said(&asked).unwrap();
        assert_eq!(told, "NotWritten");
        assert_eq!(message, format!("PodDisruptionBudget web: web: {reason}"));
    }
    let own = there("web", Some(OWNER), &good());
    let others = there("theirs", None, &json!({ "minAvailable": 1 }));
    let refused = || failure(403, "Forbidden", "web");
    let asked = look(scaler_with(&asks()), &[others, own.clone()], refused, true).await;
    assert_eq!(said(&asked).unwrap().0, "NotWritten", "two are there: it is not said that all is well");
    let gone = || failure(404, "NotFound", "web");
    let others = there("theirs", None, &json!({ "minAvailable": 1 }));
    let asked = look(scaler_with(&asks()), &[others, own], gone, true).await;
    assert_eq!(said(&asked).unwrap().0, "OthersSelectThem", "what is gone needs not go");
}

#[tokio::test]
async fn nothing_is_written_where_it_is_not_ours_to_do() {
    let of_group = {
        let mut scaler = Arc::unwrap_or_clone(scaler_with(&asks()));
        let owner = json!([{ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "ServiceGroup", "name": "shop", "uid": "g", "controller": true }]);
        if let Ok(scaler) = &mut scaler.0 {
            scaler.metadata.owner_references = serde_json::from_value(owner).unwrap();
        }
        Arc::new(scaler)
    };
    let recommends = scaler_with(&json!({ "availability": {}, "mode": "Recommend" }));
    for (scaler, is_allowed, why) in [
        (of_group, true, "the group keeps its own"),
        (recommends, true, "it only recommends"),
        (scaler_with(&asks()), false, "the chart does not allow it"),
    ] {
        let asked = look(scaler, &[], done, is_allowed).await;
        assert!(writes(&asked).is_empty(), "{why}: {asked:?}");
        assert!(said(&asked).is_none(), "{why}");
    }
}
