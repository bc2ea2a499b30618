//! A plan in words: what events, conditions and `plimsoll explain` show.

use std::collections::BTreeMap;
use std::fmt;

use super::plan::{HeadroomOf, KeptFree, NewNodes, NodePlan, Place, Refused};
use super::reason::PassedOver;

impl fmt::Display for NewNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "order {} × {} from pool {} for {} pods, {} each",
            self.count,
            self.offering,
            self.pool,
            self.pods,
            Price(self.price)
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pods = if self.count == 1 { "pod" } else { "pods" };
        write!(f, "{} {pods} of {}/{}: ", self.count, self.namespace, self.owner)?;
        if self.why.is_empty() {
            return f.write_str("there is no node");
        }
        for (at, why) in self.why.iter().enumerate() {
            write!(f, "{}{why}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl fmt::Display for HeadroomOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool { pool, name } => write!(f, "headroom {name} of pool {pool}"),
            Self::Buffer(key) => write!(f, "buffer {key}"),
        }
    }
}

impl fmt::Display for KeptFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = self.wanted.saturating_sub(self.missing);
        write!(
            f,
            "{}: room for {} of {} pods, for {} of them on nodes that are there",
            self.of,
            there,
            self.wanted,
            self.ready()
        )?;
        for why in &self.why {
            write!(f, "; {why}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "passed over {} of pool {}: {}", self.offering, self.pool, self.why)
    }
}

impl fmt::Display for NodePlan {
    /// A line per order, per node that is there or coming with pods placed on it, per class without a place, per
    /// room that is kept free, and per offering that was passed over.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for new in &self.add {
            writeln!(f, "{new}")?;
        }
        if !self.add.is_empty() {
            writeln!(f, "in total {} per hour", Price(self.price))?;
        }
        let mut on: BTreeMap<String, u32> = BTreeMap::new();
        for placement in &self.placements {
            let place = match &placement.place {
                Place::Node(node) => format!("node {node}"),
                Place::Order(order, number) => format!("order {order}, node {number}"),
                Place::New(..) => continue,
            };
            *on.entry(place).or_default() += placement.count;
        }
        for (place, pods) in on {
            writeln!(f, "place {pods} pods on {place}")?;
        }
        for refused in &self.refused {
            writeln!(f, "no place for {refused}")?;
        }
        for kept in &self.kept_free {
            writeln!(f, "{kept}")?;
        }
        for passed in &self.passed_over {
            writeln!(f, "{passed}")?;
        }
        Ok(())
    }
}

/// An amount in millionths of the currency.
pub(crate) struct Price(pub(crate) i64);

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, amount) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let text = format!("{}.{:06}", amount / 1_000_000, amount % 1_000_000);
        write!(f, "{sign}{}", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_told_in_whole_and_decimals() {
        for (millionths, told) in
            [(0, "0"), (10_000_000, "10"), (1_500_000, "1.5"), (7, "0.000007"), (-250_000, "-0.25")]
        {
            assert_eq!(Price(millionths).to_string(), told);
        }
    }
}
