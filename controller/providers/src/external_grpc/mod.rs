//! Nodes of whatever speaks the cluster-autoscaler's protocol for external providers.
//!
//! Each node group is an offering, described by the template of its nodes. The protocol has no key for what is asked:
//! the size recorded with an order is compared before it is asked for, and read afterwards until it is stable.
//!
//! Per look: one `Refresh`, one `NodeGroups`, and two requests per group; none per node. Templates and prices are kept
//! for five minutes.

mod answers;
mod catalogue;
mod change;
mod config;
mod connection;
mod failure;
#[cfg(test)]
mod properties;
pub mod protocol;
mod template;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};

use self::{catalogue::Templates, connection::Connection};
pub use self::{
    config::{ExternalGrpcConfig, NodeGroupRule},
    tls::GrpcTls,
};
use crate::{
    Bounds, Capabilities, ConfigError, CreateRequest, Created, Group, InstanceRef, Inventory, Oddity,
    OfferingId, Offerings, Provider, ProviderError, Settled, time_out::within,
};

/// Nodes of a server that speaks the protocol. Must be made inside a tokio runtime.
#[derive(Debug)]
pub struct ExternalGrpc {
    connection: Connection,
    templates: tokio::sync::Mutex<Templates>,
    /// One change at a time per group: two would take each other for a surplus.
    changing: Mutex<BTreeMap<OfferingId, Arc<tokio::sync::Mutex<()>>>>,
    /// Instances that two groups claimed when they were last read.
    contested: Mutex<BTreeSet<String>>,
}

impl ExternalGrpc {
    /// A provider that connects when it is first asked.
    ///
    /// # Errors
    /// The first field of `config` that makes no sense.
    pub fn new(config: ExternalGrpcConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            connection: Connection::new(config)?,
            templates: tokio::sync::Mutex::default(),
            changing: Mutex::default(),
            contested: Mutex::default(),
        })
    }

    fn change_of(&self, offering: &OfferingId) -> Arc<tokio::sync::Mutex<()>> {
        let mut changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(changing.entry(offering.clone()).or_default())
    }

    async fn take_stock(&self) -> Result<Inventory, ProviderError> {
        // Groups are given up a request's time before the whole is, so that one that hangs hides no other.
        let deadline = Instant::now() + self.connection.time_out() * 3;
        self.connection.refresh().await?;
        let mut inventory = Inventory::default();
        let groups = answers::groups(self.connection.groups().await?, &mut inventory.oddities);
        let read: Vec<_> = stream::iter(groups)
            .map(async |(id, bounds)| {
                let mut oddities = Vec::new();
                let group = match bounds {
                    Ok(bounds) => self.group(&id, bounds, deadline, &mut oddities).await,
                    Err(error) => Err(error),
                };
                (id, group, oddities)
            })
            // The connection bounds how many requests there are.
            .buffer_unordered(usize::MAX)
            .collect()
            .await;
        for (id, group, oddities) in read {
            inventory.groups.insert(id, group);
            inventory.oddities.extend(oddities);
        }
        let contested = answers::settle_claims(&mut inventory);
        inventory.oddities.sort();
        *self.contested.lock().unwrap_or_else(PoisonError::into_inner) = contested;
        Ok(inventory)
    }

    async fn group(
        &self,
        id: &OfferingId,
        bounds: Bounds,
        deadline: Instant,
        oddities: &mut Vec<Oddity>,
    ) -> Result<Group, ProviderError> {
        let read = async { tokio::try_join!(self.connection.target(id), self.connection.nodes(id)) };
        let after = self.connection.time_out() * 3;
        let (target, nodes) = timeout_at(deadline, read)
            .await
            .unwrap_or(Err(ProviderError::TimedOut { call: "inventory", after }))?;
        answers::group(id, bounds, target, nodes, oddities)
    }
}

#[async_trait]
impl Provider for ExternalGrpc {
    fn kind(&self) -> &'static str {
        "externalGrpc"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { idempotent_create: false, has_prices: true, sets_labels: false }
    }

    fn time_out(&self) -> Duration {
        self.connection.time_out() * 4
    }

    async fn offerings(&self) -> Result<Offerings, ProviderError> {
        within("offerings", self.time_out(), self.describe()).await
    }

    async fn inventory(&self) -> Result<Inventory, ProviderError> {
        within("inventory", self.time_out(), self.take_stock()).await
    }

    async fn create(&self, order: &CreateRequest) -> Result<Created, ProviderError> {
        order.check()?;
        within("create", self.time_out(), self.increase(order)).await
    }

    async fn settle(&self, order: &CreateRequest) -> Result<Settled, ProviderError> {
        order.check()?;
        within("settle", self.time_out(), self.compare(order)).await
    }

    async fn delete(&self, instances: &[InstanceRef]) -> Result<(), ProviderError> {
        within("delete", self.time_out(), self.remove(instances)).await
    }

    async fn decrease_target(&self, offering: &OfferingId, by: u32) -> Result<(), ProviderError> {
        within("decrease_target", self.time_out(), self.give_back(offering, by)).await
    }
}
