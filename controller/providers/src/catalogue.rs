//! What a cloud that is only played offers: instance types × zones × capacity types, and where it fails.
//!
//! The kwok provider and the simulated cloud of the tests take the same catalogue, so that what runs against the one
//! can be compared with what runs against the other.

mod amounts;
mod rule;
mod stock;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_core::quantity::Quantity;
use serde::{Deserialize, Serialize};

pub use self::{
    rule::{Failure, Rule},
    stock::{Stock, Usage},
};
use crate::{
    Bounds, CapacityType, ConfigError, Offering, OfferingId, Price, Resources,
    labels::{self, is_label_value},
};

/// What is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Catalogue {
    /// What nodes say in `topology.kubernetes.io/region`.
    pub region: String,
    /// The zones of all types that name none.
    pub zones: Vec<String>,
    /// What kinds of machines there are.
    pub instance_types: Vec<InstanceType>,
    /// Where the cloud is short of something or fails. All that match an offering hold for it, later ones win.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// How much may be had in all.
    pub quota: CloudQuota,
}

/// How much may be had in all; what is not said has no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CloudQuota {
    /// Nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// Resources, as a sum over the capacity of all nodes.
    #[serde(with = "amounts", skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: Resources,
}

/// A kind of machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstanceType {
    /// Its name.
    pub name: String,
    /// What it has: `cpu` and `memory` at least; `pods` is 110 unless said; extended resources too.
    #[serde(with = "amounts")]
    pub capacity: Resources,
    /// What of it pods may not use.
    #[serde(with = "amounts", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overhead: Resources,
    /// `kubernetes.io/arch`; `amd64` unless said.
    #[serde(default = "amd64")]
    pub architecture: String,
    /// `kubernetes.io/os`; `linux` unless said.
    #[serde(default = "linux")]
    pub operating_system: String,
    /// Per hour, on demand.
    pub price: Price,
    /// Per hour, as spot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_price: Option<Price>,
    /// By how many percent it is cheaper as spot, where `spot_price` is not said; not offered as spot without either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_discount_percent: Option<u8>,
    /// Zones that have it; those of the catalogue unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<Vec<String>>,
    /// More labels of its nodes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

fn amd64() -> String {
    "amd64".to_owned()
}

fn linux() -> String {
    "linux".to_owned()
}

impl Default for Catalogue {
    /// Eighteen types in three zones: 2 to 64 cores with 2, 4 or 8 GiB for each, on demand and as spot for 30 % less, at
    /// 0.025 per core and 0.001 per gigabyte, the prices of Karpenter's kwok provider.
    fn default() -> Self {
        let families = [("c", 2), ("s", 4), ("m", 8)];
        let sizes = [2, 4, 8, 16, 32, 64];
        let types = families.into_iter().flat_map(|(family, ratio)| {
            sizes
                .into_iter()
                .map(move |cores| InstanceType::plain(&format!("{family}-{cores}x"), cores, cores * ratio))
        });
        Self {
            region: "region-1".to_owned(),
            zones: ["zone-a", "zone-b", "zone-c"].map(str::to_owned).to_vec(),
            instance_types: types.collect(),
            rules: Vec::new(),
            quota: CloudQuota::default(),
        }
    }
}

impl InstanceType {
    /// A machine with `cores` and `gibibytes` and nothing special, priced and discounted as in the default catalogue.
    pub fn plain(name: &str, cores: u32, gibibytes: u32) -> Self {
        let milli = |amount: u32| i64::from(amount) * 1000;
        let decimal = plimsoll_core::quantity::Format::DecimalSI;
        let binary = plimsoll_core::quantity::Format::BinarySI;
        let bytes = i64::from(gibibytes) << 30;
        let price = u64::from(cores) * 25_000 + bytes.unsigned_abs() / 1_000_000;
        Self {
            name: name.to_owned(),
            capacity: [
                ("cpu", Quantity::from_milli(milli(cores), decimal)),
                ("memory", Quantity::from_milli(bytes * 1000, binary)),
                ("pods", Quantity::from_milli(milli(110), decimal)),
            ]
            .map(|(resource, amount)| (resource.to_owned(), amount))
            .into(),
            overhead: Resources::new(),
            architecture: amd64(),
            operating_system: linux(),
            price: Price::from_micros(price),
            spot_price: None,
            spot_discount_percent: Some(30),
            zones: None,
            labels: BTreeMap::new(),
        }
    }

