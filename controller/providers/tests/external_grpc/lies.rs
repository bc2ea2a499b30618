//! Answers that cannot be true.

use cloud::{Faults, Lie, Rpc};
use plimsoll_providers::{InstanceRef, Oddity, Provider as _, ProviderError};
use pretty_assertions::assert_eq;
use tonic::Code;

use crate::server::{Server, here, order, server, there};

/// A cloud with two machines `here` that lies from then on.
async fn liar(lie: Lie) -> Server {
    let server = server(Faults::default()).await;
    server.client.create(&order(2, 0)).await.unwrap();
    server.cloud.misbehave(Faults::lying(lie));
    server
}

#[tokio::test]
async fn a_negative_size_makes_its_group_unreadable_and_no_other() {
    let server = liar(Lie::NegativeSize(here())).await;
    let inventory = server.client.inventory().await.unwrap();
    assert_eq!(inventory.oddities, [Oddity::BadSize { offering: here(), said: "-7".to_owned() }]);
    assert!(matches!(inventory.groups[&here()], Err(ProviderError::Nonsense(_))));
    assert_eq!(inventory.target(&there()), Some(0));
    let error = server.client.create(&order(1, 2)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Nonsense(_)), "{error:?}");
    server.client.decrease_target(&here(), 1).await.unwrap_err();
    assert_eq!(server.cloud.target(&here()), 2, "nothing was asked for");
}

#[tokio::test]
async fn instances_listed_twice_count_once() {
    let server = liar(Lie::InstancesTwice(here())).await;
    let inventory = server.client.inventory().await.unwrap();
    assert_eq!(inventory.instances().count(), 2);
    assert!(inventory.oddities.iter().all(|odd| matches!(odd, Oddity::InstanceTwice { .. })));
    assert_eq!(inventory.oddities.len(), 2);
}

#[tokio::test]
async fn an_instance_that_two_groups_claim_is_left_alone_until_they_agree() {
    let server = liar(Lie::ClaimsInstancesOf(here(), there())).await;
    let inventory = server.client.inventory().await.unwrap();
    assert_eq!(inventory.instances().count(), 2);
    assert_eq!(inventory.oddities.len(), 2);
    let mine = inventory.instances().next().unwrap().reference();
    for claimed in [mine.clone(), InstanceRef { offering: there(), ..mine.clone() }] {
        let error = server.client.delete(&[claimed]).await.unwrap_err();
        assert!(error.to_string().contains("two groups claim"), "{error}");
    }
    assert_eq!(server.cloud.machines(&here()).len(), 2);

    server.cloud.misbehave(Faults::default());
    server.client.inventory().await.unwrap();
    server.client.delete(&[mine]).await.unwrap();
    assert_eq!(server.cloud.machines(&here()).len(), 1);
}

#[tokio::test]
async fn an_instance_that_does_not_exist_is_shown_and_its_deletion_fails() {
    let server = liar(Lie::UnknownInstance(here())).await;
    let group = server.group(&here()).await;
    assert_eq!((group.target, group.instances.len()), (2, 3));
    let nowhere = group.instances.iter().find(|instance| instance.id == "simulated://nowhere").unwrap();
    server.client.delete(&[nowhere.reference()]).await.unwrap_err();
    assert_eq!(server.cloud.machines(&here()).len(), 2, "nothing else goes");
}

#[tokio::test]
async fn a_group_listed_twice_counts_once() {
    let server = liar(Lie::GroupTwice(here())).await;
    let inventory = server.client.inventory().await.unwrap();
    assert_eq!((inventory.groups.len(), inventory.oddities), (8, vec![Oddity::GroupTwice(here())]));
    assert_eq!(server.client.offerings().await.unwrap().offerings.len(), 8);
}

#[tokio::test]
async fn an_unknown_state_is_taken_for_running() {
    let server = liar(Lie::UnknownState(here())).await;
    let inventory = server.client.inventory().await.unwrap();
    assert_eq!(inventory.oddities, [Oddity::UnknownState { id: "simulated://odd".to_owned(), state: 99 }]);
}

#[tokio::test]
async fn a_template_that_is_none_and_a_price_that_is_none_are_told() {
    let server =
        server(Faults { lies: [Lie::Garbage(here()), Lie::NoPrice(there())].into(), ..Faults::default() })
            .await;
    let offered = server.client.offerings().await.unwrap();
    assert!(offered.offerings.iter().all(|offering| offering.id != here()));
    let priceless = offered.offerings.iter().find(|offering| offering.id == there()).unwrap();
    assert_eq!((priceless.price, priceless.available), (None, false), "it would look as if it cost nothing");
    let [Oddity::BadTemplate { offering, .. }, Oddity::BadPrice { offering: second, said }] =
        &offered.oddities[..]
    else {
        panic!("{:?}", offered.oddities)
    };
    assert_eq!((offering, second), (&here(), &there()));
    assert!(said.contains("\"NaN\" is not a price"), "{said}");
}

#[tokio::test]
async fn servers_for_older_cluster_autoscalers_are_understood() {
    let new = server(Faults::default()).await.client.offerings().await.unwrap();
    let old = server(Faults { is_old: true, ..Faults::default() }).await.client.offerings().await.unwrap();
    assert_eq!((old.offerings.len(), old.oddities), (8, vec![]));
    assert_eq!(old.offerings, new.offerings);
}

#[tokio::test]
async fn what_is_optional_may_be_missing() {
    let optional = [Rpc::Refresh, Rpc::PricingNodePrice];
    let refuses = optional.map(|rpc| (rpc, (Code::Unimplemented, String::new()))).into();
    let server = server(Faults { refuses, ..Faults::default() }).await;
    let offered = server.client.offerings().await.unwrap();
    assert_eq!((offered.offerings.len(), offered.oddities), (8, vec![]));
    assert!(offered.offerings.iter().all(|offering| offering.price.is_none()));
    assert!(server.client.inventory().await.is_ok());

    let refuses = [(Rpc::NodeGroupTemplateNodeInfo, (Code::Unimplemented, String::new()))].into();
    let server = crate::server::server(Faults { refuses, ..Faults::default() }).await;
    let offered = server.client.offerings().await.unwrap();
    assert_eq!((offered.offerings.len(), offered.oddities.len()), (0, 8));
    assert_eq!(server.client.inventory().await.unwrap().groups.len(), 8, "what is there can still be seen");
}
