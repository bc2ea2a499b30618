//! The one loop that plans nodes: gather → decide → act → report.
//!
//! Changes are gathered for a tenth of a second after the last one, a second at most; then pools are brought up to date,
//! orders are taken a step further, and nodes are planned. Nothing is done before everything was seen, nor without the
//! lease; while nothing changes nothing is computed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp as Clock;
use kube::Client;
use plimsoll_core::{
    audit::Audited,
    cluster::{Capacity, OfferingKey},
    nodes::{
        NewNodes, NodePlan, add,
        remove::{self, Memory, RemovalPlan},
    },
    placement::Change as ViewChange,
    time::Timestamp,
};
use plimsoll_observe::cluster::observe_pool;
use plimsoll_providers::{OfferingId, Provider};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout_at},
};

use super::{
    backoffs::Backoffs,
    feed::Change,
    kept::Kept,
    metrics::NodeMetrics,
    polls::{self, Polls},
    record,
    shown::Shown,
    world::World,
};
use crate::{leadership::Leadership, targets::WRITE_TIME};

/// How long after a change the next one is waited for.
const SETTLES: Duration = Duration::from_millis(100);
/// How long changes are gathered at most.
const LONGEST: Duration = Duration::from_secs(1);
/// How long nothing may happen before we look all the same: budgets, schedules and time-outs pass by themselves.
const IDLE: Duration = Duration::from_secs(30);

/// What the loop needs.
pub(crate) struct Planner {
    pub(super) client: Client,
    pub(super) leadership: Leadership,
    pub(super) pod_name: String,
    pub(super) world: World,
    pub(super) polls: Polls,
    pub(super) backoffs: Backoffs,
    pub(super) metrics: NodeMetrics,
    pub(super) shown: Shown,
    /// What a provider calls an offering, by pool.
    pub(super) ids: BTreeMap<String, BTreeMap<OfferingKey, OfferingId>>,
    /// Since when nodes are not needed, and drains that were given up.
    pub(super) memory: Memory,
    pub(super) kept: Kept,
    /// Pools whose provider has just been asked for something.
    pub(super) stirred: BTreeSet<String>,
    /// How long the lease lasts after a renewal, at the worst.
    pub(super) lease: Duration,
    /// Nodes that the whole cluster may have at most.
    most_nodes: Option<u32>,
    /// What each pool was told last, so that nothing is written twice.
    pub(super) told: super::report::Told,
    pub(super) changes: mpsc::UnboundedSender<Change>,
    incoming: mpsc::UnboundedReceiver<Change>,
    whole: watch::Sender<bool>,
}

/// What the planner is made of.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) leadership: Leadership,
    pub(crate) pod_name: String,
    /// How long the lease lasts after a renewal, at the worst.
    pub(crate) lease: Duration,
    /// Nodes that the whole cluster may have at most.
    pub(crate) most_nodes: Option<u32>,
    pub(crate) kept: Kept,
    pub(crate) polls: Polls,
    pub(crate) metrics: NodeMetrics,
    pub(crate) shown: Shown,
    pub(crate) changes: mpsc::UnboundedSender<Change>,
    pub(crate) incoming: mpsc::UnboundedReceiver<Change>,
    /// Turns true once everything was seen.
    pub(crate) whole: watch::Sender<bool>,
}

