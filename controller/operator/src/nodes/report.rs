//! Report: the status of pools, events, and metrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::{
    api::core::v1::ObjectReference,
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Condition},
};
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
    runtime::events::{Event, EventType},
};
use plimsoll_api::{
    CapacityPool, NodeOrder,
    v1alpha1::{CapacityPoolStatus, NodeCounts, PoolUse, ZoneStatus},
};
use plimsoll_core::{
    cluster::{Name, OfferingKey, Readiness},
    nodes::{
        NodePlan,
        backoff::OfferingError,
        breaker::Tripped,
        promise,
        reason::{Cause, Limit, WhyRefused},
    },
    orders::{OrderStep, Why},
    time::Timestamp,
};
use plimsoll_observe::from_core_time;
use plimsoll_providers::Oddity;
use serde_json::json;
use tokio::time::timeout;

use super::{
    backoffs,
    calls::word,
    disruptable::{Held, disruptable},
    order::price,
    planner::Planner,
    provider::Unusable,
    record,
};
use crate::{events, targets::WRITE_TIME};

/// Who says it.
pub(super) const CONTROLLER: &str = "plimsoll-nodes";

/// What was told last, so that nothing is told twice.
#[derive(Default)]
pub(crate) struct Told {
    /// Why the provider of a pool cannot be used.
    unusable: BTreeMap<String, Unusable>,
    /// What else is to be said of the provider of a pool.
    notes: BTreeMap<String, String>,
    /// What was odd in the last answer of the provider of a pool.
    oddities: BTreeMap<String, Vec<Oddity>>,
    /// Nodes of our node groups that no order has, by uid.
    strays: BTreeSet<Name>,
    /// Why pods got no place, by the first of them.
    refused: BTreeMap<String, String>,
}

impl Told {
    /// Remembers whether the provider of a pool can be used.
    pub(super) fn provider(&mut self, pool: &str, problem: Option<Unusable>) {
        match problem {
            Some(problem) => drop(self.unusable.insert(pool.to_owned(), problem)),
            None => drop(self.unusable.remove(pool)),
        }
    }

    /// Remembers what else is to be said of the provider of a pool.
    pub(super) fn note(&mut self, pool: &str, note: Option<String>) {
        match note {
            Some(note) => drop(self.notes.insert(pool.to_owned(), note)),
            None => drop(self.notes.remove(pool)),
        }
    }

    /// Tells what was odd in an answer, once as long as it is the same.
    pub(super) fn oddities(&mut self, pool: &str, oddities: Vec<Oddity>) {
        if self.oddities.get(pool).map(Vec::as_slice).unwrap_or_default() == oddities {
            return;
        }
        for oddity in &oddities {
            tracing::warn!(pool, %oddity, "an answer of a provider makes no sense");
        }
        self.oddities.insert(pool.to_owned(), oddities);
    }

    /// Remembers a node that no order has; false if it was told of already.
    pub(super) fn stray(&mut self, uid: &Name) -> bool {
        self.strays.insert(uid.clone())
    }
}

impl Planner {
    pub(super) async fn report(&mut self, plan: &NodePlan, now: Timestamp) {
        self.metrics
            .refused
            .set(f64::from(plan.refused.iter().map(|refused| refused.count).fold(0, u32::saturating_add)));
        let pools: Vec<_> = self.world.pools.values().cloned().collect();
        let held = self.held();
        self.metrics.nodes.reset();
        self.metrics.price.reset();
        for pool in pools {
            if let Ok(pool) = pool.as_ref() {
                let status = self.status(pool, plan, &held, now);
                self.show(pool, &status);
                self.write_status(pool, status).await;
            }
        }
        self.gauges(&held, now);
        self.tell_news().await;
        self.tell_refused(plan).await;
    }

    /// Remembers what failed since the last pass.
    pub(super) fn failures(&mut self, now: Timestamp) {
        for (pool, offering, error) in std::mem::take(&mut self.world.failures) {
            self.metrics.failed.with_label_values(&[pool.as_str(), word(&error)]).inc();
            if let Some(class) = backoffs::offering_error(&error) {
                self.leave_alone(&pool, &offering, class, &error.to_string(), now);
            }
        }
    }

