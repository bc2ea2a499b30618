use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Result, ensure};
use cloud::{Certificates, Cloud};
use plimsoll_providers::Catalogue;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use testbed::{Cluster, eventually, operator::NAMESPACE, ports::Port};

use crate::{
    cloud_story::{CloudStory, bed, catalogue},
    stage::{PATIENCE, no_defects},
};

/// Who signs certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    /// A certificate and its key.
    fn signs(&self, name: &str) -> Result<(String, String)> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![name.to_owned()])?;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
    }

    /// What a server shows that talks to nobody else than whom this authority has signed.
    fn guards(&self) -> Result<Certificates> {
        let (cert, key) = self.signs("127.0.0.1")?;
        Ok(Certificates { cert, key, clients: Some(self.pem.clone()) })
    }

    /// What we need to talk to it.
    fn secret(&self) -> Result<Value> {
        let (cert, key) = self.signs("plimsoll")?;
        Ok(json!({ "ca.crt": self.pem, "tls.crt": cert, "tls.key": key }))
    }
}

async fn store(cluster: &Cluster, data: &Value) -> Result<()> {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret",
                         "metadata": { "name": "cloud-tls", "namespace": NAMESPACE }, "stringData": data });
    cluster.kubectl(["delete", "secret", "cloud-tls", "-n", NAMESPACE, "--ignore-not-found"]).await?;
    cluster.kubectl_with(["create", "-f", "-"], &secret.to_string()).await.map(drop)
}

/// A pool without its credentials says what is wrong with them; once they are right, and again once they have changed, the
/// server is spoken to without a restart.
#[tokio::test]
async fn credentials_of_a_cloud_follow_their_secret() -> Result<()> {
    let (cluster, operator) = bed().await?;
    let operator = operator.read().await;
    let (first, second) = (Authority::new()?, Authority::new()?);
    let story = CloudStory::cloud(cluster, "guarded", catalogue(Vec::new()), Duration::ZERO).await?;
    // Nobody else is given it between two servers.
    let port = Port::claim()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
    let serving = story.cloud.serve_at(address, Some(first.guards()?)).await?;
    let provider = |secret: &str| {
        json!({ "address": serving.address(), "timeoutSeconds": 3, "tls": { "secret": secret },
                "nodeGroups": [{ "name": "*.on-demand" }] })
    };
    story.create_pool(provider("cloud-tls"), json!({})).await?;
    story
        .is_told(
            "MissingSecret",
            "spec.provider.externalGrpc.tls.secret: the Secret plimsoll-system/cloud-tls",
        )
        .await?;

    let mut malformed = first.secret()?;
    malformed["tls.key"] = json!("soon");
    store(cluster, &malformed).await?;
    story
        .is_told("MissingSecret", "tls.key of the Secret plimsoll-system/cloud-tls: it has no private key")
        .await?;
    store(cluster, &first.secret()?).await?;
    story.is_told("Offered", "3 offerings").await?;

    // Another server in its place, which trusts only the new authority.
    drop(serving);
    let other =
        Cloud::new(Catalogue { zones: vec!["zone-a".to_owned()], ..catalogue(Vec::new()) }, Duration::ZERO)?;
    let guards = second.guards()?;
    let _serving = eventually("the address to be free", PATIENCE, async || {
        other.serve_at(address, Some(guards.clone())).await
    })
    .await?;
    store(cluster, &second.secret()?).await?;
    story.is_told("Offered", "1 offerings").await?;

    cluster.kubectl(["delete", "secret", "cloud-tls", "-n", NAMESPACE]).await?;
    story.is_told("MissingSecret", "does not exist").await?;
    let patch = json!({ "spec": { "provider": { "externalGrpc": { "tls": { "secret": "of-others" } } } } });
    cluster.kubectl(["patch", "capacitypool", "guarded", "--type=merge", "-p", &patch.to_string()]).await?;
    story.is_told("MissingSecret", "add of-others to the chart's value nodes.secrets").await?;
    ensure!(story.orders().await?.is_empty(), "nothing was to be ordered");
    no_defects(&operator)
}
