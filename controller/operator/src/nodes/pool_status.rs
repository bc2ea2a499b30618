//! Report: the status of a pool, and the same as series.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Condition};
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
};
use plimsoll_api::{
    CapacityPool,
    v1alpha1::{CapacityPoolStatus, NodeCounts, PoolUse, ZoneStatus},
};
use plimsoll_core::{
    cluster::{Readiness, Resources},
    nodes::{
        NodePlan,
        breaker::Tripped,
        reason::{Cause, Limit},
    },
    time::Timestamp,
};
use plimsoll_observe::from_core_time;
use serde_json::json;
use tokio::time::timeout;

use super::{
    disruptable::{Held, disruptable},
    order::price,
    planner::Planner,
    polls::Said,
    provider::ASKING,
    report::CONTROLLER,
};
use crate::targets::WRITE_TIME;

impl Planner {
    pub(super) fn status(
        &mut self,
        pool: &CapacityPool,
        plan: &NodePlan,
        held: &Held,
        now: Timestamp,
    ) -> CapacityPoolStatus {
        let name = pool.name_any();
        let mut zones: BTreeMap<String, NodeCounts> = BTreeMap::new();
        let (mut cost, mut used) = (0_i64, Resources::default());
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
            used.add(&self.world.view.allocatable(node, now));
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
        let failed = said.and_then(Said::error);
        let is_heard = said.is_some_and(|said| said.offerings.is_some());
        let ready = match (self.told.unusable.get(&name), failed) {
            (Some(problem), _) => (false, problem.reason, problem.message.clone()),
            (None, Some(error)) => (false, "ProviderUnavailable", error.to_string()),
            (None, None) if offered == 0 && !is_heard => (false, ASKING, "the provider was not heard yet".to_owned()),
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
        // A new leader asks anew: until it is answered, what the last one said of the same spec holds.
        let holds_on = |condition: &&Condition| {
            condition.type_ == "Ready"
                && condition.reason != ASKING
                && condition.observed_generation == pool.metadata.generation
        };
        let still = old.iter().find(holds_on).filter(|_| ready.1 == ASKING);
        let room = self.losses.said().map(|said| ("RoomForZoneLoss", said));
        [("Ready", ready), ("LimitReached", limited), ("Disruptable", disruptable(held))]
            .into_iter()
            .chain(room)
            .map(|(kind, (holds, reason, message))| {
                if let Some(still) = still.filter(|still| still.type_ == kind) {
                    return still.clone();
                }
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

    pub(super) fn show(&self, pool: &CapacityPool, shown: &CapacityPoolStatus) {
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
    pub(super) async fn write_status(&mut self, pool: &CapacityPool, status: CapacityPoolStatus) {
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
