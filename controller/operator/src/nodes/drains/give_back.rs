//! The end of a drain: the provider takes the node back.

use std::collections::BTreeMap;

use plimsoll_core::cluster::{Labels, Name};
use plimsoll_providers::{InstanceRef, InstanceState, OfferingId};

use crate::{
    nodes::{calls::of_node, planner::Planner},
    targets::WRITE_TIME,
};

impl Planner {
    /// Whether the provider says that it deletes an instance already: to ask again might cost another one.
    fn is_being_deleted(&self, pool: &str, reference: &InstanceRef) -> bool {
        let said = self.world.said.get(pool).and_then(|said| said.inventory.as_ref()?.as_ref().ok());
        let group = said.and_then(|said| said.groups.get(&reference.offering)?.as_ref().ok());
        group.is_some_and(|group| {
            group
                .instances
                .iter()
                .any(|instance| instance.id == reference.id && instance.state == InstanceState::Deleting)
        })
    }

    /// Asks the provider to take a node back. One that carries no mark of an order is never given back.
    pub(super) fn give_back(&mut self, name: &Name) {
        let Some(node) = self.world.view.node(name) else { return };
        let (Some(order), Some(pool)) = (&node.order, &node.pool) else { return };
        let Some(record) = self.world.orders.get(&**order) else { return };
        let Some(offering) = record.spec.offering.node_group.clone().map(OfferingId) else { return };
        let spec = self.world.pools.get(&**pool).and_then(|pool| pool.as_ref().as_ref().ok());
        let Some(spec) = spec.map(|pool| pool.spec.clone()) else { return };
        let text = |labels: &Labels| {
            labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect::<BTreeMap<_, _>>()
        };
        let reference = InstanceRef {
            id: self.world.provider_ids.get(name).map(ToString::to_string).unwrap_or_default(),
            offering: offering.clone(),
            node_name: Some(name.to_string()),
            labels: text(&node.labels),
            annotations: BTreeMap::new(),
        };
        let (key, pool) = (of_node(name), pool.to_string());
        let Ok(provider) = self.polls.provider(&pool, &spec) else {
            self.world.to_give_back.insert(name.clone());
            return;
        };
        let keeps_orders_apart = provider.capabilities().idempotent_create;
        if self.world.calls.contains_key(&key) {
            return;
        }
        if self.world.rests(&key)
            || (!keeps_orders_apart && self.world.is_growing(&pool, &offering, &key))
            || !self.leadership.outlives(provider.time_out() + WRITE_TIME)
        {
            self.world.to_give_back.insert(name.clone());
            return;
        }
        if self.is_being_deleted(&pool, &reference) {
            return;
        }
        tracing::info!(node = %name, %pool, "giving a node back");
        self.spawn_deletion(key, pool, offering, provider, vec![reference]);
    }
}
