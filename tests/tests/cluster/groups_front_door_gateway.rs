use anyhow::{Result, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testbed::{Cluster, ClusterSpec, Operator};

use crate::{
    front_doors::{INGRESS, ROUTE, class, door, front_door, paths, with_door},
    groups_stage::{edit, gone, groups, object, until},
    stage::{FAST, Scene},
};

/// From an Ingress to a route: the Ingress serves on until a Gateway has taken the route, whatever comes in between (no
/// Gateway API, no Gateway, a Gateway that says no). Gateway API may come later, and go again.
#[tokio::test]
async fn a_route_takes_over_once_its_gateway_took_it() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    let operator = Operator::install(&cluster, &[FAST, "--set=replicas=1"]).await?;
    let scene = &Scene::new(&cluster, "route").await?;
    let class = class(scene, "traefik.io/ingress-controller").await?;
    let (get, post) = (paths("get", &["/store"]), paths("post", &["/post"]));
    scene.create(with_door("store", &[get, post], &door(&json!({"className": class})))).await?;
    front_door(scene, "store", "FrontDoor=True Accepted").await?;

    let parents = json!([{"name": "web"}]);
    let by_method = |name: &str, method: &str| {
        let mut service = paths(name, &["/store"]);
        service["methods"] = json!([method]);
        service
    };
    let changed = json!({"spec": {
        "services": [by_method("get", "GET"), by_method("post", "POST")],
        "frontDoor": {"ingress": null, "gateway": {"parentRefs": parents}, "timeouts": {"requestSeconds": 30}},
    }});
    edit(&groups(scene), "store", changed).await?;
    let message = front_door(scene, "store", "FrontDoor=False NoGatewayApi").await?;
    ensure!(message.contains("install the Gateway API"), "{message}");

    cluster.install_gateway_api().await?;
    let message = front_door(scene, "store", "FrontDoor=False GatewayMissing").await?;
    ensure!(message.contains("spec.frontDoor.gateway.parentRefs[0]"), "{message}");
    let route = object(scene, ROUTE, "store", |_| true).await?;
    let matches = route["spec"]["rules"][1]["matches"][0].clone();
    ensure!(
        matches == json!({"path": {"type": "PathPrefix", "value": "/store"}, "method": "POST"}),
        "{route}"
    );
    ensure!(route["spec"]["rules"][0]["timeouts"]["request"] == "30s", "{route}");

    gateway(scene, "web").await?;
    front_door(scene, "store", "FrontDoor=Unknown Pending").await?;
    say(scene, "store", "False", "NotAllowedByListeners").await?;
    let message = front_door(scene, "store", "FrontDoor=False NotAccepted").await?;
    ensure!(message.contains("says NotAllowedByListeners: of no listener"), "{message}");
    object(scene, INGRESS, "store", |_| true).await?;

    say(scene, "store", "True", "Accepted").await?;
    front_door(scene, "store", "FrontDoor=True Accepted").await?;
    gone(scene, INGRESS, "store").await?;
    until(scene, "store", |group| group["status"]["address"] == "192.0.2.9").await?;

    cluster.kubectl(["delete", "crd", "httproutes.gateway.networking.k8s.io"]).await?;
    front_door(scene, "store", "FrontDoor=False NoGatewayApi").await?;
    cluster.install_gateway_api().await?;
    object(scene, ROUTE, "store", |_| true).await?;

    edit(&groups(scene), "store", json!({"spec": {"frontDoor": null}})).await?;
    gone(scene, ROUTE, "store").await?;
    drop(operator);
    cluster.stop().await
}

/// Seventeen services take two routes, by the real API server's limit; one that goes moves no other.
#[tokio::test]
async fn more_services_than_a_route_takes_have_another() -> Result<()> {
    crate::stage::story("many", async |scene| {
        scene.cluster.install_gateway_api().await?;
        gateway(scene, "web").await?;
        let services: Vec<_> = (1..=17).map(|at| paths(&format!("s{at}"), &[&format!("/s{at}")])).collect();
        let spec = json!({"gateway": {"parentRefs": [{"name": "web"}]}, "hosts": ["shop.example.com"]});
        scene.create(with_door("store", &services, &spec)).await?;
        let rules = |route: &Value| route["spec"]["rules"].as_array().map_or(0, Vec::len);
        object(scene, ROUTE, "store", |route| rules(route) == 16).await?;
        object(scene, ROUTE, "store.2", |route| rules(route) == 1).await?;
        say(scene, "store", "True", "Accepted").await?;
        say(scene, "store.2", "True", "Accepted").await?;
        front_door(scene, "store", "FrontDoor=True Accepted").await?;

        edit(&groups(scene), "store", json!({"spec": {"services": services[1..]}})).await?;
        object(scene, ROUTE, "store", |route| rules(route) == 15).await?;
        object(scene, ROUTE, "store.2", |route| rules(route) == 1).await?;
        edit(&groups(scene), "store", json!({"spec": {"services": services[1..16]}})).await?;
        say(scene, "store", "True", "Accepted").await?;
        gone(scene, ROUTE, "store.2").await
    })
    .await
}

/// A Gateway with an address, of a class that says nothing of what it can do.
async fn gateway(scene: &Scene<'_>, name: &str) -> Result<()> {
    let gateway = json!({"apiVersion": ROUTE.0, "kind": "Gateway", "metadata": {"name": name},
        "spec": {"gatewayClassName": "bed", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}});
    scene.create(gateway).await?;
    let address = json!({"status": {"addresses": [{"type": "IPAddress", "value": "192.0.2.9"}]}});
    let gateways = scene.api(ROUTE.0, "Gateway");
    gateways.patch_status(name, &PatchParams::default(), &Patch::Merge(&address)).await?;
    Ok(())
}

/// Says of a route what the controller of the Gateway `web` would.
async fn say(scene: &Scene<'_>, name: &str, accepted: &str, reason: &str) -> Result<()> {
    let routes = scene.api(ROUTE.0, ROUTE.1);
    let generation = routes.get(name).await?.metadata.generation;
    let parent = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"});
    let condition = json!({"type": "Accepted", "status": accepted, "reason": reason, "message": "of no listener",
        "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = json!({"status": {"parents": [
        {"parentRef": parent, "controllerName": "example.com/bed", "conditions": [condition]}]}});
    routes.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await?;
    Ok(())
}
