//! A zone is gone in one moment, as in a power cut: nothing answers there, and nobody is told.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use testbed::{
    Operator, eventually,
    traffic::{
        Bed, Clients, Record, Stream,
        shop::{HOST_OF_PATHS, SERVICE_TIME_MILLIS, Shop},
    },
};

use crate::stage::play;

/// Requests each second to each of the two services: what three pods carry at the target, and two cannot.
const RATE: u32 = 100;
const TARGET_PERCENT: u32 = 90;
/// What the slowest twentieth of the clients may see, in milliseconds.
const BOUND: f64 = SERVICE_TIME_MILLIS as f64 * 4.0;
/// So long has all to be well for the cut to be over.
const CALM: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(150);

const SERVICES: [(&str, &str); 2] = [("store-get", "None"), ("store-post", "Zone")];

/// Whether clients noticed.
fn is_bad(second: &Record) -> bool {
    second.share_lost() > 0.01 || second.latency(0.95).is_none_or(|p95| p95 > BOUND)
}

/// Of both services, while `is_well` is asked about the last seconds.
async fn until_calm(clients: &Clients, what: &str) -> Result<()> {
    eventually(what, PATIENCE, async || {
        let (record, now) = (clients.so_far()?, Timestamp::now());
        for (service, _) in SERVICES {
            let last = record.of(service).between(now - CALM, now);
            ensure!(last.requests.len() > 10 && last.last_second(is_bad).is_none(), "{service} is not well");
        }
        Ok(())
    })
    .await
}

#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn a_cut_zone_costs_requests_until_its_pods_are_left_out_and_replaced() -> Result<()> {
    play(&a_cut_zone_costs_requests_until_its_pods_are_left_out_and_replaced, async {
        let bed = Bed::start().await?;
        let _operator = Operator::install(&bed.cluster, &[]).await?;
        let surviving =
            SERVICES.iter().filter(|(_, survive)| *survive == "Zone").map(|(name, _)| *name).collect();
        let shop =
            Shop { replicas: 3, scaled: true, target_percent: TARGET_PERCENT, surviving, ..Shop::default() };
        bed.open(&shop).await?;
        let streams = [("store-get", "GET"), ("store-post", "POST")].map(|(name, method)| {
            let path = name.replace('-', "/");
            Stream::new(name, method, &format!("http://{HOST_OF_PATHS}/{path}"), RATE)
        });
        let clients = Clients::start(&bed.cluster, &streams, None).await?;
        until_calm(&clients, "the shop to carry its load").await?;
        let before = [bed.pods("store-get").await?.len(), bed.pods("store-post").await?.len()];

        let cut = Timestamp::now();
        bed.cut("zone-a").await?;
        eventually("clients to notice", Duration::from_secs(20), async || {
            let record = clients.so_far()?.of("store-get").between(cut, Timestamp::now());
            ensure!(!record.lost().is_empty(), "nothing is lost yet");
            Ok(())
        })
        .await?;
        until_calm(&clients, "clients to be served as before").await?;
        let record = clients.stop().await?.between(cut, Timestamp::MAX);

        println!("| survive | pods before | requests | lost | share lost | served as before after |");
        println!("| --- | --- | --- | --- | --- | --- |");
        for ((service, survive), pods) in SERVICES.into_iter().zip(before) {
            let record = record.of(service);
            let last = record.last_second(is_bad).context("nobody noticed")?;
            let until = record.clone().between(cut, last + Duration::from_secs(1));
            println!(
                "| {survive} | {pods} | {} | {} | {:.1} % | {} s |",
                until.requests.len(),
                until.lost().len(),
                until.share_lost() * 100.0,
                last.as_second() + 1 - cut.as_second()
            );
        }
        Ok(())
    })
}
