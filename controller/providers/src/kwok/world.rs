//! What there is of one kwok provider: nodes that carry its mark, and machines that are still booting.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, ResourceExt,
    api::{ListParams, PartialObjectMeta},
};

use super::{
    failure::failure,
    machines::{Machines, Store},
    node::{node_name, provider_id},
};
use crate::{
    Group, Instance, InstanceRef, InstanceState, Inventory, Oddity, OfferingId, OrderKey, ProviderError,
    Stock, Usage, labels,
};

/// A node with our mark.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) uid: String,
    pub(super) offering: OfferingId,
    pub(super) order: OrderKey,
    pub(super) deleting: bool,
}

/// Something that was named.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) name: &'a str,
    pub(super) node: Option<&'a Seen>,
    /// The order and its number, while its record is there.
    pub(super) machine: Option<(OrderKey, u32)>,
}

/// What there is.
#[derive(Debug, Default)]
pub(super) struct World {
    /// By name.
    pub(super) nodes: BTreeMap<String, Seen>,
    pub(super) machines: Machines,
    oddities: Vec<Oddity>,
}

impl World {
    /// Reads it. Machines first: one that joins in between is seen twice rather than not at all.
    pub(super) async fn read(
        nodes: &Api<Node>,
        store: &Store,
        provider: &str,
    ) -> Result<Self, ProviderError> {
        let machines = store.read().await?;
        let ours = ListParams::default().labels(&format!("{}={provider}", labels::PROVIDER));
        let listed = nodes.list_metadata(&ours).await.map_err(|error| failure(&error))?;
        let mut world = Self { machines, ..Self::default() };
        for node in listed {
            world.add(&node);
        }
        Ok(world)
    }

    fn add(&mut self, node: &PartialObjectMeta<Node>) {
        let name = node.name_any();
        let offering = node.labels().get(labels::OFFERING).map(|id| OfferingId(id.clone()));
        let order = node.labels().get(labels::NODE_ORDER).and_then(|key| key.parse().ok());
        match (offering, order, node.uid()) {
            (Some(offering), Some(order), Some(uid)) => {
                let deleting = node.metadata.deletion_timestamp.is_some();
                self.nodes.insert(name, Seen { uid, offering, order, deleting });
            }
            _ => self.oddities.push(Oddity::MarkWithoutOffering { node: name }),
        }
    }

    /// Machines without a node yet: the order's key, the node's number and name, and the offering.
    pub(super) fn booting(&self) -> impl Iterator<Item = (&OrderKey, u32, String, &OfferingId)> {
        self.machines.booting.iter().flat_map(move |(key, booting)| {
            let named = booting.indices().map(move |index| (index, key.node_name(index)));
            named
                .filter(|(_, name)| !self.nodes.contains_key(name))
                .map(move |(index, name)| (key, index, name, &booting.order.offering))
        })
    }

    /// How many there are of each offering.
    pub(super) fn usage(&self) -> Usage {
        let mut usage = Usage::new();
        let there = self.nodes.values().filter(|node| !node.deleting).map(|node| &node.offering);
        for offering in there.chain(self.booting().map(|(_, _, _, offering)| offering)) {
            *usage.entry(offering.clone()).or_default() += 1;
        }
        usage
    }

    /// Whether an order's node is there to stay, or coming.
    pub(super) fn has(&self, order: &OrderKey, index: u32) -> bool {
        match self.nodes.get(&order.node_name(index)) {
            Some(node) => !node.deleting,
            None => self.machines.booting.get(order).is_some_and(|booting| booting.has(index)),
        }
    }

    /// What an instance names, if it is ours and of that offering.
    pub(super) fn find<'a>(&'a self, instance: &'a InstanceRef) -> Option<Found<'a>> {
        let name = node_name(&instance.id)?;
        let node = self.nodes.get(name);
        let machine = self.machine(name);
        let offering = match (node, &machine) {
            (Some(node), _) => &node.offering,
            (None, Some((order, _))) => &self.machines.booting.get(order)?.order.offering,
            (None, None) => return None,
        };
        (*offering == instance.offering).then_some(Found { name, node, machine })
    }

    /// The order and the number of a machine that is on record under this name.
    fn machine(&self, name: &str) -> Option<(OrderKey, u32)> {
        let (order, index) = name.rsplit_once('-')?;
        let (order, index) = (order.parse::<OrderKey>().ok()?, index.parse().ok()?);
        let on_record = self.machines.booting.get(&order).is_some_and(|booting| booting.has(index));
        (on_record && order.node_name(index) == name).then_some((order, index))
    }

    /// The instances of an order that are there or coming.
    pub(super) fn of_order(&self, order: &OrderKey) -> Vec<Instance> {
        self.instances().filter(|instance| instance.order.as_ref() == Some(order)).collect()
    }

    fn instances(&self) -> impl Iterator<Item = Instance> {
        let there = self.nodes.iter().map(|(name, node)| Instance {
            id: provider_id(name),
            node_name: Some(name.clone()),
            state: if node.deleting { InstanceState::Deleting } else { InstanceState::Running },
            failure: None,
            offering: node.offering.clone(),
            order: Some(node.order.clone()),
        });
        let booting = self.booting().map(|(order, _, name, offering)| Instance {
            id: provider_id(&name),
            node_name: Some(name),
            state: InstanceState::Creating,
            failure: None,
            offering: offering.clone(),
            order: Some(order.clone()),
        });
        there.chain(booting)
    }

    /// In the words of the trait.
    pub(super) fn inventory(&self, stock: &BTreeMap<OfferingId, Stock>) -> Inventory {
        let usage = self.usage();
        let target = |id: &OfferingId| usage.get(id).copied().unwrap_or(0);
        let bounds = |id: &OfferingId| stock.get(id).map(|stock| stock.offering.bounds).unwrap_or_default();
        let empty = |id: &OfferingId| Group { target: target(id), bounds: bounds(id), instances: Vec::new() };
        let mut groups: BTreeMap<OfferingId, Group> =
            stock.keys().map(|id| (id.clone(), empty(id))).collect();
        for instance in self.instances() {
            // What the catalogue no longer offers may still be there.
            let id = instance.offering.clone();
            groups.entry(id).or_insert_with_key(empty).instances.push(instance);
        }
        for group in groups.values_mut() {
            group.instances.sort_by(|a, b| a.id.cmp(&b.id));
        }
        Inventory {
            groups: groups.into_iter().map(|(id, group)| (id, Ok(group))).collect(),
            oddities: self.oddities.clone(),
        }
    }
}
