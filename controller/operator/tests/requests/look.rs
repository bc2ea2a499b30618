//! One look at a PodScaler, request by request.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{Client, core::DeserializeGuard, runtime::watcher::Event};
use plimsoll_api::PodScaler;
use plimsoll_core::replicas::{Decision, Outcome, Record, Settings};
use plimsoll_operator::{
    args::HpaMode,
    context::{Context, Options},
    decisions::{Bounds, Decisions},
    hpa::shadow::Shadows,
    leadership::{Keeper, Leadership, LeaseConfig},
    metrics::Metrics,
    pods::PodIndex,
    podscaler::{Scaler, claims::Claims, memory::Memories, reconcile, schedule::Schedule},
    signals::Signals,
    sources::Sources,
    targets::Targets,
    workloads::Workloads,
    zones::Zones,
};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::script::{Asked, Log, failure, server};

pub(crate) const KIND: &str = "GET /apis/apps/v1";
pub(crate) const GET_SCALE: &str = "GET /apis/apps/v1/namespaces/shop/deployments/web/scale";
const GET_FRESH_SCALE: &str = "GET /apis/apps/v1/namespaces/shop/deployments/fresh/scale";
pub(crate) const PATCH_SCALE: &str = "PATCH /apis/apps/v1/namespaces/shop/deployments/web/scale";
pub(crate) const USAGE: &str = "GET /apis/metrics.k8s.io/v1beta1/namespaces/shop/pods";
pub(crate) const PATCH_STATUS: &str =
    "PATCH /apis/plimsoll.dev/v1alpha1/namespaces/shop/podscalers/web/status";
pub(crate) const POST_EVENT: &str = "POST /apis/events.k8s.io/v1/namespaces/shop/events";

fn scaler() -> Arc<Scaler> {
    scaler_with(&json!({}))
}

pub(crate) fn scaler_with(more: &Value) -> Arc<Scaler> {
    let mut object = json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "PodScaler",
        "metadata": { "name": "web", "namespace": "shop", "uid": "1", "generation": 1 },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "maxReplicas": 10,
            "metrics": [{ "type": "Resource", "resource": {
                "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } }],
        },
    });
    for (field, value) in more.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    Arc::new(serde_json::from_value(object).unwrap())
}

pub(crate) fn scale(replicas: i32, resource_version: &str) -> (u16, Value) {
    let body = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": { "name": "web", "namespace": "shop", "uid": "d", "resourceVersion": resource_version },
        "spec": { "replicas": replicas },
        "status": { "replicas": replicas, "selector": "app=web" },
    });
    (200, body)
}

fn usage(milli: i64) -> (u16, Value) {
    let containers = json!([{ "name": "app", "usage": { "cpu": format!("{milli}m"), "memory": "1Mi" } }]);
    let pod = |name: &str| {
        json!({
            "metadata": { "name": name }, "timestamp": jiff::Timestamp::now().to_string(),
            "window": "15s", "containers": containers,
        })
    };
    (200, json!({ "kind": "PodMetricsList", "items": [pod("web-1"), pod("web-2")] }))
}

/// A workload of two ready pods that request 100m each and use `milli`.
pub(crate) fn answer(asked: &Asked, milli: i64) -> (u16, Value) {
    match asked.line().as_str() {
        KIND => {
            let resource = |name: &str, kind: &str| json!({ "name": name, "kind": kind, "namespaced": true, "singularName": "", "verbs": ["get", "patch"] });
            let resources =
                json!([resource("deployments", "Deployment"), resource("deployments/scale", "Scale")]);
            (200, json!({ "kind": "APIResourceList", "groupVersion": "apps/v1", "resources": resources }))
        }
        GET_SCALE | GET_FRESH_SCALE | PATCH_SCALE => scale(2, "7"),
        USAGE => usage(milli),
        PATCH_STATUS => (200, serde_json::to_value(scaler().0.as_ref().unwrap()).unwrap()),
        POST_EVENT => (
            201,
            json!({ "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": "e" }, "eventTime": null }),
        ),
        other => panic!("unexpected request {other}"),
    }
}

fn pod(name: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": "shop", "labels": { "app": "web" }, "ownerReferences": [
            { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "r", "controller": true } ] },
        "spec": { "containers": [{ "name": "app", "resources": { "requests": { "cpu": "100m" } } }] },
        "status": {
            "phase": "Running", "startTime": "2026-11-23T08:00:00Z",
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T08:00:05Z" }],
        },
    }))
    .unwrap()
}

