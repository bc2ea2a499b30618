//! Pods come and go under load. With a sleep before they stop nobody notices; without it somebody does, which shows that these
//! tests can fail.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::{
    eventually,
    traffic::{
        Bed, Clients, Record, Stream,
        shop::{HOST_OF_METHODS, HOST_OF_PATHS, NAMESPACE, SERVICES, Shop},
    },
};

use crate::stage::play;

/// Requests each second to each service, by each of both ways.
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

    async fn make(self, bed: &Bed) -> Result<()> {
        let kubectl = async |args: &str| bed.cluster.kubectl(args.split(' ')).await;
        match self {
            Self::RollingUpdate => {
                kubectl(&format!("rollout restart deployment --namespace {NAMESPACE}")).await?;
            }
            Self::ScaleIn => {
                kubectl(&format!("scale deployment --all --replicas=2 --namespace {NAMESPACE}")).await?;
            }
            Self::NodeDrain => {
                let pods = bed.pods("store-get").await?;
                let node = pods.first().and_then(|pod| pod.spec.as_ref()?.node_name.clone());
                let node = node.context("no pod is on a node")?;
                kubectl(&format!("drain {node} --delete-emptydir-data --ignore-daemonsets")).await?;
            }
        }
        bed.rolled_out().await
    }
}

/// The clients' whole experience of one move.
async fn during(bed: &Bed, what: Move) -> Result<Record> {
    let streams: Vec<_> = SERVICES
        .iter()
        .flat_map(|(name, path, method)| {
            let by_path = Stream::new(name, method, &format!("http://{HOST_OF_PATHS}{path}"), RATE);
            let by_method = format!("{name}-by-method");
            let by_method = Stream::new(&by_method, method, &format!("http://{HOST_OF_METHODS}/store"), RATE);
            [by_path, by_method]
        })
        .collect();
    let clients = Clients::start(&bed.cluster, &streams, None).await?;
    what.make(bed).await?;
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
    play(&no_request_is_lost_when_pods_come_and_go, async {
        let bed = Bed::start().await?;
        bed.open(&Shop { replicas: 4, ..Shop::default() }).await?;
        for what in Move::ALL {
            let record = during(&bed, what).await?;
            ensure!(record.lost().is_empty(), "{what:?} lost {:?}", record.lost());
        }
        Ok(())
    })
}

/// Traefik hears of a pod that ends only after it has ended.
#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn without_a_sleep_before_they_stop_pods_lose_requests() -> Result<()> {
    play(&without_a_sleep_before_they_stop_pods_lose_requests, async {
        let bed = Bed::start().await?;
        bed.open(&Shop { replicas: 4, pre_stop: false, ..Shop::default() }).await?;
        for what in Move::ALL {
            let record = during(&bed, what).await?;
            ensure!(!record.lost().is_empty(), "{what:?} lost nothing");
        }
        Ok(())
    })
}
