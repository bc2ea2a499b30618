//! Whether a played cloud can give what is asked of it.

use std::collections::BTreeMap;

use crate::{Bounds, CloudQuota, Failure, Offering, OfferingId, ProviderError, Rule, catalogue::Catalogue};

/// An offering, and what its rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    /// What everybody is told.
    pub offering: Offering,
    /// How many nodes there can be.
    pub capacity: Option<u32>,
    /// How orders fail.
    pub failure: Option<Failure>,
}

/// Nodes that there are, by offering, those under way included.
pub type Usage = BTreeMap<OfferingId, u32>;

impl Stock {
    pub(super) fn new(offering: Offering) -> Self {
        Self { offering, capacity: None, failure: None }
    }

    pub(super) fn apply(&mut self, rule: &Rule) {
        let Bounds { min, max } = self.offering.bounds;
        self.offering.available = rule.available.unwrap_or(self.offering.available);
        self.offering.bounds =
            Bounds { min: rule.min_nodes.unwrap_or(min), max: rule.max_nodes.unwrap_or(max) };
        self.offering.price = rule.price.or(self.offering.price);
        self.capacity = rule.capacity.or(self.capacity);
        self.failure = rule.failure.or(self.failure);
    }

    /// Whether `more` nodes can be had beside those there are of all offerings.
    ///
    /// # Errors
    /// [`ProviderError::OutOfCapacity`] or [`ProviderError::Quota`]; then there are none of them.
    pub fn admit(
        &self,
        more: u32,
        used: &Usage,
        all: &BTreeMap<OfferingId, Self>,
        quota: &CloudQuota,
    ) -> Result<(), ProviderError> {
        let id = &self.offering.id;
        let out_of_capacity =
            |message: String| ProviderError::OutOfCapacity { offering: id.clone(), message };
        let over = |offering, message: String| ProviderError::Quota { offering, message };
        match self.failure {
            Some(Failure::OutOfCapacity) => return Err(out_of_capacity("there are none".to_owned())),
            Some(Failure::Quota) => return Err(over(Some(id.clone()), "the quota is used up".to_owned())),
            Some(Failure::Hangs | Failure::NeverRegisters) | None => {}
        }
        if !self.offering.available {
            return Err(out_of_capacity("it is not offered at present".to_owned()));
        }
        let total = used.get(id).copied().unwrap_or(0).saturating_add(more);
        let max = self.offering.bounds.max;
        if total > max {
            return Err(over(Some(id.clone()), format!("it may have at most {max} nodes, not {total}")));
        }
        if let Some(capacity) = self.capacity
            && total > capacity
        {
            let left = capacity.saturating_sub(total - more);
            return Err(out_of_capacity(format!("{left} are left, {more} were asked for")));
        }
        let nodes = used.values().fold(more, |sum, count| sum.saturating_add(*count));
        if let Some(most) = quota.nodes
            && nodes > most
        {
            return Err(over(None, format!("at most {most} nodes in all, not {nodes}")));
        }
        for (resource, most) in &quota.resources {
            let of = |id: &OfferingId| all.get(id).and_then(|stock| stock.offering.capacity.get(resource));
            let sum = used.iter().map(|(id, count)| (id, *count)).chain([(id, more)]).fold(
                0_i128,
                |sum, (id, count)| {
                    sum.saturating_add(
                        of(id).map_or(0, |amount| amount.nano()).saturating_mul(i128::from(count)),
                    )
                },
            );
            if sum > most.nano() {
                return Err(over(None, format!("at most {most} of {resource} in all")));
            }
        }
        Ok(())
    }
}

impl Catalogue {
    /// [`Stock::admit`] for one of these offerings.
    ///
    /// # Errors
    /// Those of [`Stock::admit`], and [`ProviderError::UnknownOffering`].
    pub fn admit(
        &self,
        stock: &BTreeMap<OfferingId, Stock>,
        offering: &OfferingId,
        more: u32,
        used: &Usage,
    ) -> Result<(), ProviderError> {
        let wanted = stock.get(offering).ok_or_else(|| ProviderError::UnknownOffering(offering.clone()))?;
        wanted.admit(more, used, stock, &self.quota)
    }
}