pub(crate) async fn context(client: Client, leadership: Leadership, ready: bool) -> Arc<Context> {
    context_of(client, leadership, ready, HpaMode::Ignore).await
}

pub(crate) async fn context_of(
    client: Client,
    leadership: Leadership,
    ready: bool,
    hpa: HpaMode,
) -> Arc<Context> {
    context_in(client, leadership, ready, hpa, Workloads::default()).await
}

async fn context_with(
    client: Client,
    leadership: Leadership,
    ready: bool,
    workloads: Workloads,
) -> Arc<Context> {
    context_in(client, leadership, ready, HpaMode::Ignore, workloads).await
}

async fn context_in(
    client: Client,
    leadership: Leadership,
    ready: bool,
    hpa: HpaMode,
    workloads: Workloads,
) -> Arc<Context> {
    let pods = PodIndex::default();
    let events =
        [Event::Init, Event::InitApply(pod("web-1")), Event::InitApply(pod("web-2")), Event::InitDone];
    Box::pin(pods.clone().follow(futures::stream::iter(events.map(Ok)), watch::channel(false).0)).await;
    let claims = Claims::default();
    if let Ok(scaler) = &scaler().0 {
        claims.claim("shop", "web", &scaler.spec);
    }
    let memories = Memories::default();
    memories.begin(leadership.term().unwrap_or_default(), BTreeMap::new());
    let metrics = Metrics::new().unwrap();
    Arc::new(Context {
        pods,
        zones: Zones::default(),
        budgets: plimsoll_operator::budgets::Budgets::default(),
        claims,
        hpa_claims: Claims::default(),
        shadows: Shadows::default(),
        ready: watch::channel(ready).1,
        leadership,
        targets: Targets::new(client.clone(), workloads.clone()),
        workloads,
        signals: Signals::new(&client).unwrap(),
        sources: Sources::new(client.clone(), vec!["*".into()], "plimsoll-system".to_owned()),
        schedule: Schedule::starting_now(),
        memories,
        decisions: Decisions::new(Bounds { decisions: 20, bytes: 1 << 20 }),
        metrics,
        options: Options {
            settings: Settings::default(),
            // No answer of a source serves a second look.
            sync_period: Duration::ZERO,
            hpa,
            pod_deletion_cost: true,
            availability: false,
            capacity_pools: false,
            pod_name: "plimsoll-1".into(),
        },
        client,
    })
}

pub(crate) async fn look(
    scaler: Arc<Scaler>,
    answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static,
) -> (Arc<Context>, Log) {
    let (client, log) = server(answer);
    let context = context(client, Leadership::alone(), true).await;
    reconcile(scaler, Arc::clone(&context)).await.unwrap();
    (context, log)
}

pub(crate) fn find<'a>(asked: &'a [Asked], line: &str) -> &'a Asked {
    asked.iter().find(|asked| asked.line() == line).unwrap_or_else(|| panic!("no {line} in {asked:?}"))
}

#[tokio::test]
async fn a_scale_up_is_one_write_of_the_scale_one_of_the_status_and_one_event() {
    let (_, log) = look(scaler(), |asked| answer(asked, 100)).await;
    let asked = log.take();
    let lines: Vec<_> = asked.iter().map(Asked::line).collect();
    assert_eq!(lines, [KIND, GET_SCALE, USAGE, PATCH_SCALE, PATCH_STATUS, POST_EVENT]);
    assert_eq!(
        find(&asked, PATCH_SCALE).body,
        json!({ "metadata": { "resourceVersion": "7" }, "spec": { "replicas": 4 } })
    );
    let status = &find(&asked, PATCH_STATUS).body;
    assert_eq!((&status["metadata"]["uid"], &status["status"]["desiredReplicas"]), (&json!("1"), &json!(4)));
    assert_eq!(find(&asked, POST_EVENT).body["reason"], "SuccessfulRescale");
}

#[tokio::test]
async fn a_look_that_finds_nothing_new_writes_nothing() {
    let (context, log) = look(scaler(), |asked| answer(asked, 50)).await;
    assert_eq!(log.lines(), [KIND, GET_SCALE, USAGE, PATCH_STATUS]);
    reconcile(scaler(), context).await.unwrap();
    assert_eq!(log.lines(), [GET_SCALE, USAGE]);
}

