//! A client with a cookie stays with its pod.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Result, ensure};
use testbed::{
    eventually,
    traffic::{
        Clients, Record, Stream,
        shop::{SERVICES, Shop},
    },
};

use crate::stage::play;

const SESSIONS: u32 = 12;

/// The pods that each session was answered by.
fn by_session(record: &Record) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut pods: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for answer in &record.answers {
        pods.entry(answer.session.as_str()).or_default().insert(answer.pod.as_str());
    }
    pods
}

#[test]
#[ignore = "needs Traefik and k6: make test-traffic"]
fn a_session_stays_with_its_pod_through_a_scale_out() -> Result<()> {
    play(&a_session_stays_with_its_pod_through_a_scale_out, async |bed, _| {
        let shop = Shop { replicas: (2, 2), cookie: Some("cart"), ..Shop::default() };
        bed.open(&shop).await?;
        let clients = |name: &str, sessions| {
            let stream = Stream { name: name.to_owned(), ..shop.stream(&SERVICES[0], 24) };
            [stream.of_sessions(sessions)]
        };
        let old = clients("old", SESSIONS);
        let old = Clients::start(&bed.cluster, &old, None).await?;
        eventually("every session to be answered", Duration::from_secs(20), async || {
            let record = old.so_far()?;
            let sessions = by_session(&record).len();
            ensure!(sessions == usize::try_from(SESSIONS)?, "{sessions}");
            Ok(())
        })
        .await?;

        let larger = Shop { replicas: (6, 6), ..shop.clone() };
        bed.apply(&larger).await?;
        bed.rolled_out(&larger).await?;
        bed.reaches_all_pods(shop.door, &SERVICES[0]).await?;
        // Sessions that begin now are spread over the new pods as well.
        let new = clients("new", 2 * SESSIONS);
        let new = Clients::start(&bed.cluster, &new, None).await?;
        let pods: BTreeSet<_> = eventually("new sessions on new pods", Duration::from_secs(30), async || {
            let pods: BTreeSet<_> = new.so_far()?.pods().into_iter().map(str::to_owned).collect();
            ensure!(pods.len() == 6, "{pods:?}");
            Ok(pods)
        })
        .await?;

        let (old, new) = (old.stop().await?, new.stop().await?);
        ensure!(old.lost().is_empty() && new.lost().is_empty(), "{:?} {:?}", old.lost(), new.lost());
        let moved: Vec<_> = by_session(&old).into_iter().filter(|(_, pods)| pods.len() > 1).collect();
        ensure!(moved.is_empty(), "{moved:?}");
        let after: BTreeSet<_> = by_session(&old).into_values().flatten().map(str::to_owned).collect();
        ensure!(after.len() == 2 && after.is_subset(&pods), "old sessions are on {after:?}");
        Ok(())
    })
}
