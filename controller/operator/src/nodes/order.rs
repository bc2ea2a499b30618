//! Records what a plan orders, before anybody is asked for it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta};
use plimsoll_api::{
    NodeOrder,
    v1alpha1::{CapacityPoolSpec, NodeOrderSpec, OrderedOffering, PlannedFor},
};
use plimsoll_core::{
    cluster::{CAPACITY_POOL, NODE_ORDER, OwnerKind},
    nodes::{HeadroomOf, NewNodes, NodePlan, Place, remove::RemovalPlan},
    quantity::Quantity as Amount,
    time::Timestamp,
};
use plimsoll_providers::{CreateRequest, OfferingId};

use super::{
    calls::key,
    keys::capacity_type,
    planner::{Planner, summary},
    unanswered::Unanswered,
};

/// Keeps the record of an order until its nodes are gone.
pub(super) const FINALIZER: &str = "plimsoll.dev/node-order";
/// As many nodes as one record may have.
const MOST_NODES: u32 = 1000;
/// As many owners as one record may name.
const MOST_OWNERS: usize = 50;
/// As much of a pool's name as fits into the name of an order.
const MOST_OF_NAME: usize = 32;

impl Planner {
    /// Records what a plan orders; answers whether anything was recorded.
    pub(super) async fn order_nodes(&mut self, plan: &NodePlan, now: Timestamp) -> bool {
        let planned_for = |this: &Self, entry| this.planned_for(plan, entry);
        let reason = |new: &NewNodes| {
            let pods = if new.pods == 1 { "1 pod has".to_owned() } else { format!("{} pods have", new.pods) };
            format!("{pods} no room on the nodes that are there or ordered")
        };
        self.order_all(&plan.add, now, "", planned_for, reason).await.iter().any(Option::is_some)
    }

    /// Records what comes in place of nodes that go: the name of the order of each entry, where it was recorded.
    pub(super) async fn order_replacements(
        &mut self,
        plan: &RemovalPlan,
        now: Timestamp,
    ) -> Vec<Option<String>> {
        let going = |entry: u32| plan.remove.iter().filter(move |removal| removal.needs.contains(&entry));
        let planned_for = |_: &Self, entry| {
            let pools: BTreeSet<String> = going(entry).map(|removal| removal.pool.to_string()).collect();
            let of = |name| PlannedFor { kind: "CapacityPool".to_owned(), namespace: None, name, pods: 0 };
            pools.into_iter().map(of).collect()
        };
        let reason = |_: &NewNodes| "it comes in place of nodes that go".to_owned();
        self.order_all(&plan.add, now, "r", planned_for, reason).await
    }

    async fn order_all(
        &mut self,
        add: &[NewNodes],
        now: Timestamp,
        series: &str,
        planned_for: impl Fn(&Self, u32) -> Vec<PlannedFor>,
        reason: impl Fn(&NewNodes) -> String,
    ) -> Vec<Option<String>> {
        if !add.is_empty() && self.unanswered.is_none() {
            tracing::info!(orders = %summary(add), "ordering nodes");
        }
        let mut recorded = Vec::new();
        for (entry, new) in add.iter().enumerate() {
            let planned_for = planned_for(self, u32::try_from(entry).unwrap_or(u32::MAX));
            let (mut left, mut first) = (new.count, None);
            // What got no answer may be for the same pods, and what follows would get none either.
            while left > 0 && self.unanswered.is_none() {
                let count = left.min(MOST_NODES);
                left -= count;
                let name = name(&new.pool, (now, series, entry, left));
                let Some(order) = self.record(new, count, name.clone(), &planned_for, reason(new)) else {
                    continue;
                };
                if self.create(Unanswered::new(order)).await {
                    first.get_or_insert(name);
                }
            }
            recorded.push(first);
        }
        recorded
    }

    fn record(
        &self,
        new: &NewNodes,
        count: u32,
        name: String,
        planned_for: &[PlannedFor],
        reason: String,
    ) -> Option<NodeOrder> {
        let id = self.ids.get(&*new.pool)?.get(&new.offering)?;
        let spec = NodeOrderSpec {
            pool: new.pool.to_string(),
            offering: OrderedOffering {
                instance_type: new.offering.instance_type.to_string(),
                zone: new.offering.zone.to_string(),
                capacity_type: capacity_type(new.offering.capacity_type),
                price: price(new.price),
                node_group: Some(id.0.clone()),
            },
            count: i32::try_from(count).ok()?,
            names: None,
            reason,
            fencing_token: self.leadership.token().unwrap_or(0),
            created_for: planned_for.to_vec(),
        };
        let metadata = ObjectMeta {
            name: Some(name),
            finalizers: Some(vec![FINALIZER.to_owned()]),
            labels: Some(BTreeMap::from([(CAPACITY_POOL.to_owned(), new.pool.to_string())])),
            ..ObjectMeta::default()
        };
        Some(NodeOrder { metadata, spec, status: None })
    }

