//! More and fewer nodes, over a protocol that has no key for what is asked.
//!
//! An order carries the size that was seen when it was recorded. It is compared before it is asked for, so that an order
//! that was carried out already is not repeated; between the comparison and the request nobody of ours changes the
//! group. After a lost answer the size is read until it has not changed for one time-out: servers answer before they
//! have done what they were asked.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use tokio::time::{Instant, sleep};

use super::{ExternalGrpc, answers, protocol::externalgrpc::ExternalGrpcNode};
use crate::{
    Bounds, CreateRequest, Created, Group, InstanceRef, InstanceState, OfferingId, ProviderError, Settled,
};

/// How often the size is read while it settles, per time-out.
const READS: u32 = 10;

impl ExternalGrpc {
    /// Asks for the nodes of an order.
    pub(super) async fn increase(&self, order: &CreateRequest) -> Result<Created, ProviderError> {
        let id = &order.offering;
        let changing = self.change_of(id);
        let _changing = changing.lock().await;
        let (now, bounds) = tokio::try_join!(self.size(id), self.bounds(id))?;
        if now != order.size_before {
            return Err(ProviderError::SizeChanged { offering: id.clone(), before: order.size_before, now });
        }
        let wanted = now.saturating_add(order.count);
        if wanted > bounds.max {
            let message = format!("it may have at most {} nodes, not {wanted}", bounds.max);
            return Err(ProviderError::Quota { offering: Some(id.clone()), message });
        }
        self.connection.increase(id, delta(order.count)?).await?;
        // It was accepted, whatever can be read of it now.
        let size = self.reaches(id, wanted).await.unwrap_or(wanted);
        Ok(Created {
            found: 0,
            accepted: size.saturating_sub(now).min(order.count),
            surplus: size.saturating_sub(wanted),
            instances: Vec::new(),
        })
    }

    /// Compares the size, once it is stable, with that recorded.
    pub(super) async fn compare(&self, order: &CreateRequest) -> Result<Settled, ProviderError> {
        let changing = self.change_of(&order.offering);
        let _changing = changing.lock().await;
        let size = self.stable(&order.offering).await?;
        let more = size.saturating_sub(order.size_before);
        Ok(Settled { done: more.min(order.count), surplus: more.saturating_sub(order.count), size })
    }

