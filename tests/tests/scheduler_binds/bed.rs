//! One case on the bed: its objects are made, planned for, carried out, awaited and taken away.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::{TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use plimsoll_core::nodes::{Place, Placement, nominate};
use serde_json::json;
use testbed::{Cluster, ClusterSpec, Namespace, eventually};
use tokio::task::JoinHandle;

use crate::{
    claims,
    generate::{CASE, Case},
    outcome::Outcome,
    plan::Pool,
    pods::PRIORITIES,
    seen::Seen,
};

/// For a cluster under load; the scheduler alone needs milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);
/// Requests of one case at the same time.
const AT_ONCE: usize = 8;

/// The bed, and what is seen of it.
pub(crate) struct Bed {
    pub(crate) cluster: Cluster,
    client: Client,
    pub(crate) seen: Seen,
    provisioner: JoinHandle<()>,
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.provisioner.abort();
    }
}

/// Whether pods are told where the plan has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// In `status.nominatedNodeName`, as the operator tells them.
    Nominated,
    /// They are not: what the promise is worth where the scheduler scatters them as it likes.
    Nothing,
}

impl Bed {
    pub(crate) async fn start() -> Result<Self> {
        let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
        // Pods are bound and never run here: nobody plays them, which leaves the machine to the scheduler.
        cluster
            .kubectl(["delete", "stages.kwok.x-k8s.io", "pod-ready", "pod-complete", "pod-delete"])
            .await?;
        let client = cluster.client().await?;
        let mut objects = vec![claims::class()];
        objects.extend(PRIORITIES.map(|(name, value)| {
            json!({
                "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": name },
                "value": value, "preemptionPolicy": "Never",
            })
        }));
        for object in objects {
            cluster.kubectl_with(["create", "-f", "-"], &object.to_string()).await?;
        }
        let seen = Seen::start(&client).await?;
        let provisioner = tokio::spawn(claims::provision(client.clone()));
        Ok(Self { cluster, client, seen, provisioner })
    }

    /// What becomes of a case, in a namespace that is empty before and afterwards.
    pub(crate) async fn run(&self, case: &Case, namespace: &Namespace, told: Told) -> Result<Outcome> {
        let pool = Pool::new(&self.client, case).await?;
        self.make(case, &pool, namespace).await?;
        let before = self.seen.view(&case.name, namespace);
        let plan = match pool.plan(self.seen.changes(&case.name, namespace)) {
            Ok(plan) => plan,
            Err(breach) => {
                self.take_away(case, namespace).await?;
                return Ok(Outcome::refused(case, &breach));
            }
        };
        // What fits on nodes that are there is bound long before another comes, and with that perhaps an empty zone.
        let is_there = |placement: &Placement| matches!(placement.place, Place::Node(_));
        let at_once = plan.placements.iter().take_while(|placement| is_there(placement)).count();
        let (at_once, later) = plan.placements.split_at(at_once);
        self.let_go(case, at_once, namespace, told).await?;
        self.had(at_once, namespace).await?;
        for (entry, new) in plan.add.iter().enumerate() {
            pool.order(&order(case, entry), &new.offering, new.count).await?;
        }
        let nodes = case.there.len() + plan.add.iter().map(|new| new.count as usize).sum::<usize>();
        self.nodes_are_ready(case, nodes).await?;
        self.let_go(case, later, namespace, told).await?;
        let unbound = self.unbound(case, &plan, namespace).await?;
        let outcome = Outcome::new(case, &pool, &before, &plan, &self.seen.pods_in(namespace), unbound);
        self.take_away(case, namespace).await?;
        Ok(outcome)
    }

    async fn make(&self, case: &Case, pool: &Pool, namespace: &Namespace) -> Result<()> {
        let (claims, volumes) = (self.api(namespace), Api::<PersistentVolume>::all(self.client.clone()));
        for claim in &case.claims {
            let (claim, volume) = claim.objects(namespace)?;
            if let Some(volume) = volume {
                volumes.create(&PostParams::default(), &volume).await?;
            }
            claims.create(&PostParams::default(), &claim).await?;
        }
        let mut pods = case.waiting.clone();
        for (index, (offering, bound)) in case.there.iter().enumerate() {
            let offering = &pool.seen.offerings[offering % pool.seen.offerings.len()];
            let order = format!("{}-there{index}", case.name);
            pool.order(&order, &offering.key, 1).await?;
            for pod in bound {
                let mut pod = pod.clone();
                pod["spec"]["nodeName"] = format!("{order}-0").into();
                pods.push(pod);
            }
        }
        let count = pods.len();
        let api: Api<Pod> = self.api(namespace);
        let made = stream::iter(pods.into_iter().map(Ok::<_, anyhow::Error>));
        made.try_for_each_concurrent(AT_ONCE, async |pod| {
            api.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
            Ok(())
        })
        .await?;
        self.nodes_are_ready(case, case.there.len()).await?;
        eventually("what was made to be seen", PATIENCE, async || {
            let seen = self.seen.pods_in(namespace).len();
            ensure!(seen == count, "{seen} of {count} pods");
            for claim in case.claims.iter().filter(|claim| claim.zone.is_some()) {
                let is_it = |seen: &PersistentVolumeClaim| seen.name_any() == claim.name;
                let seen = self.seen.claims.find(|seen| is_it(seen)).context("a claim is missing")?;
                let phase = seen.status.as_ref().and_then(|status| status.phase.as_deref());
                ensure!(phase == Some("Bound"), "{} is {phase:?}", claim.name);
                let volume = self.seen.volumes.find(|volume| volume.name_any() == claim.name);
                ensure!(volume.is_some(), "the volume {} is not seen", claim.name);
            }
            Ok(())
        })
        .await
    }

    async fn nodes_are_ready(&self, case: &Case, count: usize) -> Result<()> {
        eventually("the nodes to be ready", PATIENCE, async || {
            let nodes = self.seen.nodes_of(&case.name);
            let ready = nodes.iter().filter(|node| is_ready(node)).count();
            ensure!(ready == count, "{ready} of {count}, {} are there", nodes.len());
            Ok(())
        })
        .await
    }

    /// Lets the scheduler have pods that were promised a place, in the order of the plan.
    async fn let_go(
        &self,
        case: &Case,
        placements: &[Placement],
        namespace: &Namespace,
        told: Told,
    ) -> Result<()> {
        let api: Api<Pod> = self.api(namespace);
        let names: BTreeMap<String, String> = self
            .seen
            .pods_in(namespace)
            .iter()
            .map(|pod| (pod.uid().unwrap_or_default(), pod.name_any()))
            .collect();
        let name = |uid: &str| names.get(uid).with_context(|| format!("{uid} is not a pod"));
        let params = PatchParams::default();
        if told == Told::Nominated {
            let together = nominate::together(&self.seen.view(&case.name, namespace), placements);
            stream::iter(together.into_iter().map(Ok::<_, anyhow::Error>))
                .try_for_each_concurrent(AT_ONCE, async |placement| {
                    let node = json!({ "status": { "nominatedNodeName": node_of(case, &placement.place) } });
                    api.patch_status(name(&placement.pod)?, &params, &Patch::Merge(node)).await?;
                    Ok(())
                })
                .await?;
        }
        let ungated = Patch::Merge(json!({ "spec": { "schedulingGates": null } }));
        for placement in placements {
            api.patch(name(&placement.pod)?, &params, &ungated).await?;
        }
        Ok(())
    }

    async fn take_away(&self, case: &Case, namespace: &Namespace) -> Result<()> {
        let now = DeleteParams::default().grace_period(0);
        let of_case = ListParams::default().labels(&format!("{CASE}={}", case.name));
        self.api::<Pod>(namespace).delete_collection(&now, &ListParams::default()).await?;
        Api::<Node>::all(self.client.clone()).delete_collection(&now, &of_case).await?;
        if !case.claims.is_empty() {
            self.api::<PersistentVolumeClaim>(namespace)
                .delete_collection(&now, &ListParams::default())
                .await?;
            let volumes: Api<PersistentVolume> = Api::all(self.client.clone());
            for volume in self.seen.volumes.state().iter().map(|volume| volume.name_any()) {
                if case.claims.iter().any(|claim| claim.name == volume) {
                    volumes.delete(&volume, &now).await?;
                }
            }
        }
        eventually("the case to be gone", PATIENCE, async || {
            let (pods, nodes) = (self.seen.pods_in(namespace).len(), self.seen.nodes_of(&case.name).len());
            ensure!(pods + nodes == 0, "{pods} pods and {nodes} nodes");
            Ok(())
        })
        .await
    }

    pub(crate) fn api<K>(&self, namespace: &Namespace) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// The name of an order of the plan.
fn order(case: &Case, entry: usize) -> String {
    format!("{}-{entry}", case.name)
}

/// The node that a place becomes.
pub(crate) fn node_of(case: &Case, place: &Place) -> String {
    match place {
        Place::Node(name) => name.to_string(),
        Place::Order(name, number) => format!("{name}-{number}"),
        Place::New(entry, number) => format!("{}-{number}", order(case, *entry as usize)),
    }
}

/// Ready, and free of the taint that a node carries until it is seen to be.
fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    conditions.filter(|condition| condition.type_ == "Ready").any(|condition| condition.status == "True")
        && !taints.any(|taint| taint.key == "node.kubernetes.io/not-ready")
}
