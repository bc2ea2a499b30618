//! Who is trusted.

use std::{net::Ipv4Addr, time::Duration};

use cloud::{Certificates, Cloud, Serving, contract::catalogue};
use plimsoll_providers::{
    ExternalGrpc, ExternalGrpcConfig, GrpcTls, Inventory, Provider as _, ProviderError,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { pem, issuer: Issuer::new(params, key) }
}

impl Authority {
    /// A certificate and its key.
    fn signs(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

async fn serve(ours: &Authority, name: &str, clients: Option<&Authority>) -> Serving {
    let (cert, key) = ours.signs(name);
    let clients = clients.map(|authority| authority.pem.clone());
    let cloud = Cloud::new(catalogue(), Duration::ZERO).unwrap();
    let certificates = Certificates { cert, key, clients };
    cloud.serve_at((Ipv4Addr::LOCALHOST, 0).into(), Some(certificates)).await.unwrap()
}

/// What comes of asking `serving`, trusting `trusted`, with our own certificate if there is one.
async fn ask(
    serving: &Serving,
    trusted: &Authority,
    own: Option<(String, String)>,
    server_name: Option<&str>,
) -> Result<Inventory, ProviderError> {
    let (cert, key) = own.unzip();
    let server_name = server_name.map(str::to_owned);
    let tls = GrpcTls { ca: Some(trusted.pem.clone()), cert, key, server_name };
    let config = ExternalGrpcConfig {
        tls: Some(tls),
        timeout: "10s".to_owned(),
        ..ExternalGrpcConfig::plain(serving.address())
    };
    ExternalGrpc::new(config).unwrap().inventory().await
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_and_its_name() {
    let (ours, other) = (authority(), authority());
    let serving = serve(&ours, "127.0.0.1", None).await;
    assert!(ask(&serving, &ours, None, None).await.is_ok());
    let error = ask(&serving, &other, None, None).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Unreachable(words) if words.contains("certificate")),
        "{error:?}"
    );

    let elsewhere = serve(&ours, "cloud.example", None).await;
    let error = ask(&elsewhere, &ours, None, None).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Unreachable(words) if words.contains("cloud.example")),
        "{error:?}"
    );
    assert!(ask(&elsewhere, &ours, None, Some("cloud.example")).await.is_ok());
}

#[tokio::test]
async fn a_server_may_ask_for_our_certificate() {
    let (ours, other) = (authority(), authority());
    let serving = serve(&ours, "127.0.0.1", Some(&ours)).await;
    assert!(ask(&serving, &ours, Some(ours.signs("plimsoll")), None).await.is_ok());
    assert!(ask(&serving, &ours, None, None).await.is_err());
    assert!(ask(&serving, &ours, Some(other.signs("plimsoll")), None).await.is_err());
}

#[tokio::test]
async fn plain_text_to_a_server_with_tls_is_an_error_in_time() {
    let serving = serve(&authority(), "127.0.0.1", None).await;
    let config =
        ExternalGrpcConfig { timeout: "10s".to_owned(), ..ExternalGrpcConfig::plain(serving.address()) };
    assert!(ExternalGrpc::new(config).unwrap().inventory().await.is_err());
}
