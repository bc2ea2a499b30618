//! Kinds that were defined after the cluster was started.

use std::time::Duration;

use anyhow::Result;

use super::Cluster;
use crate::eventually;

impl Cluster {
    /// Waits until every kind that is defined is served, which is a moment after its condition `Established` says so.
    pub async fn serves_what_is_defined(&self) -> Result<()> {
        eventually("all kinds to be served", Duration::from_mins(2), async || {
            let defined = self.kubectl(["get", "crd", "--output=name"]).await?.stdout;
            let kinds: Vec<_> = defined.lines().filter_map(|line| Some(line.split_once('/')?.1)).collect();
            self.kubectl(["get", "--all-namespaces", &kinds.join(",")]).await.map(drop)
        })
        .await
    }
}
