//! The one place where everything is wired.

mod follow;

use std::{fmt::Debug, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config, Resource,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, watcher},
    },
};
use plimsoll_api::{ClusterSource, Source};
use serde::de::DeserializeOwned;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
    task::JoinSet,
    time::{interval, timeout},
};

use self::follow::{asks_for_zones, follow_budgets, follow_groups, follow_zones};
use crate::{
    args::Args,
    budgets::Budgets,
    checkpoint::{Checkpoint, CheckpointConfig},
    context::{Context, Options},
    decisions::Decisions,
    hpa::{self, shadow::Shadows},
    http::{self, Endpoints},
    leadership::{Keeper, Leadership, LeaseConfig},
    metrics::Metrics,
    pods::PodIndex,
    podscaler::{self, claims::Claims, memory::Memories, schedule::Schedule},
    signals::Signals,
    sources::{self, Defines, Sources},
    targets::Targets,
    workloads::Workloads,
    zones::Zones,
};

/// How long looks that are under way may take to end after a SIGTERM.
const GRACE: Duration = Duration::from_secs(4);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the API server cannot be addressed, the HTTP address cannot be listened on, or a task ends
/// that should go on. The process is then started again by whoever runs it.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let (client, impatient) = clients().await?;
    let stopped = stop_on_signal()?;
    let metrics = Metrics::new()?;
    let (pods_seen, pods_are_seen) = watch::channel(false);
    let (scalers_seen, scalers_are_seen) = watch::channel(false);
    let [deployments, stateful_sets, replica_sets] = [(); 3].map(|()| watch::channel(false));
    let (hpas_seen, hpas_are_seen) = watch::channel(false);
    // Only where somebody asks for zones is there something to wait for.
    let (zones_seen, zones_are_seen) = watch::channel(!asks_for_zones(&args));
    let (budgets_seen, budgets_are_seen) = watch::channel(!args.availability);
    let (all_seen, ready) = watch::channel(false);
    let (let_go, may_let_go) = oneshot::channel();
    let (leadership, keeper) = lead(&args, client.clone(), may_let_go);

    let memories = Memories::default();
    let checkpoint = checkpoint(&args, client.clone(), &memories, &leadership, &metrics);
    let pods = PodIndex::default();
    let workloads = Workloads::default();
    let shadows = Shadows::default();
    let decisions = Decisions::new(args.decision_bounds());
    let context = Arc::new(Context {
        zones: Zones::default(),
        budgets: Budgets::default(),
        pods: pods.clone(),
        ready: ready.clone(),
        leadership: leadership.clone(),
        decisions: decisions.clone(),
        targets: Targets::new(client.clone(), workloads.clone()),
        workloads: workloads.clone(),
        signals: Signals::new(&impatient).map_err(|error| anyhow!(error))?,
        sources: Sources::new(impatient, args.source_addresses.clone(), args.pod_namespace.clone()),
        schedule: Schedule::starting_now(),
        claims: Claims::default(),
        hpa_claims: Claims::default(),
        shadows: shadows.clone(),
        memories,
        metrics: metrics.clone(),
        options: options(&args),
        client: client.clone(),
    });

    let mut background = JoinSet::new();
    let pod_events = watcher(Api::<Pod>::all(client.clone()), watcher::Config::default()).default_backoff();
    background.spawn(ended("the watch of pods", async move {
        pods.follow(pod_events, pods_seen).await;
        Ok(())
    }));
    follow_zones(&args, &context, zones_seen, &mut background);
    follow_budgets(&args, &context, budgets_seen, &mut background);
    background.spawn(ended("a watch of workloads", async move {
        Box::pin(workloads.follow(client, [deployments.0, stateful_sets.0, replica_sets.0])).await;
        Ok(())
    }));
    let mut stores = vec![pods_are_seen, scalers_are_seen, hpas_are_seen, zones_are_seen, budgets_are_seen];
    stores.extend([deployments.1, stateful_sets.1, replica_sets.1]);
    stores.extend(follow_sources(&context, &mut background));
    background.spawn(ended("waiting for the stores", say_ready(stores, all_seen)));
    let keeper_of_sources = sources::keep(Arc::clone(&context));
    background.spawn(ended("the keeper of sources", async move {
        keeper_of_sources.await;
        Ok(())
    }));
    let endpoints = Endpoints { ready, metrics, shadows, decisions, leadership };
    background.spawn(ended("the HTTP server", http::serve(args.http_address, endpoints)));
    background.spawn(ended("housekeeping", keep_house(Arc::clone(&context))));
    let keeping = checkpoint.clone();
    background.spawn(ended("keeping what is remembered", async move {
        tokio::join!(keeping.restore_when_leading(), keeping.run());
        Ok(())
    }));
    let mut keeper = tokio::spawn(keeper);
    let hpas =
        hpa::controller::run(Arc::clone(&context), args.concurrent_syncs, hpas_seen, until(stopped.clone()));
    let of_groups = follow_groups(&args, &context, &stopped);
    let scalers =
        podscaler::controller::run(context, args.concurrent_syncs, scalers_seen, until(stopped.clone()));
    let mut controller = tokio::spawn(async move { tokio::join!(hpas, of_groups, scalers) });

    let result = tokio::select! {
        // First: at a SIGTERM the controller may end as soon as we hear of it, which is no failure.
        biased;
        () = until(stopped) => Ok(()),
        Some(task) = background.join_next() => Err(task.unwrap_or_else(Into::into)),
        _ = &mut keeper => Err(anyhow!("the keeper of the lease ended")),
        _ = &mut controller => Err(anyhow!("the controllers of PodScalers, HPAs and ServiceGroups ended")),
    };
    if result.is_ok() {
        if timeout(GRACE, controller).await.is_err() {
            tracing::warn!("some looks did not end in time");
        }
        checkpoint.flush().await;
        // Only now, so that no look of ours overlaps with one of the next leader.
        let _ = let_go.send(());
        keeper.await.context("the keeper of the lease panicked")?;
        tracing::info!("stopped");
    }
    result
}

