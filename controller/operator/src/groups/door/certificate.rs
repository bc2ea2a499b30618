//! Whether a Secret holds a certificate and its key.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use rustls::crypto::ring;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _};
use webpki::{EndEntityCert, Error, KeyUsage};

const TYPE: &str = "kubernetes.io/tls";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// What should be known of a certificate that can be used. The error is why it cannot.
///
/// What ring does not know (a certificate of version 1, a key on P-521) is left to the controller, and told.
pub(super) fn check(secret: &Secret, hosts: &[String], now: Timestamp) -> Result<Vec<String>, String> {
    let r#type = secret.type_.as_deref().unwrap_or("Opaque");
    if r#type != TYPE {
        return Err(format!("its type is {type}, and not {TYPE}"));
    }
    let certificate = first_certificate(value(secret, CERTIFICATE)?)?;
    let key = PrivateKeyDer::from_pem_slice(value(secret, KEY)?)
        .map_err(|error| format!("{KEY} is no private key in PEM: {error}"))?;
    let parsed = match EndEntityCert::try_from(&certificate) {
        Ok(parsed) => parsed,
        Err(Error::BadDer | Error::TrailingData(_)) => {
            return Err(format!(
                "{CERTIFICATE} is no certificate: its first block of PEM holds something else"
            ));
        }
        Err(unknown) => return Ok(vec![format!("its certificate cannot be checked here ({unknown})")]),
    };
    let mut warnings = Vec::new();
    let key = ring::sign::any_supported_type(&key).ok();
    match key.as_ref().and_then(|key| key.public_key()) {
        Some(public) if public != parsed.subject_public_key_info() => {
            return Err(format!("{KEY} is not the key of the certificate in {CERTIFICATE}"));
        }
        Some(_) => {}
        None => warnings.push(format!("the key in {KEY} is of a kind that cannot be checked here")),
    }
    warnings.extend(out_of_time(&parsed, now));
    let uncovered: Vec<_> = hosts.iter().filter(|host| !covers(&parsed, host)).map(String::as_str).collect();
    if !uncovered.is_empty() {
        warnings.push(format!("its certificate is not for {}", uncovered.join(", ")));
    }
    Ok(warnings)
}

fn value<'a>(secret: &'a Secret, key: &str) -> Result<&'a [u8], String> {
    let value = secret.data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.as_slice());
    value.filter(|value| !value.is_empty()).ok_or_else(|| format!("it has no key {key}"))
}

fn first_certificate(pem: &[u8]) -> Result<CertificateDer<'static>, String> {
    let blocks: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let blocks = blocks.map_err(|error| format!("{CERTIFICATE} is not in PEM: {error}"))?;
    blocks.into_iter().next().ok_or_else(|| format!("{CERTIFICATE} holds no certificate in PEM"))
}

/// Whether the certificate is not valid now. It is checked against no authority at all, and times come first.
fn out_of_time(certificate: &EndEntityCert<'_>, now: Timestamp) -> Option<String> {
    let now = u64::try_from(now.as_second()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let usage = KeyUsage::server_auth();
    match certificate.verify_for_usage(algorithms.all, &[], &[], at, usage, None, None).err()? {
        Error::CertExpired { not_after, .. } => {
            Some(format!("its certificate expired at {}", moment(not_after)))
        }
        Error::CertNotValidYet { not_before, .. } => {
            Some(format!("its certificate is not valid before {}", moment(not_before)))
        }
        _ => None,
    }
}

fn moment(at: UnixTime) -> String {
    let second = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(second).map_or_else(|_| "the end of time".to_owned(), |at| at.to_string())
}

fn covers(certificate: &EndEntityCert<'_>, host: &str) -> bool {
    if host.starts_with('*') {
        return certificate.valid_dns_names().any(|name| name == host);
    }
    // A name that is none is the matter of the schema.
    ServerName::try_from(host).is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
}

#[cfg(test)]
mod tests;
