//! Which offerings are left alone, and until when.
//!
//! Kept in the status of pools, so that a restart does not forget that a zone is out of a machine.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use plimsoll_api::v1alpha1::AvoidedOffering;
use plimsoll_core::{
    cluster::{Name, OfferingKey},
    nodes::{
        backoff::{Backoff, Failures, OfferingError},
        explain::OfferingSaid,
    },
    time::Timestamp,
};
use plimsoll_observe::{from_core_time, observe_time};
use plimsoll_providers::ProviderError;

use super::{
    keys::{capacity_type, offering_key},
    world::World,
};

/// As many as a status may have.
const MOST_SHOWN: usize = 100;

/// What is remembered of failures, and what was said of them.
#[derive(Debug, Default)]
pub(crate) struct Backoffs {
    backoff: Backoff,
    messages: BTreeMap<(Name, OfferingKey), String>,
}

impl Backoffs {
    /// What the last leader left in the status of pools.
    pub(crate) fn of(world: &World) -> Self {
        let mut all = Self::default();
        for (name, pool) in &world.pools {
            let name = Name::from(name.as_str());
            let status = pool.as_ref().as_ref().ok().and_then(|pool| pool.status.as_ref());
            for avoided in status.iter().flat_map(|status| &status.avoided) {
                let (key, failures) = (key_of(avoided), failures_of(avoided));
                all.backoff.remember(&name, &key, failures);
                all.messages.insert((name.clone(), key), avoided.message.clone());
            }
        }
        all
    }

    /// Remembers a failure; answers whether it is a new one, and not that for which the offering is left alone already.
    pub(crate) fn failed(
        &mut self,
        pool: &str,
        offering: &OfferingKey,
        error: OfferingError,
        message: String,
        now: Timestamp,
    ) -> bool {
        let pool = Name::from(pool);
        let is_new = self.backoff.failed(&pool, offering, error, now);
        if is_new {
            tracing::warn!(%pool, %offering, %error, message, "an offering is avoided for a while");
        }
        self.messages.insert((pool, offering.clone()), message);
        is_new
    }

    /// Whether a failure of an offering is remembered, whether it is still left alone for it or not.
    pub(crate) fn remembers(&self, pool: &str, offering: &OfferingKey, now: Timestamp) -> bool {
        self.backoff.remembers(pool, offering, now)
    }

    /// Remembers that a node of an offering has come and is what was offered.
    pub(crate) fn worked(&mut self, pool: &str, offering: &OfferingKey) {
        let pool = Name::from(pool);
        self.backoff.worked(&pool, offering);
        self.messages.remove(&(pool, offering.clone()));
    }

    /// Forgets pools that are gone: one that is made under the same name may have another provider.
    pub(crate) fn keep_only(&mut self, is_there: impl Fn(&str) -> bool) {
        self.backoff.keep_only(&is_there);
        self.messages.retain(|(pool, _), _| is_there(pool));
    }

    /// Until when an offering is left alone; None when it is not.
    pub(crate) fn until(&self, pool: &str, offering: &OfferingKey, now: Timestamp) -> Option<Timestamp> {
        self.backoff.avoided(&pool.into(), offering, now).map(|(_, until)| until)
    }

    /// What a status shows of a pool, the latest failures first; forgets what no longer matters.
    pub(crate) fn shown(&mut self, pool: &str, now: Timestamp) -> Vec<AvoidedOffering> {
        self.backoff.forget(now);
        let mut shown: Vec<_> =
            self.backoff.of_pool(pool).map(|(key, failures)| self.avoided(pool, key, failures)).collect();
        shown.sort_by_key(|avoided| Reverse(avoided.last_failure.0));
        shown.truncate(MOST_SHOWN);
        shown
    }

    /// How many offerings of a pool are left alone now.
    pub(crate) fn count(&self, pool: &str, now: Timestamp) -> u32 {
        let avoided = self.backoff.of_pool(pool).filter(|(_, failures)| failures.until() > now).count();
        u32::try_from(avoided).unwrap_or(u32::MAX)
    }

    /// What failed and matters still, for whoever asks.
    pub(crate) fn said(&self) -> BTreeMap<(Name, OfferingKey), OfferingSaid> {
        let pools: BTreeSet<&Name> = self.messages.keys().map(|(pool, _)| pool).collect();
        let all = pools.into_iter().flat_map(|pool| self.backoff.of_pool(pool).map(move |of| (pool, of)));
        let said = all.map(|(pool, (key, failures))| {
            let at = (pool.clone(), key.clone());
            let error = self.messages.get(&at).filter(|error| !error.is_empty());
            let said = OfferingSaid {
                error: error.cloned().unwrap_or_else(|| word(failures.error).to_owned()),
                failures: failures.count,
                last: failures.last,
                until: failures.until(),
            };
            (at, said)
        });
        said.collect()
    }

    fn avoided(&self, pool: &str, key: &OfferingKey, failures: &Failures) -> AvoidedOffering {
        AvoidedOffering {
            instance_type: key.instance_type.to_string(),
            zone: key.zone.to_string(),
            capacity_type: capacity_type(key.capacity_type),
            reason: word(failures.error).to_owned(),
            message: self.messages.get(&(pool.into(), key.clone())).cloned().unwrap_or_default(),
            failures: i32::try_from(failures.count).unwrap_or(i32::MAX),
            last_failure: from_core_time(failures.last),
            until: from_core_time(failures.until()),
        }
    }
}

/// How long an offering is left alone for an error; None where nothing is wrong with the offering.
pub(crate) fn offering_error(error: &ProviderError) -> Option<OfferingError> {
    match error {
        ProviderError::OutOfCapacity { .. } => Some(OfferingError::OutOfCapacity),
        ProviderError::Quota { .. } => Some(OfferingError::Quota),
        ProviderError::SizeChanged { .. } => None,
        _ => Some(OfferingError::Other),
    }
}

fn key_of(avoided: &AvoidedOffering) -> OfferingKey {
    offering_key(&avoided.instance_type, &avoided.zone, avoided.capacity_type)
}

fn failures_of(avoided: &AvoidedOffering) -> Failures {
    let error = ERRORS.iter().find(|(_, word)| *word == avoided.reason).map(|(error, _)| *error);
    Failures {
        error: error.unwrap_or(OfferingError::Other),
        last: observe_time(&avoided.last_failure),
        count: u32::try_from(avoided.failures).unwrap_or(1).max(1),
    }
}

const ERRORS: [(OfferingError, &str); 5] = [
    (OfferingError::OutOfCapacity, "OutOfCapacity"),
    (OfferingError::Quota, "QuotaReached"),
    (OfferingError::NeverRegistered, "NeverJoined"),
    (OfferingError::NotAsOffered, "NotAsOffered"),
    (OfferingError::Other, "ProviderFailed"),
];

fn word(error: OfferingError) -> &'static str {
    ERRORS.iter().find(|(each, _)| *each == error).map_or("ProviderFailed", |(_, word)| word)
}
