//! A zone is gone in one moment, as in a power cut: nothing answers there, and nobody is told.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use plimsoll_api::PodScaler;
use testbed::{
    eventually,
    traffic::{
        Bed, Clients, Record,
        shop::{SERVICES, Service, Shop},
    },
};

use crate::stage::play;

/// One does not survive the loss of a zone, the other one does.
const BARE: Service = SERVICES[0];
const SURVIVING: Service = SERVICES[1];
/// How long a request takes once it is begun: a pod answers 20 each second.
const SERVICE_TIME_MILLIS: u32 = 100;
/// Six pods carry the load, since five would be beyond their target. Without one zone of three there are four, which can
/// answer four fifths of it: what they cannot is lost, until pods elsewhere take the place of those in the zone.
const PODS: u32 = 6;
const TARGET_PERCENT: u32 = 90;
const RATE: u32 = 100;
/// So few that clients hear soon of what cannot be answered.
const QUEUE: u32 = 10;
/// So long has all to be well for the cut to be over.
const CALM: SignedDuration = SignedDuration::from_secs(10);
const PATIENCE: Duration = Duration::from_mins(3);

/// Whether clients noticed.
fn is_bad(second: &Record) -> bool {
    second.share_lost() > 0.01
}

/// Until no client of either service has noticed anything for a while.
async fn until_calm(clients: &Clients, what: &str) -> Result<()> {
    let began = Timestamp::now();
    eventually(what, PATIENCE, async || {
        let (record, now) = (clients.so_far()?, Timestamp::now());
        for Service { name, .. } in [BARE, SURVIVING] {
            let last = record.of(name).between(now - CALM, now);
            let is_calm = last.last_second(is_bad).is_none();
            ensure!(now - CALM > began && is_calm && !last.requests.is_empty(), "{name} is not well");
        }
        Ok(())
    })
    .await
}

/// Until it is said of the service that survives.
async fn can_lose_a_zone(bed: &Bed, shop: &Shop) -> Result<()> {
    let scalers: Api<PodScaler> = Api::namespaced(bed.cluster.client().await?, shop.door.namespace());
    eventually("enough pods for the loss of a zone", PATIENCE, async || {
        let told = scalers.get(&SURVIVING.workload()).await?.status.unwrap_or_default();
        let can = told.conditions.iter().any(|told| told.type_ == "CanLoseZone" && told.status == "True");
        let pods = bed.pods(shop.door, &SURVIVING).await?.len();
        ensure!(can && pods > usize::try_from(PODS)?, "{pods} pods, {:?}", told.conditions);
        Ok(())
    })
    .await
}

/// The pods of a service in each zone.
async fn zones(bed: &Bed, shop: &Shop, service: &Service) -> Result<BTreeMap<String, usize>> {
    let mut zones = BTreeMap::new();
    for pod in bed.pods(shop.door, service).await? {
        let node =
            pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).context("a pod is not bound")?;
        *zones.entry(bed.zone_of(node).await?).or_default() += 1;
    }
    Ok(zones)
}

#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn who_survives_a_zone_loses_less_and_recovers_sooner() -> Result<()> {
    play(&who_survives_a_zone_loses_less_and_recovers_sooner, async |bed, operator| {
        let shop = Shop {
            replicas: (PODS, 5 * PODS),
            service_time_millis: SERVICE_TIME_MILLIS,
            queue: QUEUE,
            target_percent: TARGET_PERCENT,
            surviving: vec![SURVIVING.name],
            ..Shop::default()
        };
        bed.open(&shop).await?;
        let streams = [BARE, SURVIVING].map(|service| shop.stream(&service, RATE));
        let clients = Clients::start(&bed.cluster, &streams, None).await?;
        can_lose_a_zone(bed, &shop).await?;
        until_calm(&clients, "the shop to carry its load").await?;
        let before = [zones(bed, &shop, &BARE).await?, zones(bed, &shop, &SURVIVING).await?];
        let most = before[0].iter().max_by_key(|(_, pods)| **pods).context("no pods")?.0;

        let cut = Timestamp::now();
        bed.cut(most, operator).await?;
        eventually("clients to notice", Duration::from_secs(20), async || {
            let record = clients.so_far()?.between(cut, Timestamp::MAX);
            ensure!(!record.lost().is_empty(), "nothing is lost yet");
            Ok(())
        })
        .await?;
        until_calm(&clients, "clients to be served as before").await?;
        let record = clients.stop().await?.between(cut, Timestamp::MAX);

        let over = record.last_second(is_bad).context("nobody noticed")? + SignedDuration::from_secs(1);
        println!(
            "{most} of three is cut off; {RATE} requests/s to each service, a pod answers {}",
            shop.per_second_at_full()
        );
        println!("| survive | pods before | requests | not answered | share | until all are answered |");
        println!("| --- | --- | --- | --- | --- | --- |");
        let mut seen = Vec::new();
        for ((service, survive), zones) in [(BARE, "None"), (SURVIVING, "Zone")].into_iter().zip(&before) {
            let own = record.of(service.name);
            let last = own.last_second(is_bad).context("nobody noticed")?;
            let took = last.as_second() + 1 - cut.as_second();
            let during = own.between(cut, over);
            let pods: Vec<_> = zones.values().map(ToString::to_string).collect();
            println!(
                "| {survive} | {} | {} | {} | {:.1} % | {took} s |",
                pods.join(" + "),
                during.requests.len(),
                during.lost().len(),
                during.share_lost() * 100.0,
            );
            seen.push((during.share_lost(), took));
        }
        ensure!(seen[1].0 < seen[0].0, "who survives lost as many");
        ensure!(seen[1].1 < seen[0].1, "who survives was not served sooner");
        Ok(())
    })
}
