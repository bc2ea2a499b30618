//! Places and offerings in words.

use serde::{Deserialize, Serialize};

use super::Sight;
use crate::cluster::{Name, Node, OfferingKey};
use crate::nodes::reason::{PassedOver, WhyPassedOver};
use crate::nodes::render::Price;
use crate::nodes::{NewNodes, Place};
use crate::time::Timestamp;

/// Where a pod goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceRow {
    /// The place in words: `node a`, `node 2 of order general-1`, `a new node`.
    pub place: String,
    /// Its pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Name>,
    /// What it is, such as `on-demand c4.large in zone-a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offering: Option<String>,
    /// What it costs per hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_per_hour: Option<String>,
}

/// An offering that is not considered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassedRow {
    /// Its pool.
    pub pool: Name,
    /// What it is, such as `on-demand c4.large in zone-a`.
    pub offering: String,
    /// Why.
    pub why: String,
    /// Until when, where it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The error that it is avoided for, in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A place of a plan whose new nodes are `add`.
pub(super) fn place(sight: &Sight<'_>, place: &Place, add: &[NewNodes]) -> PlaceRow {
    let row = |place: String, pool: Option<Name>, key: Option<OfferingKey>| PlaceRow {
        place,
        price_per_hour: pool.as_ref().and_then(|pool| price(sight, pool, key.as_ref()?)),
        pool,
        offering: key.map(|key| key.to_string()),
    };
    match place {
        Place::Node(name) => {
            let node = sight.view.node(name);
            let pool = node.and_then(|node| node.pool.clone());
            row(format!("node {name}"), pool, node.and_then(Node::offering))
        }
        Place::Order(name, number) => {
            let order = sight.orders.get(name);
            let words = format!("node {} of order {name}", u64::from(*number) + 1);
            row(words, order.map(|order| order.pool.clone()), order.map(|order| order.offering.clone()))
        }
        Place::New(entry, _) => {
            let new = usize::try_from(*entry).ok().and_then(|entry| add.get(entry));
            row("a new node".to_owned(), new.map(|new| new.pool.clone()), new.map(|new| new.offering.clone()))
        }
    }
}

/// What an offering of a pool costs per hour.
fn price(sight: &Sight<'_>, pool: &str, key: &OfferingKey) -> Option<String> {
    let pool = sight.view.pool(pool)?;
    let offering = pool.offerings.iter().find(|offering| offering.key == *key)?;
    Some(Price(offering.price).to_string())
}

/// An offering that was passed over, with the error that it is avoided for.
pub(super) fn passed_over(sight: &Sight<'_>, passed: &PassedOver) -> PassedRow {
    let until = match passed.why {
        WhyPassedOver::AvoidedUntil(until) => Some(until),
        _ => None,
    };
    let said = sight.errors.get(&(passed.pool.clone(), passed.offering.clone()));
    PassedRow {
        pool: passed.pool.clone(),
        offering: passed.offering.to_string(),
        why: passed.why.to_string(),
        until,
        error: said.filter(|_| until.is_some()).map(|said| said.error.clone()),
    }
}