impl Planner {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            client,
            leadership,
            pod_name,
            lease,
            most_nodes,
            kept,
            polls,
            metrics,
            shown,
            changes,
            incoming,
            whole,
        } = parts;
        Self {
            client,
            leadership,
            pod_name,
            lease,
            most_nodes,
            polls,
            metrics,
            shown,
            changes,
            incoming,
            whole,
            world: World::default(),
            backoffs: Backoffs::default(),
            ids: BTreeMap::new(),
            memory: Memory::default(),
            kept,
            stirred: BTreeSet::new(),
            told: super::report::Told::default(),
        }
    }

    /// Runs until every watch has ended.
    pub(crate) async fn run(mut self) {
        let mut pause = IDLE;
        let mut term = None;
        while self.take_in(pause).await {
            pause = IDLE;
            if !self.world.is_whole() {
                continue;
            }
            self.whole.send_replace(true);
            if !self.leadership.is_leader() {
                term = None;
                self.shown.clear();
                self.told = super::report::Told::default();
                continue;
            }
            if term != self.leadership.term() {
                term = self.leadership.term();
                self.backoffs = Backoffs::of(&self.world);
                self.recall().await;
            }
            pause = self.pass().await.min(IDLE);
        }
    }

    /// Waits for a change, or for `pause`, and takes in what comes close after it. False when nothing will come any more.
    async fn take_in(&mut self, pause: Duration) -> bool {
        // Whether we lead is seen within a renewal, whatever else happens.
        let pause = pause.min(Duration::from_secs(5));
        let first = match tokio::time::timeout(pause, self.incoming.recv()).await {
            Err(_) => return true,
            Ok(None) => return false,
            Ok(Some(first)) => first,
        };
        first(&mut self.world);
        let latest = Instant::now() + LONGEST;
        loop {
            while let Ok(change) = self.incoming.try_recv() {
                change(&mut self.world);
            }
            let until = (Instant::now() + SETTLES).min(latest);
            match timeout_at(until, self.incoming.recv()).await {
                Ok(Some(change)) => change(&mut self.world),
                Ok(None) => return false,
                Err(_) => return true,
            }
            if Instant::now() >= latest {
                return true;
            }
        }
    }

    /// One look at everything; answers when to look again though nothing changes.
    async fn pass(&mut self) -> Duration {
        let now = now();
        // gather
        let until_poll = self.pools(now);
        let until_order = self.orders(now).await;
        self.world.announce();
        self.orders_that_come();
        // decide
        let started = Instant::now();
        let (plan, removal) = self.decide(now);
        self.metrics.plan_seconds.observe(started.elapsed().as_secs_f64());
        let refused = self.audit(&plan, &removal, now);
        // act
        let mut ordered = false;
        if refused.is_none() {
            ordered = self.order_nodes(&plan, now).await;
            let replacements = self.order_replacements(&removal, now).await;
            self.begin_drains(&removal, &replacements, now).await;
        }
        let until_drain = self.drains(now).await;
        // report
        self.report(&plan, now).await;
        self.remember().await;
        let until_removal = removal.next_look.map_or(IDLE, |at| until(at, now));
        self.shown.plan(plan, removal, refused, now);
        if ordered { Duration::ZERO } else { until_poll.min(until_order).min(until_drain).min(until_removal) }
    }

    /// What to add and what to remove, and what to remember.
    fn decide(&mut self, now: Timestamp) -> (NodePlan, RemovalPlan) {
        let settings = add::Settings { most_nodes: self.most_nodes, ..add::Settings::default() };
        let plan = add::plan(&self.world.view, &settings, now);
        let surging = self.world.drains.values().map(|drain| drain.surges.len()).sum::<usize>();
        let input = remove::Input {
            view: &self.world.view,
            adding: &plan,
            settings: &settings,
            workloads: &self.world.workloads.of_replica_sets(),
            surging: u32::try_from(surging).unwrap_or(u32::MAX),
            now,
        };
        let (removal, memory) = remove::plan(&input, &self.memory);
        self.memory = memory;
        (plan, removal)
    }

    /// Has a plan checked by code that did not make it; what it breaks, if it breaks something. Then nothing of it is done.
    fn audit(&self, adding: &NodePlan, removing: &RemovalPlan, now: Timestamp) -> Option<String> {
        let breach =
            self.world.audit.check(&Audited { adding, removing, most_nodes: self.most_nodes, now }).err()?;
        self.metrics.refused_plans.inc();
        tracing::error!(%breach, "a plan breaks an invariant and is not carried out: please report it, with what /plan shows");
        Some(breach.to_string())
    }

    /// Brings pools up to date: their policy, and what their provider offers.
    fn pools(&mut self, now: Timestamp) -> Duration {
        let pools: Vec<_> =
            self.world.pools.iter().map(|(name, pool)| (name.clone(), Arc::clone(pool))).collect();
        let cut_off = pools
            .iter()
            .filter_map(|(_, pool)| pool.as_ref().as_ref().ok())
            .map(|pool| pool.spec.priority_cutoff);
        self.world.set_cut_off(cut_off.min().unwrap_or(-10));
        self.polls.keep_only(|name| self.world.pools.contains_key(name));
        let known = self.world.view.pools().map(|pool| pool.name.clone());
        let gone: Vec<_> = known.filter(|name| !self.world.pools.contains_key(&**name)).collect();
        for name in gone {
            self.ids.remove(&*name);
            self.world.change(ViewChange::PoolGone(name));
        }
        let mut pause = IDLE;
        for (name, pool) in &pools {
            let Ok(pool) = pool.as_ref() else { continue };
            let provider = self.polls.provider(name, &pool.spec);
            let too_slow = |provider: &Arc<dyn Provider>| {
                let takes = provider.time_out() + WRITE_TIME;
                (takes >= self.lease).then(|| {
                    format!(
                        "a call to the provider and its record may take {} s, which a lease of {} s does not outlive: \
                         raise --lease-duration-seconds, or lower the provider's time-out",
                        takes.as_secs(),
                        self.lease.as_secs()
                    )
                })
            };
            let problem = match &provider {
                Ok(provider) => too_slow(provider),
                Err(problem) => Some(problem.clone()),
            };
            let is_usable = problem.is_none();
            self.told.provider(name, problem);
            if !is_usable {
                continue;
            }
            let waits = self.waits(name);
            let at_once = self.stirred.remove(name);
            pause = pause.min(self.polls.ask(name, waits, at_once));
            let said = self.world.said.get(name).cloned().unwrap_or_default();
            let inventory = said.inventory.as_ref().and_then(|said| said.as_ref().ok());
            let size = |id: &OfferingId| inventory.and_then(|inventory| inventory.target(id));
            let Some(Ok(offerings)) = &said.offerings else { continue };
            let offerings = polls::offerings(offerings, size);
            let ids = offerings.iter().map(|(id, offering)| (offering.key.clone(), id.clone())).collect();
            self.ids.insert(name.clone(), ids);
            let offerings = offerings.into_iter().map(|(_, mut offering)| {
                if let Some(until) = self.backoffs.until(name, &offering.key, now) {
                    offering.capacity = Capacity::AvoidedUntil(until);
                }
                offering
            });
            let seen = observe_pool(name, &pool.spec, offerings.collect());
            if self.world.view.pool(name) != Some(&seen) {
                self.world.change(ViewChange::Pool(seen));
            }
        }
        pause
    }

    /// Whether an order waits for the provider of a pool.
    fn waits(&self, pool: &str) -> bool {
        use plimsoll_api::v1alpha1::OrderPhase::{Asked, Creating, Deleting, Draining, Recorded, Registered};
        self.world.orders.values().filter(|order| order.spec.pool == pool).any(|order| {
            let phase = order.status.as_ref().and_then(|status| status.phase).unwrap_or(Recorded);
            matches!(phase, Recorded | Asked | Creating | Registered | Draining | Deleting)
        })
    }

    /// Tells the planner which nodes are still to come.
    fn orders_that_come(&mut self) {
        let mut there: BTreeMap<&str, u32> = BTreeMap::new();
        for order in self.world.view.nodes().filter_map(|node| node.order.as_deref()) {
            *there.entry(order).or_default() += 1;
        }
        let coming = self.world.orders.iter();
        let coming = coming.filter_map(|(name, order)| {
            record::missing(order, there.get(name.as_str()).copied().unwrap_or(0))
        });
        let coming: BTreeMap<_, _> = coming.map(|order| (order.name.clone(), order)).collect();
        let known: Vec<_> = self.world.view.orders().map(|order| order.name.clone()).collect();
        for name in known.into_iter().filter(|name| !coming.contains_key(name)) {
            self.world.change(ViewChange::OrderGone(name));
        }
        for order in coming.into_values() {
            self.world.change(ViewChange::Order(order));
        }
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.since(now).as_millis()).unwrap_or(0))
        .max(Duration::from_millis(100))
}

/// The one place where the planner reads the clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(Clock::now().as_millisecond())
}

/// What a plan orders, in a line of the log.
pub(crate) fn summary(add: &[NewNodes]) -> String {
    let parts = add.iter().map(|new| format!("{} × {} for {} pods", new.count, new.offering, new.pods));
    parts.collect::<Vec<_>>().join(", ")
}
