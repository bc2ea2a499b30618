//! Nodes that kwok plays: the provider for kind and the test bed.
//!
//! It is a cloud that behaves as its [`Catalogue`](crate::Catalogue) says, and whose machines are Node objects. Names
//! come from the order's key, so an order repeated makes nothing twice. Machines that boot are recorded in a ConfigMap
//! and survive a restart.
//!
//! It needs `get`, `list`, `create` and `delete` of nodes, and, for a boot delay, `get`, `create` and `patch` of one
//! ConfigMap in its namespace.

mod config;
mod failure;
mod machines;
mod node;
mod world;

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use futures::{TryStreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PostParams, Preconditions},
};
use tokio::{
    sync::{Mutex, Notify},
    task::AbortHandle,
    time::timeout,
};

pub use self::config::KwokConfig;
use self::{
    failure::failure,
    machines::{Booting, Store},
    world::World,
};
use crate::{
    Capabilities, ConfigError, CreateRequest, Created, Failure, InstanceRef, Inventory, Offering, OfferingId,
    Offerings, Provider, ProviderError, Settled, Stock, labels, time_out::within,
};

/// Requests to the API server under way at the same time.
const CONCURRENCY: usize = 32;
/// How long the boots wait after something went wrong.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Nodes that kwok plays. Must be made inside a tokio runtime.
#[derive(Debug)]
pub struct KwokProvider {
    inner: Arc<Inner>,
    boots: OnceLock<AbortHandle>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    nodes: Api<Node>,
    store: Store,
    prepared: RwLock<Arc<Prepared>>,
    /// Held while machines are changed, so that what was read still holds.
    changing: Mutex<()>,
    /// There may be new machines to boot.
    ordered: Notify,
}

#[derive(Debug)]
struct Prepared {
    config: KwokConfig,
    stock: BTreeMap<OfferingId, Stock>,
}

impl Prepared {
    fn new(config: KwokConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let stock = config.catalogue.stock().map_err(|error| error.inside("catalogue"))?;
        Ok(Self { config, stock })
    }
}

impl KwokProvider {
    /// A provider whose nodes carry its `name`, and which records booting machines in `namespace`.
    ///
    /// # Errors
    /// The first field of `config` that makes no sense.
    pub fn new(
        name: impl Into<String>,
        client: Client,
        namespace: &str,
        config: KwokConfig,
    ) -> Result<Self, ConfigError> {
        let name = name.into();
        let prepared = RwLock::new(Arc::new(Prepared::new(config)?));
        let inner = Inner {
            nodes: Api::all(client.clone()),
            store: Store::new(client, namespace, &name),
            name,
            prepared,
            changing: Mutex::default(),
            ordered: Notify::new(),
        };
        Ok(Self { inner: Arc::new(inner), boots: OnceLock::new() })
    }

    /// Changes what the cloud is like, from the next call on. Nodes that are there stay.
    ///
    /// # Errors
    /// The first field of `config` that makes no sense; then nothing changes.
    pub fn configure(&self, config: KwokConfig) -> Result<(), ConfigError> {
        let prepared = Arc::new(Prepared::new(config)?);
        *self.inner.prepared.write().unwrap_or_else(PoisonError::into_inner) = prepared;
        Ok(())
    }

    /// Machines go on booting from the first call on: a replica that does not lead makes none.
    fn start_boots(&self) {
        self.boots.get_or_init(|| tokio::spawn(Arc::clone(&self.inner).boot()).abort_handle());
    }
}

impl Drop for KwokProvider {
    fn drop(&mut self) {
        if let Some(boots) = self.boots.get() {
            boots.abort();
        }
    }
}

