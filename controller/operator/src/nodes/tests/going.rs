//! Drains: nodes that we have given back, and nodes that their provider takes away.

use std::collections::BTreeSet;

use plimsoll_core::nodes::drain::Drain;
use pretty_assertions::assert_eq;

use super::{
    drains::{drain, drained},
    orders::recorded,
    *,
};

/// A new leader has read no Secret yet.
#[tokio::test]
async fn a_node_whose_provider_cannot_be_asked_is_given_back_later() {
    let mut bench = Bench::new(stored);
    bench.pool_with_tls();
    bench.node(drained(&Drain { deleted: Some(NOW), ..drain() }));
    bench.order(recorded("general-1", &json!({})));
    let waiting = BTreeSet::from(["a".into()]);
    bench.planner.world.to_give_back.clone_from(&waiting);
    bench.planner.drains(NOW).await;
    assert_eq!(bench.planner.world.to_give_back, waiting);
}

/// Its kubelet stops before its Node is gone, which looks like a partition.
#[tokio::test]
async fn a_node_knows_that_it_was_given_back() {
    let mut bench = Bench::new(stored);
    bench.node(node("a", &json!({})));
    let given_back = |bench: &mut Bench, deleted: Option<Timestamp>| {
        bench.planner.world.drains.insert("a".into(), Drain { deleted, ..drain() });
        bench.planner.world.note_records();
        bench.planner.world.view.node("a").unwrap().given_back
    };
    assert_eq!(given_back(&mut bench, None), None);
    assert_eq!(given_back(&mut bench, Some(NOW)), Some(NOW));
    bench.node(node("a", &json!({})));
    assert_eq!(bench.planner.world.view.node("a").unwrap().given_back, Some(NOW), "as it is shown");
    assert_eq!(given_back(&mut bench, None), None);
}

/// A spot machine: the provider says that it deletes what nobody has given back.
#[tokio::test]
async fn a_node_whose_instance_its_provider_deletes_is_interrupted_unless_we_have_asked_for_that() {
    for (drain, is_interrupted) in [
        (None, true),
        (Some(drain()), true),
        (Some(Drain { deleted: Some(NOW), ..drain() }), false),
        (Some(Drain { deleted: Some(NOW), interrupted: true, ..drain() }), true),
    ] {
        let mut bench = Bench::new(stored);
        bench.pool();
        let mut seen = node("a", &json!({}));
        seen["spec"]["providerID"] = json!("cloud://a");
        bench.node(seen);
        bench.planner.world.drains.extend(drain.clone().map(|drain| ("a".into(), drain)));
        bench.order(recorded("general-1", &json!({})));
        bench.planner.world.note_records();
        let is_seen = |bench: &Bench| bench.planner.world.view.node("a").unwrap().interrupted;
        assert!(!is_seen(&bench), "the provider says nothing of it");
        bench.provider_deletes("cloud://a");
        bench.planner.world.note_records();
        assert_eq!(is_seen(&bench), is_interrupted, "{drain:?}");
    }
}

/// A provider that cannot be asked has taken back nothing of what it said.
#[tokio::test]
async fn a_node_that_its_provider_was_taking_away_is_interrupted_also_while_nobody_can_be_asked() {
    for (was_interrupted, is_interrupted) in [(true, true), (false, false)] {
        let mut bench = Bench::new(stored);
        bench.pool();
        let mut seen = node("a", &json!({}));
        seen["spec"]["providerID"] = json!("cloud://a");
        bench.node(seen);
        let drain = Drain { interrupted: was_interrupted, ..drain() };
        bench.planner.world.drains.insert("a".into(), drain);
        bench.order(recorded("general-1", &json!({})));
        bench.planner.world.outdate("general");
        bench.planner.world.note_records();
        assert_eq!(bench.planner.world.view.node("a").unwrap().interrupted, is_interrupted);
    }
}
