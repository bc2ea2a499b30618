//! What providers say: what they offer, and what there is of ours.
//!
//! Asked beside the planner, so that a slow provider holds up nobody, and not more often than something may have changed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Client;
use plimsoll_api::{NodeOrder, v1alpha1::CapacityPoolSpec};
use plimsoll_core::{
    cluster::{Capacity, CapacityType, Labels, Name, Offering, OfferingKey, Resources, Taint},
    time::Timestamp,
};
use plimsoll_observe::cluster::{observe_effect, observe_labels, observe_resources};
use plimsoll_providers::{
    Inventory, OfferingId, Offerings, Provider, ProviderConfig, ProviderError, ProviderSeries, Registry,
    Surroundings,
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    feed::Change,
    provider::{Unusable, config, in_words},
    record,
    secrets::Secrets,
};

/// Calls to one provider at the same time.
const CONCURRENCY: usize = 4;
/// How often a provider is asked while an order waits for it.
const WHILE_WAITING: Duration = Duration::from_secs(10);
/// How often it is asked at most, whatever happens.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How often it is asked when nothing waits.
const OTHERWISE: Duration = Duration::from_mins(1);

/// What a provider said last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// When it was asked: what has changed since it may not know.
    pub(crate) asked: Timestamp,
    /// What it offers; an error where it could not say.
    pub(crate) offerings: Option<Result<Arc<Offerings>, ProviderError>>,
    /// What there is of ours; an error where it could not say.
    pub(crate) inventory: Option<Result<Arc<Inventory>, ProviderError>>,
}

impl Said {
    /// Why it could not say it, if so.
    pub(crate) fn error(&self) -> Option<&ProviderError> {
        let offerings = self.offerings.as_ref().and_then(|said| said.as_ref().err());
        offerings.or_else(|| self.inventory.as_ref().and_then(|said| said.as_ref().err()))
    }
}

/// The provider of each pool.
pub(crate) struct Polls {
    surroundings: Surroundings,
    secrets: Secrets,
    changes: mpsc::UnboundedSender<Change>,
    pools: BTreeMap<String, Poll>,
}

struct Poll {
    config: ProviderConfig,
    provider: Arc<dyn Provider>,
    /// When it was asked last.
    asked: Option<Instant>,
    /// Whether it has not answered yet.
    under_way: Arc<AtomicBool>,
}

/// A question that has no answer yet. It ends when this is dropped, also where the provider panicked: it would not be asked
/// again.
struct UnderWay(Arc<AtomicBool>);

