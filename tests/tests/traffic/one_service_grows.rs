//! Load on one service scales that one, and its clients are served as before.

use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use testbed::{
    Operator, eventually,
    traffic::{
        Bed, Clients, Stream,
        shop::{HOST_OF_PATHS, PER_SECOND_AT_FULL, SERVICE_TIME_MILLIS, SERVICES, Shop},
    },
};

use crate::stage::play;

/// What the slowest twentieth of the clients may see, in milliseconds: three times what a request takes by itself.
const BOUND: f64 = SERVICE_TIME_MILLIS as f64 * 3.0;
/// Requests each second to each service when all is quiet: two pods are at a quarter.
const QUIET: u32 = PER_SECOND_AT_FULL / 2;
/// So many more than two pods can answer.
const WAVE: u32 = PER_SECOND_AT_FULL * 2;
/// A window over which a client's latency is looked at.
const WINDOW: Duration = Duration::from_secs(5);
/// Twice metrics-server's 10 s and the operator's 15 s, and what a busy machine adds.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn load_on_one_service_scales_it_alone_until_its_clients_are_served_in_time() -> Result<()> {
    play(&load_on_one_service_scales_it_alone_until_its_clients_are_served_in_time, async {
        let bed = Bed::start().await?;
        let _operator = Operator::install(&bed.cluster, &[]).await?;
        bed.open(&Shop { scaled: true, ..Shop::default() }).await?;
        let streams = SERVICES.map(|(name, path, method)| {
            Stream::new(name, method, &format!("http://{HOST_OF_PATHS}{path}"), QUIET)
        });
        let quiet = Clients::start(&bed.cluster, &streams, None).await?;
        let p95 = |clients: &Clients| -> Result<f64> {
            let now = Timestamp::now();
            let record = clients.so_far()?.between(now - WINDOW, now);
            Ok(record.of("store-get").latency(0.95).unwrap_or(f64::INFINITY))
        };
        eventually("quiet clients to be served in time", PATIENCE, async || {
            let p95 = p95(&quiet)?;
            ensure!(p95 < BOUND, "{p95:.0} ms");
            Ok(())
        })
        .await?;

        let began = Timestamp::now();
        let url = format!("http://{HOST_OF_PATHS}/store/get");
        let wave = Clients::start(&bed.cluster, &[Stream::new("wave", "GET", &url, WAVE)], None).await?;
        eventually("clients to wait longer than they should", PATIENCE, async || {
            let p95 = p95(&quiet)?;
            ensure!(p95 > BOUND, "{p95:.0} ms");
            Ok(())
        })
        .await?;
        eventually("clients to be served in time again", PATIENCE, async || {
            let p95 = p95(&quiet)?;
            ensure!(p95 < BOUND, "{p95:.0} ms");
            Ok(())
        })
        .await?;
        let took = Timestamp::now().duration_since(began).as_secs_f64();
        let (wave, quiet) = (wave.stop().await?, quiet.stop().await?);

        let sizes = [
            bed.pods("store-get").await?.len(),
            bed.pods("store-post").await?.len(),
            bed.pods("store-delete").await?.len(),
        ];
        println!(
            "{} requests/s more on store-get: p95 at worst {:.0} ms, within {BOUND:.0} ms again after {took:.0} s; \
             lost of the wave {:.1} %; pods {sizes:?}",
            WAVE,
            quiet.of("store-get").latency(1.0).unwrap_or_default(),
            wave.share_lost() * 100.0,
        );
        ensure!(sizes[0] > 3 && sizes[1..] == [2, 2], "{sizes:?}");
        for other in ["store-post", "store-delete"] {
            let record = quiet.of(other);
            ensure!(record.lost().is_empty(), "{other} lost {:?}", record.lost());
        }
        Ok(())
    })
}
