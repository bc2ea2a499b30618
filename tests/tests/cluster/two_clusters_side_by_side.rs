use anyhow::Result;
use k8s_openapi::api::core::v1::Node;
use kube::{Api, ResourceExt, api::ListParams};
use testbed::{Cluster, ClusterSpec, guardian};

#[tokio::test]
async fn two_clusters_side_by_side() -> Result<()> {
    let one_zone = |zone: &str| ClusterSpec {
        zones: vec![zone.to_owned()],
        nodes_per_zone: 1,
        ..ClusterSpec::default()
    };
    // Started at the same moment, while the shared one may run too.
    let (left, right) =
        tokio::try_join!(Cluster::start(one_zone("left")), Cluster::start(one_zone("right")))?;
    assert_eq!(nodes(&left).await?, ["left-0"]);
    assert_eq!(nodes(&right).await?, ["right-0"]);

    // The end of one is not the end of the other.
    let state = left.state().to_owned();
    left.stop().await?;
    assert!(guardian::processes(&state)?.is_empty());
    assert!(!state.exists());
    assert_eq!(nodes(&right).await?, ["right-0"]);
    right.stop().await
}

async fn nodes(cluster: &Cluster) -> Result<Vec<String>> {
    let nodes = Api::<Node>::all(cluster.client().await?).list(&ListParams::default()).await?;
    Ok(nodes.iter().map(ResourceExt::name_any).collect())
}
