//! Wires the planner of nodes.

use std::time::Duration;

use anyhow::anyhow;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    core::v1::{Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodTemplate, ResourceQuota},
    policy::v1::PodDisruptionBudget,
    scheduling::v1::PriorityClass,
    storage::v1::{CSINode, StorageClass},
};
use kube::core::DeserializeGuard;
use plimsoll_api::{CapacityBuffer, CapacityPool, NodeOrder};
use plimsoll_providers::ProviderSeries;
use prometheus::Registry;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::interval,
};

use super::{
    feed::{follow, follow_if_served},
    gauges::seconds,
    kept::Kept,
    metrics::NodeMetrics,
    planner::{Parts, Planner, now},
    polls::Polls,
    scalables::Scalables,
    served::{Endpoints, serve},
    shown::Shown,
};
use crate::{
    args::Args,
    checkpoint::MOST_SHARDS,
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
    // One question at a time: an answer takes a moment of the loop.
    let (ask, questions) = mpsc::channel(1);
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
        DeserializeGuard<CapacityPool> => "pools", NodeOrder => "orders", PodTemplate => "templates",
        ResourceQuota => "quotas", PriorityClass => "priorities",
    );
    let (from, to) = (client.clone(), changes.clone());
    background.spawn(ended("buffers", async move {
        follow_if_served::<DeserializeGuard<CapacityBuffer>>(from, "buffers", to).await;
        Ok(())
    }));
    let endpoints = Endpoints {
        ready: is_whole,
        registry,
        shown: shown.clone(),
        leadership: leadership.clone(),
        questions: ask,
    };
    background.spawn(ended("the HTTP server", serve(args.http_address, endpoints)));
    background.spawn(ended("housekeeping", keep_house(leadership.clone(), metrics.clone(), shown.clone())));
    // The first is the planner's own.
    let config_maps = (1..MOST_SHARDS).map(|number| format!("{}-{number}", args.memory_name)).collect();
    let polls = Polls::new(client.clone(), args.pod_namespace.clone(), config_maps, series, changes.clone());
    let planner = Planner::new(Parts {
        client: client.clone(),
        leadership,
        pod_name: args.pod_name.clone(),
        lease: lease(&args),
        most_nodes: args.max_nodes,
        kept: Kept::new(client.clone(), &args.pod_namespace, &args.memory_name),
        polls,
        scalables: Scalables::new(client.clone(), changes.clone()),
        metrics,
        shown,
        changes,
        incoming,
        questions,
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

/// Keeps up to date what changes with time alone, beside a planner that may stand still.
async fn keep_house(leadership: Leadership, metrics: NodeMetrics, shown: Shown) -> anyhow::Result<()> {
    let mut tick = interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        metrics.leader.set(if leadership.is_leader() { 1.0 } else { 0.0 });
        metrics.plan_age.set(shown.get().map_or(0.0, |plan| seconds(plan.at, now())));
    }
}
