//! How a server is reached.

use std::{fs, path::PathBuf, str::FromStr as _, time::Duration};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::{ConfigError, error::in_words};

/// How a server is reached. A cloud-config file of the cluster-autoscaler is one of these as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalGrpcConfig {
    /// `host:port`.
    pub address: String,
    /// A file with the authority that signed the server's certificate. Without any of the three files the connection is
    /// plain text; with the other two alone the public authorities are trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cacert: Option<PathBuf>,
    /// A file with our certificate; needs `key`. All three files are read again when they change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// A file with the key of our certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The name that the server's certificate must have, if it is not the host of `address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// How long one request may take, such as `5s`; from 100 ms to a minute. A call of the trait takes four times as
    /// long at most.
    #[serde(default = "five_seconds", alias = "grpc_timeout")]
    pub timeout: String,
    /// Requests under way at the same time; at least 1.
    #[serde(default = "eight")]
    pub concurrency: u32,
}

fn five_seconds() -> String {
    "5s".to_owned()
}

const fn eight() -> u32 {
    8
}

impl ExternalGrpcConfig {
    /// A server that is spoken to in plain text.
    pub fn plain(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            cacert: None,
            cert: None,
            key: None,
            server_name: None,
            timeout: five_seconds(),
            concurrency: eight(),
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

    /// The contents of the files, as long as there are any.
    pub(super) fn files(&self) -> Result<Files, ConfigError> {
        let read = |field: &str, path: &Option<PathBuf>| {
            let Some(path) = path else { return Ok(None) };
            let unreadable =
                |error| ConfigError::new(field, format!("{} cannot be read: {error}", path.display()));
            fs::read(path).map(Some).map_err(unreadable)
        };
        if self.cert.is_some() != self.key.is_some() {
            return Err(ConfigError::new("cert", "cert and key belong together: give both or none"));
        }
        Ok(Files {
            cacert: read("cacert", &self.cacert)?,
            cert: read("cert", &self.cert)?,
            key: read("key", &self.key)?,
        })
    }

    /// Where and how to connect.
    pub(super) fn endpoint(&self, files: &Files) -> Result<Endpoint, ConfigError> {
        let port = self.address.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.contains('/'));
        if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            return Err(ConfigError::new(
                "address",
                format!("{:?} is not of the form host:port", self.address),
            ));
        }
        let scheme = if files.are_none() { "http" } else { "https" };
        let wrong = |error| ConfigError::new("address", in_words(&error));
        let endpoint = Endpoint::from_shared(format!("{scheme}://{}", self.address)).map_err(wrong)?;
        let endpoint = endpoint
            .connect_timeout(self.time_out()?)
            // A server that went away without a word is noticed, and then connected to anew.
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
            .tcp_nodelay(true);
        if files.are_none() {
            return Ok(endpoint);
        }
        let mut tls = ClientTlsConfig::new();
        tls = match &files.cacert {
            Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            None => tls.with_webpki_roots(),
        };
        if let (Some(cert), Some(key)) = (&files.cert, &files.key) {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        let wrong = |error| ConfigError::new("cacert, cert, key", in_words(&error));
        endpoint.tls_config(tls).map_err(wrong)
    }
}

/// What stood in the files.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Files {
    cacert: Option<Vec<u8>>,
    cert: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

impl Files {
    pub(super) fn are_none(&self) -> bool {
        self.cacert.is_none() && self.cert.is_none() && self.key.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_config_file_of_the_cluster_autoscaler_is_one_of_ours() {
        let yaml =
            "address: localhost:8086\nkey: /tls/key\ncert: /tls/cert\ncacert: /tls/ca\ngrpc_timeout: 1m\n";
        let config: ExternalGrpcConfig = serde_saphyr::from_str(yaml).unwrap();
        assert_eq!(config.cacert, Some("/tls/ca".into()));
        assert_eq!(config.time_out(), Ok(Duration::from_mins(1)));
        let plain: ExternalGrpcConfig = serde_saphyr::from_str("address: localhost:8086").unwrap();
        assert_eq!(plain, ExternalGrpcConfig::plain("localhost:8086"));
        assert_eq!(plain.time_out(), Ok(Duration::from_secs(5)));
    }

    #[test]
    fn what_makes_no_sense_names_its_field() {
        for address in ["", "host", "host:", ":80", "host:port", "https://host:80", "host:99999", "a b:80"] {
            let config = ExternalGrpcConfig::plain(address);
            let error = config.endpoint(&config.files().unwrap()).unwrap_err();
            assert_eq!(error.field, "address", "{address}");
        }
        for timeout in ["", "5", "-5s", "99ms", "2m", "soon"] {
            let config =
                ExternalGrpcConfig { timeout: timeout.to_owned(), ..ExternalGrpcConfig::plain("a:1") };
            assert_eq!(config.time_out().unwrap_err().field, "timeout", "{timeout}");
        }
        let alone = ExternalGrpcConfig { cert: Some("/none".into()), ..ExternalGrpcConfig::plain("a:1") };
        assert_eq!(alone.files().err().unwrap().field, "cert");
        let missing = ExternalGrpcConfig { cacert: Some("/none".into()), ..ExternalGrpcConfig::plain("a:1") };
        assert_eq!(missing.files().err().unwrap().field, "cacert");
    }
}
