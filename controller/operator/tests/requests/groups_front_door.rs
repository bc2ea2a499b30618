//! Which requests a front door sends.

use plimsoll_operator::leadership::Leadership;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    groups_stage::{Kept, STATUS, Scene, group, owner},
    script::Asked,
};

const INGRESS: &str = "/apis/networking.k8s.io/v1/namespaces/shop/ingresses/store";

fn with_door() -> Value {
    let mut group = group();
    group["spec"]["services"][0]["paths"] = json!([{ "path": "/" }]);
    group["spec"]["frontDoor"] = json!({ "ingress": { "className": "web" } });
    group
}

/// An Ingress of the group.
fn ingress() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": { "ingressClassName": "web" },
        "metadata": { "name": "store", "namespace": "shop", "uid": "i", "resourceVersion": "3",
            "labels": { "plimsoll.dev/servicegroup": "store" }, "ownerReferences": [owner("g")] },
    })
}

fn of_ingress(asked: &[Asked]) -> Vec<String> {
    asked.iter().filter(|asked| asked.path == INGRESS).map(Asked::line).collect()
}

#[tokio::test]
async fn nothing_is_changed_before_classes_were_listed() {
    let kept = Kept::with(&[]);
    let scene =
        Scene::new(with_door(), &[ingress()], Leadership::alone(), move |asked| kept.answer(asked)).await;
    let asked = scene.look().await.unwrap();
    assert_eq!(of_ingress(&asked), Vec::<String>::new());
    let status = asked.iter().find(|asked| asked.path == STATUS).unwrap();
    let conditions = status.body["status"]["conditions"].as_array().unwrap();
    let door = conditions.iter().find(|condition| condition["type"] == "FrontDoor").unwrap();
    assert_eq!((&door["status"], &door["reason"]), (&json!("Unknown"), &json!("NotRead")));
}

#[tokio::test]
async fn a_group_without_a_front_door_asks_for_none_and_loses_the_one_it_had() {
    let kept = Kept::with(&[(crate::groups_stage::GROUP, group())]);
    let scene = Scene::new(group(), &[ingress()], Leadership::alone(), move |asked| kept.answer(asked)).await;
    let asked = scene.look().await.unwrap();
    assert_eq!(of_ingress(&asked), [format!("DELETE {INGRESS}")]);
}
