use anyhow::{Result, ensure};
use testbed::operator::NAMESPACE;

use crate::stage;

/// The shared operator runs in a namespace that enforces the restricted Pod Security level, and enforces it.
#[tokio::test]
async fn pods_are_restricted() -> Result<()> {
    stage::story("restricted", async |scene| {
        let get = ["get", "namespace", NAMESPACE, "-o", "jsonpath={.metadata.labels}"];
        let labels = scene.cluster.kubectl(get).await?.stdout;
        ensure!(labels.contains("\"pod-security.kubernetes.io/enforce\":\"restricted\""), "{labels}");
        let (operator, _tail) = stage::operator().await?;
        ensure!(operator.processes().len() == 2, "pods were refused");

        let lax = ["run", "lax", "--image=lax", "--namespace", NAMESPACE, "--dry-run=server"];
        let refused = scene.cluster.kubectl(lax).await.err().map(|error| error.to_string());
        ensure!(
            refused.is_some_and(|refused| refused.contains("violates PodSecurity")),
            "all pods are admitted"
        );
        Ok(())
    })
    .await
}
