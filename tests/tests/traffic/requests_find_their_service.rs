//! By path, by method, and by TLS that ends at the front door.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use serde_json::json;
use testbed::{
    eventually,
    traffic::{
        Bed, Clients, Record, Stream,
        shop::{CERTIFICATE, HOST_OF_METHODS, HOST_OF_PATHS, NAMESPACE, SERVICES, Shop},
    },
};

use crate::stage::play;

const ENOUGH: usize = 60;

/// Until each stream has some answers.
async fn answers(clients: Clients, streams: usize) -> Result<Record> {
    eventually("answers to all clients", Duration::from_secs(30), async || {
        let record = clients.so_far()?;
        let heard: BTreeSet<_> = record.answers.iter().map(|answer| answer.stream.as_str()).collect();
        ensure!(
            heard.len() == streams && record.answers.len() >= ENOUGH,
            "only {heard:?}; lost {:?}",
            record.lost().first()
        );
        Ok(())
    })
    .await?;
    clients.stop().await
}

#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn each_path_reaches_its_own_service() -> Result<()> {
    play(&each_path_reaches_its_own_service, async {
        let bed = Bed::start().await?;
        bed.open(&Shop::default()).await?;
        // A prefix: what lies below a path belongs to it too.
        let streams = SERVICES.map(|(name, path, method)| {
            Stream::new(name, method, &format!("http://{HOST_OF_PATHS}{path}/42"), 10)
        });
        let record = answers(Clients::start(&bed.cluster, &streams, None).await?, streams.len()).await?;
        ensure!(record.lost().is_empty(), "{:?}", record.lost());
        for (name, path, method) in SERVICES {
            let own = record.of(name);
            ensure!(own.services() == BTreeSet::from([name]), "{name} was answered by {:?}", own.services());
            let asked = own
                .answers
                .iter()
                .all(|answer| answer.method == method && answer.path == format!("{path}/42"));
            ensure!(asked, "{:?}", own.answers);
        }
        Ok(())
    })
}

#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn each_method_reaches_its_own_service() -> Result<()> {
    play(&each_method_reaches_its_own_service, async {
        let bed = Bed::start().await?;
        bed.open(&Shop::default()).await?;
        // One address for all: only the method differs.
        let url = format!("http://{HOST_OF_METHODS}/store/42");
        let streams = SERVICES.map(|(name, _, method)| Stream::new(name, method, &url, 10));
        let record = answers(Clients::start(&bed.cluster, &streams, None).await?, streams.len()).await?;
        ensure!(record.lost().is_empty(), "{:?}", record.lost());
        for (name, _, method) in SERVICES {
            let own = record.of(name);
            ensure!(own.services() == BTreeSet::from([name]), "{name} was answered by {:?}", own.services());
            ensure!(own.answers.iter().all(|answer| answer.method == method), "{:?}", own.answers);
        }
        Ok(())
    })
}

/// Clients that trust the Secret's certificate come by https, and pods, which speak plain HTTP, are told so.
#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn tls_ends_at_the_front_door() -> Result<()> {
    play(&tls_ends_at_the_front_door, async {
        let bed = Bed::start().await?;
        let certificate = rcgen::generate_simple_self_signed([HOST_OF_PATHS.to_owned()])?;
        let secret = json!({
            "apiVersion": "v1", "kind": "List", "items": [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
                {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
                 "metadata": {"name": CERTIFICATE, "namespace": NAMESPACE},
                 "stringData": {"tls.crt": certificate.cert.pem(), "tls.key": certificate.signing_key.serialize_pem()}},
            ],
        });
        bed.cluster.kubectl_with(["apply", "--filename=-"], &secret.to_string()).await?;
        bed.open(&Shop { tls: true, ..Shop::default() }).await?;
        let streams = SERVICES.map(|(name, path, method)| {
            Stream::new(name, method, &format!("https://{HOST_OF_PATHS}{path}"), 10)
        });
        let clients = Clients::start(&bed.cluster, &streams, Some(&certificate.cert.pem())).await?;
        let record = answers(clients, streams.len()).await?;
        ensure!(record.lost().is_empty(), "{:?}", record.lost());
        let secure = record.answers.iter().all(|answer| answer.scheme == "https");
        ensure!(secure, "{:?}", record.answers);
        Ok(())
    })
}