impl Inner {
    fn prepared(&self) -> Arc<Prepared> {
        Arc::clone(&self.prepared.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn world(&self) -> Result<World, ProviderError> {
        World::read(&self.nodes, &self.store, &self.name).await
    }

    async fn create(&self, order: &CreateRequest) -> Result<Created, ProviderError> {
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
                self.join(order, &missing, &stock.offering, &prepared.config).await?;
            }
        }
        let instances = self.world().await?.of_order(key);
        Ok(Created { found: order.count - more, accepted: more, surplus: 0, instances })
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
    async fn join(
        &self,
        order: &CreateRequest,
        indices: &[u32],
        offering: &Offering,
        config: &KwokConfig,
    ) -> Result<(), ProviderError> {
        stream::iter(indices.iter().copied().map(Ok))
            .try_for_each_concurrent(CONCURRENCY, async |index| {
                let node = node::node(order, index, offering, &self.name, config.taint.as_ref());
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

    async fn delete(&self, instances: &[InstanceRef]) -> Result<(), ProviderError> {
        let _changing = self.changing.lock().await;
        let world = self.world().await?;
        let mut unknown = Vec::new();
        let mut changes = BTreeMap::new();
        let mut nodes = Vec::new();
        let booting: BTreeMap<String, _> =
            world.booting().map(|(order, index, name, offering)| (name, (order, index, offering))).collect();
        for instance in instances {
            let name = node::node_name(&instance.id).unwrap_or_default();
            if let Some((order, index, _)) = booting.get(name).filter(|found| found.2 == &instance.offering) {
                let record: Option<&mut Option<Booting>> =
                    world.machines.booting.get(*order).map(|record| {
                        changes.entry((*order).clone()).or_insert_with(|| Some(record.clone()))
                    });
                if let Some(Some(record)) = record {
                    record.deleted.insert(*index);
                }
            } else if let Some(node) = world.nodes.get(name).filter(|node| node.offering == instance.offering)
            {
                if !node.deleting {
                    nodes.push((name, node.uid.clone()));
                }
            } else {
                unknown.push(instance.id.clone());
            }
        }
        if !unknown.is_empty() {
            return Err(ProviderError::UnknownInstances(unknown));
        }
        for record in changes.values_mut() {
            // An order of which nothing is left needs no record.
            *record = record.take().filter(|record| record.indices().next().is_some());
        }
        if !changes.is_empty() {
            self.store.write(&world.machines, &changes).await?;
        }
        stream::iter(nodes.into_iter().map(Ok))
            .try_for_each_concurrent(CONCURRENCY, async |(name, uid)| {
                let this = Preconditions { uid: Some(uid), resource_version: None };
                match self.nodes.delete(name, &DeleteParams::default().preconditions(this)).await {
                    Ok(_) => Ok(()),
                    Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                    Err(kube::Error::Api(status)) if status.is_conflict() => Err(ProviderError::Other(
                        format!("another node took the name {name} meanwhile; it was left alone"),
                    )),
                    Err(error) => Err(failure(&error)),
                }
            })
            .await
    }

    /// Lets machines appear when their time has come, for ever.
    async fn boot(self: Arc<Self>) {
        loop {
            let after = self.prepared().config.time_out();
            let wait = match timeout(after, self.boot_due())
                .await
                .unwrap_or(Err(ProviderError::TimedOut { call: "boot", after }))
            {
                Ok(next) => {
                    next.map(|at| Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default())
                }
                Err(error) => {
                    tracing::warn!(provider = self.name, %error, "machines could not join the cluster; trying again");
                    Some(AFTER_FAILURE)
                }
            };
            match wait {
                // An order meanwhile may be due earlier.
                Some(wait) => {
                    let _ = timeout(wait, self.ordered.notified()).await;
                }
                None => self.ordered.notified().await,
            }
        }
    }

    /// Lets those appear whose time has come, and says when the next is due.
    async fn boot_due(&self) -> Result<Option<Timestamp>, ProviderError> {
        let _changing = self.changing.lock().await;
        let world = self.world().await?;
        let prepared = self.prepared();
        let now = Timestamp::now();
        let mut done = BTreeMap::new();
        for (key, booting) in world.machines.booting.iter().filter(|(_, booting)| booting.is_due(now)) {
            // What the catalogue no longer has cannot appear.
            if let Some(stock) = prepared.stock.get(&booting.order.offering) {
                let indices: Vec<u32> = booting.indices().collect();
                self.join(&booting.order, &indices, &stock.offering, &prepared.config).await?;
            }
            done.insert(key.clone(), None);
        }
        if !done.is_empty() {
            self.store.write(&world.machines, &done).await?;
        }
        let later = world.machines.booting.values().filter(|booting| !booting.is_due(now));
        Ok(later.filter_map(|booting| booting.ready_at).min())
    }
}

#[async_trait]
impl Provider for KwokProvider {
    fn kind(&self) -> &'static str {
        "kwok"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { idempotent_create: true, has_prices: true, sets_labels: true }
    }

    fn time_out(&self) -> Duration {
        self.inner.prepared().config.time_out()
    }

    async fn offerings(&self) -> Result<Offerings, ProviderError> {
        let prepared = self.inner.prepared();
        let offerings = prepared.stock.values().map(|stock| stock.offering.clone()).collect();
        Ok(Offerings { offerings, oddities: Vec::new() })
    }

    async fn inventory(&self) -> Result<Inventory, ProviderError> {
        self.start_boots();
        let world = within("inventory", self.time_out(), self.inner.world()).await?;
        Ok(world.inventory(&self.inner.prepared().stock))
    }

    async fn create(&self, order: &CreateRequest) -> Result<Created, ProviderError> {
        order.check()?;
        self.start_boots();
        within("create", self.time_out(), self.inner.create(order)).await
    }

    async fn settle(&self, order: &CreateRequest) -> Result<Settled, ProviderError> {
        self.start_boots();
        let world = within("settle", self.time_out(), self.inner.world()).await?;
        let is_live = |instance: &crate::Instance| instance.state != crate::InstanceState::Deleting;
        let done = world.of_order(&order.order).iter().filter(|instance| is_live(instance)).count();
        let size = world.usage().get(&order.offering).copied().unwrap_or(0);
        Ok(Settled { done: u32::try_from(done).unwrap_or(u32::MAX), surplus: 0, size })
    }

    async fn delete(&self, instances: &[InstanceRef]) -> Result<(), ProviderError> {
        self.start_boots();
        within("delete", self.time_out(), self.inner.delete(instances)).await
    }

    async fn decrease_target(&self, offering: &OfferingId, by: u32) -> Result<(), ProviderError> {
        if by == 0 {
            return Ok(());
        }
        Err(ProviderError::Invalid(format!(
            "no request for {offering} is without an instance, so {by} cannot be taken back: delete instances instead"
        )))
    }
}
