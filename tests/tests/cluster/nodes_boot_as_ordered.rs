use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use cloud::contract::{Subject as _, catalogue};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use plimsoll_providers::{
    CreateRequest, Failure, InstanceRef, InstanceState, OfferingId, ProviderError, Rule, Taint,
};
use serde_json::json;
use testbed::eventually;

use crate::{nodes_stage::is_ready, providers::OverKwok};

/// How long machines may take to boot beyond their delay: other tests share the cores.
const BOOT: Duration = Duration::from_mins(5);

fn offering() -> OfferingId {
    "large.zone-b.spot".into()
}

impl OverKwok {
    fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    fn order(&self, name: &str, count: u32) -> Result<CreateRequest> {
        Ok(CreateRequest::new(self.key(name)?, offering(), count, 0))
    }

    async fn ours(&self) -> Result<Vec<Node>> {
        let selector = format!("plimsoll.dev/provider={}", self.name);
        Ok(self.nodes().list(&ListParams::default().labels(&selector)).await?.items)
    }

    async fn await_ready(&self, count: usize) -> Result<Vec<Node>> {
        eventually("the nodes to be ready", BOOT, async || {
            let nodes = self.ours().await?;
            let ready = nodes.iter().filter(|node| is_ready(node)).count();
            if ready == count { Ok(nodes) } else { Err(anyhow!("{ready} of {} ready", nodes.len())) }
        })
        .await
    }
}