#[tokio::test]
async fn values_that_are_only_shown_are_written_after_a_minute_and_then_every_three() {
    let mut shown = [46, 54, 54, 46, 46, 46].into_iter();
    let mut milli = 0;
    let (context, log) = look(scaler(), move |asked| {
        if asked.line() == USAGE {
            milli = shown.next().unwrap();
        }
        answer(asked, milli)
    })
    .await;
    log.take();
    reconcile(scaler(), Arc::clone(&context)).await.unwrap();
    assert_eq!(log.lines(), [GET_SCALE, USAGE], "a new value within the minute");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    reconcile(scaler(), Arc::clone(&context)).await.unwrap();
    assert_eq!(log.lines(), [GET_SCALE, USAGE, PATCH_STATUS], "a new value after the minute");
    for (seconds, written) in [(61, false), (61, false), (61, true)] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        reconcile(scaler(), Arc::clone(&context)).await.unwrap();
        let lines = log.lines();
        assert_eq!(lines.contains(&PATCH_STATUS.to_owned()), written, "{lines:?}");
    }
}

#[tokio::test]
async fn values_that_hardly_move_are_written_once_in_ten_minutes() {
    let mut milli = 49;
    let (context, log) = look(scaler(), move |asked| {
        if asked.line() == USAGE {
            milli = if milli == 50 { 51 } else { 50 };
        }
        answer(asked, milli)
    })
    .await;
    log.take();
    tokio::time::pause();
    let mut written = 0;
    for _ in 0..40 {
        tokio::time::advance(Duration::from_secs(61)).await;
        reconcile(scaler(), Arc::clone(&context)).await.unwrap();
        written += log.lines().iter().filter(|line| *line == PATCH_STATUS).count();
    }
    // Forty minutes, of which each other look has nothing new to show.
    assert!((3..=4).contains(&written), "{written}");
}

#[tokio::test]
async fn a_target_that_changed_meanwhile_is_read_and_decided_again() {
    let mut reads = 0;
    let (_, log) = look(scaler(), move |asked| match asked.line().as_str() {
        GET_SCALE => {
            reads += 1;
            // Somebody scales from 2 to 3 after our first read.
            if reads == 1 { scale(2, "7") } else { scale(3, "8") }
        }
        PATCH_SCALE if asked.body["metadata"]["resourceVersion"] == "7" => failure(409, "Conflict", "web"),
        _ => answer(asked, 100),
    })
    .await;
    let asked = log.take();
    let writes: Vec<_> =
        asked.iter().filter(|asked| asked.line() == PATCH_SCALE).map(|asked| &asked.body).collect();
    assert_eq!(writes.len(), 2);
    assert_eq!(writes[1]["metadata"]["resourceVersion"], "8", "never over a change we have not seen");
}

#[tokio::test]
async fn a_target_that_keeps_changing_is_left_for_the_next_look() {
    let (_, log) = look(scaler(), |asked| match asked.line().as_str() {
        PATCH_SCALE => failure(409, "Conflict", "web"),
        _ => answer(asked, 100),
    })
    .await;
    let lines = log.lines();
    assert_eq!(lines.iter().filter(|line| *line == PATCH_SCALE).count(), 4);
    assert!(!lines.contains(&PATCH_STATUS.to_owned()), "{lines:?}");
}

#[tokio::test]
async fn a_write_that_fails_is_told_and_counted() {
    let (context, log) = look(scaler(), |asked| match asked.line().as_str() {
        PATCH_SCALE => failure(403, "Forbidden", "web"),
        _ => answer(asked, 100),
    })
    .await;
    let asked = log.take();
    assert_eq!(find(&asked, POST_EVENT).body["reason"], "FailedRescale");
    let conditions = &find(&asked, PATCH_STATUS).body["status"]["conditions"];
    assert_eq!(conditions[0]["reason"], "FailedUpdateScale");
    assert!(context.metrics.render().unwrap().contains("plimsoll_reconcile_errors_total{step=\"act\"} 1"));
}

#[tokio::test]
async fn a_missing_target_is_told_once_and_nothing_is_scaled() {
    let (context, log) = look(scaler(), |asked| match asked.line().as_str() {
        GET_SCALE => failure(404, "NotFound", "web"),
        _ => answer(asked, 100),
    })
    .await;
    let asked = log.take();
    assert_eq!(
        asked.iter().map(Asked::line).collect::<Vec<_>>(),
        [KIND, GET_SCALE, PATCH_STATUS, POST_EVENT]
    );
    let note = find(&asked, POST_EVENT).body["note"].to_string();
    assert!(note.contains("does not exist") && note.contains("spec.scaleTargetRef.name"), "{note}");
    reconcile(scaler(), context).await.unwrap();
    assert_eq!(log.lines(), [GET_SCALE]);
}

