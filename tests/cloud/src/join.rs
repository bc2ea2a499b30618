//! Machines that run join a cluster, as nodes that kwok plays.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::{Node, NodeSpec, NodeStatus, Taint},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
    core::ObjectMeta,
};
use plimsoll_providers::{Offering, Resources};
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use crate::Cloud;

/// What marks a node of a simulated cloud.
const MARK: &str = "simulated-cloud";
/// How long it is after a failure until it is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// A cloud whose machines join a cluster. They stop doing so when this value is dropped.
#[derive(Debug)]
pub struct Joining(AbortHandle);

impl Drop for Joining {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Cloud {
    /// From now on there is a node for each machine that runs, and none for others. `name` tells apart the clouds of
    /// one cluster; it is the value of a label.
    pub fn join(&self, client: Client, name: &str) -> Joining {
        let (cloud, name) = (self.clone(), name.to_owned());
        Joining(tokio::spawn(cloud.keep_joining(Api::all(client), name)).abort_handle())
    }

    async fn keep_joining(self, nodes: Api<Node>, name: String) {
        let mut changes = self.changes();
        loop {
            changes.borrow_and_update();
            let wake = match self.compare(&nodes, &name).await {
                Ok(next_boot) => next_boot,
                // The next comparison puts it right.
                Err(_) => Some(Instant::now() + AFTER_FAILURE),
            };
            let wake = async {
                match wake {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wake => {}
                seen = changes.changed() => if seen.is_err() { return },
            }
        }
    }

    /// Makes the nodes that are missing and deletes those without a machine; answers when the next machine has booted.
    async fn compare(&self, nodes: &Api<Node>, name: &str) -> kube::Result<Option<Instant>> {
        let ((wanted, next_boot), left_alone) = (self.running(name), self.left_alone(name));
        let ours = ListParams::default().labels(&format!("{MARK}={name}"));
        let there = nodes.list_metadata(&ours).await?;
        for node in &there {
            if !wanted.contains_key(&node.name_any()) && !left_alone.contains(&node.name_any()) {
                nodes.delete(&node.name_any(), &DeleteParams::default()).await?;
            }
        }
        for (name, node) in &wanted {
            if !there.iter().any(|there| there.name_any() == *name) {
                nodes.create(&PostParams::default(), node).await?;
            }
        }
        Ok(next_boot)
    }

    /// Names of nodes that are not looked after.
    fn left_alone(&self, cloud: &str) -> BTreeSet<String> {
        let state = self.state();
        let names = state.cut_off.iter().filter_map(|id| id.rsplit('/').next());
        names.map(|machine| format!("{cloud}-{machine}")).collect()
    }

    /// By name, the nodes of the machines that run, and when the next one has booted: of one moment, so that none boots
    /// in between and is forgotten.
    fn running(&self, cloud: &str) -> (BTreeMap<String, Node>, Option<Instant>) {
        let state = self.state();
        let mut nodes = BTreeMap::new();
        for (id, group) in &state.groups {
            let Some(stock) = state.stock.get(id) else { continue };
            let running =
                group.by_id.values().filter(|machine| machine.runs() && !state.cut_off.contains(&machine.id));
            for machine in running {
                let name = format!("{cloud}-{}", machine.name);
                let mut node = node(name.clone(), &machine.id, cloud, &stock.offering);
                forget(&mut node, &state.faults.come_late);
                nodes.insert(name, node);
            }
        }
        (nodes, state.next_boot())
    }
}

fn forget(node: &mut Node, resources: &BTreeSet<String>) {
    let status = node.status.iter_mut();
    let amounts = status.flat_map(|status| [&mut status.allocatable, &mut status.capacity]).flatten();
    amounts.for_each(|amounts| amounts.retain(|resource, _| !resources.contains(resource)));
}

fn node(name: String, id: &str, cloud: &str, offering: &Offering) -> Node {
    let amounts = |resources: &Resources| -> BTreeMap<String, Quantity> {
        resources.iter().map(|(resource, amount)| (resource.clone(), Quantity(amount.to_string()))).collect()
    };
    let mut labels = offering.labels.clone();
    labels.insert("kubernetes.io/hostname".to_owned(), name.clone());
    labels.insert(MARK.to_owned(), cloud.to_owned());
    let taints = offering.taints.iter().map(|taint| Taint {
        key: taint.key.clone(),
        value: Some(taint.value.clone()),
        effect: taint.effect.clone(),
        time_added: None,
    });
    let annotations = [
        ("kwok.x-k8s.io/node", "fake".to_owned()),
        ("metrics.k8s.io/resource-metrics-path", format!("/metrics/nodes/{name}/metrics/resource")),
    ];
    Node {
        metadata: ObjectMeta {
            annotations: Some(annotations.map(|(key, value)| (key.to_owned(), value)).into()),
            labels: Some(labels),
            name: Some(name),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec {
            provider_id: Some(id.to_owned()),
            taints: Some(taints.collect()),
            ..NodeSpec::default()
        }),
        status: Some(NodeStatus {
            allocatable: Some(amounts(&offering.allocatable)),
            capacity: Some(amounts(&offering.capacity)),
            ..NodeStatus::default()
        }),
    }
}
