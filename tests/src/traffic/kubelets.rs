//! The kubelets, as far as metrics-server asks them: what each pod has used, by the requests that it has answered.

use std::{
    fmt::Write as _,
    pin::pin,
    sync::{Arc, PoisonError},
};

use anyhow::Result;
use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use futures::StreamExt;
use http::StatusCode;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

use super::pods::{Running, Silent};

/// Answers for all nodes, on the loopback.
pub(super) async fn start(client: &Client, running: Running, silent: Silent) -> Result<JoinHandle<()>> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = i32::from(listener.local_addr()?.port());
    let routes = Router::new()
        .route("/metrics/nodes/{node}/metrics/resource", get(resource))
        .with_state((running, silent));
    let nodes: Api<Node> = Api::all(client.clone());
    Ok(tokio::spawn(async move {
        // Both go on until they are aborted.
        let _ = tokio::join!(axum::serve(listener, routes), lead_here(nodes, port));
    }))
}

/// Makes every node say that its kubelet listens here, whenever kwok has said something else.
async fn lead_here(nodes: Api<Node>, port: i32) {
    let patch = Patch::Merge(json!({"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}}));
    let mut seen =
        pin!(watcher(nodes.clone(), watcher::Config::default()).default_backoff().applied_objects());
    while let Some(node) = seen.next().await {
        let Ok(node) = node else { continue };
        let endpoint = node
            .status
            .as_ref()
            .and_then(|status| status.daemon_endpoints.as_ref()?.kubelet_endpoint.as_ref());
        // Before kwok has said anything it would overwrite what we say.
        if endpoint.is_some_and(|endpoint| endpoint.port != port) {
            // It fails when the node is gone.
            let _ = nodes.patch_status(&node.name_any(), &PatchParams::default(), &patch).await;
        }
    }
}

async fn resource(
    State((running, silent)): State<(Running, Silent)>,
    Path(node): Path<String>,
) -> Result<String, StatusCode> {
    if silent.lock().unwrap_or_else(PoisonError::into_inner).contains(&node) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let running = running.lock().unwrap_or_else(PoisonError::into_inner);
    let of_node: Vec<_> = running
        .values()
        .map(|process| Arc::clone(&process.work))
        .filter(|work| work.about().node == node)
        .collect();
    drop(running);
    let at = Timestamp::now().as_millisecond();
    let used: f64 = of_node.iter().map(|work| work.cpu_seconds()).sum();
    // metrics-server drops what has used nothing yet.
    let mut page = format!(
        "node_cpu_usage_seconds_total {} {at}\nnode_memory_working_set_bytes 1073741824 {at}\n",
        used + 1.0
    );
    for work in of_node {
        let (about, used) = (work.about(), work.cpu_seconds() + 0.001);
        let labels = format!(
            "{{container=\"{}\",namespace=\"{}\",pod=\"{}\"}}",
            about.container, about.namespace, about.name
        );
        let started = about.started.as_second();
        // Writing to a String does not fail.
        let _ = write!(
            page,
            "container_start_time_seconds{labels} {started} {at}\n\
             container_cpu_usage_seconds_total{labels} {used} {at}\n\
             container_memory_working_set_bytes{labels} 33554432 {at}\n"
        );
    }
    Ok(page)
}
