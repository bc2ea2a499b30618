//! How a server is reached, and which of its node groups are meant.

use std::{str::FromStr as _, time::Duration};

use jiff::SignedDuration;
use plimsoll_core::wildcard::Wildcard;
use serde::{Deserialize, Serialize};
use tonic::transport::{Endpoint, Uri};

use super::tls::GrpcTls;
use crate::{CapacityType, ConfigError, OfferingId, Price, error::in_words};

/// How a server is reached, and which of its node groups are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalGrpcConfig {
    /// `host:port`.
    pub address: String,
    /// How to speak TLS. Without it the connection is plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<GrpcTls>,
    /// How long one request may take, such as `5s`; from 100 ms to a minute. A call of the trait takes four times as
    /// long at most.
    #[serde(default = "five_seconds")]
    pub timeout: String,
    /// Requests under way at the same time; at least 1.
    #[serde(default = "eight")]
    pub concurrency: u32,
    /// The node groups that are meant; all, if none is named. Of several that fit one group the first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_groups: Vec<NodeGroupRule>,
}

/// Node groups by their name, and what the protocol does not say of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeGroupRule {
    /// The id of a group, in which `*` stands for any text.
    pub name: String,
    /// Whether the provider may take its nodes back. Left out: what its template says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_type: Option<CapacityType>,
    /// What a node costs per hour. Left out: what the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

impl NodeGroupRule {
    /// The rule for a group: the first that fits. None where the group is not meant.
    pub fn of<'r>(rules: &'r [Self], group: &OfferingId) -> Option<&'r Self> {
        rules.iter().find(|rule| Wildcard::from(rule.name.as_str()).matches(&group.0))
    }

    /// Whether a group is meant by these rules.
    pub fn mean(rules: &[Self], group: &OfferingId) -> bool {
        rules.is_empty() || Self::of(rules, group).is_some()
    }
}

fn five_seconds() -> String {
    "5s".to_owned()
}

const fn eight() -> u32 {
    8
}

impl ExternalGrpcConfig {
    /// A server that is spoken to in plain text, with all its node groups.
    pub fn plain(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            tls: None,
            timeout: five_seconds(),
            concurrency: eight(),
            node_groups: Vec::new(),
        }
    }

    /// What a request may take.
    pub(super) fn time_out(&self) -> Result<Duration, ConfigError> {
        let allowed = Duration::from_millis(100)..=Duration::from_mins(1);
        let read =
            SignedDuration::from_str(&self.timeout).ok().and_then(|read| Duration::try_from(read).ok());
        match read {
            Some(time_out) if allowed.contains(&time_out) => Ok(time_out),
            Some(_) | None => {
                let problem = format!("{:?} is not a time from 100ms to 1m, such as 5s", self.timeout);
                Err(ConfigError::new("timeout", problem))
            }
        }
    }

    /// Where and how to connect.
    pub(super) fn endpoint(&self) -> Result<Endpoint, ConfigError> {
        let port = self.address.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.contains('/'));
        if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            return Err(ConfigError::new(
                "address",
                format!("{:?} is not of the form host:port", self.address),
            ));
        }
        let scheme = if self.tls.is_none() { "http" } else { "https" };
        let uri = format!("{scheme}://{}", self.address).parse::<Uri>();
        let uri = uri.map_err(|error| ConfigError::new("address", in_words(&error)))?;
        let endpoint = Endpoint::from(uri)
            .connect_timeout(self.time_out()?)
            // A server that went away without a word is noticed, and then connected to anew.
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
            .tcp_nodelay(true);
        match &self.tls {
            None => Ok(endpoint),
            Some(tls) => {
                endpoint.tls_config(tls.client()?).map_err(|error| ConfigError::new("tls", in_words(&error)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_group_has_the_first_rule_that_fits() {
        let rule = |name: &str, price: u64| NodeGroupRule {
            name: name.to_owned(),
            price: Some(Price::from_micros(price)),
            ..NodeGroupRule::default()
        };
        let rules = [rule("web-spot-*", 1), rule("web-*", 2)];
        let price = |group: &str| NodeGroupRule::of(&rules, &group.into()).and_then(|rule| rule.price);
        assert_eq!(price("web-spot-a"), Some(Price::from_micros(1)));
        assert_eq!(price("web-a"), Some(Price::from_micros(2)));
        assert_eq!(price("batch"), None);
        assert!(!NodeGroupRule::mean(&rules, &"batch".into()) && NodeGroupRule::mean(&[], &"batch".into()));
    }

    #[test]
    fn what_makes_no_sense_names_its_field() {
        for address in ["", "host", "host:", ":80", "host:port", "https://host:80", "host:99999", "a b:80"] {
            let config = ExternalGrpcConfig::plain(address);
            let error = config.endpoint().unwrap_err();
            assert_eq!(error.field, "address", "{address}");
        }
        for timeout in ["", "5", "-5s", "99ms", "2m", "soon"] {
            let config =
                ExternalGrpcConfig { timeout: timeout.to_owned(), ..ExternalGrpcConfig::plain("a:1") };
            assert_eq!(config.time_out().unwrap_err().field, "timeout", "{timeout}");
        }
    }
}
