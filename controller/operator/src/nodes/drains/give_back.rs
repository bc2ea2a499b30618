//! The end of a drain: the provider takes the node back.

use std::{collections::BTreeMap, sync::Arc};

use plimsoll_core::{
    cluster::{Labels, Name, Node},
    nodes::drain::Unreturnable,
};
use plimsoll_providers::{InstanceRef, InstanceState, OfferingId, Provider};

use crate::{
    nodes::{calls::of_node, planner::Planner},
    targets::WRITE_TIME,
};

/// Who takes a node back.
pub(super) struct Return {
    pool: String,
    offering: OfferingId,
    provider: Arc<dyn Provider>,
}

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

    /// How a node is given back, or why nobody can be asked to take it. One that carries no mark of an order is never given
    /// back.
    pub(super) fn returnable(&mut self, node: &Node) -> Result<Return, Unreturnable> {
        let order = node.order.as_ref().ok_or(Unreturnable::NotOurs)?;
        let record = self.world.orders.get(&**order).ok_or_else(|| Unreturnable::NoOrder(order.clone()))?;
        let pool = record.spec.pool.clone();
        let group = record.spec.offering.node_group.clone().map(OfferingId);
        let unusable = |why: String| Unreturnable::NoProvider { pool: pool.as_str().into(), why };
        let spec = match self.world.pools.get(&pool).map(|pool| &**pool) {
            None => return Err(Unreturnable::NoPool(pool.as_str().into())),
            Some(Err(error)) => return Err(unusable(format!("the pool cannot be read: {error}"))),
            Some(Ok(pool)) => &pool.spec,
        };
        let provider = self.polls.provider(&pool, spec).map_err(|error| unusable(error.message))?;
        let offering = group.ok_or_else(|| unusable("the order names no node group".to_owned()))?;
        Ok(Return { pool, offering, provider })
    }

    /// Asks the provider to take a node back.
    pub(super) fn give_back(&mut self, name: &Name) {
        let Some(node) = self.world.view.node(name).cloned() else { return };
        let Return { pool, offering, provider } = match self.returnable(&node) {
            Ok(found) => found,
            // A new leader has read no credentials yet.
            Err(Unreturnable::NoProvider { .. }) => {
                self.world.to_give_back.insert(name.clone());
                return;
            }
            Err(_) => return,
        };
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
        let key = of_node(name);
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
