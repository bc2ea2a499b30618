//! From what an object says to an endpoint that can be asked: address checked, credentials read.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING},
};
use plimsoll_api::v1alpha1::{PrometheusSource, SecretKey};
use plimsoll_signals::{Endpoint, Limits, Tls};

use super::{
    Refusal, Sources,
    definitions::{Definition, Id},
};

/// Headers that make a request what it is.
const OURS: [HeaderName; 5] = [HOST, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, CONNECTION];

/// The endpoint with its credentials, and the limits in asking it.
pub(super) async fn prepare(
    sources: &Sources,
    id: &Id,
    definition: &Definition,
) -> Result<(Endpoint, Limits), Refusal> {
    let spec = definition.spec.as_ref().map_err(|error| Refusal::InvalidSpec(error.clone()))?;
    // Before any Secret is read.
    check_address(sources, &spec.prometheus)?;
    let namespace = id.namespace.as_deref().unwrap_or(&sources.operator_namespace);
    let wallet = Wallet { sources, namespace };
    let endpoint = Endpoint {
        address: spec.prometheus.address.clone(),
        tls: wallet.tls(&spec.prometheus).await?,
        headers: wallet.headers(&spec.prometheus).await?,
    };
    let seconds = u64::try_from(spec.timeout_seconds).unwrap_or_default().clamp(1, 60);
    let concurrency = usize::try_from(spec.max_concurrency).unwrap_or_default().clamp(1, 100);
    Ok((endpoint, Limits { time_out: Duration::from_secs(seconds), concurrency }))
}

fn check_address(sources: &Sources, source: &PrometheusSource) -> Result<(), Refusal> {
    let address = &source.address;
    let uri: Uri = address
        .parse()
        .map_err(|error| Refusal::InvalidSpec(format!("spec.prometheus.address {address:?}: {error}")))?;
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(Refusal::InvalidSpec(format!(
            "spec.prometheus.address {address:?} must begin with http:// or https:// and name a host"
        )));
    };
    if authority.as_str().contains('@') {
        return Err(Refusal::InvalidSpec(
            "spec.prometheus.address must not contain credentials: use basicAuth".to_owned(),
        ));
    }
    let host = authority.host().to_ascii_lowercase();
    if sources.addresses.iter().any(|allowed| allowed.matches(&host)) {
        return Ok(());
    }
    Err(Refusal::AddressNotAllowed(format!(
        "the host {host} is not among those that may be asked: the operator's flag --source-addresses, the chart's \
         value sources.addresses, says which are"
    )))
}

/// Secrets of one namespace.
struct Wallet<'a> {
    sources: &'a Sources,
    namespace: &'a str,
}

impl Wallet<'_> {
    async fn key(&self, SecretKey { name, key }: &SecretKey) -> Result<Vec<u8>, Refusal> {
        self.get(name, key).await
    }

    async fn get(&self, secret: &str, key: &str) -> Result<Vec<u8>, Refusal> {
        self.sources.secrets.key(self.namespace, secret, key).await
    }

    async fn tls(&self, source: &PrometheusSource) -> Result<Tls, Refusal> {
        let Some(tls) = &source.tls else { return Ok(Tls::default()) };
        let ca = match &tls.ca {
            Some(key) => Some(self.key(key).await?),
            None => None,
        };
        let client = match &tls.client_certificate {
            Some(secret) => Some((self.get(secret, "tls.crt").await?, self.get(secret, "tls.key").await?)),
            None => None,
        };
        Ok(Tls { ca, insecure: tls.insecure_skip_verify, server_name: tls.server_name.clone(), client })
    }

    async fn headers(&self, source: &PrometheusSource) -> Result<HeaderMap, Refusal> {
        let mut headers = HeaderMap::new();
        if let Some(tenant) = &source.tenant {
            headers.insert(name(&tenant.header)?, value(tenant.value.as_bytes(), "tenant")?);
        }
        if let Some(basic) = &source.basic_auth {
            let user = self.get(&basic.secret, "username").await?;
            let password = self.get(&basic.secret, "password").await?;
            let pair = [user.as_slice(), b":", password.as_slice()].concat();
            let text = format!("Basic {}", STANDARD.encode(&pair));
            headers.insert(AUTHORIZATION, value(text.as_bytes(), "basicAuth")?);
        }
        if let Some(token) = &source.bearer_token {
            let token = self.key(token).await?;
            let text = [b"Bearer ", token.trim_ascii()].concat();
            headers.insert(AUTHORIZATION, value(&text, "bearerToken")?);
        }
        if let Some(header) = &source.header {
            let secret = self.key(&header.value).await?;
            headers.insert(name(&header.name)?, value(secret.trim_ascii(), "header")?);
        }
        Ok(headers)
    }
}

fn name(text: &str) -> Result<HeaderName, Refusal> {
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) if !OURS.contains(&name) => Ok(name),
        Ok(_) => Err(Refusal::InvalidSpec(format!("the header {text} cannot be chosen: use another"))),
        Err(error) => Err(Refusal::InvalidSpec(format!("{text:?} is no name of a header: {error}"))),
    }
}

/// The value of a header, kept out of logs.
fn value(bytes: &[u8], field: &str) -> Result<HeaderValue, Refusal> {
    let mut value = HeaderValue::from_bytes(bytes).map_err(|_| {
        Refusal::MissingSecret(format!("what the Secret has for {field} cannot be sent in a header"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}
