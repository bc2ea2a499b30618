//! One look at a ServiceGroup, request by request.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use http::Method;
use kube::runtime::controller::Action;
use plimsoll_operator::leadership::{Keeper, Leadership, LeaseConfig, gains};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::{
    groups_stage::{
        DEPLOYMENT, Kept, OBJECTS, SCALER, SERVICE, STATUS, Scene, all, conditions_of_service, group, lines,
        owner, shown, written,
    },
    script::{failure, server},
};

#[tokio::test]
async fn a_new_group_is_asked_for_tried_dry_and_applied_object_by_object() {
    let kept = Kept::default();
    let scene = Scene::new(group(), &[], Leadership::alone(), move |asked| kept.answer(asked)).await;
    let asked = scene.look().await.unwrap();
    let mut expected = all("GET", &OBJECTS);
    expected.push(format!("PATCH {DEPLOYMENT} (dry)"));
    expected.extend(all("PATCH", &OBJECTS));
    expected.extend(all("PATCH", &[STATUS]));
    expected.push("POST /apis/events.k8s.io/v1/namespaces/shop/events".to_owned());
    assert_eq!(lines(&asked), expected);
    assert_eq!(asked.last().unwrap().body["reason"], "Created");
}

/// The first application included, and with one that was scaled meanwhile.
#[tokio::test]
async fn no_apply_names_replicas() {
    let scaled = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "spec": { "replicas": 7 },
        "metadata": { "name": "store-get", "namespace": "shop", "uid": "d", "labels": { "plimsoll.dev/servicegroup": "store" },
            "ownerReferences": [owner("g")] },
    });
    for shown in [vec![], vec![scaled]] {
        let kept = Kept::default();
        let scene = Scene::new(group(), &shown, Leadership::alone(), move |asked| kept.answer(asked)).await;
        let asked = scene.look().await.unwrap();
        let written = written(&asked);
        assert_eq!(written.len(), 5);
        for asked in written {
            assert!(!asked.body.to_string().contains("\"replicas\""), "{}", asked.body);
        }
    }
}

#[tokio::test]
async fn what_is_there_already_is_not_written_again() {
    let kept = Kept::default();
    let scene = Scene::new(group(), &[], Leadership::alone(), move |asked| kept.answer(asked)).await;
    scene.look().await.unwrap();
    // Watches have not shown it yet, so that it is asked for.
    assert_eq!(lines(&scene.look().await.unwrap()), all("GET", &OBJECTS));
}

#[tokio::test]
async fn what_somebody_has_changed_is_applied_again_over_the_object_that_was_seen() {
    let kept = Kept::default();
    let objects = Arc::clone(&kept.objects);
    let scene = Scene::new(group(), &[], Leadership::alone(), move |asked| kept.answer(asked)).await;
    scene.look().await.unwrap();
    objects.lock().unwrap().get_mut(SERVICE).unwrap()["spec"]["ports"][0]["port"] = json!(81);
    let asked = scene.look().await.unwrap();
    let written = written(&asked);
    assert_eq!(written.iter().map(|asked| asked.path.as_str()).collect::<Vec<_>>(), [SERVICE]);
    assert_eq!(written[0].body["metadata"]["uid"], format!("uid of {SERVICE}"));
    assert!(written[0].query.contains("force=true"), "{}", written[0].query);
}

#[tokio::test]
async fn a_template_that_is_refused_leaves_everything_of_its_service_alone() {
    let kept = Kept::default();
    let scene = Scene::new(group(), &[], Leadership::alone(), move |asked| match asked.method {
        Method::PATCH if asked.query.contains("dryRun") => {
            failure(422, "Invalid", "spec.template.spec.containers[0].image")
        }
        _ => kept.answer(asked),
    })
    .await;
    let asked = scene.look().await.unwrap();
    assert_eq!(written(&asked).len(), 1, "the try alone");
    let ready = &conditions_of_service(&asked)[0];
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("TemplateRefused")));
    let message = ready["message"].as_str().unwrap();
    assert!(message.contains("spec.template.spec.containers[0].image"), "{message}");
}

#[tokio::test]
async fn an_object_of_somebody_else_is_not_taken_over() {
    let theirs = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "store-get", "namespace": "shop", "uid": "s" } });
    let kept = Kept::with(&[(SERVICE, theirs)]);
    let scene = Scene::new(group(), &[], Leadership::alone(), move |asked| kept.answer(asked)).await;
    let asked = scene.look().await.unwrap();
    assert_eq!(written(&asked).len(), 0, "{:?}", lines(&asked));
    assert_eq!(conditions_of_service(&asked)[0]["reason"], "NameTaken");
}