    /// Remembers what a step has found out of an order's offering, once.
    pub(super) fn note_failure(&mut self, order: &NodeOrder, step: &OrderStep, now: Timestamp) {
        use plimsoll_core::orders::InstanceFault;
        let Some(why) = &step.why else { return };
        if order.status.as_ref().and_then(|status| status.reason.as_deref()) == Some(why.word()) {
            return;
        }
        let class = match why {
            Why::Fault(InstanceFault::OutOfCapacity) | Why::TakenInPart { .. } => {
                OfferingError::OutOfCapacity
            }
            Why::Fault(InstanceFault::Quota) => OfferingError::Quota,
            Why::Fault(InstanceFault::Other(_)) | Why::NeverJoined { .. } => OfferingError::NeverRegistered,
            Why::Refused(_)
            | Why::Surplus { .. }
            | Why::NodeDeleted { .. }
            | Why::Lost { .. }
            | Why::Deleted => {
                return self.news_of_trouble(order, why.word(), &why.to_string());
            }
        };
        let pool = &order.spec.pool;
        self.metrics.failed.with_label_values(&[pool.as_str(), why.word()]).inc();
        self.leave_alone(pool, &record::offering(order), class, &why.to_string(), now);
        self.news_of_trouble(order, why.word(), &why.to_string());
    }

    /// Remembers that an offering works once a node of an order has joined; or that it keeps no promise, where the node is
    /// not what was offered.
    pub(super) fn note_success(&mut self, order: &NodeOrder, step: &OrderStep, now: Timestamp) {
        let before =
            order.status.iter().flat_map(|status| &status.nodes).filter(|node| node.name.is_some()).count();
        let Some(joined) = step.nodes.iter().find_map(|node| node.name.clone()).filter(|_| before == 0)
        else {
            return;
        };
        let (pool, key) = (&order.spec.pool, record::offering(order));
        let broken =
            self.world.view.pool(pool).zip(self.world.view.node(&joined)).and_then(|(pool, node)| {
                let offering = pool.offerings.iter().find(|offering| offering.key == key)?;
                promise::broken(node, offering, pool)
            });
        let Some(broken) = broken else { return self.backoffs.worked(pool, &key) };
        let message = format!("the node {joined} is not what was offered: {broken}");
        self.metrics.failed.with_label_values(&[pool.as_str(), "NotAsOffered"]).inc();
        self.leave_alone(pool, &key, OfferingError::NotAsOffered, &message, now);
    }

    /// Leaves an offering alone for a while, and tells so.
    fn leave_alone(
        &mut self,
        pool: &str,
        key: &OfferingKey,
        class: OfferingError,
        why: &str,
        now: Timestamp,
    ) {
        self.backoffs.failed(pool, key, class, why.to_owned(), now);
        self.news_of_failure(pool, key, why, now);
    }

    fn status(
        &mut self,
        pool: &CapacityPool,
        plan: &NodePlan,
        held: &Held,
        now: Timestamp,
    ) -> CapacityPoolStatus {
        let name = pool.name_any();
        let mut zones: BTreeMap<String, NodeCounts> = BTreeMap::new();
        let (mut cost, mut used) = (0_i64, plimsoll_core::cluster::Resources::default());
        let offerings: BTreeMap<_, _> = self
            .world
            .view
            .pool(&name)
            .into_iter()
            .flat_map(|pool| &pool.offerings)
            .map(|offering| (&offering.key, offering))
            .collect();
        let mut count_of = 0;
        for node in self.world.view.nodes().filter(|node| node.pool.as_deref() == Some(name.as_str())) {
            let zone = zones.entry(node.zone().map(ToString::to_string).unwrap_or_default()).or_default();
            zone.ready += i32::from(node.readiness == Readiness::Ready);
            zone.draining += i32::from(node.is_draining());
            zone.wanted += i32::from(!node.is_draining());
            count_of += 1;
            used.add(&node.allocatable);
            let offering = node.offering().and_then(|key| offerings.get(&key).copied());
            cost = cost.saturating_add(offering.map_or(0, |offering| offering.price));
        }
        for order in self.world.view.orders().filter(|order| *order.pool == *name) {
            let zone = zones.entry(order.offering.zone.to_string()).or_default();
            let missing = i32::try_from(order.missing).unwrap_or(i32::MAX);
            zone.ordered = zone.ordered.saturating_add(missing);
            zone.wanted = zone.wanted.saturating_add(missing);
            count_of += missing;
            if let Some(offering) = offerings.get(&order.offering) {
                used.add(&offering.allocatable.times(order.missing.into()));
                cost = cost.saturating_add(offering.price.saturating_mul(order.missing.into()));
            }
        }
        for zone in offerings.keys().map(|key| key.zone.to_string()) {
            zones.entry(zone).or_default();
        }
        let total = zones.values().fold(NodeCounts::default(), |sum, zone| NodeCounts {
            wanted: sum.wanted + zone.wanted,
            ordered: sum.ordered + zone.ordered,
            ready: sum.ready + zone.ready,
            draining: sum.draining + zone.draining,
        });
        let balance: Vec<String> =
            zones.iter().map(|(zone, counts)| format!("{zone}:{}", counts.ready)).collect();
        let limited = limits(&name, plan);
        let in_zone = |zone: &str| {
            told(limited.iter().copied().filter(|limit| limit.zone().is_some_and(|of| **of == *zone)))
        };
        CapacityPoolStatus {
            observed_generation: pool.metadata.generation,
            nodes: Some(format!("{}/{}", total.ready, total.wanted)),
            balance: Some(balance.join(" ")).filter(|balance| !balance.is_empty()),
            price_per_hour: Some(price(cost)),
            total: Some(total),
            zones: zones
                .into_iter()
                .map(|(zone, counts)| ZoneStatus {
                    limited_by: in_zone(&zone),
                    zone,
                    wanted: counts.wanted,
                    ordered: counts.ordered,
                    ready: counts.ready,
                    draining: counts.draining,
                })
                .collect(),
            in_use: Some(PoolUse {
                nodes: count_of,
                cpu: Quantity(format!("{}m", used.cpu)),
                memory: Quantity(used.memory.to_string()),
            }),
            avoided: self.backoffs.shown(&name, now),
            zone_losses: self.losses.shown(),
            conditions: self.conditions(pool, told(limited), held.get(&name), now),
        }
    }

