//! What a drain leaves on its node: the annotation that stores it, and the label and the taint that go with it.

use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use plimsoll_core::{
    cluster::{DRAINING, Name},
    nodes::drain::{Drain, GivenUp},
    time::Timestamp,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    nodes::{feed, planner::Planner},
    targets::WRITE_TIME,
};

/// The annotation with how far the drain of a node is.
pub(in crate::nodes) const DRAIN: &str = "plimsoll.dev/drain";

impl Planner {
    /// Puts the drain of a node on it, or takes it away; the taint and the label with it. False when that failed.
    pub(super) async fn mark(&mut self, name: &Name, drain: Option<&Drain>) -> bool {
        if !self.leadership.outlives(WRITE_TIME) {
            return false;
        }
        let api: Api<Node> = Api::all(self.client.clone());
        let marked = timeout(WRITE_TIME, async {
            let node = api.get(name).await?;
            api.patch(name, &PatchParams::default(), &Patch::Merge(marks(&node, drain))).await
        });
        match marked.await {
            Ok(Ok(node)) => {
                feed::Shown::apply(node, &mut self.world);
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(node = %name, %error, "the marks of a drain were not written, and will be tried again");
                false
            }
            Err(_) => false,
        }
    }

    /// Takes the marks of a drain off a node. What was refused is left alone for a while.
    pub(super) async fn unmark(&mut self, name: &Name) -> bool {
        let key = format!("unmark/{name}");
        let node = self.world.view.node(name);
        let has_marks = node.is_some_and(|node| node.is_draining() || node.labels.contains_key(DRAINING));
        if !has_marks && !self.world.noted.contains_key(name) {
            return true;
        }
        if self.world.rests(&key) {
            return false;
        }
        let done = self.mark(name, None).await;
        if !done {
            self.world.rest(key);
        }
        done
    }

    /// Stores how far a drain is.
    pub(super) async fn store(&mut self, name: &Name, drain: &Drain) -> bool {
        if !self.leadership.outlives(WRITE_TIME) {
            return false;
        }
        let api: Api<Node> = Api::all(self.client.clone());
        let patch = json!({ "metadata": { "annotations": { DRAIN: text(drain) } } });
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        match timeout(WRITE_TIME, api.patch(name, &params, &patch)).await {
            Ok(Ok(_)) => {
                self.world.noted.insert(name.clone(), drain.clone());
                self.world.drains.insert(name.clone(), drain.clone());
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(node = %name, %error, "how far a drain is was not stored, so nothing more is done for now");
                false
            }
            Err(_) => false,
        }
    }

    pub(super) async fn undo(&mut self, name: &Name, why: &GivenUp, now: Timestamp) {
        if !self.unmark(name).await {
            return;
        }
        tracing::info!(node = %name, %why, "a drain is given up, the node stays");
        self.world.drains.remove(name);
        if let Some(node) = self.world.view.node(name) {
            self.memory.gave_up(node.uid.clone(), now, why.to_string());
            let pool = node.pool.as_deref().unwrap_or_default();
            self.metrics.given_up.with_label_values(&[pool]).inc();
        }
        self.tell_node(name, "DrainGivenUp", format!("the drain is given up, the node stays: {why}")).await;
    }
}

/// What says that a node is being drained: annotation, label and taint, in one write over the version that was read.
fn marks(node: &Node, drain: Option<&Drain>) -> Value {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let mut taints: Vec<Value> = taints
        .iter()
        .filter(|taint| taint.key != DRAINING)
        .filter_map(|taint| serde_json::to_value(taint).ok())
        .collect();
    if drain.is_some() {
        taints.push(json!({ "key": DRAINING, "effect": "NoSchedule" }));
    }
    json!({
        "metadata": {
            "resourceVersion": node.metadata.resource_version,
            "annotations": { DRAIN: drain.map(text) },
            "labels": { DRAINING: drain.map(|_| "") },
        },
        "spec": { "taints": taints },
    })
}

fn text(drain: &Drain) -> String {
    serde_json::to_string(drain).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn the_marks_of_a_drain_come_and_go_together_and_leave_others_alone() {
        let node: Node = serde_saphyr::from_str(
            "{ metadata: { name: a, resourceVersion: '7' }, spec: { taints: [{ key: gpu, effect: NoSchedule }] } }",
        )
        .unwrap();
        let drain = Drain::new(Timestamp::from_secs(1), false, BTreeSet::new());
        let on = marks(&node, Some(&drain));
        assert_eq!(on["spec"]["taints"].as_array().unwrap().len(), 2);
        assert_eq!(on["metadata"]["labels"][DRAINING], "");
        let stored: Drain =
            serde_json::from_str(on["metadata"]["annotations"][DRAIN].as_str().unwrap()).unwrap();
        assert_eq!(stored, drain);
        let off = marks(&node, None);
        assert_eq!(off["spec"]["taints"], json!([{ "key": "gpu", "effect": "NoSchedule" }]));
        assert_eq!(
            (&off["metadata"]["labels"][DRAINING], &off["metadata"]["annotations"][DRAIN]),
            (&Value::Null, &Value::Null)
        );
    }
}
