//! Providers from their configuration.

use std::{collections::BTreeMap, sync::Arc};

use kube::Client;
use serde::{Deserialize, Serialize};

use crate::{
    ConfigError, ExternalGrpc, ExternalGrpcConfig, Instrumented, KwokConfig, KwokProvider, Provider,
    ProviderSeries, labels::is_label_value,
};

/// A provider as it is configured: the one field says which it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProviderConfig {
    /// Nodes that kwok plays.
    Kwok(KwokConfig),
    /// A server that speaks the cluster-autoscaler's protocol.
    ExternalGrpc(ExternalGrpcConfig),
}

/// What providers need of the process they run in.
#[derive(Clone)]
pub struct Surroundings {
    /// The cluster.
    pub client: Client,
    /// Where a provider may keep what it has to remember.
    pub namespace: String,
    /// The `ConfigMaps` there that providers share for it; each provider always takes the same. Where there are none, one
    /// is made for each provider that needs it.
    pub config_maps: Vec<String>,
    /// Where calls are counted.
    pub series: ProviderSeries,
    /// Calls to one provider at the same time.
    pub concurrency: usize,
}

/// All providers, by the name that a pool refers to.
#[derive(Debug, Default)]
pub struct Registry(BTreeMap<String, Arc<dyn Provider>>);

impl Registry {
    /// Makes them. Must be called inside a tokio runtime; nothing is asked of a provider yet.
    ///
    /// # Errors
    /// The first field that makes no sense, with the provider's name.
    pub fn new(
        configs: &BTreeMap<String, ProviderConfig>,
        surroundings: &Surroundings,
    ) -> Result<Self, ConfigError> {
        let made = configs.iter().map(|(name, config)| {
            let provider = make(name, config, surroundings).map_err(|error| error.inside(name))?;
            let Surroundings { concurrency, series, .. } = surroundings;
            let measured = Instrumented::new(name, provider, *concurrency, series.clone());
            Ok((name.clone(), Arc::new(measured) as Arc<dyn Provider>))
        });
        Ok(Self(made.collect::<Result<_, _>>()?))
    }

    /// The provider of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.0.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<dyn Provider>)> {
        self.0.iter().map(|(name, provider)| (name.as_str(), provider))
    }
}

fn make(
    name: &str,
    config: &ProviderConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Provider>, ConfigError> {
    // It becomes a label, and a part of a ConfigMap's name.
    if name.is_empty() || !is_label_value(name) || name.contains(|c: char| c.is_ascii_uppercase() || c == '_')
    {
        let problem = "a provider's name is made of lower-case letters, digits, \"-\" and \".\", at most 63";
        return Err(ConfigError::new("name", problem));
    }
    Ok(match config {
        ProviderConfig::Kwok(config) => {
            let Surroundings { client, namespace, config_maps, .. } = surroundings;
            let inside = |error: ConfigError| error.inside("kwok");
            let config_map = config_map(name, config_maps);
            let made = KwokProvider::new(name, client.clone(), namespace, &config_map, config.clone());
            Arc::new(made.map_err(inside)?)
        }
        ProviderConfig::ExternalGrpc(config) => {
            let inside = |error: ConfigError| error.inside("externalGrpc");
            Arc::new(ExternalGrpc::new(config.clone()).map_err(inside)?)
        }
    })
}

/// Which ConfigMap a provider takes: by its name, so that another process takes the same. FNV-1a.
fn config_map(provider: &str, shared: &[String]) -> String {
    let hash = provider.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let place = u64::try_from(shared.len()).ok().and_then(|count| hash.checked_rem(count));
    let found = place.and_then(|place| shared.get(usize::try_from(place).ok()?));
    found.cloned().unwrap_or_else(|| format!("plimsoll-kwok-{provider}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_always_takes_the_same_of_the_shared_config_maps() {
        let shared: Vec<String> = (1..8).map(|number| format!("m-{number}")).collect();
        let taken: std::collections::BTreeSet<String> =
            (0..50).map(|number| config_map(&format!("pool-{number}"), &shared)).collect();
        assert!(taken.len() > 4, "{taken:?}");
        assert_eq!(config_map("general", &shared), config_map("general", &shared));
        assert_eq!(config_map("general", &[]), "plimsoll-kwok-general");
    }

    #[test]
    fn configurations_read_from_yaml() {
        let yaml = "
played: {kwok: {bootDelaySeconds: 30, taint: null}}
cloud: {externalGrpc: {address: 'localhost:8086'}}
";
        let read: BTreeMap<String, ProviderConfig> = serde_saphyr::from_str(yaml).unwrap();
        let kwok = KwokConfig { boot_delay_seconds: 30, taint: None, ..KwokConfig::default() };
        assert_eq!(read["played"], ProviderConfig::Kwok(kwok));
        assert_eq!(read["cloud"], ProviderConfig::ExternalGrpc(ExternalGrpcConfig::plain("localhost:8086")));
    }
}