    fn conditions(
        &self,
        pool: &CapacityPool,
        limited: Option<String>,
        held: Option<&Tripped>,
        now: Timestamp,
    ) -> Vec<Condition> {
        let name = pool.name_any();
        let said = self.world.said.get(&name);
        let offered = self.world.view.pool(&name).map_or(0, |pool| pool.offerings.len());
        let note = self.told.notes.get(&name).cloned();
        let failed = said.and_then(|said| {
            let offerings = said.offerings.as_ref().and_then(|said| said.as_ref().err());
            offerings.or_else(|| said.inventory.as_ref().and_then(|said| said.as_ref().err()))
        });
        let is_heard = said.is_some_and(|said| said.offerings.is_some());
        let ready = match (self.told.unusable.get(&name), failed) {
            (Some(problem), _) => (false, problem.reason, problem.message.clone()),
            (None, Some(error)) => (false, "ProviderUnavailable", error.to_string()),
            (None, None) if offered == 0 && !is_heard => (false, "Asking", "the provider was not heard yet".to_owned()),
            (None, _) if offered == 0 => (
                false,
                "NoOfferings",
                note.unwrap_or_else(|| {
                    "the provider offers nothing that spec.requirements allow: widen them, or add instance types"
                        .to_owned()
                }),
            ),
            (None, _) => {
                let more = note.map(|note| format!("; {note}")).unwrap_or_default();
                (true, "Offered", format!("{offered} offerings can be ordered{more}"))
            }
        };
        let limited = match limited {
            Some(limits) => (true, "LimitReached", limits),
            None => (false, "WithinLimits", "nothing waits for a limit of this pool".to_owned()),
        };
        let old = pool.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let room = self.losses.said().map(|said| ("RoomForZoneLoss", said));
        [("Ready", ready), ("LimitReached", limited), ("Disruptable", disruptable(held))]
            .into_iter()
            .chain(room)
            .map(|(kind, (holds, reason, message))| {
                let status = if holds { "True" } else { "False" };
                let same = old.iter().find(|condition| condition.type_ == kind && condition.status == status);
                Condition {
                    type_: kind.to_owned(),
                    status: status.to_owned(),
                    reason: reason.to_owned(),
                    message,
                    observed_generation: pool.metadata.generation,
                    last_transition_time: same.map_or_else(
                        || from_core_time(now),
                        |condition| condition.last_transition_time.clone(),
                    ),
                }
            })
            .collect()
    }

    fn show(&self, pool: &CapacityPool, shown: &CapacityPoolStatus) {
        let name = pool.name_any();
        for zone in &shown.zones {
            let states = [
                ("wanted", zone.wanted),
                ("ordered", zone.ordered),
                ("ready", zone.ready),
                ("draining", zone.draining),
            ];
            for (state, count) in states {
                self.metrics
                    .nodes
                    .with_label_values(&[name.as_str(), zone.zone.as_str(), state])
                    .set(f64::from(count));
            }
        }
        let cost = shown.price_per_hour.as_ref().and_then(|price| price.0.parse().ok()).unwrap_or(0.0);
        self.metrics.price.with_label_values(&[name.as_str()]).set(cost);
    }

