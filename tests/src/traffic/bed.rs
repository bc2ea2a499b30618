//! A cluster with real traffic.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{Node, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use plimsoll_api::{ServiceGroup, marks};
use serde_json::json;

use super::{
    front_door::{ADDRESS, FrontDoor},
    network,
    pods::PlayedPods,
    shop::{Door, GROUP, SERVICES, Service, Shop},
};
use crate::{
    cluster::{Cluster, ClusterSpec, PodsEnd, ZONE},
    eventually, http,
    operator::Operator,
};

/// How long a Deployment and Traefik may take to see what was asked of them.
const PATIENCE: Duration = Duration::from_mins(1);

/// After how many seconds of silence a node is taken for lost; 50 by default.
const NODE_SILENCE_SECONDS: u32 = 24;

/// A cluster whose pods answer, and its front door. All ends when this value is dropped.
#[derive(Debug)]
pub struct Bed {
    _door: FrontDoor,
    pods: PlayedPods,
    /// The cluster.
    pub cluster: Cluster,
}

impl Bed {
    /// Starts everything; only inside a namespace of [`super::network`].
    pub async fn start() -> Result<Self> {
        let spec = ClusterSpec {
            plain_kubelets: true,
            pods_end: PodsEnd::AfterTheirGrace,
            node_silence_seconds: Some(NODE_SILENCE_SECONDS),
            ..ClusterSpec::default()
        };
        let cluster = Cluster::start(spec).await?;
        let pods = PlayedPods::start(&cluster).await?;
        let door = FrontDoor::open(&cluster).await?;
        Ok(Self { _door: door, pods, cluster })
    }

    /// Applies a shop, waits until it is rolled out and, where it is reached by plain HTTP, until it is.
    pub async fn open(&self, shop: &Shop) -> Result<()> {
        self.apply(shop).await?;
        self.rolled_out(shop).await?;
        if !shop.tls {
            for service in &SERVICES {
                self.reaches(shop.door, service).await?;
            }
        }
        Ok(())
    }

    /// Applies a shop.
    pub async fn apply(&self, shop: &Shop) -> Result<()> {
        self.cluster.kubectl_with(["apply", "--filename=-"], &shop.objects().to_string()).await?;
        Ok(())
    }

    async fn reaches(&self, door: Door, service: &Service) -> Result<()> {
        let Service { method, .. } = service;
        let (host, path, workload) = (door.host(), door.path(service), service.workload());
        let what = format!("{method} {host}{path} to reach {workload}");
        eventually(&what, PATIENCE, async || {
            let answer = http::send_to_host(method, &format!("http://{ADDRESS}:80{path}"), host).await?;
            let of_service = format!("\"service\":\"{workload}\"");
            ensure!(answer.status == 200 && answer.body.contains(&of_service), "{answer:?}");
            Ok(())
        })
        .await
    }

    /// Waits until each pod of a service answers clients who have no cookie yet.
    pub async fn reaches_all_pods(&self, door: Door, service: &Service) -> Result<()> {
        let pods = self.pods(door, service).await?;
        let mut waiting: BTreeSet<_> = pods.iter().map(ResourceExt::name_any).collect();
        let url = format!("http://{ADDRESS}:80{}", door.path(service));
        eventually(
            &format!("the front door to lead to all pods of {}", service.workload()),
            PATIENCE,
            async || {
                let answer = http::send_to_host(service.method, &url, door.host()).await?;
                waiting.retain(|pod| !answer.body.contains(&format!("\"pod\":\"{pod}\"")));
                ensure!(waiting.is_empty(), "not to {waiting:?} yet");
                Ok(())
            },
        )
        .await
    }

