//! A pool's provider, as `plimsoll-providers` takes it.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use plimsoll_api::v1alpha1::{
    self as api, ExternalGrpcProvider, GrpcTls as ApiTls, KwokInstanceType, KwokProvider, NodeProvider,
};
use plimsoll_core::quantity::Quantity;
use plimsoll_providers::{
    CapacityType, Catalogue, CloudQuota, ExternalGrpcConfig, GrpcTls, InstanceType, KwokConfig,
    NodeGroupRule, Price, ProviderConfig, Resources, Rule,
};

use super::secrets::{Data, Secrets};

/// The reason as long as it is about to show whether a provider can be used.
pub(crate) const ASKING: &str = "Asking";
/// The reason when a Secret could not be read, and nobody has said that it may not be.
const NOT_READ: &str = "SecretNotRead";

/// Why the provider of a pool cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// The reason of the condition.
    pub(crate) reason: &'static str,
    /// What is wrong, and the way out.
    pub(crate) message: String,
}

impl Unusable {
    /// A field makes no sense.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { reason: "InvalidProvider", message: message.into() }
    }

    /// It will show in a moment.
    pub(crate) fn asking(message: impl Into<String>) -> Self {
        Self { reason: ASKING, message: message.into() }
    }

    /// It is not known what is in a Secret.
    pub(crate) fn not_read(message: impl Into<String>) -> Self {
        Self { reason: NOT_READ, message: message.into() }
    }

    /// There are no credentials.
    pub(crate) fn secret(message: impl std::fmt::Display) -> Self {
        Self { reason: "MissingSecret", message: format!("spec.provider.externalGrpc.tls.secret: {message}") }
    }

    /// Whether it will show in a moment.
    pub(crate) fn is_asking(&self) -> bool {
        self.reason == ASKING
    }

    /// Whether it may pass by itself: nobody has said yet that the provider cannot be used.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self.reason, ASKING | NOT_READ)
    }
}

/// The configuration of a provider.
///
/// # Errors
/// The field that makes no sense, in words.
pub(crate) fn config(provider: &NodeProvider, secrets: &Secrets) -> Result<ProviderConfig, Unusable> {
    match (&provider.kwok, &provider.external_grpc) {
        (Some(kwok), None) => kwok_config(kwok).map(ProviderConfig::Kwok).map_err(Unusable::invalid),
        (None, Some(grpc)) => {
            let tls = match &grpc.tls {
                None => None,
                Some(tls) => Some(grpc_tls(tls, &secrets.get(&tls.secret)?, &secrets.title(&tls.secret))?),
            };
            grpc_config(grpc, tls).map(ProviderConfig::ExternalGrpc).map_err(Unusable::invalid)
        }
        _ => Err(Unusable::invalid("spec.provider: set exactly one of kwok and externalGrpc")),
    }
}

/// A server of node groups. What is in `tls` goes to its address and nowhere else.
fn grpc_config(grpc: &ExternalGrpcProvider, tls: Option<GrpcTls>) -> Result<ExternalGrpcConfig, String> {
    Ok(ExternalGrpcConfig {
        tls,
        timeout: format!("{}s", grpc.timeout_seconds),
        node_groups: rules_of_groups(grpc)?,
        ..ExternalGrpcConfig::plain(grpc.address.clone())
    })
}

/// The node groups of a pool, and what its spec says of them.
pub(crate) fn rules_of_groups(grpc: &ExternalGrpcProvider) -> Result<Vec<NodeGroupRule>, String> {
    let rules = grpc.node_groups.iter().enumerate().map(|(index, group)| {
        let field = format!("spec.provider.externalGrpc.nodeGroups[{index}].price");
        Ok(NodeGroupRule {
            name: group.name.clone(),
            capacity_type: group.capacity_type.map(capacity_type),
            price: group.price.as_ref().map(|quantity| price(&field, quantity)).transpose()?,
        })
    });
    rules.collect()
}