    fn allocatable(&self) -> Result<Resources, ConfigError> {
        let mut left = self.capacity.clone();
        for (resource, amount) in &self.overhead {
            let field = || format!("overhead.{resource}");
            let has = left
                .get_mut(resource)
                .ok_or_else(|| ConfigError::new(field(), "capacity has none of it; take it out"))?;
            if amount.nano() < 0 || amount.nano() > has.nano() {
                return Err(ConfigError::new(field(), "must be from 0 to what capacity says"));
            }
            *has = Quantity::from_milli(has.milli() - amount.milli(), has.format());
        }
        Ok(left)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.name.is_empty() || !is_label_value(&self.name) {
            return Err(ConfigError::new("name", format!("{:?} cannot be the value of a label", self.name)));
        }
        for needed in ["cpu", "memory"] {
            if self.capacity.get(needed).is_none_or(|amount| amount.nano() <= 0) {
                return Err(ConfigError::new(format!("capacity.{needed}"), "must be above 0"));
            }
        }
        if let Some((resource, _)) = self.capacity.iter().find(|(_, amount)| amount.nano() < 0) {
            return Err(ConfigError::new(format!("capacity.{resource}"), "must not be below 0"));
        }
        if self.spot_discount_percent.is_some_and(|percent| percent > 100) {
            return Err(ConfigError::new("spotDiscountPercent", "must be from 0 to 100"));
        }
        Ok(())
    }
}

impl Catalogue {
    /// All offerings, by id, each with what its rules say.
    ///
    /// # Errors
    /// The first field that makes no sense.
    pub fn stock(&self) -> Result<BTreeMap<OfferingId, Stock>, ConfigError> {
        let mut names = BTreeSet::new();
        let mut all = BTreeMap::new();
        for (index, kind) in self.instance_types.iter().enumerate() {
            let inside = |error: ConfigError| error.inside(&format!("instanceTypes[{index}]"));
            kind.check().map_err(inside)?;
            if !names.insert(&kind.name) {
                return Err(inside(ConfigError::new("name", format!("{:?} is there twice", kind.name))));
            }
            for zone in kind.zones.as_ref().unwrap_or(&self.zones) {
                for capacity_type in [CapacityType::OnDemand, CapacityType::Spot] {
                    let Some(price) = kind.price_as(capacity_type) else { continue };
                    let offering = self.offering(kind, zone, capacity_type, price).map_err(inside)?;
                    all.insert(offering.id.clone(), Stock::new(offering));
                }
            }
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let mut matched = false;
            for stock in all.values_mut().filter(|stock| rule.matches(&stock.offering)) {
                matched = true;
                stock.apply(rule);
            }
            if !matched {
                return Err(ConfigError::new(
                    format!("rules[{index}]"),
                    "matches no offering: check its names",
                ));
            }
        }
        for stock in all.values() {
            let Bounds { min, max } = stock.offering.bounds;
            if min > max {
                let problem = format!("minNodes {min} of {} is above maxNodes {max}", stock.offering.id);
                return Err(ConfigError::new("rules", problem));
            }
        }
        Ok(all)
    }

    fn offering(
        &self,
        kind: &InstanceType,
        zone: &str,
        capacity_type: CapacityType,
        price: Price,
    ) -> Result<Offering, ConfigError> {
        let id = format!("{}.{zone}.{capacity_type}", kind.name);
        if zone.is_empty() || !is_label_value(zone) || !is_label_value(&id) {
            let problem =
                format!("{id:?} cannot be the value of a label: shorten the type's name or the zone's");
            return Err(ConfigError::new("zones", problem));
        }
        let mut all = kind.labels.clone();
        all.extend(
            [
                (labels::INSTANCE_TYPE, kind.name.as_str()),
                (labels::ZONE, zone),
                (labels::REGION, &self.region),
                (labels::ARCHITECTURE, &kind.architecture),
                (labels::OPERATING_SYSTEM, &kind.operating_system),
                (labels::CAPACITY_TYPE, capacity_type.as_str()),
                (labels::OFFERING, &id),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let mut capacity = kind.capacity.clone();
        let mut allocatable = kind.allocatable()?;
        let pods = Quantity::from_milli(110_000, plimsoll_core::quantity::Format::DecimalSI);
        capacity.entry("pods".to_owned()).or_insert(pods);
        allocatable.entry("pods".to_owned()).or_insert(pods);
        Ok(Offering {
            id: OfferingId(id),
            instance_type: kind.name.clone(),
            zone: Some(zone.to_owned()),
            capacity_type,
            price: Some(price),
            capacity,
            allocatable,
            labels: all,
            taints: Vec::new(),
            available: true,
            bounds: Bounds::default(),
        })
    }
}

impl InstanceType {
    fn price_as(&self, capacity_type: CapacityType) -> Option<Price> {
        match capacity_type {
            CapacityType::OnDemand => Some(self.price),
            CapacityType::Spot => {
                let discounted = || self.spot_discount_percent.map(|percent| self.price.discounted(percent));
                self.spot_price.or_else(discounted)
            }
        }
    }
}
