//! Providers of nodes on a cluster of their own: other tests count the nodes of theirs.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use anyhow::Result;
use cloud::contract::{Subject, catalogue};
use kube::Client;
use plimsoll_providers::{Catalogue, Failure, KwokConfig, KwokProvider, OrderKey, Provider, Taint};
use testbed::{Cluster, ClusterSpec};
use tokio::sync::OnceCell;

/// The cluster that tests of providers share.
pub(crate) async fn cluster() -> Result<&'static Cluster> {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    let spec = ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() };
    SHARED.get_or_try_init(async || Cluster::start(spec).await).await
}

/// A kwok provider that no other test uses.
pub(crate) struct OverKwok {
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) kwok: Arc<KwokProvider>,
    config: KwokConfig,
    pub(crate) provider: Arc<dyn Provider>,
}

/// With a ConfigMap of its own for machines that boot.
fn kwok(name: &str, client: Client, config: KwokConfig) -> Result<KwokProvider> {
    Ok(KwokProvider::new(name, client, "default", &format!("machines-of-{name}"), config)?)
}

impl OverKwok {
    /// One whose nodes take so long to appear.
    pub(crate) async fn new(boot_delay_seconds: u32) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("kwok{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let client = cluster().await?.client().await?;
        let config = KwokConfig { catalogue: catalogue(), boot_delay_seconds, ..KwokConfig::default() };
        let kwok = Arc::new(kwok(&name, client.clone(), config.clone())?);
        let provider = Arc::clone(&kwok) as Arc<dyn Provider>;
        Ok(Self { name, client, kwok, config, provider })
    }

    /// Makes the catalogue this one. Calls that hang end soon.
    pub(crate) fn change(&self, catalogue: Catalogue) -> Result<()> {
        let hangs = catalogue.rules.iter().any(|rule| rule.failure == Some(Failure::Hangs));
        let time_out_seconds = if hangs { 10 } else { 30 };
        Ok(self.kwok.configure(KwokConfig { catalogue, time_out_seconds, ..self.config.clone() })?)
    }
}

impl Subject for OverKwok {
    fn provider(&self) -> &Arc<dyn Provider> {
        &self.provider
    }

    fn restarted(&self) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(kwok(&self.name, self.client.clone(), self.config.clone())?))
    }

    fn key(&self, name: &str) -> Result<OrderKey> {
        Ok(format!("{}-{name}", self.name).parse()?)
    }

    fn offer(&self, catalogue: Catalogue) -> Result<()> {
        self.change(catalogue)
    }

    fn taint(&self) -> Option<Taint> {
        self.config.taint.clone()
    }
}