impl UnderWay {
    fn begin(under_way: &Arc<AtomicBool>) -> Self {
        under_way.store(true, Ordering::Release);
        Self(Arc::clone(under_way))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Polls {
    pub(crate) fn new(
        client: Client,
        namespace: String,
        config_maps: Vec<String>,
        series: ProviderSeries,
        changes: mpsc::UnboundedSender<Change>,
    ) -> Self {
        let secrets = Secrets::new(client.clone(), namespace.clone(), changes.clone());
        let surroundings = Surroundings { client, namespace, config_maps, series, concurrency: CONCURRENCY };
        Self { surroundings, secrets, changes, pools: BTreeMap::new() }
    }

    /// The provider of a pool, made anew when its configuration has changed.
    ///
    /// # Errors
    /// The field that makes no sense, in words, or that its credentials are not there.
    pub(crate) fn provider(
        &mut self,
        pool: &str,
        spec: &CapacityPoolSpec,
    ) -> Result<Arc<dyn Provider>, Unusable> {
        let config = config(&spec.provider, &self.secrets)?;
        if let Some(poll) = self.pools.get(pool).filter(|poll| poll.config == config) {
            return Ok(Arc::clone(&poll.provider));
        }
        let configs = BTreeMap::from([(pool.to_owned(), config.clone())]);
        let registry = Registry::new(&configs, &self.surroundings)
            .map_err(|error| in_words(&error, &spec.provider, &self.secrets))?;
        let provider =
            registry.get(pool).cloned().ok_or_else(|| Unusable::invalid("no provider was made"))?;
        let asking = Poll { config, provider: Arc::clone(&provider), asked: None, under_way: Arc::default() };
        self.pools.insert(pool.to_owned(), asking);
        Ok(provider)
    }

    /// Forgets pools that are gone.
    pub(crate) fn keep_only(&mut self, is_there: impl Fn(&str) -> bool) {
        self.pools.retain(|name, _| is_there(name));
    }

    /// Lets go of all providers: what they do beside our calls is the leader's to do.
    pub(crate) fn let_go(&mut self) {
        self.pools.clear();
    }

    /// How long a call to the provider of a pool takes at most; None where there is none.
    pub(crate) fn time_out(&self, pool: &str) -> Option<Duration> {
        self.pools.get(pool).map(|poll| poll.provider.time_out())
    }

    /// Asks a provider, if it is time and it has answered; answers when it is time again. `waits`: whether an order waits
    /// for it. `at_once`: something has just been asked of it. `asked_before`: how often that was so; an answer after
    /// which something was asked is none.
    pub(crate) fn ask(
        &mut self,
        pool: &str,
        waits: bool,
        at_once: bool,
        asked_before: u64,
        now: Timestamp,
    ) -> Duration {
        let every = match (at_once, waits) {
            (true, _) => AT_ONCE,
            (false, true) => WHILE_WAITING,
            (false, false) => OTHERWISE,
        };
        let Some(asked) = self.pools.get_mut(pool) else { return every };
        if asked.under_way.load(Ordering::Acquire) {
            // Its answer wakes the planner.
            return every;
        }
        let left = asked.asked.map(|at| every.saturating_sub(at.elapsed()));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            return left;
        }
        asked.asked = Some(Instant::now());
        let under_way = UnderWay::begin(&asked.under_way);
        let (provider, changes, pool) = (Arc::clone(&asked.provider), self.changes.clone(), pool.to_owned());
        tokio::spawn(async move {
            let (offerings, inventory) = tokio::join!(provider.offerings(), provider.inventory());
            drop(under_way);
            // A planner that is gone needs no answer.
            let _ = changes.send(Box::new(move |world| {
                let said = Said {
                    asked: now,
                    offerings: Some(offerings.map(Arc::new)),
                    inventory: Some(inventory.map(Arc::new)),
                };
                world.hear(pool, said, asked_before);
            }));
        });
        every
    }
}

/// What a provider offers, as the planner wants to know it. An offering without a zone is left out: nothing could be
/// promised to a pod that wants one; so is one that belongs to another pool. Of several node groups of one type, zone and
/// capacity type the cheapest that takes orders counts. `size` is how many nodes of an offering there are or will be.
pub fn offerings(
    said: &Offerings,
    is_ours: impl Fn(&OfferingId) -> bool,
    size: impl Fn(&OfferingId) -> Option<u32>,
) -> Vec<(OfferingId, Offering)> {
    let ours = said.offerings.iter().filter(|offering| is_ours(&offering.id));
    let offerings = ours.filter_map(|offering| {
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
    let mut all: Vec<_> = offerings.collect();
    let rank = |(id, offering): &(OfferingId, Offering)| {
        (offering.key.clone(), offering.capacity == Capacity::Left(0), offering.price, id.clone())
    };
    all.sort_by_key(rank);
    all.dedup_by(|next, first| next.1.key == first.1.key);
    all
}

/// What was ordered from groups that are there, but of which the provider says nothing that makes sense now. Without them
/// it would look as if the pool no longer wanted nodes of their kind. Nothing can be ordered of them.
pub(crate) fn undescribed<'o>(
    orders: impl Iterator<Item = &'o Arc<NodeOrder>>,
    said: &Offerings,
    inventory: &Inventory,
) -> Vec<Offering> {
    let is_described = |id: &OfferingId| said.offerings.iter().any(|offering| offering.id == *id);
    let orders = orders.filter(|order| {
        let group = order.spec.offering.node_group.clone().map(OfferingId);
        group.is_some_and(|id| inventory.groups.contains_key(&id) && !is_described(&id))
    });
    let mut offerings: BTreeMap<OfferingKey, Offering> = BTreeMap::new();
    for order in orders {
        let key = record::offering(order);
        let price = plimsoll_core::quantity::Quantity::parse(&order.spec.offering.price.0);
        let price = price.ok().and_then(|price| i64::try_from(price.nano() / 1000).ok()).unwrap_or(0);
        offerings.insert(
            key.clone(),
            Offering {
                key,
                price,
                allocatable: Resources::default(),
                labels: Labels::default(),
                taints: Vec::new(),
                attach_limits: BTreeMap::new(),
                capacity: Capacity::Left(0),
            },
        );
    }
    offerings.into_values().collect()
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use super::*;

    #[tokio::test]
    async fn a_provider_that_panicked_may_be_asked_again() {
        let is_asked = Arc::new(AtomicBool::new(false));
        let under_way = UnderWay::begin(&is_asked);
        assert!(is_asked.load(Ordering::Acquire));
        let asking = tokio::spawn(async move {
            poll_fn(|_| -> Poll<()> { panic!("a provider that is broken") }).await;
            drop(under_way);
        });
        assert!(asking.await.is_err());
        assert!(!is_asked.load(Ordering::Acquire));
    }
}
