//! By path, by method, and by TLS that ends at the front door.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use jiff::Timestamp;
use serde_json::json;
use testbed::{
    eventually,
    traffic::{
        Bed, Clients, Record, Stream,
        shop::{CERTIFICATE, Door, SERVICES, Shop},
    },
};

use crate::stage::play;

/// Requests each second to each service.
const RATE: u32 = 10;
const ENOUGH: usize = 60;

/// What clients of all services see once all of them were answered.
async fn seen(bed: &Bed, streams: &[Stream], authority: Option<&str>) -> Result<Record> {
    let clients = Clients::start(&bed.cluster, streams, authority).await?;
    eventually("an answer to each of the clients", Duration::from_secs(30), async || {
        let record = clients.so_far()?;
        let heard: BTreeSet<_> = record.answers.iter().map(|answer| answer.stream.as_str()).collect();
        ensure!(heard.len() == SERVICES.len(), "only {heard:?}; lost {:?}", record.lost().first());
        Ok(())
    })
    .await?;
    let all_heard = Timestamp::now();
    eventually("enough answers", Duration::from_secs(30), async || {
        let record = clients.so_far()?.between(all_heard, Timestamp::MAX);
        ensure!(record.answers.len() >= ENOUGH, "{} answers", record.answers.len());
        Ok(())
    })
    .await?;
    Ok(clients.stop().await?.between(all_heard, Timestamp::MAX))
}

/// Every request was answered, by the service that it was meant for, which was asked just that.
fn found(record: &Record, door: Door, path: impl Fn(&str) -> String) -> Result<()> {
    for service in &SERVICES {
        let (own, workload) = (record.of(&door.stream_name(service)), service.workload());
        ensure!(own.lost().is_empty(), "{workload}: {:?}", own.lost());
        let services = own.services();
        ensure!(services == BTreeSet::from([workload.as_str()]), "{workload} was answered by {services:?}");
        let path = path(door.path(service));
        let asked = own.answers.iter().all(|answer| answer.method == service.method && answer.path == path);
        ensure!(asked, "{:?}", own.answers);
    }
    Ok(())
}

#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn each_path_reaches_its_own_service() -> Result<()> {
    play(&each_path_reaches_its_own_service, async |bed, _| {
        let shop = Shop::default();
        bed.open(&shop).await?;
        // A prefix: what lies below a path belongs to it too.
        let streams = SERVICES.map(|service| shop.stream(&service, RATE).below("/42"));
        let record = seen(bed, &streams, None).await?;
        found(&record, shop.door, |path| format!("{path}/42"))
    })
}

/// One address for all: only the method differs.
#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn each_method_reaches_its_own_service() -> Result<()> {
    play(&each_method_reaches_its_own_service, async |bed, _| {
        let shop = Shop { door: Door::Route, ..Shop::default() };
        bed.open(&shop).await?;
        let streams = SERVICES.map(|service| shop.stream(&service, RATE));
        let record = seen(bed, &streams, None).await?;
        found(&record, shop.door, str::to_owned)
    })
}

/// Clients that trust the Secret's certificate come by https, and pods, which speak plain HTTP, are told so. Plain HTTP leads
/// nowhere.
#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn tls_ends_at_the_front_door() -> Result<()> {
    play(&tls_ends_at_the_front_door, async |bed, _| {
        let shop = Shop { tls: true, ..Shop::default() };
        let namespace = shop.door.namespace();
        let certificate = rcgen::generate_simple_self_signed([shop.door.host().to_owned()])?;
        let secret = json!({
            "apiVersion": "v1", "kind": "List", "items": [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
                {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
                 "metadata": {"name": CERTIFICATE, "namespace": namespace},
                 "stringData": {"tls.crt": certificate.cert.pem(), "tls.key": certificate.signing_key.serialize_pem()}},
            ],
        });
        bed.cluster.kubectl_with(["apply", "--filename=-"], &secret.to_string()).await?;
        bed.open(&shop).await?;
        let plain = Shop { tls: false, ..shop.clone() }.stream(&SERVICES[0], RATE);
        let streams = SERVICES.map(|service| shop.stream(&service, RATE)).into_iter();
        let streams: Vec<_> = streams.chain([Stream { name: "plain".to_owned(), ..plain }]).collect();
        let record = seen(bed, &streams, Some(&certificate.cert.pem())).await?;
        found(&record, shop.door, str::to_owned)?;
        ensure!(record.answers.iter().all(|answer| answer.scheme == "https"), "{:?}", record.answers);
        let plain = record.of("plain");
        let is_unknown = plain.requests.iter().all(|request| request.status == 404);
        ensure!(is_unknown && !plain.requests.is_empty(), "{:?}", plain.requests);
        Ok(())
    })
}
