//! Amounts of resources: what pods ask for and nodes have.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Name;

/// Amounts per resource. Absent is zero. Arithmetic saturates, so that a quantity at the edge of `i64` fits nowhere
/// instead of wrapping round to fit everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Resources {
    /// CPU in thousandths of a core.
    pub cpu: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Ephemeral storage in bytes.
    pub ephemeral_storage: i64,
    /// Pods: one for a pod, the most that the kubelet takes for a node.
    pub pods: i64,
    /// Everything else by name, whole units: devices, huge pages in bytes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extended: BTreeMap<Name, i64>,
}

/// The name of a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Resource {
    /// `cpu`.
    Cpu,
    /// `memory`.
    Memory,
    /// `ephemeral-storage`.
    EphemeralStorage,
    /// `pods`.
    Pods,
    /// Any other.
    Extended(Name),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::EphemeralStorage => "ephemeral-storage",
            Self::Pods => "pods",
            Self::Extended(name) => name,
        })
    }
}

impl Resources {
    /// Adds `other`, saturating.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, i64::saturating_add);
    }

    /// Takes `other` away, saturating. What is left may be negative: a node may have shrunk under its pods.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, i64::saturating_sub);
    }

    /// `self` many times over, saturating.
    #[must_use]
    pub fn times(&self, count: i64) -> Self {
        let mut product = self.clone();
        product.each(|amount| *amount = amount.saturating_mul(count));
        product
    }

    /// The first resource, in the order of the fields, of which a request is more than `self` has free. A resource that is
    /// not asked for never stands in the way, even where less than nothing of it is free; this is the scheduler's rule.
    pub fn lacks(&self, request: &Self) -> Option<Resource> {
        let fixed = [
            (Resource::Cpu, self.cpu, request.cpu),
            (Resource::Memory, self.memory, request.memory),
            (Resource::EphemeralStorage, self.ephemeral_storage, request.ephemeral_storage),
            (Resource::Pods, self.pods, request.pods),
        ];
        let lacking = fixed.into_iter().find(|(_, free, asked)| *asked > 0 && asked > free);
        lacking.map(|(resource, ..)| resource).or_else(|| {
            let mut extended = request.extended.iter();
            let lacking = |(name, asked): &(&Name, &i64)| **asked > 0 && **asked > self.amount(name);
            extended.find(lacking).map(|(name, _)| Resource::Extended(name.clone()))
        })
    }

    /// Whether a request fits into `self`; see [`Resources::lacks`].
    pub fn fits(&self, request: &Self) -> bool {
        self.lacks(request).is_none()
    }

    /// How much there is of a resource, by the name that Kubernetes gives it.
    pub fn named(&self, name: &str) -> i64 {
        match name {
            "cpu" => self.cpu,
            "memory" => self.memory,
            "ephemeral-storage" => self.ephemeral_storage,
            "pods" => self.pods,
            _ => self.extended.get(name).copied().unwrap_or(0),
        }
    }

    fn amount(&self, extended: &Name) -> i64 {
        self.extended.get(extended).copied().unwrap_or(0)
    }

    fn combine(&mut self, other: &Self, with: impl Fn(i64, i64) -> i64) {
        self.cpu = with(self.cpu, other.cpu);
        self.memory = with(self.memory, other.memory);
        self.ephemeral_storage = with(self.ephemeral_storage, other.ephemeral_storage);
        self.pods = with(self.pods, other.pods);
        for (name, amount) in &other.extended {
            let mine = self.extended.entry(name.clone()).or_default();
            *mine = with(*mine, *amount);
        }
    }

    fn each(&mut self, change: impl Fn(&mut i64)) {
        change(&mut self.cpu);
        change(&mut self.memory);
        change(&mut self.ephemeral_storage);
        change(&mut self.pods);
        self.extended.values_mut().for_each(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus(count: i64) -> BTreeMap<Name, i64> {
        BTreeMap::from([(Name::from("example.com/gpu"), count)])
    }

    #[test]
    fn the_first_resource_that_lacks_is_named() {
        let free = Resources { cpu: 1000, memory: -1, pods: 1, extended: gpus(1), ..Resources::default() };
        let ask = |cpu, memory, gpu| Resources {
            cpu,
            memory,
            pods: 1,
            extended: gpus(gpu),
            ..Resources::default()
        };
        assert_eq!(free.lacks(&ask(1000, 0, 1)), None, "memory is not asked for");
        assert_eq!(free.lacks(&ask(1001, 1, 2)), Some(Resource::Cpu));
        assert_eq!(free.lacks(&ask(1, 1, 2)), Some(Resource::Memory));
        assert_eq!(free.lacks(&ask(1, 0, 2)), Some(Resource::Extended("example.com/gpu".into())));
    }

    #[test]
    fn a_quantity_at_the_edge_fits_nowhere_instead_of_everywhere() {
        let mut most = Resources { cpu: i64::MAX, ..Resources::default() };
        most.add(&Resources { cpu: 1, ..Resources::default() });
        assert_eq!(most.cpu, i64::MAX);
        assert_eq!(most.times(3).cpu, i64::MAX);
        assert!(!Resources { cpu: i64::MAX - 1, ..Resources::default() }.fits(&most));
    }
}
