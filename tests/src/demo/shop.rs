//! The shop of manifests/samples, and what load it carries.

use anyhow::Result;

use super::visitors::Visitors;
use crate::{Cluster, Load, Total};

/// The namespace of the samples.
pub(super) const NAMESPACE: &str = "shop";
/// The label that tells the services apart.
pub(super) const LABEL: &str = "app.kubernetes.io/name";
/// The service that gets the wave.
pub(super) const WAVE: &str = "store-get";
/// How much more load the wave is.
pub(super) const TIMES: u64 = 6;
/// The services in the order in which they are shown, each with its quiet load in thousandths of a core:
/// a little below what two pods carry at their target.
const QUIET: [(&str, u64); 3] = [(WAVE, 112), ("store-post", 224), ("store-delete", 112)];

/// The names of all services.
pub(super) fn names() -> [&'static str; 3] {
    QUIET.map(|(name, _)| name)
}

/// The quiet load of a service, in thousandths of a core.
pub(super) fn quiet_milli(name: &str) -> u64 {
    QUIET.iter().find(|(service, _)| *service == name).map_or(0, |(_, milli)| *milli)
}

/// The load on all services.
pub(super) enum Loads<'c> {
    /// Usage that kwok says the pods have.
    Said(Vec<(&'static str, Load)>),
    /// Requests of clients.
    Sent(Visitors<'c>),
}

impl Loads<'_> {
    /// Puts the quiet load on all pods of the shop, also on those that are still to come.
    pub(super) async fn said(cluster: &Cluster) -> Result<Self> {
        let mut loads = Vec::new();
        for (name, milli) in QUIET {
            let selector = format!("{LABEL}={name}");
            loads.push((name, Load::start(cluster, NAMESPACE, &selector, total(milli)).await?));
        }
        Ok(Self::Said(loads))
    }

    /// Changes the load on one of them.
    pub(super) async fn set(&self, name: &str, milli: u64) -> Result<()> {
        match self {
            Self::Said(loads) => {
                for (_, load) in loads.iter().filter(|(service, _)| *service == name) {
                    load.set(total(milli));
                }
            }
            Self::Sent(visitors) => visitors.set(name, milli).await?,
        }
        Ok(())
    }
}

fn total(cpu_milli: u64) -> Total {
    Total { cpu_milli, memory_mib: 64 }
}
