//! What can be had: an instance type in a zone, as one capacity type, at a price.

use std::{collections::BTreeMap, fmt, str::FromStr};

use plimsoll_core::quantity::Quantity;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Amounts of resources by their Kubernetes names: `cpu`, `memory`, `pods`, `example.com/gpu`.
pub type Resources = BTreeMap<String, Quantity>;

/// What the provider calls an offering. With providers that have node groups it is the group's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OfferingId(pub String);

impl fmt::Display for OfferingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for OfferingId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

/// Whether the provider may take a node back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CapacityType {
    /// It stays until it is deleted.
    #[default]
    OnDemand,
    /// The provider may take it back at short notice.
    Spot,
}

impl CapacityType {
    /// As in labels and ids.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::Spot => "spot",
        }
    }
}

impl fmt::Display for CapacityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A price: millionths of a unit of currency per hour. The currency is the provider's; prices of two providers are
/// comparable only if whoever configured them made it so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(u64);

/// No node costs as much: a million an hour.
const HIGHEST: u64 = 1_000_000_000_000;

impl Price {
    /// `micros` millionths per hour, at most a million units.
    pub const fn from_micros(micros: u64) -> Self {
        Self(if micros > HIGHEST { HIGHEST } else { micros })
    }

    /// Millionths per hour.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// A price that came as a floating-point number of units per hour, rounded to a millionth.
    ///
    /// # Errors
    /// When it is not a number, below zero, or above a million.
    pub fn from_units(units: f64) -> Result<Self, InvalidPrice> {
        if !(0.0..=1e6).contains(&units) {
            return Err(InvalidPrice(units.to_string()));
        }
        // The shortest digits that mean this number, so that 0.1 is exactly a tenth.
        format!("{units:.6}").parse()
    }

    /// What is left of it after a discount. `percent` above 100 is 100.
    #[must_use]
    pub const fn discounted(self, percent: u8) -> Self {
        let percent = if percent > 100 { 100 } else { percent };
        Self(self.0 * (100 - percent as u64) / 100)
    }
}

/// A price that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a price: write a decimal number of units per hour from 0 to 1000000, such as 0.096")]
pub struct InvalidPrice(String);

impl FromStr for Price {
    type Err = InvalidPrice;

    fn from_str(text: &str) -> Result<Self, InvalidPrice> {
        let invalid = || InvalidPrice(text.chars().take(40).collect());
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || whole.len() > 7 {
            return Err(invalid());
        }
        let whole: u64 = whole.parse().map_err(|_| invalid())?;
        // What is finer than a millionth is cut off.
        let part: u64 = part
            .bytes()
            .chain(std::iter::repeat(b'0'))
            .take(6)
            .fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
        let micros = whole * 1_000_000 + part;
        if micros > HIGHEST { Err(invalid()) } else { Ok(Self(micros)) }
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    /// Takes `"0.096"` and `0.096`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(units) => Self::from_units(units),
            Written::Text(text) => text.parse(),
        }
        .map_err(serde::de::Error::custom)
    }
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// Nodes of one kind that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offering {
    /// What to ask for it by.
    pub id: OfferingId,
    /// What its nodes say in `node.kubernetes.io/instance-type`.
    pub instance_type: String,
    /// What its nodes say in `topology.kubernetes.io/zone`. `None`: the provider does not say, so nothing can be
    /// promised to a pod that wants a zone.
    pub zone: Option<String>,
    /// Whether the provider may take its nodes back.
    pub capacity_type: CapacityType,
    /// `None`: the provider does not say.
    pub price: Option<Price>,
    /// All that a node has.
    pub capacity: Resources,
    /// What pods may use of it.
    pub allocatable: Resources,
    /// Labels that its nodes will carry, those for type and zone included, the host name aside.
    pub labels: BTreeMap<String, String>,
    /// Taints that its nodes will carry when they are ready.
    pub taints: Vec<Taint>,
    /// The provider takes orders for it. False is no error: it may come back.
    pub available: bool,
    /// Fewest and most nodes that the provider lets it have.
    pub bounds: Bounds,
}

/// Fewest and most nodes of an offering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Below this nothing is deleted.
    pub min: u32,
    /// Above this nothing is created.
    pub max: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { min: 0, max: u32::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact_to_a_millionth() {
        for (text, micros) in [
            ("0.096", 96_000),
            ("1", 1_000_000),
            ("12.5", 12_500_000),
            ("0.0000019", 1),
            ("1000000", HIGHEST),
        ] {
            assert_eq!(text.parse(), Ok(Price(micros)), "{text}");
        }
        assert_eq!(Price::from_units(0.1), Ok(Price(100_000)));
        assert_eq!(Price(1_096_000).to_string(), "1.096000");
        assert_eq!(Price(1_000_000).discounted(70), Price(300_000));
    }

    #[test]
    fn what_is_not_a_price_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "0x1",
            "1000001",
            "1000000.1",
            "99999999999999999999",
            "١",
        ] {
            assert!(text.parse::<Price>().is_err(), "{text}");
        }
        for units in [f64::NAN, f64::INFINITY, -0.01, 1e6 + 1.0] {
            assert!(Price::from_units(units).is_err(), "{units}");
        }
    }
}
