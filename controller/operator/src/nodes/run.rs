//! Wires the planner of nodes.

use std::time::Duration;

use anyhow::anyhow;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    core::v1::{Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod},
    policy::v1::PodDisruptionBudget,
    storage::v1::{CSINode, StorageClass},
};
use kube::core::DeserializeGuard;
use plimsoll_api::{CapacityPool, NodeOrder};
use plimsoll_providers::ProviderSeries;
use prometheus::{Registry, TextEncoder};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::interval,
};

use super::{
    feed::follow,
    kept::Kept,
    metrics::NodeMetrics,
    planner::{Parts, Planner},
    polls::Polls,
    shown::Shown,
};
use crate::{
    args::Args,
    leadership::Leadership,
    run::{clients, ended, lead, stop_on_signal, until},
};

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the API server cannot be addressed, the HTTP address cannot be listened on, or a task ends that should go on.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let (client, _) = clients().await?;
    let stopped = stop_on_signal()?;
    let registry = Registry::new();
    let metrics = NodeMetrics::new(&registry)?;
    let series = ProviderSeries::register(&registry)?;
    let (changes, incoming) = mpsc::unbounded_channel();
    let (whole, is_whole) = watch::channel(false);
    let (let_go, may_let_go) = oneshot::channel();
    let (leadership, keeper) = lead(&args, client.clone(), may_let_go);
    let shown = Shown::default();

    let mut background = JoinSet::new();
    macro_rules! follow_all {
        ($($kind:ty => $name:literal),+ $(,)?) => {$(
            let (from, to) = (client.clone(), changes.clone());
            background.spawn(ended($name, async move {
                follow::<$kind>(from, $name, to).await;
                Ok(())
            }));
        )+};
    }
    follow_all!(
        Pod => "pods", Node => "nodes", CSINode => "csinodes", PersistentVolumeClaim => "claims",
        PersistentVolume => "volumes", StorageClass => "classes", PodDisruptionBudget => "budgets",
        DaemonSet => "daemonsets", Namespace => "namespaces", Deployment => "deployments",
        ReplicaSet => "replicasets", StatefulSet => "statefulsets",
        DeserializeGuard<CapacityPool> => "pools", NodeOrder => "orders",
    );
    let endpoints =
        Endpoints { ready: is_whole, registry, shown: shown.clone(), leadership: leadership.clone() };
    background.spawn(ended("the HTTP server", serve(args.http_address, endpoints)));
    background.spawn(ended("housekeeping", keep_house(leadership.clone(), metrics.clone())));
    let polls = Polls::new(client.clone(), args.pod_namespace.clone(), series, changes.clone());
    let planner = Planner::new(Parts {
        client: client.clone(),
        leadership,
        pod_name: args.pod_name.clone(),
        lease: lease(&args),
        most_nodes: args.max_nodes,
        kept: Kept::new(client.clone(), &args.pod_namespace, &args.memory_name),
        polls,
        metrics,
        shown,
        changes,
        incoming,
        whole,
    });
    let mut keeper = tokio::spawn(keeper);
    let mut planning = tokio::spawn(planner.run());

    let result = tokio::select! {
        biased;
        () = until(stopped) => Ok(()),
        Some(task) = background.join_next() => Err(task.unwrap_or_else(Into::into)),
        _ = &mut keeper => Err(anyhow!("the keeper of the lease ended")),
        _ = &mut planning => Err(anyhow!("the planner ended")),
    };
    if result.is_ok() {
        // What is under way is recorded, and found out by whoever leads next.
        planning.abort();
        let _ = let_go.send(());
        let _ = keeper.await;
        tracing::info!("stopped");
    }
    result
}

/// How long the lease lasts after a renewal, at the worst: until the next one is due.
fn lease(args: &Args) -> Duration {
    if !args.leader_elect {
        return Duration::MAX;
    }
    Duration::from_secs(args.lease_duration_seconds.saturating_sub(args.lease_renew_seconds).into())
}

#[derive(Clone)]
struct Endpoints {
    ready: watch::Receiver<bool>,
    registry: Registry,
    shown: Shown,
    leadership: Leadership,
}

async fn serve(address: std::net::SocketAddr, endpoints: Endpoints) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| anyhow!("cannot listen on --http-address={address}: {error}"))?;
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/plan", get(plan))
        .with_state(endpoints);
    tracing::info!(%address, "answering /healthz, /readyz, /metrics and /plan");
    axum::serve(listener, router).await?;
    Ok(())
}

async fn readyz(State(endpoints): State<Endpoints>) -> impl IntoResponse {
    if *endpoints.ready.borrow() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the first list of nodes, pods and pools\n")
    }
}

async fn metrics(State(endpoints): State<Endpoints>) -> impl IntoResponse {
    match TextEncoder::new().encode_to_string(&endpoints.registry.gather()) {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// The last plan. Only the leader makes one.
async fn plan(State(endpoints): State<Endpoints>) -> impl IntoResponse {
    let Some(plan) = endpoints.shown.get() else {
        let leader = endpoints.leadership.other_leader().unwrap_or_else(|| "nobody yet".to_owned());
        return (StatusCode::CONFLICT, format!("no plan here: {leader} leads\n")).into_response();
    };
    match serde_json::to_string(&*plan) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn keep_house(leadership: Leadership, metrics: NodeMetrics) -> anyhow::Result<()> {
    let mut tick = interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        metrics.leader.set(if leadership.is_leader() { 1.0 } else { 0.0 });
    }
}
