//! HTTP to what is not the API server: no redirects, no proxies, bounded answers.

use std::{error::Error, fmt::Write as _, sync::Arc, time::Duration};

use http::{Request, response::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

use crate::any_certificate::AnyCertificate;

/// A client. Clones share its connections.
pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, String>;

/// How long a connection without a request is kept.
const IDLE: Duration = Duration::from_mins(1);

/// How to speak TLS.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authorities to trust instead of the public ones, as PEM.
    pub ca: Option<Vec<u8>>,
    /// Whether any certificate is taken.
    pub insecure: bool,
    /// The name that the certificate must have, if it is not that of the address.
    pub server_name: Option<String>,
    /// Our certificate and its key, as PEM.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Why an answer was not received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It is longer than allowed.
    TooLarge,
    /// Anything else, in words.
    Failed(String),
}

/// A client that keeps at most `idle` unused connections per host.
///
/// # Errors
/// What is wrong with the certificates, in words.
pub(crate) fn client(tls: &Tls, idle: usize) -> Result<HttpClient, String> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls_config(tls)?).https_or_http();
    let builder = match &tls.server_name {
        Some(name) => {
            let name = ServerName::try_from(name.clone())
                .map_err(|_| format!("tls.serverName {name:?} is not a host name or IP address"))?;
            builder.with_server_name_resolver(FixedServerNameResolver::new(name))
        }
        None => builder,
    };
    let connector = builder.enable_http1().wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(idle)
        .build(connector))
}

fn tls_config(tls: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = if tls.insecure {
        config.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate::new(provider)))
    } else {
        config.with_root_certificates(roots(tls.ca.as_deref())?)
    };
    match &tls.client {
        None => Ok(config.with_no_client_auth()),
        Some((certificate, key)) => {
            let chain = certificates(certificate, "tls.clientCertificate: tls.crt")?;
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|error| format!("tls.clientCertificate: tls.key is not a private key: {error}"))?;
            config
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("tls.clientCertificate: {error}"))
        }
    }
}

fn roots(ca: Option<&[u8]>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in certificates(pem, "tls.ca")? {
                roots.add(certificate).map_err(|error| format!("tls.ca: {error}"))?;
            }
        }
    }
    Ok(roots)
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("{what} is not PEM: {error}"))?;
    if found.is_empty() { Err(format!("{what} has no certificate in it")) } else { Ok(found) }
}

/// Sends a request and reads at most `most` bytes of the answer.
pub(crate) async fn fetch(
    client: &HttpClient,
    request: Request<String>,
    most: usize,
) -> Result<(Parts, Vec<u8>), Lost> {
    let response = client.request(request).await.map_err(|error| Lost::Failed(in_words(&error)))?;
    let (head, body) = response.into_parts();
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok((head, body.to_bytes().to_vec())),
        Err(error) if error.is::<LengthLimitError>() => Err(Lost::TooLarge),
        Err(error) => Err(Lost::Failed(in_words(error.as_ref()))),
    }
}

/// The causes of an error, without those that only repeat what follows them.
fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = String::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.contains(&text) {
            let _ = write!(words, "{}{text}", if words.is_empty() { "" } else { ": " });
        }
        cause = error.source();
    }
    if words.contains("UnknownIssuer") {
        words.push_str(" (name the authority in tls.ca of the source)");
    }
    words
}