    /// Deletes what is named, or nothing if one of them is not there.
    pub(super) async fn remove(&self, instances: &[InstanceRef]) -> Result<(), ProviderError> {
        let mut wanted: BTreeMap<&OfferingId, BTreeMap<&str, &InstanceRef>> = BTreeMap::new();
        for instance in instances {
            wanted.entry(&instance.offering).or_default().insert(&instance.id, instance);
        }
        let changing: Vec<_> = wanted.keys().map(|id| self.change_of(id)).collect();
        let mut held = Vec::new();
        // In the order of their ids, as everybody takes them.
        for change in &changing {
            held.push(change.lock().await);
        }
        self.refuse_contested(instances)?;
        let read = try_join_all(wanted.keys().map(async |id| Ok((*id, self.read_group(id).await?)))).await;
        let groups: BTreeMap<&OfferingId, Group> = match read {
            Ok(read) => read.into_iter().collect(),
            // A group that is not there has no instances.
            Err(ProviderError::UnknownOffering(id)) => {
                let ids = instances.iter().filter(|instance| instance.offering == id);
                return Err(ProviderError::UnknownInstances(
                    ids.map(|instance| instance.id.clone()).collect(),
                ));
            }
            Err(error) => return Err(error),
        };
        let mut unknown = Vec::new();
        let mut going: BTreeMap<&OfferingId, Vec<ExternalGrpcNode>> = BTreeMap::new();
        for (id, named) in &wanted {
            let Some(group) = groups.get(id) else { continue };
            for (instance, reference) in named {
                match group.instances.iter().find(|found| found.id == **instance) {
                    None => unknown.push((*instance).to_owned()),
                    // Asked twice, a server might lower the size twice.
                    Some(found) if found.state == InstanceState::Deleting => {}
                    Some(_) => going.entry(id).or_default().push(named_node(reference)),
                }
            }
        }
        if !unknown.is_empty() {
            return Err(ProviderError::UnknownInstances(unknown));
        }
        for (id, nodes) in &going {
            let Some(group) = groups.get(id) else { continue };
            let left = group.target.saturating_sub(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
            if left < group.bounds.min {
                let message = format!("it must keep {} nodes, not {left}", group.bounds.min);
                return Err(ProviderError::Quota { offering: Some((*id).clone()), message });
            }
        }
        // All are tried, whatever happens to one.
        let done =
            futures::future::join_all(going.into_iter().map(|(id, nodes)| self.connection.delete(id, nodes)));
        done.await.into_iter().collect()
    }

    /// Takes back requests that have no instance yet.
    pub(super) async fn give_back(&self, id: &OfferingId, by: u32) -> Result<(), ProviderError> {
        if by == 0 {
            return Ok(());
        }
        let changing = self.change_of(id);
        let _changing = changing.lock().await;
        let group = self.read_group(id).await?;
        let unfulfilled = group.unfulfilled();
        if by > unfulfilled {
            return Err(ProviderError::Invalid(format!(
                "{by} requests for {id} cannot be taken back: {unfulfilled} are without an instance; delete instances \
                 instead"
            )));
        }
        if group.target - by < group.bounds.min {
            let message = format!("it must keep {} nodes, not {}", group.bounds.min, group.target - by);
            return Err(ProviderError::Quota { offering: Some(id.clone()), message });
        }
        self.connection.decrease(id, -delta(by)?).await
    }

    async fn size(&self, id: &OfferingId) -> Result<u32, ProviderError> {
        answers::target(id, self.connection.target(id).await?)
    }

    async fn bounds(&self, id: &OfferingId) -> Result<Bounds, ProviderError> {
        let mut groups = answers::groups(self.connection.groups().await?, &mut Vec::new());
        groups.remove(id).ok_or_else(|| ProviderError::UnknownOffering(id.clone()))?
    }

    async fn read_group(&self, id: &OfferingId) -> Result<Group, ProviderError> {
        let (bounds, target, nodes) =
            tokio::try_join!(self.bounds(id), self.connection.target(id), self.connection.nodes(id))?;
        answers::group(id, bounds, target, nodes, &mut Vec::new())
    }

    fn refuse_contested(&self, instances: &[InstanceRef]) -> Result<(), ProviderError> {
        let contested = self.contested.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match instances.iter().find(|instance| contested.contains(&instance.id)) {
            Some(instance) => Err(ProviderError::Invalid(format!(
                "two groups claim the instance {}: it is left alone until they agree",
                instance.id
            ))),
            None => Ok(()),
        }
    }

    /// The size once it is at least `wanted`, or as it is after one time-out.
    async fn reaches(&self, id: &OfferingId, wanted: u32) -> Result<u32, ProviderError> {
        let until = Instant::now() + self.connection.time_out();
        loop {
            let size = self.size(id).await?;
            if size >= wanted || Instant::now() >= until {
                return Ok(size);
            }
            sleep(self.connection.time_out() / READS).await;
        }
    }

    /// The size once it has not changed for one time-out.
    async fn stable(&self, id: &OfferingId) -> Result<u32, ProviderError> {
        self.connection.refresh().await?;
        let mut size = self.size(id).await?;
        let mut since = Instant::now();
        while since.elapsed() < self.connection.time_out() {
            sleep(self.connection.time_out() / READS).await;
            self.connection.refresh().await?;
            let now = self.size(id).await?;
            if now != size {
                size = now;
                since = Instant::now();
            }
        }
        Ok(size)
    }
}

fn delta(count: u32) -> Result<i32, ProviderError> {
    i32::try_from(count)
        .map_err(|_| ProviderError::Invalid(format!("{count} nodes are more than can be asked for")))
}

fn named_node(instance: &InstanceRef) -> ExternalGrpcNode {
    ExternalGrpcNode {
        provider_id: instance.id.clone(),
        name: instance.node_name.clone().unwrap_or_default(),
        labels: instance.labels.clone(),
        annotations: instance.annotations.clone(),
    }
}
