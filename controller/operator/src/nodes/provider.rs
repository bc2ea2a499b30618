//! A pool's provider, as `plimsoll-providers` takes it.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use plimsoll_api::v1alpha1::{CapacityType, KwokInstanceType, KwokProvider, NodeProvider};
use plimsoll_core::quantity::Quantity;
use plimsoll_providers::{
    Catalogue, CloudQuota, InstanceType, KwokConfig, Price, ProviderConfig, Resources, Rule,
};

/// The configuration of a provider.
///
/// # Errors
/// The field that makes no sense, in words.
pub fn config(provider: &NodeProvider) -> Result<ProviderConfig, String> {
    match (&provider.kwok, &provider.external_grpc) {
        (Some(kwok), None) => Ok(ProviderConfig::Kwok(kwok_config(kwok)?)),
        (None, Some(_)) => {
            Err("spec.provider.externalGrpc: the operator cannot mark nodes that join by themselves yet, so \
                               it orders none: use kwok"
                .to_owned())
        }
        _ => Err("spec.provider: set exactly one of kwok and externalGrpc".to_owned()),
    }
}

fn kwok_config(kwok: &KwokProvider) -> Result<KwokConfig, String> {
    let types = kwok.instance_types.iter().enumerate();
    let types = types.map(|(index, kind)| {
        instance_type(kind).map_err(|problem| format!("spec.provider.kwok.instanceTypes[{index}].{problem}"))
    });
    let catalogue = Catalogue {
        zones: kwok.zones.clone(),
        instance_types: types.collect::<Result<_, _>>()?,
        rules: rules(kwok)?,
        quota: CloudQuota::default(),
        ..Catalogue::default()
    };
    let boot_delay_seconds = u32::try_from(kwok.boot_delay_seconds).unwrap_or(0);
    Ok(KwokConfig { catalogue, boot_delay_seconds, ..KwokConfig::default() })
}

fn instance_type(kind: &KwokInstanceType) -> Result<InstanceType, String> {
    let amounts = kind.capacity.iter().map(|(name, quantity)| {
        let amount = Quantity::parse(&quantity.0).map_err(|error| format!("capacity.{name}: {error}"))?;
        Ok((name.clone(), amount))
    });
    let capacity: Resources = amounts.collect::<Result<_, String>>()?;
    Ok(InstanceType {
        name: kind.name.clone(),
        capacity,
        overhead: Resources::new(),
        architecture: kind.arch.clone(),
        operating_system: kind.os.clone(),
        price: price("price", &kind.price)?,
        spot_price: kind.spot_price.as_ref().map(|quantity| price("spotPrice", quantity)).transpose()?,
        spot_discount_percent: None,
        zones: kind.zones.clone(),
        labels: kind.labels.clone(),
    })
}

/// What differs for single offerings of the types.
fn rules(kwok: &KwokProvider) -> Result<Vec<Rule>, String> {
    let offerings =
        kwok.instance_types.iter().flat_map(|kind| kind.offerings.iter().map(move |each| (kind, each)));
    let rules = offerings.map(|(kind, offering)| {
        Ok(Rule {
            instance_type: Some(kind.name.clone()),
            zone: Some(offering.zone.clone()),
            capacity_type: Some(match offering.capacity_type {
                CapacityType::OnDemand => plimsoll_providers::CapacityType::OnDemand,
                CapacityType::Spot => plimsoll_providers::CapacityType::Spot,
            }),
            price: offering.price.as_ref().map(|quantity| price("offerings.price", quantity)).transpose()?,
            capacity: offering.nodes.and_then(|nodes| u32::try_from(nodes).ok()),
            ..Rule::default()
        })
    });
    rules.collect()
}

/// A price of the API in millionths.
fn price(field: &str, quantity: &ApiQuantity) -> Result<Price, String> {
    let parsed = Quantity::parse(&quantity.0).map_err(|error| format!("{field}: {error}"))?;
    let micros = u64::try_from(parsed.nano() / 1000)
        .map_err(|_| format!("{field}: must be from 0 to 1000000 per hour"))?;
    Ok(Price::from_micros(micros))
}
