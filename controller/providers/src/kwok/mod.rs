//! Nodes that kwok plays: the provider for kind and the test bed.
//!
//! It is a cloud that behaves as its [`Catalogue`](crate::Catalogue) says, and whose machines are Node objects. Names
//! come from the order's key, so an order repeated makes nothing twice. Machines that boot are recorded in a ConfigMap
//! and survive a restart.
//!
//! It needs `get`, `list`, `create` and `delete` of nodes, and, for a boot delay, `get` and `patch` of one ConfigMap in its
//! namespace, and `create` where nobody else makes that.

mod boot;
mod config;
mod create;
mod delete;
mod failure;
mod machines;
mod node;
mod world;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client};
use tokio::{
    sync::{Mutex, Notify},
    task::AbortHandle,
};

pub use self::config::KwokConfig;
use self::{machines::Store, world::World};
use crate::{
    Capabilities, ConfigError, CreateRequest, Created, InstanceRef, Inventory, OfferingId, Offerings,
    Provider, ProviderError, Settled, Stock, time_out::within,
};

/// Requests to the API server under way at the same time.
const CONCURRENCY: usize = 32;

/// Nodes that kwok plays. Its machines go on booting until it is dropped, so who loses the lease drops it.
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
        let mut stock = config.catalogue.stock().map_err(|error| error.inside("catalogue"))?;
        // Every node gets the taint, so whoever plans with an offering has to know of it.
        for stock in stock.values_mut() {
            stock.offering.taints.extend(config.taint.clone());
        }
        Ok(Self { config, stock })
    }
}

impl KwokProvider {
    /// A provider whose nodes carry its `name`, and which records booting machines in this ConfigMap of `namespace`, beside
    /// those of other providers.
    ///
    /// # Errors
    /// The first field of `config` that makes no sense.
    pub fn new(
        name: impl Into<String>,
        client: Client,
        namespace: &str,
        config_map: &str,
        config: KwokConfig,
    ) -> Result<Self, ConfigError> {
        let name = name.into();
        let prepared = RwLock::new(Arc::new(Prepared::new(config)?));
        let inner = Inner {
            nodes: Api::all(client.clone()),
            store: Store::new(client, namespace, config_map, &name),
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

    /// Reads what there is, and wakes what boots machines where some are to boot: those may be on record without anybody here
    /// knowing, because the answer to our write was lost or another process has recorded them and ended.
    async fn look(&self) -> Result<World, ProviderError> {
        let world = self.world().await?;
        if world.machines.booting.values().any(|booting| booting.ready_at.is_some()) {
            self.ordered.notify_one();
        }
        Ok(world)
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
        let world = within("inventory", self.time_out(), self.inner.look()).await?;
        Ok(world.inventory(&self.inner.prepared().stock))
    }

    async fn create(&self, order: &CreateRequest) -> Result<Created, ProviderError> {
        order.check()?;
        self.start_boots();
        within("create", self.time_out(), self.inner.create(order)).await
    }

    async fn settle(&self, order: &CreateRequest) -> Result<Settled, ProviderError> {
        self.start_boots();
        let world = within("settle", self.time_out(), self.inner.look()).await?;
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
