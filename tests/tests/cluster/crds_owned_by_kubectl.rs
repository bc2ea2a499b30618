use anyhow::Result;
use testbed::{
    Cluster, ClusterSpec,
    operator::{NAMESPACE, RELEASE, chart},
    tools::repository,
};

/// With `crds.install=false` the release neither changes nor removes the CRDs that kubectl applied.
#[tokio::test]
async fn crds_owned_by_kubectl() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let crds = repository().join("crds").display().to_string();
    // A plain apply, twice: none of them is too big for it, and the second finds nothing to change.
    let first = cluster.kubectl(["apply", "-f", &crds]).await?;
    assert_eq!(first.stderr, "");
    let second = cluster.kubectl(["apply", "-f", &crds]).await?;
    assert_eq!(second.stderr, "");
    assert!(second.stdout.lines().all(|line| line.ends_with(" unchanged")), "{}", second.stdout);
    // Until then the API server writes into them.
    cluster.kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=3m"]).await?;
    let applied = crd(&cluster).await?;

    let chart = chart().display().to_string();
    let into = ["--namespace", NAMESPACE, "--create-namespace", "--set=crds.install=false", "--wait"];
    cluster.helm([&["install", RELEASE, &chart][..], &into].concat()).await?;
    assert_eq!(crd(&cluster).await?, applied);
    cluster.helm(["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait"]).await?;
    assert_eq!(crd(&cluster).await?, applied);
    cluster.stop().await
}

async fn crd(cluster: &Cluster) -> Result<String> {
    let name = "podscalers.plimsoll.dev";
    Ok(cluster.kubectl(["get", "crd", name, "-o", "jsonpath={.metadata} {.spec}"]).await?.stdout)
}
