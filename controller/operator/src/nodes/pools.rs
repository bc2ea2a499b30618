//! Gather: pools as the planner sees them, their policy and what their providers offer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use plimsoll_api::{CapacityPool, NodeOrder};
use plimsoll_core::{
    cluster::{Capacity, OfferingKey, Pool},
    placement::Change as ViewChange,
    time::{Span, Timestamp},
};
use plimsoll_observe::cluster::observe_pool;
use plimsoll_providers::{OfferingId, Provider};

use super::{
    node_groups::Older,
    planner::{IDLE, Planner},
    polls,
    provider::Unusable,
    record,
    secrets::MAX_AGE,
};
use crate::targets::WRITE_TIME;

/// For how long a provider is asked often for what it seemed not to have taken.
const LATE: Span = Span::from_secs(120);

impl Planner {
    /// Brings pools up to date: their policy, and what their provider offers.
    pub(super) fn pools(&mut self, now: Timestamp) -> Duration {
        let pools: Vec<_> =
            self.world.pools.iter().map(|(name, pool)| (name.clone(), Arc::clone(pool))).collect();
        self.attachments.learn(self.world.view.nodes());
        self.polls.keep_only(|name| self.world.pools.contains_key(name));
        self.backoffs.keep_only(|name| self.world.pools.contains_key(name));
        let known = self.world.view.pools().map(|pool| pool.name.clone());
        let gone: Vec<_> = known.filter(|name| !self.world.pools.contains_key(&**name)).collect();
        for name in gone {
            self.ids.remove(&*name);
            self.left.remove(&*name);
            self.world.change(ViewChange::PoolGone(name));
        }
        let mut pause = IDLE;
        for (name, pool) in &pools {
            if let Ok(pool) = pool.as_ref() {
                pause = pause.min(self.pool(name, pool, now));
                self.take_off_ordered(name);
            }
        }
        self.avoid_silent(now);
        pause
    }

    /// Brings one pool up to date; answers when to look again though nothing changes.
    fn pool(&mut self, name: &str, pool: &CapacityPool, now: Timestamp) -> Duration {
        let provider = self.polls.provider(name, &pool.spec);
        let has_secret = pool.spec.provider.external_grpc.as_ref().is_some_and(|grpc| grpc.tls.is_some());
        let mut pause = if has_secret { MAX_AGE } else { IDLE };
        let problem = match &provider {
            Ok(provider) => self.too_slow(provider),
            Err(problem) => Some(problem.clone()),
        };
        let is_usable = problem.is_none();
        self.told.provider(name, problem);
        if !is_usable {
            self.policy(name, pool);
            self.avoid(name, |_| true, now);
            return pause;
        }
        let waits = self.waits(name, now);
        let at_once = self.stirred.remove(name) || !self.world.said.contains_key(name);
        pause = pause.min(self.polls.ask(name, waits, at_once, self.world.asked(name), now));
        let said = self.world.said.get(name).cloned().unwrap_or_default();
        let (Some(offerings), Some(inventory)) = (&said.offerings, &said.inventory) else {
            self.policy(name, pool);
            return pause;
        };
        let (Ok(offered), Ok(inventory)) = (offerings, inventory) else {
            self.policy(name, pool);
            self.avoid(name, |_| true, now);
            return pause;
        };
        let oddities = offered.oddities.iter().chain(&inventory.oddities);
        self.told.oddities(name, oddities.cloned().collect());
        let older = Older::than(pool, &self.world.pools);
        self.told.note(name, older.told(offered.offerings.iter().map(|offering| &offering.id)));
        let uncounted = self.uncounted(name);
        let size = |id: &OfferingId| {
            let ordered = uncounted.get(id).copied().unwrap_or(0);
            Some(inventory.target(id).unwrap_or(0).saturating_add(ordered))
        };
        let offerings = polls::offerings(offered, |id| older.owner(id).is_none(), size);
        let ids: BTreeMap<OfferingKey, OfferingId> =
            offerings.iter().map(|(id, offering)| (offering.key.clone(), id.clone())).collect();
        let offerings = offerings.into_iter().map(|(_, mut offering)| {
            if let Some(until) = self.backoffs.until(name, &offering.key, now) {
                offering.capacity = Capacity::AvoidedUntil(until);
            }
            offering
        });
        let mut seen = observe_pool(name, &pool.spec, offerings.collect());
        let orders = self.world.orders.values().filter(|order| order.spec.pool == *name);
        seen.offerings.extend(polls::undescribed(orders, offered, inventory));
        seen.offerings.sort_by(|one, other| one.key.cmp(&other.key));
        seen.offerings.dedup_by(|next, first| next.key == first.key);
        for offering in &mut seen.offerings {
            offering.attach_limits = self.attachments.of(name, &offering.key.instance_type);
        }
        self.note_left(name, &seen.offerings);
        if self.world.view.pool(name) != Some(&seen) {
            self.world.change(ViewChange::Pool(seen));
        }
        let is_unreadable = |key: &OfferingKey| {
            ids.get(key).is_some_and(|id| matches!(inventory.groups.get(id), Some(Err(_))))
        };
        self.avoid(name, is_unreadable, now);
        self.ids.insert(name.to_owned(), ids);
        pause
    }

