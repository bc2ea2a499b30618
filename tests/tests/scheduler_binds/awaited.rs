//! Waits until the scheduler has bound what was planned, and takes nominations back as the operator does.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use plimsoll_core::{
    cluster::PodState,
    nodes::{NodePlan, Placement},
    placement::{Change, View, fits},
};
use serde_json::json;
use testbed::{Namespace, eventually};

use crate::{
    bed::{Bed, PATIENCE},
    campaign::say,
    generate::Case,
};

/// How long a nomination for a node that is ready is left, as by the operator.
const HELD_FOR: Duration = Duration::from_secs(30);

impl Bed {
    /// Waits until every pod that was promised a place has one, or until those that have none fit nowhere: then they never
    /// will. Answers who they are.
    pub(crate) async fn unbound(
        &self,
        case: &Case,
        plan: &NodePlan,
        namespace: &Namespace,
    ) -> Result<Vec<String>> {
        let promised: Vec<&str> = plan.placements.iter().map(|placement| &*placement.pod).collect();
        let waiting = || {
            let is_promised = |pod: &Pod| pod.uid().is_some_and(|uid| promised.contains(&uid.as_str()));
            let pods = self.seen.pods_in(namespace).into_iter();
            pods.filter(|pod| is_promised(pod) && waits(pod)).collect::<Vec<Pod>>()
        };
        let started = Instant::now();
        let bound = eventually("the promised pods to be bound", PATIENCE, async || {
            let waiting = waiting();
            if waiting.is_empty() || self.are_stuck(case, namespace, &waiting) {
                return Ok(());
            }
            if started.elapsed() > HELD_FOR {
                self.take_back(namespace, &waiting).await?;
            }
            let why = waiting.iter().find_map(|pod| {
                let conditions = pod.status.as_ref()?.conditions.as_ref()?;
                conditions.iter().find_map(|condition| condition.message.clone())
            });
            let nodes = self.seen.nodes_of(&case.name).len();
            let nominated = |pod: &Pod| {
                let node = pod.status.as_ref().and_then(|status| status.nominated_node_name.as_deref());
                format!("{} for {}", pod.name_any(), node.unwrap_or("no node"))
            };
            anyhow::bail!(
                "{} of {} wait for {nodes} nodes: {:?}: {why:?}",
                waiting.len(),
                promised.len(),
                waiting.iter().map(nominated).collect::<Vec<_>>()
            )
        })
        .await;
        if let Err(late) = bound {
            say(&format!("{}: {late:#}", case.name));
        }
        Ok(waiting().iter().map(ResourceExt::name_any).collect())
    }

    /// Waits until the scheduler has bound or refused each of these pods.
    pub(crate) async fn had(&self, placements: &[Placement], namespace: &Namespace) -> Result<()> {
        eventually("the pods for nodes that are there to be bound or refused", PATIENCE, async || {
            let pods = self.seen.pods_in(namespace);
            let of =
                |placement: &Placement| pods.iter().find(|pod| pod.uid().as_deref() == Some(&*placement.pod));
            let has_had = |pod: &&Pod| !waits(pod) || is_refused(pod);
            let had = placements.iter().filter_map(of).filter(has_had).count();
            ensure!(had == placements.len(), "{had} of {}", placements.len());
            Ok(())
        })
        .await
    }

    /// What the operator does with nominations for nodes that are ready and have not got their pods.
    async fn take_back(&self, namespace: &Namespace, waiting: &[Pod]) -> Result<()> {
        let api: Api<Pod> = self.api(namespace);
        let nowhere = Patch::Merge(json!({ "status": { "nominatedNodeName": null } }));
        let is_nominated =
            |pod: &&Pod| pod.status.as_ref().is_some_and(|status| status.nominated_node_name.is_some());
        for pod in waiting.iter().filter(is_nominated) {
            api.patch_status(&pod.name_any(), &PatchParams::default(), &nowhere).await?;
        }
        Ok(())
    }

    /// Whether the scheduler has refused all of these pods and none of them fits on any node, whoever is to come there: then
    /// they never will.
    fn are_stuck(&self, case: &Case, namespace: &Namespace, waiting: &[Pod]) -> bool {
        if !waiting.iter().all(is_refused) {
            return false;
        }
        let mut view = View::default();
        for mut change in self.seen.changes(&case.name, namespace) {
            if let Change::Pod(pod) = &mut change
                && matches!(pod.state, PodState::Nominated { .. })
            {
                pod.state = PodState::Pending;
            }
            view.apply(change);
        }
        let nodes: Vec<_> = view.nodes().map(|node| node.name.clone()).collect();
        waiting.iter().all(|pod| {
            let pod = pod.uid().and_then(|uid| view.pod(&uid).cloned());
            pod.is_none_or(|pod| nodes.iter().all(|node| fits(&view, &pod, node).is_err()))
        })
    }
}

fn waits(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_none())
}

/// Whether the scheduler found no node for it.
fn is_refused(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition.reason.as_deref() == Some("Unschedulable"))
}