#[tokio::test]
async fn what_could_not_be_read_is_neither_written_nor_deleted() {
    let kept = Kept::default();
    let scene =
        Scene::new(
            group(),
            &[shown("store-get", &owner("g"))],
            Leadership::alone(),
            move |asked| match asked.path.as_str() {
                SCALER if asked.method == Method::GET => failure(500, "InternalError", "etcd is gone"),
                _ => kept.answer(asked),
            },
        )
        .await;
    let error = scene.look().await.unwrap_err();
    assert!(error.to_string().contains("etcd is gone"), "{error}");
    let asked = scene.log.take();
    assert_eq!(written(&asked).len(), 0);
    assert!(asked.iter().all(|asked| asked.method != Method::DELETE), "{:?}", lines(&asked));
}

#[tokio::test]
async fn who_does_not_lead_asks_and_writes_nothing() {
    let (client, _) = server(|_| failure(500, "InternalError", "lease"));
    let config = LeaseConfig {
        namespace: "plimsoll-system".into(),
        name: "lease".into(),
        identity: "other".into(),
        duration: Duration::from_secs(15),
        renew_every: Duration::from_secs(5),
    };
    let (_keeper, leadership) = Keeper::new(client, config);
    let kept = Kept::default();
    let scene = Scene::new(group(), &[], leadership, move |asked| kept.answer(asked)).await;
    assert_eq!(lines(&scene.look().await.unwrap()), Vec::<String>::new());
}

/// It may be renewed yet, and no new term begins then.
#[tokio::test(start_paused = true)]
async fn a_look_that_the_end_of_the_lease_cuts_short_is_soon_taken_again() {
    let lease =
        json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "lease" } });
    let (client, _) = server(move |_| (200, lease.clone()));
    let config = LeaseConfig {
        namespace: "plimsoll-system".into(),
        name: "lease".into(),
        identity: "me".into(),
        // Shorter than what a write may take.
        duration: Duration::from_secs(5),
        renew_every: Duration::from_secs(1),
    };
    let (keeper, leadership) = Keeper::new(client, config);
    let keeping = tokio::spawn(keeper.run(std::future::pending()));
    Box::pin(gains(leadership.clone())).next().await.unwrap();
    keeping.abort();
    let (kept, mut odd) = (Kept::default(), group());
    odd["spec"]["services"] = json!("many");
    for group in [group(), odd] {
        let kept = kept.clone();
        let scene = Scene::new(group, &[], leadership.clone(), move |asked| kept.answer(asked)).await;
        assert_eq!(scene.next_look().await.unwrap(), Action::requeue(Duration::from_secs(5)));
        let asked = scene.log.take();
        assert!(asked.iter().all(|asked| asked.method == Method::GET), "{:?}", lines(&asked));
    }
}

#[tokio::test]
async fn a_group_that_goes_is_left_to_the_garbage_collector() {
    let mut going = group();
    going["metadata"]["deletionTimestamp"] = json!("2026-11-25T12:00:00Z");
    let kept = Kept::default();
    let scene = Scene::new(going, &[], Leadership::alone(), move |asked| kept.answer(asked)).await;
    assert_eq!(lines(&scene.look().await.unwrap()), Vec::<String>::new());
}

#[tokio::test]
async fn a_group_that_does_not_decode_is_told_once_and_left_alone() {
    let mut odd = group();
    odd["spec"]["services"] = json!("many");
    let kept = Kept::default();
    let shown = [shown("store-get", &owner("g"))];
    let scene = Scene::new(odd, &shown, Leadership::alone(), move |asked| kept.answer(asked)).await;
    let asked = scene.look().await.unwrap();
    let told = [format!("PATCH {STATUS}"), "POST /apis/events.k8s.io/v1/namespaces/shop/events".to_owned()];
    assert_eq!(lines(&asked), told);
    let condition = &asked[0].body["status"]["conditions"][0];
    assert_eq!((&condition["type"], &condition["reason"]), (&json!("Ready"), &json!("InvalidSpec")));
    assert!(condition["message"].as_str().unwrap().contains("\"many\""), "{condition}");
    assert_eq!(lines(&scene.look().await.unwrap()), Vec::<String>::new());
}
