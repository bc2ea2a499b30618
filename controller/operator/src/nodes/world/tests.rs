use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{PersistentVolume, PersistentVolumeClaim},
};
use pretty_assertions::assert_eq;
use serde_json::{Value, from_value, json};

use super::*;
use crate::nodes::feed::Shown;

fn shown<K: Shown + serde::de::DeserializeOwned>(world: &mut World, object: Value) {
    from_value::<K>(object).unwrap().apply(world);
}

fn metadata(name: &str) -> Value {
    json!({ "name": name, "namespace": "shop", "uid": format!("uid-{name}") })
}

/// A pod, or a template of pods, with a claim.
fn with_claim(claim: &str) -> Value {
    json!({
        "containers": [],
        "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": claim } }],
    })
}

fn claim_and_volume(world: &mut World, name: &str) {
    let mut claim = metadata(name);
    claim["annotations"] = json!({ "pv.kubernetes.io/bind-completed": "yes" });
    shown::<PersistentVolumeClaim>(
        world,
        json!({ "metadata": claim, "spec": { "volumeName": format!("pv-{name}") } }),
    );
    shown::<PersistentVolume>(world, json!({ "metadata": { "name": format!("pv-{name}") }, "spec": {} }));
}

#[test]
fn a_pod_has_its_volumes_though_it_was_seen_before_them() {
    for on in [None, Some("n")] {
        let mut world = World::default();
        let mut spec = with_claim("data");
        spec["nodeName"] = json!(on);
        shown::<Pod>(&mut world, json!({ "metadata": metadata("db-0"), "spec": spec }));
        claim_and_volume(&mut world, "data");
        world.look_again();
        let pod = world.view.pod("uid-db-0").unwrap();
        assert_eq!((pod.shape.volumes.len(), &pod.unplannable), (1, &None), "on {on:?}");
    }
}

#[test]
fn pods_are_announced_though_their_claim_was_seen_after_the_template() {
    let mut world = World::default();
    let template = json!({ "spec": with_claim("data") });
    let spec = json!({ "replicas": 2, "selector": {}, "template": template, "serviceName": "db" });
    shown::<StatefulSet>(&mut world, json!({ "metadata": metadata("db"), "spec": spec }));
    claim_and_volume(&mut world, "data");
    world.look_again();
    world.announce();
    assert_eq!(world.view.announced().map(|of| of.count).collect::<Vec<_>>(), [2]);
}
