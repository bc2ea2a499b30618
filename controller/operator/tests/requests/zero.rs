//! Scaling to zero: what is said before the size is written, and what a lost answer leaves.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use plimsoll_operator::{args::HpaMode, hpa, leadership::Leadership, podscaler};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    look::{self, GET_SCALE, PATCH_SCALE, PATCH_STATUS, POST_EVENT, answer, find, scale, scaler_with},
    script::{Asked, Log, failure, server},
};

const PATCH_HPA: &str = "PATCH /apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web/status";

/// A queue with one pod for each of its items.
fn queue() -> Value {
    json!([{ "type": "External", "external": {
        "metric": { "name": "queue" }, "target": { "type": "AverageValue", "averageValue": "1" } } }])
}

fn sleeper() -> Value {
    let at_once = json!({ "scaleDown": { "stabilizationWindowSeconds": 0 } });
    json!({ "minReplicas": 0, "metrics": queue(), "behavior": at_once })
}

/// What the API server answers beside what a test says, with so many items in the queue.
fn usual(asked: &Asked, items: i64) -> (u16, Value) {
    if asked.path == "/apis/external.metrics.k8s.io/v1beta1" || asked.path.ends_with("/queue") {
        let now = jiff::Timestamp::now().to_string();
        let item = json!({ "metricName": "queue", "timestamp": now, "value": items.to_string() });
        return (200, json!({ "kind": "ExternalMetricValueList", "items": [item] }));
    }
    match asked.line().as_str() {
        PATCH_HPA => (200, json!({ "metadata": { "name": "web" } })),
        _ => answer(asked, 50),
    }
}

/// The requests that change something.
fn writes(asked: &[Asked]) -> Vec<String> {
    asked.iter().map(Asked::line).filter(|line| !line.starts_with("GET")).collect()
}

/// What a written status says of zero.
fn zero(asked: &Asked) -> Value {
    let conditions = asked.body["status"]["conditions"].as_array().expect("conditions");
    let of_zero = conditions.iter().find(|condition| condition["type"] == "ScaledToZero");
    of_zero.map_or(Value::Null, |condition| condition["status"].clone())
}

/// Looks once for each number of items in the queue; what each look asked.
async fn looks(
    items: &[i64],
    mut special: impl FnMut(&Asked) -> Option<(u16, Value)> + Send + 'static,
) -> Vec<Vec<Asked>> {
    let queue = Arc::new(AtomicI64::new(0));
    let there = Arc::clone(&queue);
    let (client, log): (_, Log) =
        server(move |asked| special(asked).unwrap_or_else(|| usual(asked, there.load(Ordering::Relaxed))));
    let context = look::context(client, Leadership::alone(), true).await;
    let mut seen = Vec::new();
    for items in items {
        queue.store(*items, Ordering::Relaxed);
        // The watch shows nothing of what was written.
        let _ = podscaler::reconcile(scaler_with(&sleeper()), Arc::clone(&context)).await;
        seen.push(log.take());
    }
    seen
}

#[tokio::test]
async fn that_zero_is_ours_is_said_before_it_is_written() {
    let asked = looks(&[0], |_| None).await.remove(0);
    assert_eq!(writes(&asked), [PATCH_STATUS, PATCH_SCALE, PATCH_STATUS, POST_EVENT]);
    assert_eq!(zero(find(&asked, PATCH_STATUS)), "True");
    assert_eq!(find(&asked, PATCH_SCALE).body["spec"]["replicas"], 0);
}

#[tokio::test]
async fn no_size_of_zero_is_written_where_it_cannot_be_said_that_it_is_ours() {
    let refused =
        |asked: &Asked| (asked.line() == PATCH_STATUS).then(|| failure(500, "InternalError", "web"));
    let asked = looks(&[0], refused).await.remove(0);
    assert!(!writes(&asked).contains(&PATCH_SCALE.to_owned()), "{:?}", writes(&asked));
}