    /// Whom the nodes of an entry of the plan are for, the most pods first.
    fn planned_for(&self, plan: &NodePlan, entry: u32) -> Vec<PlannedFor> {
        let mut owners: BTreeMap<(String, Option<String>, String), u32> = BTreeMap::new();
        for placement in &plan.placements {
            if !matches!(placement.place, Place::New(of, _) if of == entry) {
                continue;
            }
            *owners.entry(self.owner_of(&placement.pod)).or_default() += placement.count;
        }
        for kept in &plan.kept_free {
            let on =
                kept.places.iter().filter(|spare| matches!(spare.place, Place::New(of, _) if of == entry));
            let pods: u32 = on.map(|spare| spare.count).sum();
            if pods > 0 {
                *owners.entry(owner_of_room(&kept.of)).or_default() += pods;
            }
        }
        let mut planned: Vec<PlannedFor> = owners
            .into_iter()
            .map(|((kind, namespace, name), pods)| {
                let pods = i32::try_from(pods).unwrap_or(i32::MAX);
                PlannedFor { kind, namespace, name, pods }
            })
            .collect();
        planned.sort_by_key(|planned| std::cmp::Reverse(planned.pods));
        planned.truncate(MOST_OWNERS);
        planned
    }

    fn owner_of(&self, pod: &str) -> (String, Option<String>, String) {
        let view = &self.world.view;
        if let Some(pod) = view.pod(pod) {
            let namespace = Some(pod.shape.namespace.to_string());
            return match &pod.owner {
                Some(owner) => (kind(owner.kind).to_owned(), namespace, owner.name.to_string()),
                None => ("Pod".to_owned(), namespace, pod.name.to_string()),
            };
        }
        match view.announced().find(|announced| &*announced.key == pod) {
            Some(announced) => {
                let namespace = Some(announced.shape.namespace.to_string()).filter(|name| !name.is_empty());
                ("Workload".to_owned(), namespace, announced.name.to_string())
            }
            None => ("CapacityPool".to_owned(), None, pod.to_owned()),
        }
    }
}

fn owner_of_room(of: &HeadroomOf) -> (String, Option<String>, String) {
    match of {
        HeadroomOf::Pool { pool, .. } => ("CapacityPool".to_owned(), None, pool.to_string()),
        HeadroomOf::Buffer(key) => {
            let (namespace, name) = key.split_once('/').unwrap_or_default();
            ("CapacityBuffer".to_owned(), Some(namespace.to_owned()), name.to_owned())
        }
    }
}

fn kind(kind: OwnerKind) -> &'static str {
    match kind {
        OwnerKind::ReplicaSet => "ReplicaSet",
        OwnerKind::StatefulSet => "StatefulSet",
        OwnerKind::DaemonSet => "DaemonSet",
        OwnerKind::Job => "Job",
        OwnerKind::Node => "Node",
        OwnerKind::Other => "Controller",
    }
}

/// What the provider is asked for an order.
pub fn request(order: &NodeOrder, spec: &CapacityPoolSpec, size_before: u32) -> Option<CreateRequest> {
    let offering = OfferingId(order.spec.offering.node_group.clone()?);
    let count = u32::try_from(order.spec.count).ok()?;
    let key = key(order)?;
    let mut request = CreateRequest::new(key.clone(), offering, count, size_before);
    request.labels.insert(CAPACITY_POOL.to_owned(), order.spec.pool.clone());
    request.labels.insert(NODE_ORDER.to_owned(), key.to_string());
    if let Some(template) = &spec.template {
        request.labels.extend(template.labels.clone());
        request.annotations.extend(template.annotations.clone());
        let taints = template.taints.iter().chain(&template.startup_taints);
        request.taints.extend(taints.map(|taint| plimsoll_providers::Taint {
            key: taint.key.clone(),
            value: taint.value.clone(),
            effect: taint.effect.as_str().to_owned(),
        }));
        if let Some(kubelet) = &template.kubelet {
            // What cannot be read is no quantity to the API server either.
            let read = |kept: &Quantity| Amount::parse(&kept.0).ok().map(Amount::milli);
            let kept = kubelet.reserved.iter().filter_map(|(name, kept)| Some((name.clone(), read(kept)?)));
            request.reserved_milli.extend(kept);
            request.max_pods = kubelet.max_pods.and_then(|most| u32::try_from(most).ok());
        }
    }
    Some(request)
}

/// A price in millionths as a quantity.
pub(super) fn price(micros: i64) -> Quantity {
    let (whole, part) = (micros / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let digits = format!("{whole}.{part:06}");
    let short = digits.trim_end_matches('0').trim_end_matches('.');
    Quantity(if short.is_empty() { "0".to_owned() } else { short.to_owned() })
}

/// A name that no other order has: the pool's, and a number that grows with time.
fn name(pool: &str, (now, series, entry, part): (Timestamp, &str, usize, u32)) -> String {
    let pool: String = pool
        .chars()
        .map(|c| if c == '.' { '-' } else { c.to_ascii_lowercase() })
        .take(MOST_OF_NAME)
        .collect();
    let pool = pool.trim_end_matches('-');
    let suffix = if part > 0 { format!("{entry}-{part}") } else { entry.to_string() };
    format!("{pool}-{:x}-{series}{suffix}", now.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_orders_differ_and_fit_into_a_label() {
        let at = Timestamp::from_secs(1_700_000_000);
        let long = "a".repeat(63);
        for pool in ["general", "with.dots", long.as_str()] {
            let (one, other) = (name(pool, (at, "", 0, 0)), name(pool, (at, "r", 0, 0)));
            assert!(one != other && one.len() <= 50, "{one}");
            assert!(one.parse::<plimsoll_providers::OrderKey>().is_ok(), "{one}");
        }
    }

    #[test]
    fn prices_are_written_short_and_exact() {
        let written = |micros| price(micros).0;
        assert_eq!(
            (written(96_000), written(1_000_000), written(0)),
            ("0.096".into(), "1".into(), "0".into())
        );
        assert_eq!(written(20_000_000), "20");
    }
}
