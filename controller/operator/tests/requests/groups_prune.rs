//! What is deleted of a group, and what is not.

use http::Method;
use plimsoll_operator::leadership::Leadership;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    groups_stage::{GROUP, Kept, Scene, group, lines, owner, shown},
    script::Asked,
};

/// The deletions of a look at which the watch shows a Service, and GET the group as it is now.
async fn deletions(service: Value, generation: i64) -> Vec<Asked> {
    let mut now = group();
    now["metadata"]["generation"] = json!(generation);
    let kept = Kept::with(&[(GROUP, now)]);
    let scene = Scene::new(group(), &[service], Leadership::alone(), move |asked| kept.answer(asked)).await;
    let mut asked = scene.look().await.unwrap();
    asked.retain(|asked| asked.method == Method::DELETE);
    asked
}

#[tokio::test]
async fn what_no_service_has_any_more_is_deleted_as_it_was_seen() {
    let deleted = deletions(shown("store-gone", &owner("g")), 1).await;
    assert_eq!(lines(&deleted), ["DELETE /api/v1/namespaces/shop/services/store-gone"]);
    assert_eq!(deleted[0].body["preconditions"], json!({ "uid": "s", "resourceVersion": "3" }));
}

#[tokio::test]
async fn what_belongs_to_another_group_of_the_same_name_stays() {
    assert_eq!(lines(&deletions(shown("store-gone", &owner("of before")), 1).await), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_deleted_by_a_spec_that_is_no_longer_the_present_one() {
    assert_eq!(lines(&deletions(shown("store-gone", &owner("g")), 2).await), Vec::<String>::new());
}
