//! The cloud's state, and what can be done to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use plimsoll_providers::{Catalogue, ConfigError, Failure, OfferingId, ProviderError, Stock, Usage};
use tokio::{sync::watch, time::Instant};

use crate::{Faults, Machine, MachineState, Rpc, Shortage, machine::Machines};

/// The most nodes of a group that does not say: the protocol has no unbounded size.
const MOST: u32 = 10_000;

/// The name of a machine. No other cloud of this process has it: the ids of two clouds of one cluster must differ.
fn new_name() -> String {
    static MADE: AtomicU64 = AtomicU64::new(1);
    format!("cloud-{:04}", MADE.fetch_add(1, Ordering::Relaxed))
}

/// A simulated cloud. Clones are the same cloud.
#[derive(Clone, Debug)]
pub struct Cloud(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) stock: BTreeMap<OfferingId, Stock>,
    pub(crate) groups: BTreeMap<OfferingId, Machines>,
    pub(crate) faults: Faults,
    catalogue: Catalogue,
    boot_delay: Duration,
    calls: BTreeMap<Rpc, usize>,
    /// Ids of machines whose nodes are not looked after.
    pub(crate) cut_off: BTreeSet<String>,
}

impl Cloud {
    /// A cloud with what the catalogue offers, whose machines boot for as long as is said.
    ///
    /// # Errors
    /// The first field of the catalogue that makes no sense.
    pub fn new(catalogue: Catalogue, boot_delay: Duration) -> Result<Self, ConfigError> {
        let stock = catalogue.stock()?;
        let state = State {
            groups: stock.keys().map(|id| (id.clone(), Machines::default())).collect(),
            stock,
            faults: Faults::default(),
            catalogue,
            boot_delay,
            calls: BTreeMap::new(),
            cut_off: BTreeSet::new(),
        };
        Ok(Self(Arc::new(Shared { state: Mutex::new(state), changes: watch::Sender::new(0) })))
    }

    /// Changes what it offers; machines that are there stay.
    ///
    /// # Errors
    /// The first field of the catalogue that makes no sense.
    pub fn configure(&self, catalogue: Catalogue) -> Result<(), ConfigError> {
        let stock = catalogue.stock()?;
        let mut state = self.state();
        for id in stock.keys() {
            state.groups.entry(id.clone()).or_default();
        }
        state.stock = stock;
        state.catalogue = catalogue;
        Ok(())
    }

    /// What it offers.
    pub fn catalogue(&self) -> Catalogue {
        self.state().catalogue.clone()
    }

    /// From now on it misbehaves so.
    pub fn misbehave(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// How often each request was received since the last call of this function.
    pub fn take_calls(&self) -> BTreeMap<Rpc, usize> {
        std::mem::take(&mut self.state().calls)
    }

    /// How often a request was received since the last call of [`take_calls`](Self::take_calls).
    pub fn calls(&self, rpc: Rpc) -> usize {
        self.state().calls.get(&rpc).copied().unwrap_or(0)
    }

    /// The machines of a group as they are, whatever the cloud says of them.
    pub fn machines(&self, offering: &OfferingId) -> Vec<Machine> {
        let state = self.state();
        state.groups.get(offering).map(|group| group.by_id.values().cloned().collect()).unwrap_or_default()
    }

    /// A group's size as it is, whatever the cloud says of it.
    pub fn target(&self, offering: &OfferingId) -> u32 {
        self.state().groups.get(offering).map_or(0, |group| group.target)
    }

    /// A machine is gone without anybody having asked; the group is one smaller.
    pub fn lose(&self, id: &str) {
        let mut state = self.state();
        for group in state.groups.values_mut() {
            if group.by_id.remove(id).is_some_and(|machine| machine.is_counted()) {
                group.target = group.target.saturating_sub(1);
            }
        }
        drop(state);
        self.changed();
    }

    /// A machine will be taken back without anybody having asked: it is said to go, and runs until it is lost or deleted.
    /// The group is one smaller.
    pub fn reclaim(&self, id: &str) {
        let mut state = self.state();
        for group in state.groups.values_mut() {
            if let Some(machine) = group.by_id.get_mut(id).filter(|machine| machine.is_counted()) {
                machine.state = MachineState::Reclaimed;
                group.target = group.target.saturating_sub(1);
            }
        }
        drop(state);
        self.changed();
    }

    /// A machine is there that nobody asked the cloud for, or that somebody else did. Returns its id.
    ///
    /// # Errors
    /// When there is no such group.
    pub fn add(&self, offering: &OfferingId) -> Result<String, ProviderError> {
        let mut state = self.state();
        let name = new_name();
        let id = format!("simulated://{name}");
        let group =
            state.groups.get_mut(offering).ok_or_else(|| ProviderError::UnknownOffering(offering.clone()))?;
        group.target += 1;
        let machine = Machine { id: id.clone(), name, state: MachineState::Running, failure: None };
        group.by_id.insert(id.clone(), machine);
        drop(state);
        self.changed();
        Ok(id)
    }

    /// A group's size grows, and no machine comes of it: somebody else has asked for more, and waits.
    pub fn promise(&self, offering: &OfferingId, count: u32) {
        if let Some(group) = self.state().groups.get_mut(offering) {
            group.target += count;
        }
    }

    /// The machine with this id joins no more: its node stays as it is, and is not made again when it is gone.
    pub fn cut_off(&self, id: &str) {
        self.state().cut_off.insert(id.to_owned());
    }

    /// Everything as it is now: those whose time has come run.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.boot(Instant::now());
        state
    }

