//! What is asked of a provider, and how it is found out afterwards whether it was done.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Instance, OfferingId, ProviderError, Taint};

/// The key of an order, chosen and recorded by who asks before asking. A provider that can do so creates nothing twice
/// for one key.
///
/// It becomes a label and the beginning of names: lower-case letters, digits and `-`, at most 50 characters, a letter
/// or digit at both ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderKey(String);

/// A key that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an order's key: use at most 50 lower-case letters, digits and \"-\", a letter or digit at both ends"
)]
pub struct InvalidOrderKey(String);

impl OrderKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the order's node number `index`.
    pub fn node_name(&self, index: u32) -> String {
        format!("{}-{index}", self.0)
    }
}

impl FromStr for OrderKey {
    type Err = InvalidOrderKey;

    fn from_str(text: &str) -> Result<Self, InvalidOrderKey> {
        let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let good = bytes.len() <= 50
            && bytes.first().is_some_and(alphanumeric)
            && bytes.last().is_some_and(alphanumeric)
            && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-');
        if good { Ok(Self(text.to_owned())) } else { Err(InvalidOrderKey(text.chars().take(80).collect())) }
    }
}

impl TryFrom<String> for OrderKey {
    type Error = InvalidOrderKey;

    fn try_from(text: String) -> Result<Self, InvalidOrderKey> {
        text.parse()
    }
}

impl From<OrderKey> for String {
    fn from(key: OrderKey) -> Self {
        key.0
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An order. Everything in it is recorded before [`Provider::create`](crate::Provider::create) is called with it, so
/// that after a crash the same value can be given to [`Provider::settle`](crate::Provider::settle).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateRequest {
    /// Names the order.
    pub order: OrderKey,
    /// What is wanted.
    pub offering: OfferingId,
    /// How many nodes; at least 1, at most [`CreateRequest::MOST`].
    pub count: u32,
    /// The size of the offering when the order was recorded ([`Group::target`](crate::Group::target)). A provider
    /// without idempotent creation needs it to find out later whether the order was carried out.
    pub size_before: u32,
    /// Labels beside those of the offering.
    ///
    /// Providers whose nodes come from a template of their own cannot set them
    /// ([`Capabilities::sets_labels`](crate::Capabilities::sets_labels)); then who asked does, once a node is there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations; as with labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Taints beside those of the offering; as with labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
    /// What the kubelet of a node keeps from pods, in thousandths of each resource. Only a provider that says itself what a
    /// node has can heed it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reserved_milli: BTreeMap<String, i64>,
    /// The most pods on a node, if that is fewer than the offering's; as with what is reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pods: Option<u32>,
}

impl CreateRequest {
    /// The most nodes of one order.
    pub const MOST: u32 = 10_000;

    /// An order for plain nodes.
    pub fn new(order: OrderKey, offering: OfferingId, count: u32, size_before: u32) -> Self {
        Self {
            order,
            offering,
            count,
            size_before,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            taints: Vec::new(),
            reserved_milli: BTreeMap::new(),
            max_pods: None,
        }
    }

    /// Whether it can be asked for at all.
    ///
    /// # Errors
    /// [`ProviderError::Invalid`], with the field.
    pub fn check(&self) -> Result<(), ProviderError> {
        if self.count == 0 || self.count > Self::MOST {
            let problem = format!("count must be from 1 to {}, not {}", Self::MOST, self.count);
            return Err(ProviderError::Invalid(problem));
        }
        Ok(())
    }
}

/// What came of an order that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Created {
    /// Nodes that were under way for the order before this call: more than 0 only with idempotent creation.
    pub found: u32,
    /// Nodes asked for by this call and accepted.
    pub accepted: u32,
    /// Nodes beyond the order that the offering now has: somebody else asked too, or the provider did more than it was
    /// asked. They can be given back with [`Provider::decrease_target`](crate::Provider::decrease_target) while they
    /// are not there yet.
    pub surplus: u32,
    /// Those that have an id already; the others show up in the inventory.
    pub instances: Vec<Instance>,
}

/// What became of an order, found out afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Nodes of it that exist or are under way, at most its count.
    pub done: u32,
    /// Nodes beyond it.
    pub surplus: u32,
    /// The offering's size now. What is missing of an order is asked for in a new one, which records this size.
    pub size: u32,
}

impl Settled {
    /// Nodes that are still to be asked for.
    pub fn missing(self, order: &CreateRequest) -> u32 {
        order.count.saturating_sub(self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_can_be_labels_and_names() {
        for good in ["a", "7", "order-web-7f9c", &"a".repeat(50)] {
            assert_eq!(good.parse::<OrderKey>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "ä", &"a".repeat(51)] {
            assert!(bad.parse::<OrderKey>().is_err(), "{bad}");
        }
        assert_eq!("web".parse::<OrderKey>().unwrap().node_name(3), "web-3");
    }
}
