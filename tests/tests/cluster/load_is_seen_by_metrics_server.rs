use std::time::Instant;

use anyhow::{Result, anyhow};
use testbed::{Cluster, Load, Total, eventually};

use crate::{stage::PATIENCE, workload};

#[tokio::test]
async fn load_is_seen_by_metrics_server() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("load").await?;
    workload::deploy(cluster, &namespace, "web", 2, 100).await?;
    workload::deploy(cluster, &namespace, "idle", 1, 100).await?;

    let created = Instant::now();
    let load = Load::start(cluster, &namespace, "app=web", Total { cpu_milli: 600, memory_mib: 300 }).await?;
    usage(cluster, &namespace, &[(300, 150), (300, 150)]).await?;
    eprintln!("new pods are seen after {:.1} s", created.elapsed().as_secs_f64());

    let changed = Instant::now();
    load.set(Total { cpu_milli: 1200, memory_mib: 300 });
    usage(cluster, &namespace, &[(600, 150), (600, 150)]).await?;
    eprintln!("a new total is seen after {:.1} s", changed.elapsed().as_secs_f64());

    // The same total, spread over more pods.
    let scaled = Instant::now();
    cluster.kubectl(["-n", &namespace, "scale", "deployment", "web", "--replicas=3"]).await?;
    usage(cluster, &namespace, &[(400, 100), (400, 100), (400, 100)]).await?;
    eprintln!("one more pod is seen after {:.1} s", scaled.elapsed().as_secs_f64());

    load.set(Total { cpu_milli: 0, memory_mib: 300 });
    usage(cluster, &namespace, &[(0, 100), (0, 100), (0, 100)]).await?;

    assert_eq!(cluster.usage(&namespace, "app=idle").await?, [], "a pod without load reports nothing");
    Ok(())
}

/// Waits until the pods of `web` use about this much (thousandths of a core, Mi).
async fn usage(cluster: &Cluster, namespace: &str, wanted: &[(u64, u64)]) -> Result<()> {
    eventually(&format!("a usage of {wanted:?}"), PATIENCE, async || {
        let seen = cluster.usage(namespace, "app=web").await?;
        let mut close = seen.iter().zip(wanted).map(|(seen, (cpu, memory))| {
            // The two clocks of a look, at kwok and at metrics-server, differ by some milliseconds.
            seen.cpu_milli.abs_diff(*cpu) <= cpu / 20 && (seen.memory >> 20) == *memory
        });
        if seen.len() == wanted.len() && close.all(|close| close) { Ok(()) } else { Err(anyhow!("{seen:?}")) }
    })
    .await
}
