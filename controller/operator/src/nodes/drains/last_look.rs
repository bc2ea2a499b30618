//! The last look before nodes are given back: what the API server itself says is on them.
//!
//! Each watch has a connection of its own. One that stands still shows a node as empty for minutes, while all others go on
//! and the node gets pods.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use plimsoll_core::cluster::Name;
use tokio::time::{Instant, timeout_at};

use crate::{
    nodes::planner::Planner,
    targets::{TIME_OUT, WRITE_TIME},
};

/// Nodes that are asked about at the same time.
const CONCURRENCY: usize = 16;

impl Planner {
    /// Takes in which pods the API server has on nodes now; answers of which nodes it has said so within the time-out of one
    /// request. The others wait for the next pass.
    pub(super) async fn last_look(&mut self, nodes: BTreeSet<Name>) -> BTreeSet<Name> {
        let mut shown = BTreeSet::new();
        if nodes.is_empty() || !self.leadership.outlives(WRITE_TIME) {
            return shown;
        }
        let api: Api<Pod> = Api::all(self.client.clone());
        let mut lists = stream::iter(nodes)
            .map(|node| {
                let api = api.clone();
                async move {
                    // Without a version it is read from where pods are stored, and from no cache that may be behind.
                    let on_it = ListParams::default().fields(&format!("spec.nodeName={node}"));
                    let listed = api.list(&on_it).await;
                    (node, listed)
                }
            })
            .buffer_unordered(CONCURRENCY);
        let until = Instant::now() + TIME_OUT;
        let mut found = Vec::new();
        while let Ok(Some((node, listed))) = timeout_at(until, lists.next()).await {
            match listed {
                Ok(pods) => {
                    found.extend(pods.items);
                    shown.insert(node);
                }
                Err(error) => {
                    tracing::warn!(%node, %error, "it is not known what is on a node that is to be given back: it stays until then");
                }
            }
        }
        drop(lists);
        for pod in found {
            self.world.pod_found(pod);
        }
        shown
    }
}
