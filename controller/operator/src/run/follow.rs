//! What is followed only where somebody asks for it.

use std::sync::Arc;

use k8s_openapi::api::{core::v1::Node, policy::v1::PodDisruptionBudget};
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, watcher},
    },
};
use tokio::{sync::watch, task::JoinSet};

use super::{ended, tidy_up, until};
use crate::{args::Args, budgets::Budgets, context::Context, groups, zones::Zones};

/// Looks at ServiceGroups where that is asked for.
pub(super) fn follow_groups(
    args: &Args,
    context: &Arc<Context>,
    stopped: &watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    let (is_asked, concurrency) = (args.service_groups, args.concurrent_syncs);
    let (context, stopped) = (Arc::clone(context), until(stopped.clone()));
    async move {
        if is_asked {
            groups::controller::run(context, concurrency, stopped).await;
        } else {
            stopped.await;
        }
    }
}

/// Whether somebody asks which zone a pod is in.
pub(super) fn asks_for_zones(args: &Args) -> bool {
    args.pod_deletion_cost || args.service_groups || args.availability
}

/// Follows the zones of nodes where somebody asks for them, and tidies up what was decided by them.
pub(super) fn follow_zones(
    args: &Args,
    context: &Arc<Context>,
    seen: watch::Sender<bool>,
    background: &mut JoinSet<anyhow::Error>,
) {
    if asks_for_zones(args) {
        let nodes = follow_nodes(context.client.clone(), context.zones.clone(), seen);
        background.spawn(ended("the watch of nodes", nodes));
    }
    if args.pod_deletion_cost {
        background.spawn(ended("tidying up deletion costs", tidy_up(Arc::clone(context))));
    }
}

/// Follows PodDisruptionBudgets where PodScalers may have some.
pub(super) fn follow_budgets(
    args: &Args,
    context: &Arc<Context>,
    seen: watch::Sender<bool>,
    background: &mut JoinSet<anyhow::Error>,
) {
    if args.availability {
        let follow = follow_all_budgets(context.client.clone(), context.budgets.clone(), seen);
        background.spawn(ended("the watch of PodDisruptionBudgets", follow));
    }
}

async fn follow_all_budgets(
    client: Client,
    budgets: Budgets,
    seen: watch::Sender<bool>,
) -> anyhow::Result<()> {
    let all = watcher(Api::<PodDisruptionBudget>::all(client), watcher::Config::default());
    budgets.follow(all.default_backoff(), seen).await;
    Ok(())
}

async fn follow_nodes(client: Client, zones: Zones, seen: watch::Sender<bool>) -> anyhow::Result<()> {
    let nodes = watcher(Api::<Node>::all(client), watcher::Config::default());
    zones.follow(nodes.default_backoff(), seen).await;
    Ok(())
}