    /// Writes a status if it says something new. What it shows changes with the cluster, so it is applied whole.
    async fn write_status(&mut self, pool: &CapacityPool, status: CapacityPoolStatus) {
        if pool.status.as_ref() == Some(&status) || !self.leadership.outlives(WRITE_TIME) {
            return;
        }
        let api: Api<CapacityPool> = Api::all(self.client.clone());
        let patch = json!({
            "apiVersion": CapacityPool::api_version(&()),
            "kind": CapacityPool::kind(&()),
            "status": status,
        });
        let params = PatchParams::apply(CONTROLLER).force();
        let name = pool.name_any();
        match timeout(WRITE_TIME, api.patch_status(&name, &params, &Patch::Apply(&patch))).await {
            Ok(Ok(written)) => drop(self.world.pools.insert(name, Arc::new(Ok(written)))),
            Ok(Err(error)) => tracing::warn!(pool = %name, %error, "the status of a pool was not written"),
            Err(_) => {
                tracing::warn!(pool = %name, "the API server did not take the status of a pool in time");
            }
        }
    }

    /// One event for the first pod of each class that gets no place, as long as the reason is the same.
    async fn tell_refused(&mut self, plan: &NodePlan) {
        // What a provider that was not heard yet offers may be just what they need.
        if self.waits_for_offerings() {
            return;
        }
        let mut still = BTreeMap::new();
        for refused in &plan.refused {
            let Some(pod) = refused.pods.iter().find_map(|uid| self.world.view.pod(uid)) else { continue };
            let why: Vec<String> = refused.why.iter().map(ToString::to_string).collect();
            let note = format!(
                "{} pods of {}/{} get no node: {}",
                refused.count,
                refused.namespace,
                refused.owner,
                why.join("; ")
            );
            let key = format!("{}/{}", refused.namespace, refused.owner);
            // How many nodes refuse them changes with every node; what else they would need does not.
            let is_cause = |why: &&WhyRefused| !matches!(why.cause, Cause::Nodes(_));
            let causes: Vec<String> =
                refused.why.iter().filter(is_cause).map(|why| format!("{:?}", why.cause)).collect();
            let causes = causes.join("; ");
            let is_news = self.told.refused.get(&key) != Some(&causes);
            still.insert(key, causes);
            if is_news {
                let regarding = ObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    namespace: Some(pod.shape.namespace.to_string()),
                    name: Some(pod.name.to_string()),
                    uid: Some(pod.uid.to_string()),
                    ..ObjectReference::default()
                };
                self.publish(EventType::Warning, "NoNodeForPod", note, regarding).await;
            }
        }
        self.told.refused = still;
    }

    /// Whether a provider that can be asked has not said yet what it offers.
    fn waits_for_offerings(&self) -> bool {
        self.world.pools.iter().any(|(name, pool)| {
            let said = self.world.said.get(name).and_then(|said| said.offerings.as_ref());
            pool.is_ok()
                && !self.told.unusable.contains_key(name)
                && self.world.view.pool(name).is_none()
                && said.is_none()
        })
    }

    /// Tells of a node.
    pub(super) async fn tell_node(&self, name: &str, reason: &str, note: String) {
        let uid = self.world.view.node(name).map(|node| node.uid.to_string());
        let regarding = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Node".to_owned()),
            name: Some(name.to_owned()),
            uid,
            ..ObjectReference::default()
        };
        self.publish(EventType::Normal, reason, note, regarding).await;
    }

    /// Publishes one event; a fresh recorder, since kube's folds events that differ only in their note.
    pub(super) async fn publish(
        &self,
        type_: EventType,
        reason: &str,
        note: String,
        regarding: ObjectReference,
    ) {
        if !self.leadership.outlives(WRITE_TIME) {
            return;
        }
        let (reason, note, action) = (reason.to_owned(), Some(note), "PlanNodes".to_owned());
        let event = Event { type_, reason, note, action, secondary: None };
        let published = events::publish(&self.client, CONTROLLER, &self.pod_name, event, &regarding);
        if let Ok(Err(error)) = timeout(WRITE_TIME, published).await {
            tracing::debug!(%error, "an event was not published");
        }
    }
}

/// The limits of a pool for which pods, or room that is to be kept free, got no place.
fn limits<'p>(pool: &str, plan: &'p NodePlan) -> BTreeSet<&'p Limit> {
    let causes = plan.refused.iter().flat_map(|refused| &refused.why);
    let causes = causes.chain(plan.kept_free.iter().flat_map(|kept| &kept.why));
    causes
        .filter_map(|why| match &why.cause {
            Cause::Limit(of, limit) if **of == *pool => Some(limit),
            _ => None,
        })
        .collect()
}

/// Limits in words; None where there are none.
fn told<'l>(limits: impl IntoIterator<Item = &'l Limit>) -> Option<String> {
    let told: Vec<String> = limits.into_iter().map(ToString::to_string).collect();
    (!told.is_empty()).then(|| told.join("; "))
}