    /// Waits until the group of a shop is ready, and every service has all its pods and none that is on its way out.
    pub async fn rolled_out(&self, shop: &Shop) -> Result<()> {
        let (client, namespace) = (self.cluster.client().await?, shop.door.namespace());
        let groups: Api<ServiceGroup> = Api::namespaced(client.clone(), namespace);
        let deployments: Api<Deployment> = Api::namespaced(client, namespace);
        eventually(&format!("{namespace} to be rolled out"), PATIENCE * 2, async || {
            let group = groups.get(GROUP).await?;
            let told = group.status.unwrap_or_default();
            let is_ready = told.conditions.iter().any(|told| told.type_ == "Ready" && told.status == "True");
            ensure!(is_ready && told.observed_generation == group.metadata.generation, "{told:?}");
            for service in &SERVICES {
                let deployment = deployments.get(&service.workload()).await?;
                ensure!(is_whole(&deployment, shop), "{}: {:?}", service.workload(), deployment.status);
            }
            Ok(())
        })
        .await
    }

    /// The pods of a service that are to stay.
    pub async fn pods(&self, door: Door, service: &Service) -> Result<Vec<Pod>> {
        let pods: Api<Pod> = Api::namespaced(self.cluster.client().await?, door.namespace());
        let of_service = ListParams::default().labels(&format!("{}={}", marks::SERVICE, service.name));
        let mut pods = pods.list(&of_service).await?.items;
        pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        Ok(pods)
    }

    /// The zone of a node.
    pub async fn zone_of(&self, node: &str) -> Result<String> {
        let node = Api::<Node>::all(self.cluster.client().await?).get(node).await?;
        node.labels().get(ZONE).cloned().context("a node is in no zone")
    }

    /// Takes a zone away in one moment, and tells nobody: what is sent to its pods is lost, the operator's process there is no
    /// more, and its nodes do not say any more that they live.
    pub async fn cut(&self, zone: &str, operator: &mut Operator<'_>) -> Result<()> {
        let client = self.cluster.client().await?;
        let of_zone = ListParams::default().labels(&format!("{ZONE}={zone}"));
        let nodes: Api<Node> = Api::all(client.clone());
        let nodes: Vec<_> = nodes.list(&of_zone).await?.iter().map(ResourceExt::name_any).collect();
        let pods: Api<Pod> = Api::all(client.clone());
        let mut pods = pods.list(&ListParams::default()).await?.items;
        pods.retain(|pod| {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
            node.is_some_and(|node| nodes.contains(node))
        });
        self.pods.silence(&nodes);
        network::cut(addresses(&pods)?)?;
        for process in operator.processes_mut() {
            if pods.iter().any(|pod| pod.name_any() == process.pod()) {
                process.kill()?;
            }
        }
        // kwok speaks for a node only while it holds the node's lease. The controller of nodes takes a lease that changes and is
        // not renewed for a sign that it reads old ones, and waits.
        let leases: Api<Lease> = Api::namespaced(client, "kube-node-lease");
        let renewed = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let taken = json!({"spec": {
            "holderIdentity": "nobody", "leaseDurationSeconds": 3600, "renewTime": renewed,
        }});
        for node in nodes {
            leases.patch(&node, &PatchParams::default(), &Patch::Merge(&taken)).await?;
        }
        Ok(())
    }
}

fn addresses(pods: &[Pod]) -> Result<Vec<IpAddr>> {
    let addresses = pods.iter().filter_map(|pod| pod.status.as_ref()?.pod_ip.as_ref());
    addresses.map(|address| Ok(address.parse()?)).collect()
}

/// Whether a Deployment is as a shop wants it, and has just the pods that it should have.
fn is_whole(deployment: &Deployment, shop: &Shop) -> bool {
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = deployment.spec.replicas;
    let (fewest, most) = shop.replicas;
    let containers = deployment.spec.template.spec.iter().flat_map(|pod| &pod.containers);
    wanted
        .and_then(|wanted| u32::try_from(wanted).ok())
        .is_some_and(|wanted| (fewest..=most).contains(&wanted))
        && containers.into_iter().all(|container| container.image == Some(shop.image()))
        && status.observed_generation == deployment.metadata.generation
        && status.updated_replicas == wanted
        && status.available_replicas == wanted
        && status.replicas == wanted
        && status.terminating_replicas.unwrap_or_default() == 0
}
