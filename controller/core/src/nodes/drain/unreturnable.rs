//! Why nobody can be asked to take a node back.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cluster::Name;

/// Why nobody can be asked to take a node back: the first that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Unreturnable {
    /// It carries no mark of an order.
    NotOurs,
    /// The record of this order is gone.
    NoOrder(Name),
    /// This pool is gone.
    NoPool(Name),
    /// The provider cannot be used now.
    NoProvider {
        /// Of which pool.
        pool: Name,
        /// Why, in words.
        why: String,
    },
}

impl Unreturnable {
    /// Whether it will not end by itself.
    pub(super) fn is_for_good(&self) -> bool {
        match self {
            Self::NotOurs | Self::NoOrder(_) | Self::NoPool(_) => true,
            Self::NoProvider { .. } => false,
        }
    }
}

impl fmt::Display for Unreturnable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it cannot be given back: ")?;
        match self {
            Self::NotOurs => f.write_str("it carries no mark of an order"),
            Self::NoOrder(order) => write!(f, "its order {order} is gone"),
            Self::NoPool(pool) => write!(f, "its pool {pool} is gone"),
            Self::NoProvider { pool, why } => write!(f, "the provider of pool {pool} cannot be used: {why}"),
        }
    }
}
