//! What `metrics.k8s.io` says, as the operator reads it.

use anyhow::{Context, Result};
use kube::{
    Api,
    api::{DynamicObject, ListParams},
    core::{ApiResource, GroupVersionKind},
};

use crate::cluster::Cluster;

/// The usage of one pod, all its containers together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodUsage {
    /// The pod's name.
    pub pod: String,
    /// Thousandths of a core, rounded down.
    pub cpu_milli: u64,
    /// Bytes.
    pub memory: u64,
}

impl Cluster {
    /// The usage of the pods that have one now.
    pub async fn usage(&self, namespace: &str, selector: &str) -> Result<Vec<PodUsage>> {
        let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
        let resource = ApiResource::from_gvk_with_plural(&kind, "pods");
        let pods: Api<DynamicObject> = Api::namespaced_with(self.client().await?, namespace, &resource);
        let pods = pods.list(&ListParams::default().labels(selector)).await?;
        pods.items.iter().map(pod_usage).collect()
    }
}

pub(crate) fn pod_usage(pod: &DynamicObject) -> Result<PodUsage> {
    let containers = pod.data["containers"].as_array().context("PodMetrics without containers")?;
    let sum = |resource: &str| -> Result<u128> {
        containers.iter().map(|container| nano(container["usage"][resource].as_str().unwrap_or("0"))).sum()
    };
    Ok(PodUsage {
        pod: pod.metadata.name.clone().unwrap_or_default(),
        cpu_milli: u64::try_from(sum("cpu")? / 1_000_000)?,
        memory: u64::try_from(sum("memory")? / 1_000_000_000)?,
    })
}

/// A quantity in billionths, in the forms in which metrics-server writes them.
pub(crate) fn nano(quantity: &str) -> Result<u128> {
    let digits = quantity.trim_end_matches(|c: char| !c.is_ascii_digit());
    let scale: u128 = match &quantity[digits.len()..] {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => 1_000_000_000,
        "k" => 1_000_000_000 * 1_000,
        "M" => 1_000_000_000 * 1_000_000,
        "Ki" => 1_000_000_000 << 10,
        "Mi" => 1_000_000_000 << 20,
        "Gi" => 1_000_000_000 << 30,
        other => anyhow::bail!("the suffix {other:?} of the quantity {quantity:?}"),
    };
    Ok(digits.parse::<u128>().with_context(|| quantity.to_owned())? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_as_metrics_server_writes_them() {
        assert_eq!(nano("250m").unwrap(), 250_000_000);
        assert_eq!(nano("12345n").unwrap(), 12_345);
        assert_eq!(nano("1Mi").unwrap(), (1 << 20) * 1_000_000_000);
        assert!(nano("1.5").is_err());
    }
}
