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

/// Whether a node can be given back now.
pub(super) enum Turn {
    /// It can.
    Now(Return),
    /// Not yet.
    Later,
    /// It was asked for already, or nobody can be asked.
    Never,
}

impl Planner {
    /// Whether the provider says that it deletes an instance already: to ask again might cost another one.
    fn is_being_deleted(&self, pool: &str, offering: &OfferingId, id: &str) -> bool {
        let said = self.world.said.get(pool).and_then(|said| said.inventory.as_ref()?.as_ref().ok());
        let group = said.and_then(|said| said.groups.get(offering)?.as_ref().ok());
        group.is_some_and(|group| {
            group
                .instances
                .iter()
                .any(|instance| instance.id == id && instance.state == InstanceState::Deleting)
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

    /// Whether a node can be given back now.
    pub(super) fn turn(&mut self, name: &Name) -> Turn {
        let Some(node) = self.world.view.node(name).cloned() else { return Turn::Never };
        let found = match self.returnable(&node) {
            Ok(found) => found,
            // A new leader has read no credentials yet.
            Err(Unreturnable::NoProvider { .. }) => return Turn::Later,
            Err(_) => return Turn::Never,
        };
        let key = of_node(name);
        if self.world.calls.contains_key(&key) {
            return Turn::Never;
        }
        let Return { pool, offering, provider } = &found;
        let keeps_orders_apart = provider.capabilities().idempotent_create;
        if self.world.rests(&key)
            || (!keeps_orders_apart && self.world.is_growing(pool, offering, &key))
            || !self.leadership.outlives(provider.time_out() + WRITE_TIME)
        {
            return Turn::Later;
        }
        if self.is_being_deleted(pool, offering, self.provider_id(name)) {
            return Turn::Never;
        }
        Turn::Now(found)
    }

    /// Asks the provider to take a node back.
    pub(super) fn give_back(&mut self, name: &Name) {
        let Return { pool, offering, provider } = match self.turn(name) {
            Turn::Now(found) => found,
            Turn::Later => {
                self.world.to_give_back.insert(name.clone());
                return;
            }
            Turn::Never => return,
        };
        let Some(node) = self.world.view.node(name) else { return };
        let text = |labels: &Labels| {
            labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect::<BTreeMap<_, _>>()
        };
        let reference = InstanceRef {
            id: self.provider_id(name).to_owned(),
            offering: offering.clone(),
            node_name: Some(name.to_string()),
            labels: text(&node.labels),
            annotations: BTreeMap::new(),
        };
        tracing::info!(node = %name, %pool, "giving a node back");
        self.spawn_deletion(of_node(name), pool, offering, provider, vec![reference]);
    }

    fn provider_id(&self, node: &Name) -> &str {
        self.world.provider_ids.get(node).map_or("", |id| &**id)
    }
}
