//! Load on one service scales that one, and its clients are served as before.

use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use testbed::{
    eventually,
    traffic::{
        Bed, Clients, Stream,
        shop::{SERVICE_TIME_MILLIS, SERVICES, Service, Shop},
    },
};

use crate::stage::play;

/// What the slowest twentieth of the clients may see, in milliseconds: three times what a request takes by itself.
const BOUND: f64 = SERVICE_TIME_MILLIS as f64 * 3.0;
/// A window over which a client's latency is looked at.
const WINDOW: SignedDuration = SignedDuration::from_secs(5);
/// Twice metrics-server's 10 s and the operator's 15 s, and what a busy machine adds.
const PATIENCE: Duration = Duration::from_mins(2);
/// What grows.
const GET: Service = SERVICES[0];

/// What the slowest twentieth of the clients of what grows waited lately, in milliseconds.
async fn until(clients: &Clients, what: &str, is_so: impl Fn(f64) -> bool) -> Result<()> {
    eventually(what, PATIENCE, async || {
        let now = Timestamp::now();
        let record = clients.so_far()?.between(now - WINDOW, now).of(GET.name);
        let p95 = record.latency(0.95).unwrap_or(f64::INFINITY);
        ensure!(is_so(p95), "{p95:.0} ms");
        Ok(())
    })
    .await
}

/// How often the Deployment of each service was changed, and its pods.
async fn sizes(bed: &Bed, shop: &Shop) -> Result<[(i64, usize); 3]> {
    let api: Api<Deployment> = Api::namespaced(bed.cluster.client().await?, shop.door.namespace());
    let mut sizes = [(0, 0); 3];
    for (size, service) in sizes.iter_mut().zip(&SERVICES) {
        let generation = api.get(&service.workload()).await?.metadata.generation;
        *size = (generation.unwrap_or_default(), bed.pods(shop.door, service).await?.len());
    }
    Ok(sizes)
}

#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn load_on_one_service_scales_it_alone_until_its_clients_are_served_in_time() -> Result<()> {
    play(&load_on_one_service_scales_it_alone_until_its_clients_are_served_in_time, async |bed, _| {
        let shop = Shop::default();
        bed.open(&shop).await?;
        // Two pods of each service are at a quarter, and the wave alone is all that two of them can do.
        let (quiet, more) = (shop.per_second_at_full() / 2, shop.per_second_at_full() * 2);
        let streams = SERVICES.map(|service| shop.stream(&service, quiet));
        let clients = Clients::start(&bed.cluster, &streams, None).await?;
        until(&clients, "quiet clients to be served in time", |p95| p95 < BOUND).await?;
        let before = sizes(bed, &shop).await?;

        let began = Timestamp::now();
        let wave = Stream { name: "wave".to_owned(), ..shop.stream(&GET, more) };
        let wave = Clients::start(&bed.cluster, &[wave], None).await?;
        until(&clients, "clients to wait longer than they should", |p95| p95 > BOUND).await?;
        until(&clients, "clients to be served in time again", |p95| p95 < BOUND).await?;
        let took = Timestamp::now().duration_since(began).as_secs_f64();
        let after = sizes(bed, &shop).await?;
        let (wave, quiet) = (wave.stop().await?, clients.stop().await?);

        println!(
            "{more} requests/s more on {}: {} pods, then {}; its clients waited {:.0} ms at most, and p95 was below {BOUND:.0} ms \
             again after {took:.0} s; of the wave {:.1} % were not answered",
            GET.workload(),
            before[0].1,
            after[0].1,
            quiet.of(GET.name).latency(1.0).unwrap_or_default(),
            wave.share_lost() * 100.0,
        );
        ensure!(before[0].1 == 2 && after[0].1 > 2, "{before:?} -> {after:?}");
        ensure!(before[1..] == after[1..], "another moved: {before:?} -> {after:?}");
        for other in &SERVICES[1..] {
            let record = quiet.of(other.name);
            ensure!(record.lost().is_empty(), "{} lost {:?}", other.name, record.lost());
        }
        Ok(())
    })
}
