//! Gateway API, as its project installs it.

use anyhow::Result;
use tokio::task::spawn_blocking;

use super::Cluster;
use crate::tools::gateway_api_crds;

impl Cluster {
    /// Defines the kinds of Gateway API's standard channel and waits until they are served. Nothing happens if they are
    /// there already.
    pub async fn install_gateway_api(&self) -> Result<()> {
        let folder = spawn_blocking(gateway_api_crds).await??.display().to_string();
        // The definitions are larger than what a plain apply can annotate.
        self.kubectl(["apply", "--server-side", "--filename", &folder]).await?;
        self.serves_what_is_defined().await
    }
}
