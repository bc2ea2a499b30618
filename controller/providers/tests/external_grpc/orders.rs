//! Orders over a protocol without keys.

use cloud::{Faults, Rpc, Shortage};
use plimsoll_providers::{
    Catalogue, FailureKind, InstanceState, Provider as _, ProviderError, Rule, Settled,
};
use pretty_assertions::assert_eq;
use tonic::Code;

use crate::server::{client, here, order, server, there};

fn shortage(shortage: Shortage) -> Faults {
    Faults { shortage, ..Faults::default() }
}

fn nothing_left() -> Catalogue {
    let rule = Rule { zone: Some("zone-a".to_owned()), capacity: Some(0), ..Rule::default() };
    Catalogue { rules: vec![rule], ..cloud::contract::catalogue() }
}

#[tokio::test]
async fn an_order_whose_answer_was_lost_is_found_done() {
    let server =
        server(Faults { loses_answer: [Rpc::NodeGroupIncreaseSize].into(), ..Faults::default() }).await;
    let error = server.client.create(&order(2, 0)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unavailable(_)) && !error.nothing_done(), "{error:?}");
    assert_eq!(server.client.settle(&order(2, 0)).await, Ok(Settled { done: 2, surplus: 0, size: 2 }));
    let again = server.client.create(&order(2, 0)).await;
    assert_eq!(again, Err(ProviderError::SizeChanged { offering: here(), before: 0, now: 2 }));
    assert_eq!(server.cloud.target(&here()), 2, "it was not made twice");
}

#[tokio::test]
async fn an_order_that_shows_late_is_waited_for() {
    let late = Faults { reads_before_growth_shows: 4, ..Faults::default() };
    let server = server(late.clone()).await;
    let created = server.client.create(&order(3, 0)).await.unwrap();
    assert_eq!((created.accepted, created.surplus), (3, 0));

    server.cloud.misbehave(Faults { loses_answer: [Rpc::NodeGroupIncreaseSize].into(), ..late });
    server.client.create(&order(2, 3)).await.unwrap_err();
    assert_eq!(server.client.settle(&order(2, 3)).await, Ok(Settled { done: 2, surplus: 0, size: 5 }));
}

#[tokio::test]
async fn a_size_that_never_shows_the_order_is_not_believed_to() {
    let server = server(Faults { reads_before_growth_shows: u32::MAX, ..Faults::default() }).await;
    let created = server.client.create(&order(3, 0)).await.unwrap();
    assert_eq!(created.accepted, 0);
}

#[tokio::test]
async fn a_surplus_is_told_and_can_be_given_back() {
    let server = server(Faults { grows_by_more: 2, ..Faults::default() }).await;
    let created = server.client.create(&order(1, 0)).await.unwrap();
    assert_eq!((created.accepted, created.surplus), (1, 2));
    assert_eq!(server.client.settle(&order(1, 0)).await.unwrap().surplus, 2);
    // They run already, so they are deleted.
    let group = server.group(&here()).await;
    assert_eq!(group.unfulfilled(), 0);
    let surplus: Vec<_> = group.instances[1..].iter().map(plimsoll_providers::Instance::reference).collect();
    server.client.delete(&surplus).await.unwrap();
    assert_eq!((server.cloud.target(&here()), server.cloud.machines(&here()).len()), (1, 1));
}

#[tokio::test]
async fn requests_that_nothing_came_of_are_given_back() {
    let server = server(shortage(Shortage::Silent)).await;
    server.cloud.configure(nothing_left()).unwrap();
    assert_eq!(server.client.create(&order(3, 0)).await.unwrap().accepted, 3);
    assert_eq!(server.group(&here()).await.unfulfilled(), 3);
    let error = server.client.decrease_target(&here(), 4).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Invalid(words) if words.contains("3 are without an instance")),
        "{error}"
    );
    server.client.decrease_target(&here(), 2).await.unwrap();
    assert_eq!(server.cloud.target(&here()), 1);
}

#[tokio::test]
async fn instances_that_stand_for_missing_ones_are_failures_and_can_be_deleted() {
    let server = server(shortage(Shortage::Placeholders)).await;
    server.cloud.configure(nothing_left()).unwrap();
    assert_eq!(server.client.create(&order(2, 0)).await.unwrap().accepted, 2);
    let group = server.group(&here()).await;
    for instance in &group.instances {
        assert_eq!(instance.state, InstanceState::Creating);
        let failure = instance.failure.as_ref().unwrap();
        assert_eq!(
            (failure.kind, failure.code.as_str()),
            (FailureKind::OutOfCapacity, "InsufficientInstanceCapacity")
        );
    }
    let all: Vec<_> = group.instances.iter().map(plimsoll_providers::Instance::reference).collect();
    server.client.delete(&all).await.unwrap();
    assert_eq!(server.group(&here()).await.target, 0);
    let there = plimsoll_providers::CreateRequest { offering: there(), ..order(1, 0) };
    assert_eq!(server.client.create(&there).await.unwrap().accepted, 1, "others still work");
}

#[tokio::test]
async fn an_instance_on_its_way_out_is_not_deleted_again() {
    let server = server(Faults { deletes_slowly: true, ..Faults::default() }).await;
    server.client.create(&order(3, 0)).await.unwrap();
    let gone = server.group(&here()).await.instances.remove(0).reference();
    for _ in 0..2 {
        server.client.delete(std::slice::from_ref(&gone)).await.unwrap();
    }
    let group = server.group(&here()).await;
    assert_eq!((group.target, group.instances.len(), group.unfulfilled()), (2, 3, 0));
}

#[tokio::test]
async fn a_server_that_refuses_is_told_from_one_that_is_not_there() {
    let refusal = |code| Faults {
        refuses: [(Rpc::NodeGroupIncreaseSize, (code, "no".to_owned()))].into(),
        ..Faults::default()
    };
    let server = server(refusal(Code::PermissionDenied)).await;
    let error = server.client.create(&order(1, 0)).await.unwrap_err();
    assert_eq!(error, ProviderError::Unauthorized("NodeGroupIncreaseSize: no".to_owned()));
    server.cloud.misbehave(refusal(Code::Internal));
    let error = server.client.create(&order(1, 0)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Other(_)) && !error.nothing_done(), "{error:?}");

    // Nobody listens there, and nobody else gets it meanwhile.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = client(&address).create(&order(1, 0)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unreachable(_)) && error.nothing_done(), "{error:?}");
}
