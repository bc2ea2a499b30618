//! More nodes: at once, or as machines that boot.

use std::{future::pending, time::Duration};

use futures::{TryStreamExt as _, stream};
use jiff::Timestamp;
use kube::{ResourceExt, api::PostParams};

use super::{CONCURRENCY, Inner, failure::failure, machines::Booting, node, world::World};
use crate::{CreateRequest, Created, Failure, Offering, ProviderError, labels};

impl Inner {
    /// Makes what is missing of an order, or nothing if not all of it can be had.
    pub(super) async fn create(&self, order: &CreateRequest) -> Result<Created, ProviderError> {
        let prepared = self.prepared();
        let stock = prepared
            .stock
            .get(&order.offering)
            .ok_or_else(|| ProviderError::UnknownOffering(order.offering.clone()))?;
        if stock.failure == Some(Failure::Hangs) {
            pending::<()>().await;
        }
        let _changing = self.changing.lock().await;
        let world = self.world().await?;
        let key = &order.order;
        let missing: Vec<u32> = (0..order.count).filter(|index| !world.has(key, *index)).collect();
        let more = u32::try_from(missing.len()).unwrap_or(u32::MAX);
        if more > 0 {
            prepared.config.catalogue.admit(&prepared.stock, &order.offering, more, &world.usage())?;
            let delay = Duration::from_secs(prepared.config.boot_delay_seconds.into());
            if stock.failure == Some(Failure::NeverRegisters) || !delay.is_zero() {
                let ready_at =
                    (stock.failure != Some(Failure::NeverRegisters)).then(|| Timestamp::now() + delay);
                self.record(&world, order, ready_at, &missing).await?;
            } else {
                let joined = self.join(order, &missing, &stock.offering).await;
                self.admit_parts(order, joined).await?;
            }
        }
        let instances = self.world().await?.of_order(key);
        Ok(Created { found: order.count - more, accepted: more, surplus: 0, instances })
    }

    /// An error that says that nothing was done must not stand for an order of which a part was made.
    async fn admit_parts(
        &self,
        order: &CreateRequest,
        joined: Result<(), ProviderError>,
    ) -> Result<(), ProviderError> {
        let Err(error) = joined else { return Ok(()) };
        if error.nothing_done() {
            let made = self.world().await.map(|world| world.of_order(&order.order).len());
            if made != Ok(0) {
                return Err(ProviderError::Other(format!("a part of the order may have been made: {error}")));
            }
        }
        Err(error)
    }

    /// Remembers machines that are to boot.
    async fn record(
        &self,
        world: &World,
        order: &CreateRequest,
        ready_at: Option<Timestamp>,
        missing: &[u32],
    ) -> Result<(), ProviderError> {
        let booting = if let Some(booting) = world.machines.booting.get(&order.order) {
            let mut booting = booting.clone();
            booting.deleted.retain(|index| missing.binary_search(index).is_err());
            booting
        } else {
            // Those that are there already must not come back when they are deleted.
            let deleted = (0..order.count).filter(|index| missing.binary_search(index).is_err()).collect();
            Booting { order: order.clone(), ready_at, deleted }
        };
        self.store.write(&world.machines, &[(order.order.clone(), Some(booting))].into()).await?;
        self.ordered.notify_one();
        Ok(())
    }

    /// Makes the nodes with these numbers appear. One that is there already must be of this order.
    pub(super) async fn join(
        &self,
        order: &CreateRequest,
        indices: &[u32],
        offering: &Offering,
    ) -> Result<(), ProviderError> {
        stream::iter(indices.iter().copied().map(Ok))
            .try_for_each_concurrent(CONCURRENCY, async |index| {
                let node = node::node(order, index, offering, &self.name);
                match self.nodes.create(&PostParams::default(), &node).await {
                    Ok(_) => Ok(()),
                    Err(kube::Error::Api(status)) if status.is_already_exists() => {
                        self.is_of(order, index).await
                    }
                    Err(error) => Err(failure(&error)),
                }
            })
            .await
    }

    async fn is_of(&self, order: &CreateRequest, index: u32) -> Result<(), ProviderError> {
        let name = order.order.node_name(index);
        let found = self.nodes.get_metadata_opt(&name).await.map_err(|error| failure(&error))?;
        let still_there = found.filter(|node| node.metadata.deletion_timestamp.is_none());
        let Some(node) = still_there else {
            return Err(ProviderError::Unavailable(format!("an earlier node {name} is still going")));
        };
        if node.labels().get(labels::NODE_ORDER).is_some_and(|key| key == order.order.as_str()) {
            return Ok(());
        }
        Err(ProviderError::Invalid(format!(
            "there is a node {name} that is not of the order {}: delete it or order under another key",
            order.order
        )))
    }
}
