//! What kwokctl is told.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde_json::json;

use super::{pod_network::PodNetwork, spec::ClusterSpec};
use crate::{ports::Port, tools::Tools};

const PORTS: [&str; 7] = [
    "etcdPort",
    "etcdPeerPort",
    "kubeApiserverPort",
    "kubeControllerManagerPort",
    "kubeSchedulerPort",
    "kwokControllerPort",
    "metricsServerPort",
];

/// One port for each part. kwokctl would choose by itself, but two of them at once choose the same.
pub(super) fn claim_ports() -> Result<Vec<Port>> {
    PORTS.iter().map(|_| Port::claim()).collect()
}

/// Writes the configuration into the state directory.
pub(super) fn write(
    state: &Path,
    tools: &Tools,
    ports: &[Port],
    spec: &ClusterSpec,
    pod_network: Option<&PodNetwork>,
) -> Result<PathBuf> {
    let audit_policy = state.join("audit-policy.json");
    fs::write(
        &audit_policy,
        json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata"}],
        })
        .to_string(),
    )?;
    // The shortest resolution it permits; the time-out must stay below nine tenths of it.
    let mut metrics_server = vec![
        json!({"key": "metric-resolution", "value": "10s", "override": true}),
        json!({"key": "kubelet-request-timeout", "value": "5s"}),
    ];
    if spec.plain_kubelets {
        // Of a flag given twice the last one counts.
        metrics_server.push(json!({"key": "kubelet-insecure-tls", "value": "false"}));
        metrics_server.push(json!({"key": "deprecated-kubelet-completely-insecure", "value": "true"}));
    }
    let mut config = json!({
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": {
            "runtime": "binary",
            "kubeVersion": tools.kubernetes_version(),
            "kubeApiserverBinary": tools.program("kube-apiserver"),
            "kubeControllerManagerBinary": tools.program("kube-controller-manager"),
            "kubeSchedulerBinary": tools.program("kube-scheduler"),
            "kubectlBinary": tools.program("kubectl"),
            "etcdBinary": tools.program("etcd"),
            "kwokControllerBinary": tools.program("kwok"),
            "metricsServerBinary": tools.program("metrics-server"),
            "metricsServerManifests": [tools.metrics_server_manifests()],
            "enable": ["metrics-server"],
            "enableCRDs": ["Stage", "Metric", "ResourceUsage", "ClusterResourceUsage"],
            "disableQPSLimits": true,
            "bindAddress": "127.0.0.1",
            "kubeAuthorization": true,
            "kubeAdmission": true,
            "kubeAuditPolicy": audit_policy,
        },
        "componentsPatches": [{"name": "metrics-server", "extraArgs": metrics_server}],
    });
    let mut add_flag = |part: &str, flag: &str, value: &str| {
        if let Some(patches) = config["componentsPatches"].as_array_mut() {
            patches.push(json!({"name": part, "extraArgs": [{"key": flag, "value": value}]}));
        }
    };
    // Alone, they need not elect anybody; and one that cannot renew its lease for ten seconds, as on a busy machine, ends.
    add_flag("kube-controller-manager", "leader-elect", "false");
    add_flag("kube-scheduler", "leader-elect", "false");
    // What the cluster holds ends with the machine anyway, and a slow disk fails requests.
    add_flag("etcd", "unsafe-no-fsync", "true");
    // One file for all that is asked: tests read it from its beginning.
    add_flag("kube-apiserver", "audit-log-maxsize", "100000");
    if !spec.hpa_controller {
        add_flag("kube-controller-manager", "controllers", "*,-horizontal-pod-autoscaler-controller");
    }
    if let Some(network) = pod_network {
        add_flag("kube-apiserver", "egress-selector-config-file", &network.config().display().to_string());
    }
    if let Some(seconds) = spec.node_silence_seconds {
        // By default kwokctl makes all of these five times as long. A node's status it may write as seldom as ever.
        config["options"]["heartbeatFactor"] = 1.into();
        config["options"]["nodeStatusUpdateFrequencyMilliseconds"] = 50_000.into();
        config["options"]["kubeControllerManagerNodeMonitorGracePeriodMilliseconds"] =
            (seconds * 1000).into();
        config["options"]["kubeControllerManagerNodeMonitorPeriodMilliseconds"] = 1000.into();
        // A node says four times within this that it lives.
        config["options"]["nodeLeaseDurationSeconds"] = seconds.into();
    }
    for (option, port) in PORTS.iter().zip(ports) {
        config["options"][option] = port.number().into();
    }
    // JSON is YAML.
    let path = state.join("kwokctl.yaml");
    fs::write(&path, serde_json::to_string_pretty(&config)?)?;
    Ok(path)
}
