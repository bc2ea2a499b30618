//! The one loop that plans nodes: gather → decide → act → report.
//!
//! Changes are gathered for a tenth of a second after the last one, a second at most; then pools are brought up to date,
//! orders are taken a step further, and nodes are planned. Nothing is done before everything was seen, nor without the
//! lease; and nothing is planned, drained or told before each provider has answered or failed since we lead. While nothing
//! changes nothing is computed.

mod take_in;
mod terms;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp as Clock;
use kube::Client;
use plimsoll_core::{
    audit::Audited,
    cluster::{Name, OfferingKey},
    nodes::{
        NewNodes, NodePlan, add,
        remove::{self, Memory, RemovalPlan},
    },
    time::Timestamp,
};
use plimsoll_providers::OfferingId;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    attachments::Attachments, backoffs::Backoffs, explain::Question, feed::Change, kept::Kept,
    losses::Losses, metrics::NodeMetrics, nominations::Nominations, polls::Polls, scalables::Scalables,
    shown::Shown, unanswered::Unanswered, unasked::Unasked, uncounted::Left, world::World,
};
use crate::leadership::Leadership;

/// How long nothing may happen before we look all the same: budgets, schedules and time-outs pass by themselves.
pub(super) const IDLE: Duration = Duration::from_secs(30);

/// What the loop needs.
pub(crate) struct Planner {
    pub(super) client: Client,
    pub(super) leadership: Leadership,
    pub(super) pod_name: String,
    pub(super) world: World,
    pub(super) polls: Polls,
    pub(super) scalables: Scalables,
    pub(super) nominations: Nominations,
    pub(super) backoffs: Backoffs,
    pub(super) metrics: NodeMetrics,
    pub(super) shown: Shown,
    /// What a provider calls an offering, by pool.
    pub(super) ids: BTreeMap<String, BTreeMap<OfferingKey, OfferingId>>,
    /// What was left of offerings, by pool.
    pub(super) left: BTreeMap<String, Left>,
    /// Since when nodes are not needed, and drains that were given up.
    pub(super) memory: Memory,
    pub(super) kept: Kept,
    /// How many volumes nodes to come may have attached.
    pub(super) attachments: Attachments,
    /// Pools whose provider has just been asked for something.
    pub(super) stirred: BTreeSet<String>,
    /// How long the lease lasts after a renewal, at the worst.
    pub(super) lease: Duration,
    /// Nodes that the whole cluster may have at most.
    pub(super) most_nodes: Option<u32>,
    /// The order of which it is not known whether it is recorded, if there is one: nothing is ordered until it is.
    pub(super) unanswered: Option<Unanswered>,
    /// Orders of which the record may say that their provider was asked, although it was not.
    pub(super) unasked: Unasked,
    /// What drains wait for, in words, by node.
    pub(super) waits: BTreeMap<Name, String>,
    /// Why pods were not evicted that are left alone for a while, in words, by their uid.
    pub(super) refusals: BTreeMap<Name, String>,
    /// What happened since the last pass, to be told.
    pub(super) news: Vec<super::news::News>,
    /// What each pool was told last, so that nothing is written twice.
    pub(super) told: super::report::Told,
    /// What the loss of each zone would mean.
    pub(super) losses: Losses,
    /// Since when we lead.
    pub(super) since: Timestamp,
    pub(super) changes: mpsc::UnboundedSender<Change>,
    incoming: mpsc::UnboundedReceiver<Change>,
    questions: mpsc::Receiver<Question>,
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
    pub(crate) scalables: Scalables,
    pub(crate) metrics: NodeMetrics,
    pub(crate) shown: Shown,
    pub(crate) changes: mpsc::UnboundedSender<Change>,
    pub(crate) incoming: mpsc::UnboundedReceiver<Change>,
    /// What people ask.
    pub(crate) questions: mpsc::Receiver<Question>,
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
            scalables,
            metrics,
            shown,
            changes,
            incoming,
            questions,
            whole,
        } = parts;
        Self {
            client,
            leadership,
            pod_name,
            lease,
            most_nodes,
            polls,
            scalables,
            metrics,
            shown,
            changes,
            incoming,
            questions,
            whole,
            unanswered: None,
            unasked: Unasked::default(),
            waits: BTreeMap::new(),
            refusals: BTreeMap::new(),
            news: Vec::new(),
            world: World::default(),
            backoffs: Backoffs::default(),
            nominations: Nominations::default(),
            ids: BTreeMap::new(),
            left: BTreeMap::new(),
            memory: Memory::default(),
            kept,
            attachments: Attachments::default(),
            stirred: BTreeSet::new(),
            told: super::report::Told::default(),
            losses: Losses::default(),
            since: Timestamp::default(),
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
                self.stand_by();
                continue;
            }
            if term != self.leadership.term() {
                term = self.leadership.term();
                self.begin_term().await;
            }
            pause = self.pass().await.min(IDLE);
        }
    }

    /// One look at everything; answers when to look again though nothing changes.
    async fn pass(&mut self) -> Duration {
        let now = now();
        // gather
        self.recall_unread().await;
        self.world.look_again();
        self.failures(now);
        let until_settled = self.settle_unanswered(now).await;
        let until_poll = self.pools(now);
        let until_order = self.orders(now).await;
        self.world.note_records();
        self.world.announce(now);
        self.world.note_surplus();
        let until_scale = self.buffers();
        self.orders_that_come(now);
        // Of a provider that was not heard nothing seems to be on order, and no node to be of what it offers.
        if self.waits_for_providers(now) {
            return until_poll.min(until_order).min(until_scale);
        }
        // decide
        let started = Instant::now();
        let (plan, removal) = self.decide(now);
        self.metrics.plan_seconds.observe(started.elapsed().as_secs_f64());
        let refused = self.audit(&plan, &removal, now);
        // act
        let (mut ordered, mut until_nominated) = (false, IDLE);
        if refused.is_none() {
            until_nominated = self.nominate(&plan, now).await;
            ordered = self.order_nodes(&plan, now).await;
            let replacements = self.order_replacements(&removal, now).await;
            self.begin_drains(&removal, &replacements, now).await;
        }
        let until_drain = self.drains(now).await;
        // report
        self.ask_for_losses(now);
        self.report(&plan, now).await;
        self.report_buffers(&plan, now).await;
        self.remember().await;
        let until_removal = removal.next_look.map_or(IDLE, |at| until(at, now));
        self.shown.plan(plan, removal, refused, now);
        if ordered {
            Duration::ZERO
        } else {
            until_poll
                .min(until_order)
                .min(until_settled)
                .min(until_drain)
                .min(until_removal)
                .min(until_scale)
                .min(until_nominated)
        }
    }

    /// What to add and what to remove, and what to remember.
    fn decide(&mut self, now: Timestamp) -> (NodePlan, RemovalPlan) {
        let settings = add::Settings { most_nodes: self.most_nodes };
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

#[cfg(test)]
mod tests;
