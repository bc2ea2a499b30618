//! The kinds of Gateway API are the project's own, with their limits.

use anyhow::Result;
use serde_json::json;
use testbed::Cluster;

#[tokio::test]
async fn the_rules_of_a_route_are_at_most_sixteen() -> Result<()> {
    let cluster = Cluster::shared().await?;
    cluster.install_gateway_api().await?;
    let namespace = cluster.namespace("gateway").await?;
    let create = async |rules: usize| {
        let route = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": format!("rules-{rules}"), "namespace": namespace.name()},
            "spec": {"rules": vec![json!({"backendRefs": [{"name": "web", "port": 80}]}); rules]},
        });
        cluster.kubectl_with(["create", "--filename=-"], &route.to_string()).await
    };

    create(16).await?;

    let refused = create(17).await.unwrap_err().to_string();
    assert!(refused.contains("must have at most 16 items"), "{refused}");
    Ok(())
}
