//! How amounts of resources are written: as text (`500m`, `16Gi`) or as whole numbers.

use std::collections::BTreeMap;

use plimsoll_core::quantity::Quantity;
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

use crate::Resources;

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(i64),
    Text(String),
}

pub(super) fn serialize<S: Serializer>(amounts: &Resources, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(amounts.iter().map(|(resource, amount)| (resource, amount.to_string())))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Resources, D::Error> {
    let written = BTreeMap::<String, Written>::deserialize(deserializer)?;
    let amount = |(resource, written)| {
        let text = match written {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        match Quantity::parse(&text) {
            Ok(amount) => Ok((resource, amount)),
            Err(error) => Err(D::Error::custom(format!("{resource}: {text:?} is not an amount: {error}"))),
        }
    };
    written.into_iter().map(amount).collect()
}
