//! A cluster with real traffic.

use std::{net::IpAddr, time::Duration};

use anyhow::{Result, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{Node, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::{
    front_door::{ADDRESS, FrontDoor},
    network,
    pods::PlayedPods,
    shop::{HOST_OF_METHODS, HOST_OF_PATHS, NAMESPACE, SERVICES, Shop},
};
use crate::{
    cluster::{Cluster, ClusterSpec},
    eventually, http,
};

/// How long a Deployment and Traefik may take to see what was asked of them.
const PATIENCE: Duration = Duration::from_secs(60);

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
            pods_take_their_grace: true,
            node_silence_seconds: Some(NODE_SILENCE_SECONDS),
            ..ClusterSpec::default()
        };
        let cluster = Cluster::start(spec).await?;
        let pods = PlayedPods::start(&cluster).await?;
        let door = FrontDoor::open(&cluster).await?;
        Ok(Self { _door: door, pods, cluster })
    }

    /// Applies the shop and waits until it is reached by the Ingress and by the `HTTPRoute`.
    pub async fn open(&self, shop: &Shop) -> Result<()> {
        self.cluster.kubectl_with(["apply", "--filename=-"], &shop.objects().to_string()).await?;
        self.rolled_out().await?;
        for (name, path, method) in SERVICES {
            self.reaches(name, HOST_OF_PATHS, path, "GET").await?;
            self.reaches(name, HOST_OF_METHODS, "/store", method).await?;
        }
        Ok(())
    }

    async fn reaches(&self, service: &str, host: &str, path: &str, method: &str) -> Result<()> {
        let what = format!("{method} {host}{path} to reach {service}");
        eventually(&what, PATIENCE, async || {
            let answer = http::send_to_host(method, &format!("http://{ADDRESS}:80{path}"), host).await?;
            ensure!(
                answer.status == 200 && answer.body.contains(&format!("\"service\":\"{service}\"")),
                "{answer:?}"
            );
            Ok(())
        })
        .await
    }

    /// Waits until every service has all its pods, and none that is on its way out.
    pub async fn rolled_out(&self) -> Result<()> {
        let client = self.cluster.client().await?;
        let deployments: Api<Deployment> = Api::namespaced(client, NAMESPACE);
        eventually("the shop to be rolled out", PATIENCE * 2, async || {
            for deployment in deployments.list(&ListParams::default()).await? {
                let status = deployment.status.clone().unwrap_or_default();
                let wanted = deployment.spec.replicas;
                let whole = status.observed_generation == deployment.metadata.generation
                    && status.updated_replicas == wanted
                    && status.available_replicas == wanted
                    && status.replicas == wanted
                    && status.terminating_replicas.unwrap_or_default() == 0;
                ensure!(whole, "{}: {status:?}", deployment.name_any());
            }
            Ok(())
        })
        .await
    }

    /// The pods of a service.
    pub async fn pods(&self, service: &str) -> Result<Vec<Pod>> {
        let pods: Api<Pod> = Api::namespaced(self.cluster.client().await?, NAMESPACE);
        let of_service = ListParams::default().labels(&format!("app.kubernetes.io/name={service}"));
        Ok(pods.list(&of_service).await?.items)
    }

    /// Takes a zone away in one moment, and tells nobody: what is sent to its pods is lost, and its nodes do not say any more
    /// that they live.
    pub async fn cut(&self, zone: &str) -> Result<()> {
        let client = self.cluster.client().await?;
        let of_zone = ListParams::default().labels(&format!("topology.kubernetes.io/zone={zone}"));
        let nodes: Api<Node> = Api::all(client.clone());
        let nodes: Vec<_> = nodes.list(&of_zone).await?.iter().map(ResourceExt::name_any).collect();
        self.pods.silence(&nodes);
        network::cut(self.addresses(&client, &nodes).await?)?;
        // kwok speaks for a node only while it holds the node's lease.
        let leases: Api<Lease> = Api::namespaced(client, "kube-node-lease");
        let taken = json!({"spec": {"holderIdentity": "nobody", "leaseDurationSeconds": 3600}});
        for node in nodes {
            leases.patch(&node, &PatchParams::default(), &Patch::Merge(&taken)).await?;
        }
        Ok(())
    }

    /// The addresses of the shop's pods on these nodes.
    async fn addresses(&self, client: &Client, nodes: &[String]) -> Result<Vec<IpAddr>> {
        let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
        let pods = pods.list(&ListParams::default()).await?;
        let is_there = |pod: &&Pod| {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
            node.is_some_and(|node| nodes.contains(node))
        };
        let addresses =
            pods.items.iter().filter(is_there).filter_map(|pod| pod.status.as_ref()?.pod_ip.as_ref());
        addresses.map(|address| Ok(address.parse()?)).collect()
    }
}
