use anyhow::Result;
use testbed::{
    Cluster, ClusterSpec, Operator, Prometheus, eventually,
    operator::{NAMESPACE, OperatorProcess},
    prometheus::Target,
};

use crate::stage::PATIENCE;

/// What the bed itself promises of the operator; what the operator promises is tested elsewhere.
#[tokio::test]
async fn operator_runs_as_its_pods() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let mut operator = Operator::install(&cluster, &[]).await?;
    let pods: Vec<_> = operator.processes().iter().map(|process| process.pod().to_owned()).collect();
    assert_eq!(pods.len(), 2, "the chart's default");
    for process in operator.processes() {
        assert!(process.is_live().await && process.is_ready().await);
    }

    // They act with the rights of the chart's service account.
    let user = format!("system:serviceaccount:{NAMESPACE}:plimsoll");
    assert!(!cluster.audit().events_of(&user)?.is_empty());

    // Prometheus sees them as it would see the pods.
    let targets: Vec<_> = operator.processes().iter().map(target).collect();
    let prometheus = Prometheus::start(&cluster, "plimsoll", &targets, &[]).await?;
    let up = prometheus.query(&format!("count(up{{namespace=\"{NAMESPACE}\"}})")).await?;
    assert_eq!(up[0].value.to_string(), "2");

    // A leader is killed, another process goes on.
    let leader = operator.leader().await?;
    let first = leader.pod().to_owned();
    leader.kill()?;
    assert!(!leader.is_running());
    let second = operator.leader().await?;
    assert_ne!(second.pod(), first);

    // SIGTERM ends a process as the kubelet would.
    let (took, status) = second.terminate().await?;
    assert!(status.success(), "{status} after {took:?}");

    // New pods are new processes.
    operator.upgrade(&["--set=replicas=1", "--set=log.filter=debug"]).await?;
    let [process] = operator.processes() else { panic!("{:?}", operator.processes()) };
    assert!(!pods.contains(&process.pod().to_owned()));
    eventually("a debug line", PATIENCE, async || {
        let log = std::fs::read_to_string(process.log())?;
        anyhow::ensure!(log.contains("DEBUG"), "{log}");
        Ok(())
    })
    .await?;
    operator.uninstall().await?;
    cluster.stop().await
}

fn target(process: &OperatorProcess) -> Target {
    let labels = [("namespace", NAMESPACE), ("pod", process.pod())];
    let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
    Target { address: process.address(), labels }
}
