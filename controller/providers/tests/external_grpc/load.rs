//! What a look costs, and what a server that hangs costs.

use std::sync::Arc;

use cloud::{Faults, Rpc};
use plimsoll_providers::{Instrumented, Provider, ProviderError, ProviderSeries};
use pretty_assertions::assert_eq;
use prometheus::{Registry, TextEncoder};
use tokio::time::Instant;

use crate::server::{TIME_OUT, here, order, server, there};

#[tokio::test]
async fn a_look_asks_nothing_per_node_and_templates_once() {
    let server = server(Faults::default()).await;
    server.client.create(&order(100, 0)).await.unwrap();
    server.cloud.take_calls();
    for _ in 0..2 {
        assert_eq!(server.client.inventory().await.unwrap().instances().count(), 100);
        assert_eq!(server.client.offerings().await.unwrap().offerings.len(), 8);
    }
    let expected = [
        (Rpc::NodeGroups, 4),
        (Rpc::PricingNodePrice, 8),
        (Rpc::Refresh, 2),
        (Rpc::NodeGroupTargetSize, 16),
        (Rpc::NodeGroupNodes, 16),
        (Rpc::NodeGroupTemplateNodeInfo, 8),
    ];
    assert_eq!(server.cloud.take_calls(), expected.into());
}

#[tokio::test]
async fn a_group_that_hangs_hides_no_other() {
    let server =
        server(Faults { hangs_for: [(Rpc::NodeGroupNodes, here())].into(), ..Faults::default() }).await;
    let inventory = server.client.inventory().await.unwrap();
    assert!(matches!(inventory.groups[&here()], Err(ProviderError::TimedOut { .. })), "{inventory:?}");
    let readable = inventory.groups.values().filter(|group| group.is_ok()).count();
    assert_eq!(readable, 7);
    assert_eq!(inventory.target(&there()), Some(0));
}

#[tokio::test]
async fn whatever_hangs_ends_in_time() {
    let all = [Rpc::Refresh, Rpc::NodeGroups, Rpc::NodeGroupTargetSize, Rpc::NodeGroupNodes];
    futures::future::join_all(all.map(ends_in_time)).await;
}

async fn ends_in_time(rpc: Rpc) {
    let server = server(Faults::default()).await;
    server.client.create(&order(1, 0)).await.unwrap();
    let instance = server.group(&here()).await.instances.remove(0).reference();
    server.cloud.misbehave(Faults::hanging(rpc));
    let (started, made) = (Instant::now(), order(1, 0));
    let (deleted, settled, looked) = tokio::join!(
        server.client.delete(std::slice::from_ref(&instance)),
        server.client.settle(&made),
        server.client.inventory(),
    );
    // Deletion and settling wait for each other; a second for the machine to be busy in.
    let most = server.client.time_out() + TIME_OUT;
    assert!(started.elapsed() < most, "{rpc:?}: {:?}", started.elapsed());
    let timed_out = |error: &ProviderError| matches!(error, ProviderError::TimedOut { .. });
    match rpc {
        Rpc::Refresh => assert!(timed_out(&settled.unwrap_err()) && timed_out(&looked.unwrap_err())),
        Rpc::NodeGroups => assert!(timed_out(&deleted.unwrap_err()) && timed_out(&looked.unwrap_err())),
        _ => assert!(looked.unwrap().groups.values().all(Result::is_err)),
    }
}

#[tokio::test]
async fn calls_are_measured_bounded_and_given_up() {
    let server = server(Faults::default()).await;
    let registry = Registry::new();
    let series = ProviderSeries::register(&registry).unwrap();
    let provider: Arc<dyn Provider> = Arc::new(server.client);
    let measured = Instrumented::new("cloud", Arc::clone(&provider), 1, series);
    measured.inventory().await.unwrap();
    assert!(measured.create(&order(1, 5)).await.is_err());
    server.cloud.misbehave(Faults::hanging(Rpc::NodeGroupTargetSize));
    let (started, wanted) = (Instant::now(), order(1, 0));
    // One at a time: who waits in vain for the other has surely done nothing.
    let (first, second) = tokio::join!(measured.create(&wanted), measured.settle(&wanted));
    assert!(started.elapsed() < provider.time_out() + TIME_OUT * 2);
    assert!(matches!(first, Err(ProviderError::TimedOut { .. })), "{first:?}");
    assert!(second.is_err());
    let shown = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in [
        "plimsoll_provider_calls_total{call=\"inventory\",provider=\"cloud\",result=\"Ok\"} 1",
        "plimsoll_provider_calls_total{call=\"create\",provider=\"cloud\",result=\"SizeChanged\"} 1",
        "plimsoll_provider_calls_total{call=\"create\",provider=\"cloud\",result=\"TimedOut\"} 1",
        "plimsoll_provider_call_seconds_count{call=\"create\",provider=\"cloud\"} 2",
        "plimsoll_provider_calls_under_way{provider=\"cloud\"} 0",
        "plimsoll_provider_oddities{call=\"inventory\",provider=\"cloud\"} 0",
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
}