fn options(args: &Args) -> Options {
    Options {
        settings: args.settings(),
        sync_period: args.sync_period(),
        hpa: args.hpa,
        pod_deletion_cost: args.pod_deletion_cost,
        availability: args.availability,
        capacity_pools: args.capacity_pools,
        pod_name: args.pod_name.clone(),
    }
}

/// A connection that is silent for so long is given up: that of an API server whose machine has died leaves a watch waiting for
/// ever. One that works brings a bookmark each minute.
const SILENCE: Duration = Duration::from_mins(5);

/// Two ways to the API server: one that tries again by itself, and one that does not. A metrics API that is not there
/// answers 503, and trying again would take as long as a look may.
pub(crate) async fn clients() -> anyhow::Result<(Client, Client)> {
    let mut config = Config::infer()
        .await
        .context("no way to the API server: neither a KUBECONFIG nor a service account was found")?;
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    let mut at_once = config.clone();
    at_once.default_retry = false;
    Ok((Client::try_from(config)?, Client::try_from(at_once)?))
}

/// Runs a task that should never end; answers why it did.
pub(crate) async fn ended(
    what: &'static str,
    task: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Error {
    match task.await {
        Ok(()) => anyhow!("{what} ended"),
        Err(error) => error.context(what),
    }
}

/// Turns true at the first SIGTERM or SIGINT.
pub(crate) fn stop_on_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
        stop.send_replace(true);
        stop.closed().await;
    });
    Ok(stopped)
}

/// Resolves when the process is to stop.
pub(crate) async fn until(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone means that the process is ending.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Whether we lead, and what keeps the lease until `may_let_go`.
pub(crate) fn lead(
    args: &Args,
    client: Client,
    may_let_go: oneshot::Receiver<()>,
) -> (Leadership, impl Future<Output = ()> + use<>) {
    let elected = args.leader_elect.then(|| {
        Keeper::new(
            client,
            LeaseConfig {
                namespace: args.pod_namespace.clone(),
                name: args.lease_name.clone(),
                identity: args.pod_name.clone(),
                duration: Duration::from_secs(args.lease_duration_seconds.into()),
                renew_every: Duration::from_secs(args.lease_renew_seconds.into()),
            },
        )
    });
    let (keeper, leadership) = match elected {
        Some((keeper, leadership)) => (Some(keeper), leadership),
        None => (None, Leadership::alone()),
    };
    let keeping = async move {
        let until = async move {
            let _ = may_let_go.await;
        };
        match keeper {
            Some(keeper) => keeper.run(until).await,
            None => until.await,
        }
    };
    (leadership, keeping)
}

/// Where what is remembered is kept for the next leader.
fn checkpoint(
    args: &Args,
    client: Client,
    memories: &Memories,
    leadership: &Leadership,
    metrics: &Metrics,
) -> Checkpoint {
    let config = CheckpointConfig {
        namespace: args.pod_namespace.clone(),
        name: args.memory_name.clone(),
        every: Duration::from_secs(args.memory_save_seconds.into()),
    };
    Checkpoint::new(client, &config, memories.clone(), leadership.clone(), metrics.clone())
}

/// Follows Sources and ClusterSources; answers what turns true once they were seen.
fn follow_sources(
    context: &Arc<Context>,
    background: &mut JoinSet<anyhow::Error>,
) -> [watch::Receiver<bool>; 2] {
    fn follow<K>(context: &Arc<Context>, background: &mut JoinSet<anyhow::Error>) -> watch::Receiver<bool>
    where
        DeserializeGuard<K>: Defines,
        K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + Sync + 'static,
    {
        let (seen, are_seen) = watch::channel(false);
        let api = Api::<DeserializeGuard<K>>::all(context.client.clone());
        let events = watcher(api, watcher::Config::default()).default_backoff();
        let definitions = context.sources.definitions().clone();
        background.spawn(ended("the watch of sources", async move {
            definitions.follow(events, seen).await;
            Ok(())
        }));
        are_seen
    }
    [follow::<Source>(context, background), follow::<ClusterSource>(context, background)]
}

/// Says that we are ready once everything was seen that a decision depends on.
async fn say_ready(stores: Vec<watch::Receiver<bool>>, all: watch::Sender<bool>) -> anyhow::Result<()> {
    for mut store in stores {
        store.wait_for(|seen| *seen).await?;
    }
    tracing::info!("every PodScaler, HPA, pod, workload and source was seen");
    all.send_replace(true);
    all.closed().await;
    Ok(())
}

/// Every few seconds: takes away what was put on pods for a scale-down that is done.
async fn tidy_up(context: Arc<Context>) -> anyhow::Result<()> {
    let mut tick = interval(Duration::from_secs(3));
    loop {
        tick.tick().await;
        podscaler::victims::tidy(&context).await;
    }
}

/// Once a second: shows whether we lead, ends what a deposed leader showed, and forgets usage that
/// nobody asks for.
async fn keep_house(context: Arc<Context>) -> anyhow::Result<()> {
    let mut tick = interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        let leads = context.leadership.is_leader();
        context.metrics.leader.set(if leads { 1.0 } else { 0.0 });
        if !leads {
            context.metrics.forget_all();
            context.shadows.forget_all();
            context.decisions.clear();
        }
        context.signals.keep_house(&context.pods);
        context.sources.forget_stale();
    }
}
