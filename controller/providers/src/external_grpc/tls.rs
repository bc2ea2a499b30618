//! Whom we trust and who we are, as PEM.

use std::fmt;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::ConfigError;

/// How to speak TLS to a server.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrpcTls {
    /// The authorities to trust, as PEM. Left out: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Our certificate and those that lead to its authority, as PEM; needs `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// The key of our certificate, as PEM. It is never written anywhere.
    #[serde(default, skip_serializing)]
    pub key: Option<String>,
    /// The name that the server's certificate must have, if it is not the host of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

impl fmt::Debug for GrpcTls {
    // Not the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ca, cert, key, server_name } = self;
        f.debug_struct("GrpcTls")
            .field("ca", &ca.is_some())
            .field("cert", &cert.is_some())
            .field("key", &key.is_some())
            .field("server_name", server_name)
            .finish()
    }
}

impl GrpcTls {
    /// Checks each part by itself; whether certificate and key belong together shows when they are used.
    pub(super) fn client(&self) -> Result<ClientTlsConfig, ConfigError> {
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca {
            Some(pem) => {
                certificates("tls.ca", pem)?;
                tls.ca_certificate(Certificate::from_pem(pem))
            }
            None => tls.with_webpki_roots(),
        };
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                certificates("tls.cert", cert)?;
                PrivateKeyDer::from_pem_slice(key.as_bytes())
                    .map_err(|_| ConfigError::new("tls.key", "it has no private key in PEM form"))?;
                tls = tls.identity(Identity::from_pem(cert, key));
            }
            (None, None) => {}
            (Some(_), None) => {
                return Err(ConfigError::new(
                    "tls.key",
                    "it is missing, and a certificate is of no use without",
                ));
            }
            (None, Some(_)) => {
                return Err(ConfigError::new("tls.cert", "it is missing, and a key is of no use without"));
            }
        }
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        Ok(tls)
    }
}

/// Checks that there is at least one certificate, and nothing that is none.
fn certificates(field: &str, pem: &str) -> Result<(), ConfigError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(found) if !found.is_empty() => Ok(()),
        Ok(_) | Err(_) => Err(ConfigError::new(field, "it has no certificate in PEM form")),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::ExternalGrpcConfig;

    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["plimsoll".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn wrong(tls: GrpcTls) -> Option<String> {
        let config = ExternalGrpcConfig { tls: Some(tls), ..ExternalGrpcConfig::plain("a:1") };
        config.endpoint().err().map(|error| error.field)
    }

    #[test]
    fn each_part_that_is_malformed_is_named() {
        let (cert, key) = pair();
        let text = |text: &str| Some(text.to_owned());
        let whole = GrpcTls { ca: Some(cert.clone()), cert: Some(cert), key: Some(key), server_name: None };
        assert_eq!(wrong(whole.clone()), None);
        assert_eq!(wrong(GrpcTls::default()), None, "the public authorities, and nobody");
        for (part, field) in [
            (GrpcTls { ca: text("soon"), ..whole.clone() }, "tls.ca"),
            (GrpcTls { ca: text("-----BEGIN CERTIFICATE-----\n"), ..whole.clone() }, "tls.ca"),
            (GrpcTls { cert: text(""), ..whole.clone() }, "tls.cert"),
            (GrpcTls { key: whole.cert.clone(), ..whole.clone() }, "tls.key"),
            (GrpcTls { key: None, ..whole.clone() }, "tls.key"),
            (GrpcTls { cert: None, ..whole.clone() }, "tls.cert"),
            (GrpcTls { key: Some(pair().1), ..whole.clone() }, "tls"),
        ] {
            assert_eq!(wrong(part).as_deref(), Some(field));
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let (cert, key) = pair();
        let tls = GrpcTls { cert: Some(cert), key: Some(key.clone()), ..GrpcTls::default() };
        let shown = format!("{tls:?} {}", serde_json::to_string(&tls).unwrap());
        assert!(!shown.contains("PRIVATE") && shown.contains("key: true"), "{shown}");
    }
}
