//! What the eviction of a pod depends on.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Pod, Volume};
use plimsoll_core::{
    cluster::{Eviction, Name},
    time::Span,
};

use super::node::do_not_disrupt;
use crate::DELETION_COST;

/// Says of a pod that it may, or may not, be evicted: the cluster-autoscaler's.
const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
/// Names volumes that may be lost with the pod: the cluster-autoscaler's.
const SAFE_VOLUMES: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
/// What the API server sets where a pod says nothing.
const DEFAULT_GRACE: i64 = 30;

pub(super) fn observe_eviction(pod: &Pod) -> Eviction {
    let annotations = pod.metadata.annotations.as_ref();
    let text = |key: &str| annotations.and_then(|all: &BTreeMap<_, _>| all.get(key)).map(String::as_str);
    let names = |names: &str| names.split(',').map(|name| Name::from(name.trim())).collect::<BTreeSet<_>>();
    let spec = pod.spec.as_ref();
    let volumes = spec.and_then(|spec| spec.volumes.as_ref()).into_iter().flatten();
    let grace = spec.and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(DEFAULT_GRACE);
    Eviction {
        safe: match text(SAFE_TO_EVICT) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        },
        do_not_disrupt: do_not_disrupt(annotations),
        local_volumes: volumes
            .filter(|volume| is_local(volume))
            .map(|volume| volume.name.as_str().into())
            .collect(),
        safe_local_volumes: text(SAFE_VOLUMES).map(names).unwrap_or_default(),
        grace: Span::from_secs(grace.max(0)),
        deletion_cost: text(DELETION_COST).and_then(|cost| cost.parse().ok()).unwrap_or(0),
        starting: pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending"),
    }
}

/// Lost with the pod. What lies in memory would not survive a restart of the container's node either, and nobody keeps
/// what he needs there.
fn is_local(volume: &Volume) -> bool {
    let in_memory = |medium: Option<&String>| medium.is_some_and(|medium| medium == "Memory");
    volume.host_path.is_some() || volume.empty_dir.as_ref().is_some_and(|dir| !in_memory(dir.medium.as_ref()))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn what_both_peers_read_is_read() {
        let pod = serde_saphyr::from_str(
            "
             metadata:
               annotations:
                 cluster-autoscaler.kubernetes.io/safe-to-evict: 'false'
                 cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: cache, tmp
                 karpenter.sh/do-not-disrupt: 'true'
                 controller.kubernetes.io/pod-deletion-cost: '-3'
             spec:
               terminationGracePeriodSeconds: 5
               containers: []
               volumes:
               - { name: cache, emptyDir: {} }
               - { name: fast, emptyDir: { medium: Memory } }
               - { name: logs, hostPath: { path: /var/log } }
               - { name: config, configMap: { name: a } }",
        )
        .unwrap();
        let names = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect::<BTreeSet<_>>();
        assert_eq!(
            observe_eviction(&pod),
            Eviction {
                safe: Some(false),
                do_not_disrupt: Some(Span::from_millis(i64::MAX)),
                local_volumes: names(&["cache", "logs"]),
                safe_local_volumes: names(&["cache", "tmp"]),
                grace: Span::from_secs(5),
                deletion_cost: -3,
                starting: false,
            }
        );
    }

    #[test]
    fn a_pod_is_starting_as_long_as_its_phase_is_pending() {
        let starting = |phase: &str| {
            let pod = format!("status: {{ phase: {phase} }}");
            observe_eviction(&serde_saphyr::from_str(&pod).unwrap()).starting
        };
        assert_eq!([starting("Pending"), starting("Running")], [true, false]);
    }
}