#[tokio::test]
async fn a_warning_that_could_not_be_published_is_published_at_the_next_look() {
    let mut events = 0;
    let (client, log) = server(move |asked| match asked.line().as_str() {
        GET_SCALE => failure(404, "NotFound", "web"),
        POST_EVENT => {
            events += 1;
            if events == 1 { failure(500, "InternalError", "web") } else { answer(asked, 100) }
        }
        _ => answer(asked, 100),
    });
    let context = context(client, Leadership::alone(), true).await;
    assert!(reconcile(scaler(), Arc::clone(&context)).await.is_err());
    log.take();
    reconcile(scaler(), Arc::clone(&context)).await.unwrap();
    assert_eq!(log.lines(), [GET_SCALE, POST_EVENT]);
    reconcile(scaler(), context).await.unwrap();
    assert_eq!(log.lines(), [GET_SCALE]);
}

#[tokio::test]
async fn recommend_tells_what_it_would_do_and_does_not() {
    let (_, log) = look(scaler_with(&json!({ "mode": "Recommend" })), |asked| answer(asked, 100)).await;
    let asked = log.take();
    assert_eq!(asked.iter().map(Asked::line).collect::<Vec<_>>(), [KIND, GET_SCALE, USAGE, PATCH_STATUS]);
    assert_eq!(find(&asked, PATCH_STATUS).body["status"]["desiredReplicas"], 4);
}

#[tokio::test]
async fn paused_does_not_look() {
    let (_, log) = look(scaler_with(&json!({ "mode": "Paused" })), |asked| answer(asked, 100)).await;
    assert_eq!(log.lines(), [PATCH_STATUS]);
}

#[tokio::test]
async fn an_object_that_does_not_decode_has_a_condition_and_is_not_scaled() {
    let object = json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "PodScaler",
        "metadata": { "name": "web", "namespace": "shop", "uid": "1" },
        "spec": { "maxReplicas": "many" },
    });
    let scaler: DeserializeGuard<PodScaler> = serde_json::from_value(object).unwrap();
    let (_, log) = look(Arc::new(scaler), |asked| answer(asked, 100)).await;
    let asked = log.take();
    assert_eq!(asked.iter().map(Asked::line).collect::<Vec<_>>(), [PATCH_STATUS, POST_EVENT]);
    assert_eq!(find(&asked, PATCH_STATUS).body["status"]["conditions"][0]["reason"], "InvalidSpec");
}

#[tokio::test]
async fn two_on_one_target_both_hold_and_name_each_other() {
    let (client, log) = server(|asked| answer(asked, 100));
    let context = context(client, Leadership::alone(), true).await;
    if let Ok(other) = &scaler().0 {
        context.claims.claim("shop", "rival", &other.spec);
    }
    reconcile(scaler(), context).await.unwrap();
    let asked = log.take();
    assert_eq!(
        asked.iter().map(Asked::line).collect::<Vec<_>>(),
        [KIND, GET_SCALE, PATCH_STATUS, POST_EVENT]
    );
    assert!(find(&asked, POST_EVENT).body["note"].to_string().contains("rival"));
}