/// What a Secret says of TLS.
fn grpc_tls(tls: &ApiTls, secret: &Data, title: &str) -> Result<GrpcTls, Unusable> {
    let text = |key: &str| match secret.get(key) {
        None => Ok(None),
        Some(value) => String::from_utf8(value.0.clone())
            .map(Some)
            .map_err(|_| Unusable::secret(format!("{key} of {title} is not text: write it in PEM form"))),
    };
    Ok(GrpcTls {
        ca: text("ca.crt")?,
        cert: text("tls.crt")?,
        key: text("tls.key")?,
        server_name: tls.server_name.clone(),
    })
}

/// What a provider says of its configuration, in the words of the pool that has it.
pub(crate) fn in_words(
    error: &plimsoll_providers::ConfigError,
    provider: &NodeProvider,
    secrets: &Secrets,
) -> Unusable {
    let tls = provider.external_grpc.as_ref().and_then(|grpc| grpc.tls.as_ref());
    let field = error.field.rsplit_once("externalGrpc.").map_or("", |(_, field)| field);
    let (Some(tls), true) = (tls, field.starts_with("tls")) else {
        return Unusable::invalid(error.to_string());
    };
    let title = secrets.title(&tls.secret);
    Unusable::secret(match field {
        "tls.ca" => {
            format!("ca.crt of {title}: {}; leave it out to trust the public authorities", error.problem)
        }
        "tls.cert" => format!("tls.crt of {title}: {}; give tls.crt and tls.key, or neither", error.problem),
        "tls.key" => format!("tls.key of {title}: {}; give tls.crt and tls.key, or neither", error.problem),
        _ => format!("{title} cannot be used: {}; do tls.crt and tls.key belong together?", error.problem),
    })
}

/// A capacity type as providers say it.
fn capacity_type(capacity_type: api::CapacityType) -> CapacityType {
    match capacity_type {
        api::CapacityType::OnDemand => CapacityType::OnDemand,
        api::CapacityType::Spot => CapacityType::Spot,
    }
}

/// A cloud that is played, as its pool says.
///
/// # Errors
/// The field that makes no sense, in words.
pub fn kwok_config(kwok: &KwokProvider) -> Result<KwokConfig, String> {
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
    // A taint is what the pool's template says: plans know of no other.
    Ok(KwokConfig { catalogue, boot_delay_seconds, taint: None, ..KwokConfig::default() })
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
            capacity_type: Some(capacity_type(offering.capacity_type)),
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

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use pretty_assertions::assert_eq;

    use super::*;

    fn grpc(yaml: &str) -> ExternalGrpcProvider {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn a_server_is_asked_as_the_pool_says() {
        let spec = grpc(
            "
address: nodes:8086
timeoutSeconds: 2
nodeGroups: [{ name: web-spot-*, capacityType: spot, price: '0.04' }, { name: web-* }]",
        );
        let config = grpc_config(&spec, None).unwrap();
        assert_eq!(
            (config.address.as_str(), config.timeout.as_str(), config.tls),
            ("nodes:8086", "2s", None)
        );
        let spot = NodeGroupRule {
            name: "web-spot-*".to_owned(),
            capacity_type: Some(CapacityType::Spot),
            price: Some(Price::from_micros(40_000)),
        };
        let rest = NodeGroupRule { name: "web-*".to_owned(), ..NodeGroupRule::default() };
        assert_eq!(config.node_groups, [spot, rest]);
    }

    #[test]
    fn what_is_in_a_secret_is_taken_as_it_stands_and_bytes_that_are_no_text_are_named() {
        let tls = ApiTls { secret: "cloud".to_owned(), server_name: Some("cloud.example".to_owned()) };
        let data = |key: &str, value: &[u8]| Data::new([(key.to_owned(), ByteString(value.to_vec()))].into());
        let title = "the Secret plimsoll-system/cloud";
        let read = grpc_tls(&tls, &data("ca.crt", b"pem"), title).unwrap();
        assert_eq!((read.ca.as_deref(), read.cert, read.key), (Some("pem"), None, None));
        assert_eq!(read.server_name.as_deref(), Some("cloud.example"));
        let error = grpc_tls(&tls, &data("tls.key", &[0xff]), title).unwrap_err();
        assert_eq!(
            error.message,
            "spec.provider.externalGrpc.tls.secret: tls.key of the Secret plimsoll-system/cloud is not text: write it in \
             PEM form"
        );
    }
}
