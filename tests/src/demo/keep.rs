//! What a person needs to go on with a cluster that was left up.

use std::path::Path;

use anyhow::Result;

use crate::Cluster;

/// Leaves the cluster up. The lines that say how to use it and how to end it.
pub(super) fn keep(cluster: Cluster) -> Result<Vec<String>> {
    let kubeconfig = cluster.kubeconfig();
    let kubectl = cluster.tools().program("kubectl");
    let bin = kubectl.parent().unwrap_or_else(|| Path::new("")).display();
    let lines = vec![
        String::new(),
        "The cluster and the operator stay up. The load stays as it was last spread over the pods."
            .to_owned(),
        format!("  export KUBECONFIG={}", kubeconfig.display()),
        format!("  export PATH={bin}:$PATH    # kubectl and helm, if you have none"),
        "  kubectl --namespace shop get podscalers".to_owned(),
        "To end them:".to_owned(),
        "  cargo run -p plimsoll-tests --bin testbed -- down".to_owned(),
    ];
    cluster.keep()?;
    Ok(lines)
}
