//! What tests of ServiceGroups share.

use anyhow::{Context, Result, anyhow, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use testbed::eventually;

use crate::stage::{PATIENCE, Scene, conditions};

/// The kinds of what is kept for a service with a template.
pub(crate) const KINDS: [(&str, &str); 4] = [
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("plimsoll.dev/v1alpha1", "PodScaler"),
    ("policy/v1", "PodDisruptionBudget"),
];

/// A group of these services.
pub(crate) fn group(name: &str, services: &[Value]) -> Value {
    json!({
        "apiVersion": "plimsoll.dev/v1alpha1",
        "kind": "ServiceGroup",
        "metadata": {"name": name},
        // A short hook, so that no test waits for pods that leave slowly.
        "spec": {"services": services, "availability": {"preStopSeconds": 1}},
    })
}

/// A service with pods of its own that request 100m of cpu; `min` of them when there is no load.
pub(crate) fn with_template(name: &str, min: i32) -> Value {
    let ports = json!([{"name": "http", "containerPort": 8080}]);
    let requests = json!({"cpu": "100m", "memory": "64Mi"});
    let container =
        json!({"name": "web", "image": "web:1", "ports": ports, "resources": {"requests": requests}});
    json!({
        "name": name,
        "port": 80,
        "targetPort": "http",
        "template": {"spec": {"containers": [container]}},
        "scaling": {"minReplicas": min, "maxReplicas": 9},
    })
}

/// A service on a workload that exists.
pub(crate) fn referring(name: &str, kind: &str, workload: &str, min: i32) -> Value {
    json!({
        "name": name,
        "port": 80,
        "workloadRef": {"kind": kind, "name": workload},
        "scaling": {"minReplicas": min, "maxReplicas": 9},
    })
}

pub(crate) fn groups(scene: &Scene<'_>) -> Api<DynamicObject> {
    scene.api("plimsoll.dev/v1alpha1", "ServiceGroup")
}

/// A merge patch on an object.
pub(crate) async fn edit(api: &Api<DynamicObject>, name: &str, patch: Value) -> Result<()> {
    api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

/// Gives a group other services.
pub(crate) async fn replace(scene: &Scene<'_>, name: &str, services: &[Value]) -> Result<()> {
    edit(&groups(scene), name, json!({"spec": {"services": services}})).await
}

/// Waits until a group is as wanted, and returns it.
pub(crate) async fn until(scene: &Scene<'_>, name: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    eventually(&format!("the ServiceGroup {name}"), PATIENCE, async || {
        let group = serde_json::to_value(groups(scene).get(name).await?)?;
        let is_current = group["status"]["observedGeneration"] == group["metadata"]["generation"];
        if is_current && wanted(&group) { Ok(group) } else { Err(anyhow!("{}", group["status"])) }
    })
    .await
}

/// Waits until so many of its services are ready, as in `2/3`.
pub(crate) async fn ready(scene: &Scene<'_>, name: &str, services: &str) -> Result<Value> {
    until(scene, name, |group| group["status"]["ready"] == services).await
}

/// Waits until a condition of a service has this status and reason, as in `Ready=False NameTaken`, and returns its message.
pub(crate) async fn condition(scene: &Scene<'_>, name: &str, service: &str, wanted: &str) -> Result<String> {
    let told = |group: &Value| {
        let services = group["status"]["services"].as_array().cloned().unwrap_or_default();
        let service = services.into_iter().find(|of| of["name"] == service)?;
        let told = conditions(&json!({"status": service}));
        told.into_iter().find(|(told, _)| told == wanted).map(|(_, message)| message)
    };
    let group = until(scene, name, |group| told(group).is_some()).await;
    told(&group.with_context(|| format!("{service}: {wanted}"))?).context("the condition was there")
}

/// Waits until an object is as wanted, and returns it.
pub(crate) async fn object(
    scene: &Scene<'_>,
    (api_version, kind): (&str, &str),
    name: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Value> {
    eventually(&format!("{kind} {name}"), PATIENCE, async || {
        let object = serde_json::to_value(scene.api(api_version, kind).get(name).await?)?;
        if wanted(&object) { Ok(object) } else { Err(anyhow!("{object}")) }
    })
    .await
}

/// Waits until an object is gone.
pub(crate) async fn gone(scene: &Scene<'_>, (api_version, kind): (&str, &str), name: &str) -> Result<()> {
    eventually(&format!("the end of {kind} {name}"), PATIENCE, async || {
        let found = scene.api(api_version, kind).get_opt(name).await?;
        ensure!(found.is_none(), "it is there");
        Ok(())
    })
    .await
}

/// Deletes an object and waits until it is gone.
pub(crate) async fn delete(scene: &Scene<'_>, of: (&str, &str), name: &str) -> Result<()> {
    scene.api(of.0, of.1).delete(name, &DeleteParams::default()).await?;
    gone(scene, of, name).await
}

/// The zones of the running pods of a service, in order.
pub(crate) async fn zones(scene: &Scene<'_>, service: &str) -> Result<Vec<String>> {
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), &scene.namespace);
    let nodes: Api<Node> = Api::all(scene.client.clone());
    let of_service = ListParams::default().labels(&format!("plimsoll.dev/service={service}"));
    let mut zones = Vec::new();
    for pod in
        pods.list(&of_service).await?.items.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none())
    {
        let node =
            pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).context("a pod is not bound")?;
        let labels = nodes.get(node).await?.labels().clone();
        zones.push(labels.get("topology.kubernetes.io/zone").context("a node is in no zone")?.clone());
    }
    zones.sort();
    Ok(zones)
}

/// The events about a group as `Reason: note`, in the order of their time.
pub(crate) async fn events(scene: &Scene<'_>, name: &str) -> Result<Vec<String>> {
    let params = ListParams::default().fields(&format!("regarding.kind=ServiceGroup,regarding.name={name}"));
    let mut events = scene.api("events.k8s.io/v1", "Event").list(&params).await?.items;
    let text = |event: &DynamicObject, field: &str| event.data[field].as_str().unwrap_or("").to_owned();
    events.sort_by_key(|event| text(event, "eventTime"));
    Ok(events.iter().map(|event| format!("{}: {}", text(event, "reason"), text(event, "note"))).collect())
}