#[tokio::test]
async fn a_replica_without_the_lease_sends_nothing() {
    let (client, log) = server(|asked| answer(asked, 100));
    let config = LeaseConfig {
        namespace: "plimsoll-system".into(),
        name: "plimsoll-operator".into(),
        identity: "plimsoll-2".into(),
        duration: Duration::from_secs(15),
        renew_every: Duration::from_secs(5),
    };
    let (_keeper, leadership) = Keeper::new(client.clone(), config);
    reconcile(scaler(), context(client, leadership, true).await).await.unwrap();
    assert_eq!(log.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_decided_before_everything_was_seen() {
    let (client, log) = server(|asked| answer(asked, 100));
    reconcile(scaler(), context(client, Leadership::alone(), false).await).await.unwrap();
    assert_eq!(log.lines(), Vec::<String>::new());
}

/// Watches that have shown the Deployment web with two replicas.
async fn seen_web(resource_version: &'static str) -> Workloads {
    let (client, _) = server(move |asked| {
        let items = match asked.path.as_str() {
            "/apis/apps/v1/deployments" => json!([{
                "metadata": { "name": "web", "namespace": "shop", "uid": "d", "resourceVersion": resource_version },
                "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } } },
                "status": { "replicas": 2 },
            }]),
            _ => json!([]),
        };
        (200, json!({ "kind": "List", "metadata": { "resourceVersion": "9" }, "items": items }))
    });
    let workloads = Workloads::default();
    let channels = [(); 3].map(|()| watch::channel(false));
    let following =
        tokio::spawn(workloads.clone().follow(client, channels.each_ref().map(|(sender, _)| sender.clone())));
    for (_, mut is_seen) in channels {
        is_seen.wait_for(|seen| *seen).await.unwrap();
    }
    // What it would show later does not matter here.
    following.abort();
    workloads
}

#[tokio::test]
async fn a_target_that_its_watch_has_shown_is_not_asked_for() {
    let (client, log) = server(|asked| answer(asked, 50));
    let context = context_with(client, Leadership::alone(), true, seen_web("7").await).await;
    reconcile(scaler(), Arc::clone(&context)).await.unwrap();
    reconcile(scaler(), context).await.unwrap();
    assert_eq!(log.lines(), [USAGE, PATCH_STATUS, USAGE]);
}

#[tokio::test]
async fn until_the_watch_shows_our_own_write_the_target_is_asked_for() {
    let (client, log) = server(|asked| match asked.line().as_str() {
        PATCH_SCALE | GET_SCALE => scale(4, "8"),
        _ => answer(asked, 100),
    });
    let workloads = seen_web("7").await;
    let context = context_with(client.clone(), Leadership::alone(), true, workloads).await;
    reconcile(scaler(), Arc::clone(&context)).await.unwrap();
    assert!(!log.lines().contains(&GET_SCALE.to_owned()));
    reconcile(scaler(), Arc::clone(&context)).await.unwrap();
    let lines = log.lines();
    assert!(
        lines.contains(&GET_SCALE.to_owned()),
        "the watch shows resource version 7, we wrote 8: {lines:?}"
    );
}

#[tokio::test]
async fn a_conflict_with_what_the_watch_has_shown_is_read_and_decided_again() {
    let (client, log) = server(|asked| match asked.line().as_str() {
        GET_SCALE => scale(3, "8"),
        PATCH_SCALE if asked.body["metadata"]["resourceVersion"] == "7" => failure(409, "Conflict", "web"),
        _ => answer(asked, 100),
    });
    let context = context_with(client, Leadership::alone(), true, seen_web("7").await).await;
    reconcile(scaler(), context).await.unwrap();
    let asked = log.take();
    let lines: Vec<_> = asked.iter().map(Asked::line).filter(|line| line.ends_with("/scale")).collect();
    assert_eq!(lines, [PATCH_SCALE, GET_SCALE, PATCH_SCALE]);
    assert_eq!(
        asked.iter().rfind(|asked| asked.line() == PATCH_SCALE).unwrap().body["metadata"]["resourceVersion"],
        "8"
    );
}

#[tokio::test]
async fn a_target_that_its_watch_does_not_show_is_asked_for_before_it_is_missed() {
    let (client, log) = server(|asked| answer(asked, 50));
    let context = context_with(client, Leadership::alone(), true, seen_web("7").await).await;
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "fresh" });
    reconcile(scaler_with(&json!({ "scaleTargetRef": target })), context).await.unwrap();
    assert!(log.lines().contains(&GET_FRESH_SCALE.to_owned()));
}

fn kept(context: &Context) -> Vec<Record<'static>> {
    let jsons = context.decisions.of("shop", "web").unwrap_or_default();
    jsons.iter().map(|json| serde_json::from_slice(json).unwrap()).collect()
}

/// The bytes of a decision.
fn bytes(decision: &Decision) -> String {
    serde_json::to_string(decision).unwrap()
}

#[tokio::test]
async fn each_decision_is_kept_with_all_that_it_takes_to_replay_it() {
    let (context, _) = look(scaler(), |asked| answer(asked, 100)).await;
    reconcile(scaler(), Arc::clone(&context)).await.unwrap();
    reconcile(scaler_with(&json!({ "mode": "Paused" })), Arc::clone(&context)).await.unwrap();
    let kept = kept(&context);
    let outcomes: Vec<_> = kept.iter().map(|record| record.outcome.clone()).collect();
    assert_eq!(outcomes, [Outcome::Nothing, Outcome::Written, Outcome::Written]);
    for record in &kept {
        assert_eq!(bytes(&record.asked.answer()), bytes(&record.decision));
    }
    assert_eq!((kept[2].decision.current, kept[2].decision.desired), (2, 4));
    assert_eq!(kept[2].asked.input().unwrap().pods.len(), 2);
    assert!(kept[0].asked.input().is_none(), "a paused one is not looked at");
}
