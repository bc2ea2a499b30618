//! Tells the scheduler where pods were planned to go, before their node can take them: `status.nominatedNodeName`.
//!
//! Without it the scheduler scatters pods over nodes as these become ready, and the plan has to be made anew. With it, it
//! tries the nominated node first, and keeps room there that others of no higher priority cannot take (KEP-5278). A node
//! that is not there yet means nothing to it, so only nodes that exist are named, and only while they are not ready: a ready
//! one gets its pods anyway.
//!
//! Not all pods of a spread are named at once, since they would keep each other waiting: see
//! [`nominate::together`](plimsoll_core::nodes::nominate::together).
//!
//! The field is written by server-side apply and never by force, so a nomination of somebody else is a conflict and stays;
//! `managedFields` say which are ours, also to the next leader. A pod that is nominated holds its room in the plan. So ours
//! are taken back when the node goes, when others have taken the room, or when a ready node has not got its pod for a while:
//! then the pod is planned for again.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use plimsoll_core::{
    cluster::{Effect, Name, Node, OwnerKind, PodState, Readiness, Resources},
    nodes::{NodePlan, Place, Placement, nominate},
    placement::View,
    time::Timestamp,
};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::{planner::Planner, report::CONTROLLER};
use crate::targets::WRITE_TIME;

/// Since this minor version of Kubernetes 1 the scheduler takes nominations of others (`NominatedNodeNameForExpectation`).
const SINCE: u32 = 35;
/// As many are written in one pass; the next one follows at once.
const MOST: usize = 500;
/// As many are written at the same time.
const CONCURRENCY: usize = 16;
/// How long a ready node may leave out a pod that is nominated for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is known of nominations.
#[derive(Default)]
pub(crate) struct Nominations {
    /// Whether the cluster has them; None before it was asked.
    supported: Option<bool>,
    /// Since when the node of a pod that we nominated can take it, by the pod's uid.
    able_since: BTreeMap<Name, Instant>,
}

/// A pod and where it is to go; nowhere where a nomination is taken back.
#[derive(Debug, PartialEq, Eq)]
struct Write {
    namespace: Name,
    name: Name,
    uid: Name,
    node: Option<Name>,
}

/// Whether the nomination of a pod is one that we made.
pub(super) fn is_ours(pod: &Pod) -> bool {
    let has_field = |fields: &Value| fields["f:status"]["f:nominatedNodeName"].is_object();
    let entries = pod.metadata.managed_fields.iter().flatten();
    entries.into_iter().any(|entry| {
        entry.manager.as_deref() == Some(CONTROLLER)
            && entry.operation.as_deref() == Some("Apply")
            && entry.fields_v1.as_ref().is_some_and(|fields| has_field(&fields.0))
    })
}

impl Planner {
    /// Nominates the pods of a plan, and takes back what no longer holds; answers when to look again.
    pub(super) async fn nominate(&mut self, plan: &NodePlan, now: Timestamp) -> Duration {
        let mut writes = nominations(&self.world.view, plan, now);
        let (back, pause) = self.taken_back(now);
        if writes.is_empty() && back.is_empty() || !self.is_supported().await {
            return pause;
        }
        writes.truncate(MOST);
        writes.extend(back);
        let slow = AtomicBool::new(false);
        stream::iter(&writes)
            .for_each_concurrent(CONCURRENCY, |write| async {
                if !slow.load(Ordering::Relaxed) && self.leadership.outlives(WRITE_TIME) {
                    let is_written = timeout(WRITE_TIME, apply(self.client.clone(), write)).await.is_ok();
                    slow.fetch_or(!is_written, Ordering::Relaxed);
                }
            })
            .await;
        pause
    }

    /// Asks once which Kubernetes this is.
    async fn is_supported(&mut self) -> bool {
        if let Some(known) = self.nominations.supported {
            return known;
        }
        let Ok(Ok(version)) = timeout(WRITE_TIME, self.client.apiserver_version()).await else {
            return false;
        };
        let supported = has_nominations(&version.major, &version.minor);
        if !supported {
            tracing::info!(
                version = version.git_version,
                "pods are not nominated for nodes that were ordered: that is in Kubernetes since 1.{SINCE}"
            );
        }
        self.nominations.supported = Some(supported);
        supported
    }

