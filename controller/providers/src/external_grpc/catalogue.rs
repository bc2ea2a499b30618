//! What a server offers: its groups, each with the template of its nodes and what one costs.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use futures::{StreamExt as _, stream};
use tokio::time::Instant;

use super::{
    ExternalGrpc, answers,
    protocol::externalgrpc::{ExternalGrpcNode, PricingNodePriceRequest},
    template,
};
use crate::{Oddity, Offering, OfferingId, Offerings, Price, ProviderError, error::shortened, labels};

/// How long a template and a price are believed.
const MAX_AGE: Duration = Duration::from_mins(5);
/// How long it is before a group that made no sense is asked again.
const AFTER_NONSENSE: Duration = Duration::from_secs(30);
/// The span that is asked a price for.
const HOUR: Duration = Duration::from_hours(1);

/// What was read, by group.
#[derive(Debug, Default)]
pub(super) struct Templates(BTreeMap<OfferingId, Template>);

#[derive(Debug)]
struct Template {
    until: Instant,
    offering: Option<Offering>,
    odd: Option<Oddity>,
}

/// An offering whose price could not be read costs what it did. One whose price nobody knows is not ordered: it would look
/// as if it cost nothing.
fn at_known_price(offering: Offering, known: Option<Offering>) -> Offering {
    match known.and_then(|known| known.price) {
        Some(price) => Offering { price: Some(price), ..offering },
        None => Offering { available: false, ..offering },
    }
}

impl ExternalGrpc {
    pub(super) async fn describe(&self) -> Result<Offerings, ProviderError> {
        let mut templates = self.templates.lock().await;
        let mut oddities = Vec::new();
        let groups = answers::groups(self.connection.groups().await?, &mut oddities);
        let now = Instant::now();
        templates.0.retain(|id, _| groups.contains_key(id));
        let is_known = |id| templates.0.get(id).is_some_and(|template| now < template.until);
        let unread: Vec<OfferingId> = groups.keys().filter(|id| !is_known(id)).cloned().collect();
        // The connection bounds how many requests there are.
        let mut read =
            stream::iter(unread).map(async |id| (self.read(&id).await, id)).buffer_unordered(usize::MAX);
        while let Some(((offering, odd), id)) = read.next().await {
            let until = Instant::now() + if odd.is_none() { MAX_AGE } else { AFTER_NONSENSE };
            let known = templates.0.get(&id).and_then(|template| template.offering.clone());
            let offering = match (offering, &odd) {
                (Some(offering), Some(Oddity::BadPrice { .. })) => Some(at_known_price(offering, known)),
                (Some(offering), _) => Some(offering),
                // A template that made sense once still says what its nodes are; more of them are not ordered.
                (None, _) => known.map(|known| Offering { available: false, ..known }),
            };
            templates.0.insert(id, Template { until, offering, odd });
        }
        let offerings = groups.into_iter().filter_map(|(id, bounds)| {
            let template = templates.0.get(&id)?;
            oddities.extend(template.odd.clone());
            Some(Offering { bounds: bounds.ok()?, ..template.offering.clone()? })
        });
        let offerings = offerings.collect();
        oddities.sort();
        Ok(Offerings { offerings, oddities })
    }

    /// What a node of a group looks like and costs, and what was odd about it.
    async fn read(&self, id: &OfferingId) -> (Option<Offering>, Option<Oddity>) {
        let template = match self.connection.template(id).await {
            Ok(bytes) => template::offering(id, &bytes).map_err(shortened),
            Err(error) => Err(error.to_string()),
        };
        let (mut offering, node) = match template {
            Ok(template) => template,
            Err(problem) => return (None, Some(Oddity::BadTemplate { offering: id.clone(), problem })),
        };
        let rule = self.connection.rule(id);
        if let Some(capacity_type) = rule.and_then(|rule| rule.capacity_type) {
            offering.capacity_type = capacity_type;
        }
        // Its nodes get the label when they are known to be ours.
        offering.labels.insert(labels::CAPACITY_TYPE.to_owned(), offering.capacity_type.as_str().to_owned());
        if let Some(price) = rule.and_then(|rule| rule.price) {
            return (Some(Offering { price: Some(price), ..offering }), None);
        }
        match self.price(id, node).await {
            Ok(price) => (Some(Offering { price, ..offering }), None),
            Err(said) => (Some(offering), Some(Oddity::BadPrice { offering: id.clone(), said })),
        }
    }

    /// `None`: the server has no prices.
    async fn price(&self, id: &OfferingId, node: ExternalGrpcNode) -> Result<Option<Price>, String> {
        let now = SystemTime::now();
        let request = PricingNodePriceRequest {
            node: Some(node),
            start_timestamp: Some(now.into()),
            end_timestamp: Some((now + HOUR).into()),
        };
        match self.connection.price(id, request).await {
            Ok(price) => Price::from_units(price).map(Some).map_err(|error| error.to_string()),
            Err(ProviderError::Unsupported(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pretty_assertions::assert_eq;

    use super::*;
    use crate::{Bounds, CapacityType};

    #[test]
    fn a_price_that_cannot_be_read_is_the_last_one_and_without_one_nothing_is_ordered() {
        let offering = |price, available| Offering {
            id: OfferingId("web".to_owned()),
            instance_type: "m-4".to_owned(),
            zone: None,
            capacity_type: CapacityType::OnDemand,
            price,
            capacity: BTreeMap::new(),
            allocatable: BTreeMap::new(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            bounds: Bounds::default(),
            available,
        };
        let price = Price::from_units(0.5).ok();
        for (known, expected) in [
            (Some(offering(price, true)), (price, true)),
            (Some(offering(None, true)), (None, false)),
            (None, (None, false)),
        ] {
            let now = at_known_price(offering(None, true), known.clone());
            assert_eq!((now.price, now.available), expected, "{known:?}");
        }
    }
}