/// The size was written and the answer got lost: the client asked again and was told of a conflict.
#[tokio::test]
async fn a_workload_whose_size_of_zero_got_no_answer_is_woken() {
    let mut is_zero = false;
    let asked = looks(&[0, 3], move |asked| match asked.line().as_str() {
        GET_SCALE if is_zero => Some(scale(0, "8")),
        PATCH_SCALE if !is_zero => {
            is_zero = true;
            Some(failure(409, "Conflict", "web"))
        }
        _ => None,
    })
    .await;
    assert_eq!(find(&asked[1], PATCH_SCALE).body["spec"]["replicas"], 3, "{:?}", writes(&asked[1]));
    assert_eq!(zero(find(&asked[1], PATCH_STATUS)), "False");
}

/// A size of zero that a user writes later is the user's.
#[tokio::test]
async fn that_zero_is_ours_is_taken_back_where_it_was_not_written() {
    let forbidden = |asked: &Asked| (asked.line() == PATCH_SCALE).then(|| failure(403, "Forbidden", "web"));
    let asked = looks(&[0, 2], forbidden).await;
    let said: Vec<_> = asked.concat().iter().filter(|asked| asked.line() == PATCH_STATUS).map(zero).collect();
    assert_eq!((said.first(), said.last()), (Some(&json!("True")), Some(&json!("False"))), "{said:?}");
}

#[tokio::test]
async fn that_zero_is_ours_is_said_once_while_it_cannot_be_written() {
    let forbidden = |asked: &Asked| (asked.line() == PATCH_SCALE).then(|| failure(403, "Forbidden", "web"));
    let asked = looks(&[0, 0], forbidden).await;
    assert_eq!(writes(&asked[0]), [PATCH_STATUS, PATCH_SCALE, PATCH_STATUS, POST_EVENT]);
    assert_eq!(writes(&asked[1]), [PATCH_SCALE], "what failed is told already");
}

/// As under the HPA: its claim stays until it writes a size itself.
#[tokio::test]
async fn a_user_who_scales_a_sleeping_workload_up_changes_no_claim() {
    let mut replicas = 2;
    let asked = looks(&[0, 3], move |asked| match asked.line().as_str() {
        GET_SCALE => Some(scale(replicas, "8")),
        PATCH_SCALE => {
            // Somebody scales it up before the next look.
            replicas = 3;
            Some(scale(0, "9"))
        }
        _ => None,
    })
    .await;
    let says = |asked: &&Asked| asked.line() == PATCH_STATUS && zero(asked) == "False";
    assert!(!asked[1].iter().any(|asked| says(&asked)), "{:?}", writes(&asked[1]));
}

/// One look at an HPA of an empty queue.
async fn look_at_hpa(size: (u16, Value)) -> Vec<Asked> {
    let (client, log) = server(move |asked| match asked.line().as_str() {
        PATCH_SCALE => size.clone(),
        _ => usual(asked, 0),
    });
    let context = look::context_of(client, Leadership::alone(), true, HpaMode::Takeover).await;
    context.claims.withdraw("shop", "web");
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
    let mut spec = sleeper();
    (spec["scaleTargetRef"], spec["maxReplicas"]) = (target, json!(10));
    let hpa = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "web", "namespace": "shop", "uid": "2", "generation": 1, "resourceVersion": "40" },
        "spec": spec,
    });
    hpa::reconcile(Arc::new(serde_json::from_value(hpa).unwrap()), context).await.unwrap();
    log.take()
}

#[tokio::test]
async fn an_hpa_says_so_whatever_else_was_written_to_it_meanwhile() {
    let asked = look_at_hpa(scale(0, "8")).await;
    assert_eq!(writes(&asked), [PATCH_HPA, PATCH_SCALE, PATCH_HPA, POST_EVENT]);
    let said = find(&asked, PATCH_HPA);
    assert_eq!((zero(said), &said.body["metadata"]), (json!("True"), &json!({ "uid": "2" })));
}

#[tokio::test]
async fn that_a_size_of_zero_was_not_written_is_told_over_what_an_hpa_has_just_said() {
    let asked = look_at_hpa(failure(403, "Forbidden", "web")).await;
    assert_eq!(writes(&asked), [PATCH_HPA, PATCH_SCALE, PATCH_HPA, POST_EVENT]);
    let told = asked.iter().rfind(|asked| asked.line() == PATCH_HPA).unwrap();
    assert!(told.body["status"]["conditions"].to_string().contains("FailedUpdateScale"), "{}", told.body);
    assert_eq!((zero(told), &told.body["metadata"]), (json!("True"), &json!({ "uid": "2" })));
}