    /// What a pool says now, with what its provider offered last, if anything: what may go does not depend on an answer.
    fn policy(&mut self, name: &str, pool: &CapacityPool) {
        let known = self.world.view.pool(name);
        let offerings = known.map(|known| known.offerings.clone()).unwrap_or_default();
        let seen = Pool { offerings, ..observe_pool(name, &pool.spec, Vec::new()) };
        if known != Some(&seen) {
            self.world.change(ViewChange::Pool(seen));
        }
    }

    /// Whether a provider that can be asked has neither answered nor failed since we lead. As no call takes as long as the
    /// lease lasts, nobody is waited for longer.
    pub(super) fn waits_for_providers(&mut self, now: Timestamp) -> bool {
        let lease = Span::from_millis(i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX));
        let is_late = now.since(self.since) >= lease;
        let (pools, unusable) = (&self.world.pools, &self.told.unusable);
        self.world.unheard.retain(|name, _| {
            !is_late
                && pools.get(name).is_some_and(|pool| pool.is_ok())
                && unusable.get(name).is_none_or(Unusable::is_asking)
        });
        !self.world.unheard.is_empty()
    }

    /// Why calls to a provider cannot be made under our lease, if so.
    fn too_slow(&self, provider: &Arc<dyn Provider>) -> Option<Unusable> {
        let takes = provider.time_out() + WRITE_TIME;
        (takes >= self.lease).then(|| {
            Unusable::invalid(format!(
                "a call to the provider and its record may take {} s, which a lease of {} s does not outlive: raise \
                 --lease-duration-seconds, or lower the provider's time-out",
                takes.as_secs(),
                self.lease.as_secs()
            ))
        })
    }

    /// Leaves offerings of a pool alone as long as its provider does not answer for them; others are planned with.
    fn avoid(&mut self, name: &str, which: impl Fn(&OfferingKey) -> bool, now: Timestamp) {
        let Some(mut pool) = self.world.view.pool(name).cloned() else { return };
        // The end of the next minute, so that a pass does not differ from the one before.
        let minute = Span::from_secs(60).as_millis();
        let until = Timestamp::from_millis((now.as_millis() / minute + 2) * minute);
        for offering in pool.offerings.iter_mut().filter(|offering| which(&offering.key)) {
            if !matches!(offering.capacity, Capacity::AvoidedUntil(longer) if longer > until) {
                offering.capacity = Capacity::AvoidedUntil(until);
            }
        }
        if self.world.view.pool(name) != Some(&pool) {
            self.world.change(ViewChange::Pool(pool));
        }
    }

    /// Leaves offerings alone of which an order has been given no answer for long: what would be ordered could not be asked
    /// for.
    fn avoid_silent(&mut self, now: Timestamp) {
        let mut silent: BTreeMap<String, BTreeSet<OfferingKey>> = BTreeMap::new();
        let is_read = |pool: &str| self.world.pools.get(pool).is_some_and(|pool| pool.is_ok());
        for (pool, group) in self.silent_groups(now).into_iter().filter(|(pool, _)| is_read(pool)) {
            let ids = self.ids.get(pool).into_iter().flatten();
            let keys = ids.filter(|(_, id)| id.0 == group).map(|(key, _)| key.clone());
            silent.entry(pool.to_owned()).or_default().extend(keys);
        }
        for (pool, keys) in silent {
            self.avoid(&pool, |key| keys.contains(key), now);
        }
    }

    /// Whether an order waits for the provider of a pool.
    pub(super) fn waits(&self, pool: &str, now: Timestamp) -> bool {
        use plimsoll_api::v1alpha1::OrderPhase::{Asked, Creating, Deleting, Draining, Recorded, Registered};
        self.world.orders.values().filter(|order| order.spec.pool == pool).any(|order| {
            let phase = order.status.as_ref().and_then(|status| status.phase).unwrap_or(Recorded);
            matches!(phase, Recorded | Asked | Creating | Registered | Draining | Deleting)
                || may_come_late(order, now)
                || misses_a_node(order)
        })
    }
}

/// Whether a node of an order was missing at the last look: only a later answer tells whether it is gone.
fn misses_a_node(order: &NodeOrder) -> bool {
    record::state(order).nodes.iter().any(|node| node.missing.is_some() && !node.phase.is_over())
}

/// Whether instances of an order may come although the provider seemed not to have taken it whole.
fn may_come_late(order: &NodeOrder, now: Timestamp) -> bool {
    let state = record::state(order);
    let asked = state.asked.unwrap_or_default();
    state.answer.is_some() && state.may_claim() > 0 && now.since(asked) < LATE
}
