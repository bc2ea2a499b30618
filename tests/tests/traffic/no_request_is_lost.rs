//! Pods come and go under load. With a sleep before they stop nobody notices; without it somebody does, which shows that these
//! tests can fail.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::{
    eventually,
    traffic::{
        Bed, Clients, Record,
        shop::{Door, SERVICES, Shop},
    },
};

use crate::stage::play;

/// Requests each second to each service.
const RATE: u32 = 15;

/// What moves pods.
#[derive(Clone, Copy, Debug)]
enum Move {
    RollingUpdate,
    ScaleIn,
    NodeDrain,
}

impl Move {
    const ALL: [Self; 3] = [Self::RollingUpdate, Self::ScaleIn, Self::NodeDrain];

    /// Makes it, and waits until it is over.
    async fn make(self, bed: &Bed, shops: &mut [Shop]) -> Result<()> {
        match self {
            Self::RollingUpdate => shops.iter_mut().for_each(|shop| shop.version += 1),
            Self::ScaleIn => shops.iter_mut().for_each(|shop| shop.replicas = (2, 2)),
            Self::NodeDrain => {
                let pods = bed.pods(Door::Ingress, &SERVICES[0]).await?;
                let node = pods.first().and_then(|pod| pod.spec.as_ref()?.node_name.as_deref());
                let node = node.context("no pod is on a node")?;
                bed.cluster.kubectl(["drain", node, "--delete-emptydir-data", "--ignore-daemonsets"]).await?;
            }
        }
        for shop in shops.iter() {
            bed.apply(shop).await?;
        }
        for shop in shops.iter() {
            bed.rolled_out(shop).await?;
        }
        Ok(())
    }
}

/// Two shops, one for each kind of front door, with four pods of each service.
async fn open(bed: &Bed, pre_stop: bool) -> Result<[Shop; 2]> {
    let shops =
        [Door::Ingress, Door::Route].map(|door| Shop { door, pre_stop, replicas: (4, 4), ..Shop::default() });
    for shop in &shops {
        bed.open(shop).await?;
    }
    Ok(shops)
}

/// The clients' whole experience of one move.
async fn during(bed: &Bed, shops: &mut [Shop], what: Move) -> Result<Record> {
    let streams: Vec<_> =
        shops.iter().flat_map(|shop| SERVICES.map(|service| shop.stream(&service, RATE))).collect();
    let clients = Clients::start(&bed.cluster, &streams, None).await?;
    what.make(bed, shops).await?;
    let seen = clients.so_far()?.requests.len();
    eventually("the clients to see what came of it", Duration::from_secs(30), async || {
        let more = clients.so_far()?.requests.len() - seen;
        ensure!(more > 100, "{more}");
        Ok(())
    })
    .await?;
    let record = clients.stop().await?;
    ensure!(record.unsent == 0, "k6 was too slow for {} requests", record.unsent);
    println!("{what:?}: {} of {} requests lost", record.lost().len(), record.requests.len());
    Ok(record)
}

#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn no_request_is_lost_when_pods_come_and_go() -> Result<()> {
    play(&no_request_is_lost_when_pods_come_and_go, async |bed, _| {
        let mut shops = open(bed, true).await?;
        for what in Move::ALL {
            let record = during(bed, &mut shops, what).await?;
            ensure!(record.lost().is_empty(), "{what:?} lost {:?}", record.lost());
        }
        Ok(())
    })
}

/// Traefik hears of a pod that ends only after it has ended.
#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn without_a_sleep_before_they_stop_pods_lose_requests() -> Result<()> {
    play(&without_a_sleep_before_they_stop_pods_lose_requests, async |bed, _| {
        let mut shops = open(bed, false).await?;
        for what in Move::ALL {
            let record = during(bed, &mut shops, what).await?;
            ensure!(!record.lost().is_empty(), "{what:?} lost nothing");
        }
        Ok(())
    })
}
