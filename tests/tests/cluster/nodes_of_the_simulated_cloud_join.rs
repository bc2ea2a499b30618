use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use cloud::{Cloud, contract::catalogue};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, api::ListParams};
use plimsoll_providers::{
    CreateRequest, ExternalGrpc, ExternalGrpcConfig, InstanceState, OfferingId, Provider,
};
use testbed::eventually;

use crate::providers::cluster;

/// How long a machine takes to boot.
const BOOT: Duration = Duration::from_secs(20);

/// Machines of the simulated cloud are nodes of a real cluster, with the ids that the protocol says and the shape that
/// the template promised; when they are deleted, so are the nodes.
#[tokio::test]
async fn nodes_of_the_simulated_cloud_join_and_leave() -> Result<()> {
    let client = cluster().await?.client().await?;
    let cloud = Cloud::new(catalogue(), BOOT)?;
    let serving = cloud.serve().await?;
    let _joining = cloud.join(client.clone(), "sim");
    let provider: Arc<dyn Provider> =
        Arc::new(ExternalGrpc::new(ExternalGrpcConfig::plain(serving.address()))?);
    let offering = OfferingId::from("small.zone-b.on-demand");
    let offered = provider.offerings().await?.offerings;
    let offered = offered.iter().find(|offered| offered.id == offering).expect("it is offered");

    let ordered = Instant::now();
    provider.create(&CreateRequest::new("a".parse()?, offering.clone(), 3, 0)).await?;
    let booting = provider.inventory().await?;
    let is_booting = booting.instances().all(|instance| instance.state == InstanceState::Creating);
    ensure!(is_booting || ordered.elapsed() >= BOOT, "{booting:?}");
    let nodes: Api<Node> = Api::all(client);
    let selector = ListParams::default().labels("simulated-cloud=sim");
    let joined = async |count: usize| {
        eventually("the nodes", Duration::from_mins(2), async || {
            let found: Vec<Node> = nodes.list(&selector).await?.items;
            if found.len() == count { Ok(found) } else { Err(anyhow!("{} nodes", found.len())) }
        })
        .await
    };
    let there = joined(3).await?;
    let ids = |nodes: &[Node]| -> BTreeSet<String> {
        nodes.iter().filter_map(|node| node.spec.as_ref()?.provider_id.clone()).collect()
    };
    let inventory = provider.inventory().await?;
    ensure!(ids(&there) == inventory.instances().map(|instance| instance.id.clone()).collect());
    ensure!(inventory.instances().all(|instance| instance.state == InstanceState::Running), "{inventory:?}");
    for node in &there {
        let found = node.metadata.labels.clone().unwrap_or_default();
        ensure!(offered.labels.iter().all(|(key, value)| found.get(key) == Some(value)), "{found:?}");
    }

    let gone = inventory.instances().next().expect("there are three").reference();
    provider.delete(std::slice::from_ref(&gone)).await?;
    let left = joined(2).await?;
    ensure!(!ids(&left).contains(&gone.id));
    Ok(())
}
