//! What a pod says about the process in it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use k8s_openapi::{
    api::core::v1::{Container, EnvVar, Pod, Probe, ResourceFieldSelector},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::ResourceExt;

const ADDRESS_ARGUMENT: &str = "--http-address=";
const ADDRESS_VARIABLE: &str = "PLIMSOLL_HTTP_ADDRESS";

/// A process, as the pod's first container describes it.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) startup: Option<Check>,
    pub(super) readiness: Check,
    pub(super) liveness: Check,
    pub(super) grace_seconds: u64,
}

/// A probe.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) path: String,
    /// How long it may fail until it is given up.
    pub(super) patience_seconds: u64,
}

impl Process {
    /// Reads the pod; the process listens on `address` in place of its container's port.
    pub(super) fn of(pod: &Pod, address: &str) -> Result<Self> {
        let spec = pod.spec.as_ref().context("a pod without a spec")?;
        let container = spec.containers.first().context("a pod without containers")?;
        let mut env = environment(pod, container)?;
        let mut moved = env.insert(ADDRESS_VARIABLE.to_owned(), address.to_owned()).is_some();
        let args = words(container)
            .map(|word| match word.strip_prefix(ADDRESS_ARGUMENT) {
                Some(_) => {
                    moved = true;
                    format!("{ADDRESS_ARGUMENT}{address}")
                }
                None => expand(word, &env),
            })
            .collect();
        if !moved {
            bail!(
                "the chart sets neither {ADDRESS_ARGUMENT} nor {ADDRESS_VARIABLE}, so the operator cannot be moved to a free port"
            );
        }
        let probe = |probe: &Option<Probe>, name: &str| {
            check(container, probe.as_ref().with_context(|| format!("the chart has no {name} probe"))?)
        };
        Ok(Self {
            args,
            startup: container.startup_probe.as_ref().map(|probe| check(container, probe)).transpose()?,
            readiness: probe(&container.readiness_probe, "readiness")?,
            liveness: probe(&container.liveness_probe, "liveness")?,
            grace_seconds: spec.termination_grace_period_seconds.unwrap_or(30).try_into()?,
            env,
        })
    }
}

/// The arguments and the environment of a pod that does one thing and ends.
pub(super) fn once(pod: &Pod) -> Result<(Vec<String>, BTreeMap<String, String>)> {
    let container = pod.spec.as_ref().and_then(|spec| spec.containers.first());
    let container = container.context("a pod without containers")?;
    let env = environment(pod, container)?;
    Ok((words(container).map(|word| expand(word, &env)).collect(), env))
}

/// What follows the binary, which is the first word of the command.
fn words(container: &Container) -> impl Iterator<Item = &String> {
    container.command.iter().flatten().skip(1).chain(container.args.iter().flatten())
}

fn environment(pod: &Pod, container: &Container) -> Result<BTreeMap<String, String>> {
    let mut env = BTreeMap::new();
    for variable in container.env.iter().flatten() {
        let value = value(pod, container, variable, &env)?;
        env.insert(variable.name.clone(), value);
    }
    Ok(env)
}

fn value(
    pod: &Pod,
    container: &Container,
    variable: &EnvVar,
    env: &BTreeMap<String, String>,
) -> Result<String> {
    let Some(from) = &variable.value_from else {
        return Ok(expand(variable.value.as_deref().unwrap_or_default(), env));
    };
    if let Some(field) = &from.field_ref {
        return pod_field(pod, &field.field_path);
    }
    if let Some(resource) = &from.resource_field_ref {
        return resource_field(container, resource);
    }
    bail!("the bed knows no such source of the variable {}: {from:?}", variable.name)
}

/// The downward API.
fn pod_field(pod: &Pod, path: &str) -> Result<String> {
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    let found = match path {
        "metadata.name" => pod.metadata.name.clone(),
        "metadata.namespace" => pod.namespace(),
        "metadata.uid" => pod.uid(),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "status.podIP" => status.and_then(|status| status.pod_ip.clone()),
        "status.hostIP" => status.and_then(|status| status.host_ip.clone()),
        _ => None,
    };
    found.with_context(|| format!("the pod has no {path}, or the bed does not know it"))
}

/// A request or limit, for example `limits.cpu`, in units of its divisor.
fn resource_field(container: &Container, selector: &ResourceFieldSelector) -> Result<String> {
    let quantities = container.resources.as_ref().and_then(|resources| {
        let (list, resource) = selector.resource.split_once('.')?;
        let list = if list == "limits" { &resources.limits } else { &resources.requests };
        list.as_ref()?.get(resource)
    });
    let quantity = quantities.with_context(|| format!("the container has no {}", selector.resource))?;
    let divisor = selector.divisor.as_ref().map_or("1", |divisor| &divisor.0);
    let divisor = if divisor == "0" { "1" } else { divisor };
    let nano = |quantity: &str| crate::usage::nano(quantity);
    Ok(nano(&quantity.0)?.div_ceil(nano(divisor)?).to_string())
}

/// Replaces `$(NAME)` by the variable, as Kubernetes does; unknown names stay.
fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    env.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("$({name})"), value))
}

fn check(container: &Container, probe: &Probe) -> Result<Check> {
    let get = probe.http_get.as_ref().context("the bed knows probes by HTTP only")?;
    let known = container.ports.iter().flatten().any(|port| match &get.port {
        IntOrString::Int(number) => port.container_port == *number,
        IntOrString::String(name) => port.name.as_ref() == Some(name),
    });
    if !known {
        bail!("a probe asks at the port {:?}, which the container does not declare", get.port);
    }
    let seconds = probe.period_seconds.unwrap_or(10) * probe.failure_threshold.unwrap_or(3);
    Ok(Check { path: get.path.clone().unwrap_or_default(), patience_seconds: seconds.try_into()? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "plimsoll-1", "namespace": "plimsoll-system"},
            "spec": {
                "nodeName": "zone-a-0",
                "containers": [{
                    "name": "operator",
                    "command": ["/plimsoll-operator"],
                    "args": ["--http-address=0.0.0.0:8080", "--pod=$(POD_NAME)"],
                    "env": [
                        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
                    ],
                    "resources": {"limits": {"memory": "256Mi"}},
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
                    "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 2},
                }],
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_process_is_what_its_pod_says_but_for_the_address() {
        let process = Process::of(&pod(), "127.0.0.1:20000").unwrap();
        assert_eq!(process.args, ["--http-address=127.0.0.1:20000", "--pod=plimsoll-1"]);
        assert_eq!(process.env["POD_NAME"], "plimsoll-1");
        assert_eq!(process.env["MEMORY"], "256");
        assert_eq!(process.readiness.path, "/readyz");
        assert_eq!(process.readiness.patience_seconds, 6);
        assert_eq!(process.grace_seconds, 30);
    }

    #[test]
    fn a_probe_of_an_undeclared_port_is_refused() {
        let mut pod = pod();
        pod.spec.as_mut().unwrap().containers[0].ports = None;
        assert!(Process::of(&pod, "127.0.0.1:20000").is_err());
    }
}
