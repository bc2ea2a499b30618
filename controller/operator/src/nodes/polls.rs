//! What providers say: what they offer, and what there is of ours.
//!
//! Asked beside the planner, so that a slow provider holds up nobody, and not more often than something may have changed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Client;
use plimsoll_api::v1alpha1::CapacityPoolSpec;
use plimsoll_core::cluster::{Capacity, CapacityType, Labels, Name, Offering, OfferingKey, Taint};
use plimsoll_observe::cluster::{observe_effect, observe_labels, observe_resources};
use plimsoll_providers::{
    Inventory, OfferingId, Offerings, Provider, ProviderConfig, ProviderError, ProviderSeries, Registry,
    Surroundings,
};
use tokio::{sync::mpsc, time::Instant};

use super::{feed::Change, provider::config};

/// Calls to one provider at the same time.
const CONCURRENCY: usize = 4;
/// How often a provider is asked while an order waits for it.
const WHILE_WAITING: Duration = Duration::from_secs(10);
/// How often it is asked when nothing waits.
const OTHERWISE: Duration = Duration::from_mins(1);

/// What a provider said last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// What it offers; an error where it could not say.
    pub(crate) offerings: Option<Result<Arc<Offerings>, ProviderError>>,
    /// What there is of ours; an error where it could not say.
    pub(crate) inventory: Option<Result<Arc<Inventory>, ProviderError>>,
}

/// The provider of each pool.
pub(crate) struct Polls {
    surroundings: Surroundings,
    changes: mpsc::UnboundedSender<Change>,
    pools: BTreeMap<String, Poll>,
}

struct Poll {
    config: ProviderConfig,
    provider: Arc<dyn Provider>,
    /// When it was asked last.
    asked: Option<Instant>,
}

impl Polls {
    pub(crate) fn new(
        client: Client,
        namespace: String,
        config_maps: Vec<String>,
        series: ProviderSeries,
        changes: mpsc::UnboundedSender<Change>,
    ) -> Self {
        let surroundings = Surroundings { client, namespace, config_maps, series, concurrency: CONCURRENCY };
        Self { surroundings, changes, pools: BTreeMap::new() }
    }

    /// The provider of a pool, made anew when its configuration has changed.
    ///
    /// # Errors
    /// The field that makes no sense, in words.
    pub(crate) fn provider(
        &mut self,
        pool: &str,
        spec: &CapacityPoolSpec,
    ) -> Result<Arc<dyn Provider>, String> {
        let config = config(&spec.provider)?;
        if let Some(poll) = self.pools.get(pool).filter(|poll| poll.config == config) {
            return Ok(Arc::clone(&poll.provider));
        }
        let configs = BTreeMap::from([(pool.to_owned(), config.clone())]);
        let registry = Registry::new(&configs, &self.surroundings).map_err(|error| error.to_string())?;
        let provider = registry.get(pool).cloned().ok_or_else(|| "no provider was made".to_owned())?;
        self.pools.insert(pool.to_owned(), Poll { config, provider: Arc::clone(&provider), asked: None });
        Ok(provider)
    }

    /// Forgets pools that are gone.
    pub(crate) fn keep_only(&mut self, is_there: impl Fn(&str) -> bool) {
        self.pools.retain(|name, _| is_there(name));
    }

    /// Asks a provider, if it is time; answers when it is time again. `waits`: whether an order waits for it. `at_once`:
    /// something has just been asked of it.
    pub(crate) fn ask(&mut self, pool: &str, waits: bool, at_once: bool) -> Duration {
        let every = if waits { WHILE_WAITING } else { OTHERWISE };
        let Some(asked) = self.pools.get_mut(pool) else { return every };
        let now = Instant::now();
        let left = asked.asked.map(|at| every.saturating_sub(now.duration_since(at)));
        match left {
            Some(left) if !left.is_zero() && !at_once => left,
            _ => {
                asked.asked = Some(now);
                let (provider, changes, pool) =
                    (Arc::clone(&asked.provider), self.changes.clone(), pool.to_owned());
                tokio::spawn(async move {
                    let (offerings, inventory) = tokio::join!(provider.offerings(), provider.inventory());
                    // A planner that is gone needs no answer.
                    let _ = changes.send(Box::new(move |world| {
                        let said = Said {
                            offerings: Some(offerings.map(Arc::new)),
                            inventory: Some(inventory.map(Arc::new)),
                        };
                        world.said.insert(pool, said);
                    }));
                });
                every
            }
        }
    }
}

/// What a provider offers, as the planner wants to know it. An offering without a zone is left out: nothing could be
/// promised to a pod that wants one. `size` is how many nodes of an offering there are.
pub(crate) fn offerings(
    said: &Offerings,
    size: impl Fn(&OfferingId) -> Option<u32>,
) -> Vec<(OfferingId, Offering)> {
    let offerings = said.offerings.iter().filter_map(|offering| {
        let zone = Name::from(offering.zone.as_deref()?);
        let quantities: BTreeMap<String, Quantity> = offering
            .allocatable
            .iter()
            .map(|(name, amount)| (name.clone(), Quantity(amount.to_string())))
            .collect();
        let key = OfferingKey {
            instance_type: offering.instance_type.as_str().into(),
            zone,
            capacity_type: match offering.capacity_type {
                plimsoll_providers::CapacityType::OnDemand => CapacityType::OnDemand,
                plimsoll_providers::CapacityType::Spot => CapacityType::Spot,
            },
        };
        let most = offering.bounds.max;
        let capacity = match (offering.available, most) {
            (false, _) => Capacity::Left(0),
            (true, u32::MAX) => Capacity::Unknown,
            (true, most) => Capacity::Left(most.saturating_sub(size(&offering.id).unwrap_or(0))),
        };
        let labels: Labels = observe_labels(Some(&offering.labels));
        let taint = |taint: &plimsoll_providers::Taint| {
            let effect = observe_effect(&taint.effect)?;
            Some(Taint { key: taint.key.as_str().into(), value: taint.value.as_str().into(), effect })
        };
        let seen = Offering {
            key,
            price: offering.price.map_or(0, |price| i64::try_from(price.micros()).unwrap_or(i64::MAX)),
            allocatable: observe_resources(Some(&quantities)),
            labels,
            taints: offering.taints.iter().filter_map(taint).collect(),
            attach_limits: BTreeMap::new(),
            capacity,
        };
        Some((offering.id.clone(), seen))
    });
    offerings.collect()
}
