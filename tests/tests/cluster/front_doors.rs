//! What tests of front doors share.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testbed::operator::{NAMESPACE, RELEASE, chart};

use crate::{
    groups_stage::{edit, gone, group, groups, object, until, with_template},
    stage::{Scene, conditions},
};

pub(crate) const INGRESS: (&str, &str) = ("networking.k8s.io/v1", "Ingress");
pub(crate) const ROUTE: (&str, &str) = ("gateway.networking.k8s.io/v1", "HTTPRoute");

/// A class of a controller, with a name that nobody else has.
pub(crate) async fn class(scene: &Scene<'_>, controller: &str) -> Result<String> {
    let name = scene.namespace.name().to_owned();
    named_class(scene, &name, controller).await?;
    Ok(name)
}

pub(crate) async fn named_class(scene: &Scene<'_>, name: &str, controller: &str) -> Result<()> {
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name},
        "spec": {"controller": controller}});
    scene.cluster.kubectl_with(["create", "-f", "-"], &class.to_string()).await.map(drop)
}

/// The operator may read the Secrets of this namespace, by the chart's own template.
pub(crate) async fn allow_secrets(scene: &Scene<'_>) -> Result<()> {
    let template = [
        "template".to_owned(),
        RELEASE.to_owned(),
        chart().display().to_string(),
        format!("--namespace={NAMESPACE}"),
        "--show-only=templates/certificates.yaml".to_owned(),
        format!("--set=serviceGroups.secretNamespaces={{{}}}", scene.namespace),
    ];
    let rendered = scene.cluster.helm(template).await?;
    scene.cluster.kubectl_with(["create", "-f", "-"], &rendered.stdout).await.map(drop)
}

/// A service with one pod that answers these prefixes.
pub(crate) fn paths(name: &str, paths: &[&str]) -> Value {
    let mut service = with_template(name, 1);
    service["paths"] = paths.iter().map(|path| json!({"path": path})).collect();
    service
}

/// A front door that is an Ingress.
pub(crate) fn door(ingress: &Value) -> Value {
    json!({"ingress": ingress})
}

pub(crate) fn with_door(name: &str, services: &[Value], door: &Value) -> Value {
    let mut group = group(name, services);
    group["spec"]["frontDoor"] = door.clone();
    group
}

/// A group without a front door gets an Ingress, then a route, then none again.
pub(crate) async fn both_doors_come_and_go(scene: &Scene<'_>, name: &str) -> Result<()> {
    let class = class(scene, "traefik.io/ingress-controller").await?;
    let all = groups(scene);
    let mut service = all.get(name).await?.data["spec"]["services"][0].clone();
    service["paths"] = json!([{"path": "/"}]);
    let doors = json!({"services": [service], "frontDoor": {"ingress": {"className": class}}});
    edit(&all, name, json!({"spec": doors})).await?;
    front_door(scene, name, "FrontDoor=True Accepted").await?;
    edit(&all, name, json!({"spec": {"frontDoor": null}})).await?;
    gone(scene, INGRESS, name).await?;
    let gateway = json!({"gateway": {"parentRefs": [{"name": "nobody"}]}});
    edit(&all, name, json!({"spec": {"frontDoor": gateway}})).await?;
    front_door(scene, name, "FrontDoor=False GatewayMissing").await?;
    edit(&all, name, json!({"spec": {"frontDoor": null}})).await?;
    gone(scene, ROUTE, name).await
}

/// Waits until the condition of the front door is as wanted, as in `FrontDoor=True Accepted`, and returns its message.
pub(crate) async fn front_door(scene: &Scene<'_>, name: &str, wanted: &str) -> Result<String> {
    let told = |group: &Value| conditions(group).into_iter().find(|(told, _)| told == wanted);
    let group = until(scene, name, |group| told(group).is_some()).await;
    let (_, message) = told(&group.with_context(|| wanted.to_owned())?).context("the condition was there")?;
    Ok(message)
}

/// The paths of the first rule of an Ingress, each with its Service.
pub(crate) async fn served_by(scene: &Scene<'_>, name: &str) -> Result<Vec<String>> {
    let ingress = object(scene, INGRESS, name, |_| true).await?;
    let paths = ingress["spec"]["rules"][0]["http"]["paths"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let served =
        |path: &Value| format!("{} {}", text(&path["path"]), text(&path["backend"]["service"]["name"]));
    Ok(paths.iter().map(served).collect())
}