#[tokio::test]
async fn an_ordered_node_is_what_the_offering_said_and_carries_our_mark() -> Result<()> {
    let kwok = OverKwok::new(0).await?;
    let mut order = kwok.order("a", 1)?;
    order.labels = [("team", "web"), ("plimsoll.dev/provider", "another")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    order.taints =
        vec![Taint { key: "dedicated".to_owned(), value: "web".to_owned(), effect: "NoExecute".to_owned() }];
    let created = kwok.provider().create(&order).await?;

    let nodes = kwok.await_ready(1).await?;
    let (node, spec) = (&nodes[0], nodes[0].spec.clone().unwrap_or_default());
    ensure!(spec.provider_id.as_ref() == Some(&created.instances[0].id), "{spec:?}");
    ensure!(created.instances[0].node_name == Some(node.name_any()));
    let offered = kwok.provider().offerings().await?.offerings;
    let offered = offered.iter().find(|offered| offered.id == offering()).expect("it is offered");
    for (key, value) in &offered.labels {
        ensure!(node.labels().get(key) == Some(value), "{key}");
    }
    for (key, value) in [
        ("kubernetes.io/hostname", node.name_any()),
        ("plimsoll.dev/node-order", order.order.to_string()),
        ("plimsoll.dev/provider", kwok.name.clone()),
        ("team", "web".to_owned()),
    ] {
        ensure!(node.labels().get(key) == Some(&value), "{key}: {:?}", node.labels());
    }
    let allocatable = node.status.as_ref().and_then(|status| status.allocatable.clone()).unwrap_or_default();
    for (resource, amount) in &offered.allocatable {
        ensure!(allocatable.get(resource).map(|found| &found.0) == Some(&amount.to_string()), "{resource}");
    }
    let taints: Vec<_> = spec.taints.unwrap_or_default().into_iter().map(|taint| taint.key).collect();
    for key in ["dedicated", "kwok.x-k8s.io/node"] {
        ensure!(taints.iter().any(|taint| taint == key), "{taints:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_node_appears_after_the_boot_delay_also_when_the_process_is_restarted() -> Result<()> {
    let delay = Duration::from_secs(10);
    let kwok = OverKwok::new(u32::try_from(delay.as_secs())?).await?;
    let (nodes, due) = (kwok.nodes(), Timestamp::now() + delay);
    let created = kwok.provider().create(&kwok.order("a", 3)?).await?;
    let they_boot = created.instances.iter().all(|instance| instance.state == InstanceState::Creating);
    ensure!(they_boot || Timestamp::now() >= due, "{created:?}");
    let there = kwok.ours().await?.len();
    ensure!(there == 0 || Timestamp::now() >= due, "{there} are there already");
    // One that is not wanted any more never comes.
    kwok.provider().delete(&[created.instances[1].reference()]).await?;

    let restarted = kwok.restarted()?;
    drop(kwok.provider);
    drop(kwok.kwok);
    let before = restarted.inventory().await?;
    ensure!(before.instances().count() == 2, "{before:?}");
    let all_run = eventually("both to run", BOOT, async || {
        let inventory = restarted.inventory().await?;
        let states: Vec<_> = inventory.instances().map(|instance| instance.state).collect();
        if states == [InstanceState::Running; 2] { Ok(inventory) } else { Err(anyhow!("{states:?}")) }
    });
    let inventory = all_run.await?;
    for instance in inventory.instances() {
        let name = instance.node_name.as_deref().context("it runs without a node")?;
        // In whole seconds, rounded down.
        let came = nodes.get(name).await?.metadata.creation_timestamp.context("each was created")?.0;
        ensure!(came > due - Duration::from_secs(1), "{name} came at {came}, and was due at {due}");
    }
    let mut ids: Vec<_> = inventory.instances().map(|instance| instance.id.clone()).collect();
    ids.insert(1, created.instances[1].id.clone());
    ensure!(ids == created.instances.iter().map(|instance| instance.id.clone()).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn what_never_registers_stays_on_its_way_until_it_is_deleted() -> Result<()> {
    let kwok = OverKwok::new(0).await?;
    let rules = vec![Rule { failure: Some(Failure::NeverRegisters), ..Rule::default() }];
    kwok.change(plimsoll_providers::Catalogue { rules, ..catalogue() })?;
    let created = kwok.provider().create(&kwok.order("a", 2)?).await?;
    ensure!(created.accepted == 2 && created.instances.len() == 2, "{created:?}");
    let gone: Vec<_> = created.instances.iter().map(plimsoll_providers::Instance::reference).collect();
    kwok.provider().delete(&gone).await?;
    let inventory = kwok.provider().inventory().await?;
    ensure!(inventory.instances().count() == 0 && inventory.target(&offering()) == Some(0), "{inventory:?}");
    Ok(())
}

#[tokio::test]
async fn a_node_that_is_not_ours_is_never_deleted() -> Result<()> {
    let (ours, other) = (OverKwok::new(0).await?, OverKwok::new(0).await?);
    let theirs = other.provider().create(&other.order("a", 1)?).await?.instances.remove(0);
    // A node of the bed, a node of another provider, and one of ours whose mark somebody took away.
    let ours_once = ours.provider().create(&ours.order("a", 1)?).await?.instances.remove(0);
    let name = ours_once.node_name.clone().expect("it has one");
    let unmarked = json!({"metadata": {"labels": {"plimsoll.dev/node-order": null}}});
    ours.nodes().patch(&name, &PatchParams::default(), &Patch::Merge(unmarked)).await?;
    let of_the_bed = InstanceRef { id: "kwok://zone-a-0".to_owned(), ..theirs.reference() };
    for instance in [of_the_bed, theirs.reference(), ours_once.reference()] {
        let error = ours.provider().delete(std::slice::from_ref(&instance)).await;
        ensure!(error == Err(ProviderError::UnknownInstances(vec![instance.id])), "{error:?}");
    }
    for name in ["zone-a-0", &name, theirs.node_name.as_deref().expect("it has one")] {
        ensure!(ours.nodes().get(name).await?.metadata.deletion_timestamp.is_none(), "{name}");
    }
    let odd = ours.provider().inventory().await?.oddities;
    ensure!(odd.len() == 1 && odd[0].to_string().contains(&name), "{odd:?}");
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_taken_is_told() -> Result<()> {
    let (ours, other) = (OverKwok::new(0).await?, OverKwok::new(0).await?);
    other.provider().create(&other.order("a", 1)?).await?;
    let stolen = CreateRequest { order: other.key("a")?, ..ours.order("a", 1)? };
    other
        .nodes()
        .patch(
            &other.key("a")?.node_name(0),
            &PatchParams::default(),
            &Patch::Merge(json!({"metadata": {"labels": {"plimsoll.dev/node-order": "somebody-elses"}}})),
        )
        .await?;
    let error = ours.provider().create(&stolen).await.expect_err("the name is taken");
    ensure!(
        matches!(&error, ProviderError::Invalid(words) if words.contains("order under another key")),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn two_hundred_machines_boot_at_once() -> Result<()> {
    let kwok = OverKwok::new(1).await?;
    let kwok = Arc::new(kwok);
    let order = kwok.order("a", 200)?;
    ensure!(kwok.provider().create(&order).await?.accepted == 200);
    let settled = kwok.provider().settle(&order).await?;
    ensure!((settled.done, settled.size) == (200, 200), "{settled:?}");
    kwok.await_ready(200).await?;
    let all: Vec<_> =
        kwok.provider().inventory().await?.instances().map(plimsoll_providers::Instance::reference).collect();
    kwok.provider().delete(&all).await?;
    Ok(())
}