    pub(crate) fn note(&self, rpc: Rpc) {
        *self.state().calls.entry(rpc).or_default() += 1;
    }

    pub(crate) fn changed(&self) {
        self.0.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }
}

impl State {
    fn boot(&mut self, now: Instant) {
        for machine in self.groups.values_mut().flat_map(|group| group.by_id.values_mut()) {
            if let MachineState::Booting(Some(until)) = machine.state
                && until <= now
            {
                machine.state = MachineState::Running;
            }
        }
    }

    /// When the next machine has booted.
    pub(crate) fn next_boot(&self) -> Option<Instant> {
        let machines = self.groups.values().flat_map(|group| group.by_id.values());
        machines
            .filter_map(|machine| match machine.state {
                MachineState::Booting(until) => until,
                MachineState::Running | MachineState::Reclaimed | MachineState::Leaving => None,
            })
            .min()
    }

    /// The most nodes a group may have.
    pub(crate) fn most(&self, id: &OfferingId) -> u32 {
        self.stock.get(id).map_or(0, |stock| stock.offering.bounds.max.min(MOST))
    }

    fn usage(&self) -> Usage {
        let real =
            |group: &Machines| group.by_id.values().filter(|machine| machine.failure.is_none()).count();
        self.groups
            .iter()
            .map(|(id, group)| (id.clone(), u32::try_from(real(group)).unwrap_or(u32::MAX)))
            .collect()
    }

    /// Starts `count` machines of a group.
    ///
    /// # Errors
    /// When they are refused; then nothing has changed.
    pub(crate) fn grow(&mut self, id: &OfferingId, count: u32) -> Result<(), ProviderError> {
        let grows_by = count + self.faults.grows_by_more;
        let admitted = self.catalogue.admit(&self.stock, id, grows_by, &self.usage());
        let failure = match admitted {
            Ok(()) => None,
            Err(error @ ProviderError::OutOfCapacity { .. }) if self.faults.shortage != Shortage::Refused => {
                Some(error.to_string())
            }
            Err(error) => return Err(error),
        };
        let never = self.stock.get(id).is_some_and(|stock| stock.failure == Some(Failure::NeverRegisters));
        let longer = self.faults.boots_longer.get(id).copied().unwrap_or_default();
        let until = (!never).then(|| Instant::now() + self.boot_delay + longer);
        let Some(group) = self.groups.get_mut(id) else {
            return Err(ProviderError::UnknownOffering(id.clone()));
        };
        if self.faults.reads_before_growth_shows > 0 {
            group.stale = Some((group.target, self.faults.reads_before_growth_shows));
        }
        group.target += grows_by;
        if failure.is_some() && self.faults.shortage == Shortage::Silent {
            return Ok(());
        }
        for _ in 0..grows_by {
            let name = new_name();
            let (id, state) = match failure {
                None => (format!("simulated://{name}"), MachineState::Booting(until)),
                Some(_) => (format!("placeholder-{name}"), MachineState::Booting(None)),
            };
            group.by_id.insert(id.clone(), Machine { id, name, state, failure: failure.clone() });
        }
        self.boot(Instant::now());
        Ok(())
    }
}
