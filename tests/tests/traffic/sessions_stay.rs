//! A client with a cookie stays with its pod.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Result, ensure};
use testbed::{
    eventually,
    traffic::{
        Bed, Clients, Record, Stream,
        shop::{HOST_OF_PATHS, NAMESPACE, Shop},
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
    play(&a_session_stays_with_its_pod_through_a_scale_out, async {
        let bed = Bed::start().await?;
        bed.open(&Shop { cookie: Some("shop".to_owned()), ..Shop::default() }).await?;
        let url = format!("http://{HOST_OF_PATHS}/store/get");
        let old = [Stream::new("old", "GET", &url, 24).of_sessions(SESSIONS)];
        let old = Clients::start(&bed.cluster, &old, None).await?;
        eventually("every session to be answered", Duration::from_secs(20), async || {
            let record = old.so_far()?;
            let sessions = by_session(&record).len();
            ensure!(sessions == usize::try_from(SESSIONS)?, "{sessions}");
            Ok(())
        })
        .await?;

        let scale = ["scale", "deployment/store-get", "--replicas=6", "--namespace", NAMESPACE];
        bed.cluster.kubectl(scale).await?;
        bed.rolled_out().await?;
        // Sessions that begin now are spread over the new pods as well.
        let new = [Stream::new("new", "GET", &url, 24).of_sessions(2 * SESSIONS)];
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
