use futures::stream;
use kube::runtime::watcher::Event;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;

fn metadata(name: &str, uid: &str, owner: Option<(&str, &str, &str)>) -> Value {
    let references: Vec<_> = owner
        .map(|(api_version, kind, name_and_uid)| {
            let (name, uid) = name_and_uid.split_once('/').unwrap();
            json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": true})
        })
        .into_iter()
        .collect();
    json!({"namespace": "shop", "name": name, "uid": uid, "resourceVersion": "7", "ownerReferences": references})
}

async fn fill<K: kube::ResourceExt + serde::de::DeserializeOwned, V>(
    mirror: &Mirror<V>,
    objects: &[Value],
    part: impl Fn(&K) -> V,
) {
    let objects =
        objects.iter().map(|object| Event::InitApply(serde_json::from_value(object.clone()).unwrap()));
    let events = stream::iter([Event::Init].into_iter().chain(objects).chain([Event::InitDone]).map(Ok));
    Box::pin(mirror.clone().follow("objects", events, part, watch::channel(false).0)).await;
}

/// The Deployment web (uid `d`) with the `ReplicaSet` web-1 (uid `r`); the same of api (`da`, `ra`); and a
/// `ReplicaSet` of a custom resource (`rc` of `c`).
async fn workloads() -> Workloads {
    let workloads = Workloads::default();
    let deployment = |name: &str, uid: &str| {
        json!({"metadata": metadata(name, uid, None),
               "spec": {"replicas": 3, "selector": {"matchLabels": {"app": name}}, "template": {"spec": {"containers": []}}},
               "status": {"replicas": 4, "readyReplicas": 2}})
    };
    fill(&workloads.deployments, &[deployment("web", "d"), deployment("api", "da")], workload).await;
    let of = |name: &str, uid: &str, owner| json!({"metadata": metadata(name, uid, Some(owner))});
    let sets = [
        of("web-1", "r", ("apps/v1", "Deployment", "web/d")),
        of("api-1", "ra", ("apps/v1", "Deployment", "api/da")),
        of("roll-1", "rc", ("rollouts.example.com/v1", "Rollout", "roll/c")),
    ];
    let owned = |set: &PartialObjectMeta<ReplicaSet>| owned_by(&set.metadata);
    fill(&workloads.replica_sets, &sets, owned).await;
    workloads
}

fn target(api_version: &str, kind: &str, name: &str) -> ObjectReference {
    ObjectReference { api_version: Some(api_version.into()), kind: kind.into(), name: name.into() }
}

fn owner(kind: OwnerKind, name: &str, uid: &str) -> Owner {
    Owner { kind, name: name.into(), uid: uid.into() }
}

#[tokio::test]
async fn a_scale_is_what_the_api_server_would_say() {
    let workloads = workloads().await;
    let scale = workloads.scale("shop", &target("apps/v1", "Deployment", "web")).unwrap();
    let expected = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {"namespace": "shop", "name": "web", "uid": "d", "resourceVersion": "7"},
        "spec": {"replicas": 3},
        "status": {"replicas": 4, "selector": "app=web"},
    });
    assert_eq!(serde_json::to_value(&scale).unwrap(), expected);
}

#[tokio::test]
async fn what_was_not_seen_and_other_kinds_are_not_known() {
    let workloads = workloads().await;
    for other in [
        target("apps/v1", "Deployment", "db"),
        target("apps/v1", "ReplicaSet", "web-1"),
        target("apps.example.com/v1", "Deployment", "web"),
    ] {
        assert!(workloads.scale("shop", &other).is_none(), "{other:?}");
    }
    assert!(workloads.scale("elsewhere", &target("apps/v1", "Deployment", "web")).is_none());
}

#[tokio::test]
async fn pods_of_others_are_foreign_and_in_doubt_a_pod_is_the_targets() {
    let workloads = workloads().await;
    let ours = owner(OwnerKind::ReplicaSet, "web-1", "r");
    let of_api = owner(OwnerKind::ReplicaSet, "api-1", "ra");
    let of_rollout = owner(OwnerKind::ReplicaSet, "roll-1", "rc");
    let unseen = owner(OwnerKind::ReplicaSet, "web-2", "r2");
    let recreated = owner(OwnerKind::ReplicaSet, "web-1", "of before");
    let job = owner(OwnerKind::Other, "once", "j");
    let pods =
        [Some(&ours), Some(&of_api), Some(&of_rollout), Some(&unseen), Some(&recreated), Some(&job), None];
    for (reference, uid, expected) in [
        (target("apps/v1", "Deployment", "web"), "d", [false, true, true, false, false, true, true]),
        (
            target("rollouts.example.com/v1", "Rollout", "roll"),
            "c",
            [true, true, false, false, false, false, true],
        ),
        // Nothing shows that this kind owns its pods at all.
        (target("pools.example.com/v1", "Pool", "pool"), "p", [false; 7]),
    ] {
        assert_eq!(foreign(&workloads, "shop", (&reference, uid), &pods), expected, "{reference:?}");
    }
}
