//! Report: what was told already, and events.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType};
use plimsoll_core::{
    cluster::Name,
    nodes::{NodePlan, reason::Cause},
    time::Timestamp,
};
use plimsoll_providers::Oddity;
use tokio::time::timeout;

use super::{planner::Planner, provider::Unusable, unanswered::may_be_done};
use crate::{events, targets::WRITE_TIME};

/// Who says it.
pub(super) const CONTROLLER: &str = "plimsoll-nodes";

/// What is noted of events that are told until they are published. After one that was not they are left alone for a while,
/// since each may hold up the planner.
pub(super) const EVENTS: &str = "events";

/// What was told last, so that nothing is told twice.
#[derive(Default)]
pub(crate) struct Told {
    /// Why the provider of a pool cannot be used.
    pub(super) unusable: BTreeMap<String, Unusable>,
    /// What else is to be said of the provider of a pool.
    pub(super) notes: BTreeMap<String, String>,
    /// What was odd in the last answer of the provider of a pool.
    oddities: BTreeMap<String, Vec<Oddity>>,
    /// Nodes of our node groups that no order has, by uid.
    strays: BTreeSet<Name>,
    /// Whose pods got no place in the last plan, and why.
    refused: BTreeSet<Unplaced>,
}

/// The namespace and owner of pods without a place, and the causes that last.
type Unplaced = (Name, Name, BTreeSet<Cause>);

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

    /// Remembers that a node that no order has was told of.
    pub(super) fn stray(&mut self, uid: &Name) {
        self.strays.insert(uid.clone());
    }

    /// Whether a node that no order has was told of.
    pub(super) fn has_stray(&self, uid: &Name) -> bool {
        self.strays.contains(uid)
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

    /// One event for the first pod of each owner that gets no place, as long as the causes are the same. One that could not be
    /// published is told later.
    async fn tell_refused(&mut self, plan: &NodePlan) {
        // What a provider that was not heard yet offers may be just what they need.
        if self.waits_for_offerings() {
            return;
        }
        let mut still: BTreeSet<Unplaced> = BTreeSet::new();
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
            let causes = refused.why.iter().filter_map(|why| why.cause.lasting()).collect();
            let unplaced: Unplaced = (refused.namespace.clone(), refused.owner.clone(), causes);
            let mut is_told = still.contains(&unplaced) || self.told.refused.contains(&unplaced);
            if !is_told && !self.world.rests(EVENTS) {
                let regarding = ObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    namespace: Some(pod.shape.namespace.to_string()),
                    name: Some(pod.name.to_string()),
                    uid: Some(pod.uid.to_string()),
                    ..ObjectReference::default()
                };
                is_told = self.publish(EventType::Warning, "NoNodeForPod", note, regarding).await;
                if !is_told {
                    self.world.rest(EVENTS.to_owned());
                }
            }
            if is_told {
                still.insert(unplaced);
            }
        }
        self.told.refused = still;
    }

    /// Whether a provider that can be asked has not said yet what it offers.
    pub(super) fn waits_for_offerings(&self) -> bool {
        self.world.pools.iter().any(|(name, pool)| {
            let said = self.world.said.get(name).and_then(|said| said.offerings.as_ref());
            pool.is_ok()
                && self.told.unusable.get(name).is_none_or(Unusable::is_asking)
                && !self.ids.contains_key(name)
                && said.is_none()
        })
    }

    /// Tells of a node; false where it may be told later.
    pub(super) async fn tell_node(&self, name: &str, reason: &str, note: String) -> bool {
        let uid = self.world.view.node(name).map(|node| node.uid.to_string());
        let regarding = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Node".to_owned()),
            name: Some(name.to_owned()),
            uid,
            ..ObjectReference::default()
        };
        self.publish(EventType::Normal, reason, note, regarding).await
    }

    /// Publishes one event; a fresh recorder, since kube's folds events that differ only in their note. False where that was
    /// not done, and may be later.
    pub(super) async fn publish(
        &self,
        type_: EventType,
        reason: &str,
        note: String,
        regarding: ObjectReference,
    ) -> bool {
        if !self.leadership.outlives(WRITE_TIME) {
            return false;
        }
        let (reason, note, action) = (reason.to_owned(), Some(note), "PlanNodes".to_owned());
        let event = Event { type_, reason, note, action, secondary: None };
        let published = events::publish(&self.client, CONTROLLER, &self.pod_name, event, &regarding);
        match timeout(WRITE_TIME, published).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "an event was not published");
                !may_pass(&error)
            }
            Err(_) => false,
        }
    }
}

/// Whether an event that was refused with this error may be taken later: not where the API server does not want it.
fn may_pass(error: &kube::Error) -> bool {
    may_be_done(error) || matches!(error, kube::Error::Api(status) if status.code == 429)
}
