//! Fewer nodes: those that are named, and no others.

use std::collections::{BTreeMap, BTreeSet};

use futures::{TryStreamExt as _, stream};
use kube::api::{DeleteParams, Preconditions};

use super::{
    CONCURRENCY, Inner,
    failure::failure,
    machines::Booting,
    world::{Found, World},
};
use crate::{InstanceRef, OfferingId, OrderKey, ProviderError};

impl Inner {
    /// Deletes what is named, or nothing if one of them is not there.
    pub(super) async fn delete(&self, instances: &[InstanceRef]) -> Result<(), ProviderError> {
        let _changing = self.changing.lock().await;
        let world = self.world().await?;
        let found: Vec<_> = instances.iter().map(|instance| (instance, world.find(instance))).collect();
        let unknown: Vec<_> = found
            .iter()
            .filter(|(_, found)| found.is_none())
            .map(|(instance, _)| instance.id.clone())
            .collect();
        if !unknown.is_empty() {
            return Err(ProviderError::UnknownInstances(unknown));
        }
        let found: BTreeMap<&str, (&OfferingId, Found<'_>)> = found
            .into_iter()
            .filter_map(|(instance, found)| Some((instance.id.as_str(), (&instance.offering, found?))))
            .filter(|(_, (_, found))| !found.node.is_some_and(|node| node.deleting))
            .collect();
        self.keeps_enough(&world, found.values().map(|(offering, _)| *offering))?;
        // First, so that what is deleted while its order's other nodes join does not join again.
        let changes = without(&world, found.values().filter_map(|(_, found)| found.machine.as_ref()));
        if !changes.is_empty() {
            self.store.write(&world.machines, &changes).await?;
        }
        let nodes = found.values().filter_map(|(_, found)| Some((found.name, found.node?.uid.clone())));
        stream::iter(nodes.map(Ok))
            .try_for_each_concurrent(CONCURRENCY, async |(name, uid)| self.delete_node(name, uid).await)
            .await
    }

    async fn delete_node(&self, name: &str, uid: String) -> Result<(), ProviderError> {
        let this = Preconditions { uid: Some(uid), resource_version: None };
        match self.nodes.delete(name, &DeleteParams::default().preconditions(this)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(kube::Error::Api(status)) if status.is_conflict() => Err(ProviderError::Other(format!(
                "another node took the name {name} meanwhile; it was left alone"
            ))),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Whether no offering falls below its fewest nodes when these go.
    fn keeps_enough<'a>(
        &self,
        world: &World,
        going: impl Iterator<Item = &'a OfferingId>,
    ) -> Result<(), ProviderError> {
        let (prepared, mut left) = (self.prepared(), world.usage());
        let mut touched = BTreeSet::new();
        for id in going {
            touched.insert(id);
            left.entry(id.clone()).and_modify(|count| *count = count.saturating_sub(1));
        }
        for id in touched {
            let min = prepared.stock.get(id).map_or(0, |stock| stock.offering.bounds.min);
            let left = left.get(id).copied().unwrap_or(0);
            if left < min {
                let message = format!("it must keep {min} nodes, not {left}");
                return Err(ProviderError::Quota { offering: Some(id.clone()), message });
            }
        }
        Ok(())
    }
}

/// The records without these machines; an order of which nothing is left needs no record.
fn without<'a>(
    world: &World,
    machines: impl Iterator<Item = &'a (OrderKey, u32)>,
) -> BTreeMap<OrderKey, Option<Booting>> {
    let mut records: BTreeMap<OrderKey, Booting> = BTreeMap::new();
    for (order, index) in machines {
        if let Some(record) = world.machines.booting.get(order) {
            records.entry(order.clone()).or_insert_with(|| record.clone()).deleted.insert(*index);
        }
    }
    let left = |record: Booting| Some(record).filter(|record| record.indices().next().is_some());
    records.into_iter().map(|(order, record)| (order, left(record))).collect()
}
