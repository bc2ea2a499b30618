//! The burst: Deployments of the mix of Karpenter's scheduling benchmark, of several sizes of pods.

use anyhow::Result;
use serde_json::{Value, json};

use crate::Cluster;

/// The label by which pods find the nodes of both contestants and not those of the bed.
pub(super) const LABEL: &str = "bench";
/// Its value.
pub(super) const BURST: &str = "burst";

/// Requests of pods, in thousandths of a core and MiB; each constraint comes with each of them.
const REQUESTS: [(u32, u32); 3] = [(250, 512), (500, 2048), (1000, 2048)];
/// At most so many pods keep each other off a node: each of them needs one, and both would make mostly these.
const APART: u32 = 30;

/// What a Deployment's pods ask of their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Nothing,
    ZonalSpread,
    HostSpread,
    ZonalAffinity,
    HostAntiAffinity,
}

impl Wish {
    const ALL: [Self; 5] =
        [Self::Nothing, Self::ZonalSpread, Self::HostSpread, Self::ZonalAffinity, Self::HostAntiAffinity];
}

/// The Deployments, whose replicas are `size` in total.
fn deployments(size: u32) -> Vec<Value> {
    let mut left = size;
    let mut made = Vec::new();
    let kinds: Vec<_> =
        Wish::ALL.iter().rev().flat_map(|wish| REQUESTS.map(|request| (*wish, request))).collect();
    for (number, (wish, request)) in kinds.iter().enumerate() {
        // Those without a wish come last and take what is left.
        let mut replicas = left / u32::try_from(kinds.len() - number).unwrap_or(1);
        if *wish == Wish::HostAntiAffinity {
            replicas = replicas.min(APART);
        }
        left -= replicas;
        made.push(deployment(number, *wish, *request, replicas));
    }
    made
}

fn deployment(number: usize, wish: Wish, (milli, mib): (u32, u32), replicas: u32) -> Value {
    let name = format!("burst-{number:02}");
    let labels = json!({ "app": name, LABEL: BURST });
    let selector = json!({ "matchLabels": { "app": name } });
    let spread = |key: &str| {
        json!({ "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector,
        }] })
    };
    let term = |key: &str| {
        json!({ "requiredDuringSchedulingIgnoredDuringExecution": [
            { "topologyKey": key, "labelSelector": selector },
        ] })
    };
    let mut pod = match wish {
        Wish::Nothing => json!({}),
        Wish::ZonalSpread => spread("topology.kubernetes.io/zone"),
        Wish::HostSpread => spread("kubernetes.io/hostname"),
        Wish::ZonalAffinity => json!({ "affinity": { "podAffinity": term("topology.kubernetes.io/zone") } }),
        Wish::HostAntiAffinity => {
            json!({ "affinity": { "podAntiAffinity": term("kubernetes.io/hostname") } })
        }
    };
    pod["terminationGracePeriodSeconds"] = 0.into();
    pod["nodeSelector"] = json!({ LABEL: BURST });
    pod["containers"] = json!([{
        "name": "app",
        "image": "app",
        "resources": { "requests": { "cpu": format!("{milli}m"), "memory": format!("{mib}Mi") } },
    }]);
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "replicas": replicas,
            "selector": selector,
            "template": { "metadata": { "labels": labels }, "spec": pod },
        },
    })
}

/// Creates them all at once.
pub(super) async fn create(cluster: &Cluster, size: u32) -> Result<()> {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": deployments(size) });
    cluster.kubectl_with(["create", "-f", "-"], &list.to_string()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_has_as_many_pods_as_it_says() {
        for size in [15, 100, 1000, 5000] {
            let replicas: u64 = deployments(size)
                .iter()
                .map(|deployment| deployment["spec"]["replicas"].as_u64().unwrap())
                .sum();
            assert_eq!(replicas, u64::from(size));
        }
    }
}