    /// Nominations of ours that no longer hold; and when the next may not.
    fn taken_back(&mut self, now: Timestamp) -> (Vec<Write>, Duration) {
        let (view, ours) = (&self.world.view, &self.world.nominated);
        let able = &mut self.nominations.able_since;
        able.retain(|uid, _| ours.contains_key(uid));
        let (mut back, mut pause) = (Vec::new(), Duration::MAX);
        let mut asked: BTreeMap<&Name, Resources> = BTreeMap::new();
        for (uid, on) in ours {
            let Some(pod) = view.pod(uid) else { continue };
            let asked = asked.entry(on).or_insert_with(|| asked_of(view, on));
            let node = view.node(on).filter(|node| !node.interrupted && !node.is_draining());
            let holds = node.is_some_and(|node| {
                if !lets_pods_on(view, node, now) {
                    able.remove(uid);
                    return view.allocatable(node, now).fits(asked);
                }
                let since = *able.entry(uid.clone()).or_insert_with(Instant::now);
                let left = PATIENCE.saturating_sub(since.elapsed());
                pause = pause.min(left.max(Duration::from_millis(100)));
                !left.is_zero() && view.allocatable(node, now).fits(asked)
            });
            if !holds {
                // Of a crowded node no more go than have to.
                asked.subtract(&pod.shape.requests);
                let (namespace, name) = (pod.shape.namespace.clone(), pod.name.clone());
                back.push(Write { namespace, name, uid: uid.clone(), node: None });
            }
        }
        (back, pause)
    }
}

/// Pods that a plan puts on nodes of ours that cannot take them yet.
fn nominations(view: &View, plan: &NodePlan, now: Timestamp) -> Vec<Write> {
    let pod_and_node = |placement: &Placement| {
        let Place::Node(name) = &placement.place else { return None };
        let node = view.node(name).filter(|node| node.order.is_some() && !lets_pods_on(view, node, now))?;
        // The plan also names pods that are announced, and those of nodes that go, which are bound elsewhere.
        let pod = view.pod(&placement.pod)?;
        let waits = matches!(pod.state, PodState::Pending | PodState::Unschedulable { .. });
        let is_daemons = pod.owner.as_ref().is_some_and(|owner| owner.kind == OwnerKind::DaemonSet);
        (waits && !is_daemons).then_some((pod, node))
    };
    let told = nominate::together(view, plan.placements.iter().filter(|of| pod_and_node(of).is_some()));
    let writes = told.into_iter().filter_map(pod_and_node).map(|(pod, node)| Write {
        namespace: pod.shape.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        node: Some(node.name.clone()),
    });
    writes.collect()
}

/// Whether the scheduler would put pods on a node now, as far as the node itself says; those that want devices once it has
/// reported them.
pub(super) fn lets_pods_on(view: &View, node: &Node, now: Timestamp) -> bool {
    let keeps_off = |effect: Effect| effect != Effect::PreferNoSchedule;
    node.readiness == Readiness::Ready
        && !node.taints.iter().any(|taint| keeps_off(taint.effect))
        && !view.awaits_devices(node, now)
}

/// What pods ask of a node, those included that are nominated for it.
fn asked_of(view: &View, node: &Name) -> Resources {
    let mut asked = Resources::default();
    view.pods_on(node).for_each(|pod| asked.add(&pod.shape.requests));
    asked
}

async fn apply(client: Client, write: &Write) {
    let status = write.node.as_ref().map_or_else(|| json!({}), |node| json!({ "nominatedNodeName": node }));
    let patch = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "uid": write.uid }, "status": status,
    });
    let pods: Api<Pod> = Api::namespaced(client, &write.namespace);
    match pods.patch_status(&write.name, &PatchParams::apply(CONTROLLER), &Patch::Apply(&patch)).await {
        Ok(_) => {}
        // Somebody else has nominated it, it is bound, or it is gone.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => {
            tracing::debug!(pod = %write.name, reason = status.message, "a pod is not nominated");
        }
        Err(error) => tracing::warn!(pod = %write.name, %error, "a pod could not be nominated"),
    }
}

/// Some clouds write the minor version as `35+`.
fn has_nominations(major: &str, minor: &str) -> bool {
    let number =
        |text: &str| text.trim_end_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap_or(0);
    number(major) == 1 && number(minor) >= SINCE
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn nominations_are_made_since_the_scheduler_takes_them() {
        let versions = [("1", "34"), ("1", "35"), ("1", "35+"), ("1", "37"), ("", ""), ("2", "99")];
        let has = versions.map(|(major, minor)| has_nominations(major, minor));
        assert_eq!(has, [false, true, true, true, false, false]);
    }

    #[test]
    fn what_we_have_applied_ourselves_is_ours() {
        let of = |manager: &str, operation: &str, field: &str| {
            let fields = json!({ "f:status": { field: {} } });
            let entry = json!({ "manager": manager, "operation": operation, "subresource": "status", "fieldsV1": fields });
            let pod = json!({ "metadata": { "managedFields": [entry] }, "spec": { "containers": [] } });
            is_ours(&serde_json::from_value(pod).unwrap())
        };
        assert!(of(CONTROLLER, "Apply", "f:nominatedNodeName"));
        assert!(!of("kube-scheduler", "Update", "f:nominatedNodeName"));
        assert!(!of(CONTROLLER, "Apply", "f:phase"));
    }
}
