use anyhow::{Context, Result, ensure};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use testbed::eventually;

use crate::{
    front_doors::{
        INGRESS, allow_secrets, class, door, front_door, named_class, paths, served_by, with_door,
    },
    groups_stage::{edit, gone, groups, object, ready, replace, until},
    stage::{self, PATIENCE, Scene, conditions},
};

const SERVICE: (&str, &str) = ("v1", "Service");
const STICKY: &str = "traefik.ingress.kubernetes.io/service.sticky.cookie.name";

/// One Ingress leads to all services; what is ours of it is restored, what a user adds stays, a service that goes is led
/// to no more, and without a front door it is gone.
#[tokio::test]
async fn a_group_has_one_ingress_until_it_wants_none() -> Result<()> {
    stage::story("door", async |scene| {
        let class = class(scene, "traefik.io/ingress-controller").await?;
        let mut spec = door(&json!({"className": class}));
        spec["hosts"] = json!(["shop.example.com"]);
        spec["sessionAffinity"] = json!({"cookieName": "cart"});
        let services = [paths("get", &["/store", "/store/get"]), paths("post", &["/store/post"])];
        scene.create(with_door("store", &services, &spec)).await?;
        let message = front_door(scene, "store", "FrontDoor=True Accepted").await?;
        ensure!(message.contains("3 paths of 2 services at shop.example.com"), "{message}");
        let all = ["/store/post store-post", "/store/get store-get", "/store store-get"];
        ensure!(served_by(scene, "store").await? == all, "{:?}", served_by(scene, "store").await?);
        let service = object(scene, SERVICE, "store-get", |_| true).await?;
        ensure!(service["metadata"]["annotations"][STICKY] == "cart", "{service}");
        ready(scene, "store", "2/2").await?;

        // As its controller would.
        let ingresses = scene.api(INGRESS.0, INGRESS.1);
        let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}});
        ingresses.patch_status("store", &PatchParams::default(), &Patch::Merge(&status)).await?;
        until(scene, "store", |group| group["status"]["address"] == "192.0.2.7").await?;

        let meddled = json!({"metadata": {"annotations": {"example.com/mine": "yes"}},
            "spec": {"rules": [{"host": "other.example.com"}]}});
        edit(&ingresses, "store", meddled).await?;
        let restored = |ingress: &Value| ingress["spec"]["rules"][0]["host"] == "shop.example.com";
        let ingress = object(scene, INGRESS, "store", restored).await?;
        ensure!(ingress["metadata"]["annotations"]["example.com/mine"] == "yes", "{ingress}");

        replace(scene, "store", &services[..1]).await?;
        gone(scene, SERVICE, "store-post").await?;
        ensure!(served_by(scene, "store").await? == all[1..], "{:?}", served_by(scene, "store").await?);

        edit(&groups(scene), "store", json!({"spec": {"frontDoor": null}})).await?;
        gone(scene, INGRESS, "store").await?;
        let unmarked = |service: &Value| service["metadata"]["annotations"][STICKY].is_null();
        object(scene, SERVICE, "store-get", unmarked).await?;
        let group = ready(scene, "store", "1/1").await?;
        ensure!(conditions(&group).iter().all(|(told, _)| !told.starts_with("FrontDoor")), "{group}");
        ensure!(group["status"]["address"].is_null(), "{group}");
        Ok(())
    })
    .await
}

/// A class that nobody serves is told with its field; the Ingress that is there stays as it is meanwhile, and one that
/// is not comes with its class.
#[tokio::test]
async fn a_class_that_nobody_serves_is_told_and_costs_nothing() -> Result<()> {
    stage::story("class", async |scene| {
        let late = format!("{}-late", scene.namespace);
        scene.create(with_door("store", &[paths("get", &["/"])], &door(&json!({"className": late})))).await?;
        let message = front_door(scene, "store", "FrontDoor=False ClassMissing").await?;
        ensure!(message.contains("spec.frontDoor.ingress.className") && message.contains(&late), "{message}");
        let all = ready(scene, "store", "1/1").await?;
        ensure!(conditions(&all)[0].0 == "Ready=False FrontDoorNotReady", "{all}");
        ensure!(scene.api(INGRESS.0, INGRESS.1).get_opt("store").await?.is_none(), "an Ingress for nobody");

        named_class(scene, &late, "haproxy.org/ingress-controller/haproxy").await?;
        front_door(scene, "store", "FrontDoor=True Accepted").await?;

        let class_name = |class: Value| json!({"spec": {"frontDoor": {"ingress": {"className": class}}}});
        edit(&groups(scene), "store", class_name(json!("misspelt"))).await?;
        front_door(scene, "store", "FrontDoor=False ClassMissing").await?;
        edit(&groups(scene), "store", class_name(Value::Null)).await?;
        // The class that it has is as good as a default one.
        front_door(scene, "store", "FrontDoor=True Accepted").await?;
        let ingress = object(scene, INGRESS, "store", |_| true).await?;
        ensure!(ingress["spec"]["ingressClassName"] == *late, "{ingress}");
        scene.create(with_door("bank", &[paths("pay", &["/pay"])], &door(&json!({})))).await?;
        front_door(scene, "bank", "FrontDoor=False NoDefaultClass").await.map(drop)
    })
    .await
}

/// Mistakes and settings that cannot be done are told, and what is left of the front door works.
#[tokio::test]
async fn what_is_wrong_with_a_front_door_is_told_and_the_rest_works() -> Result<()> {
    stage::story("wrong", async |scene| {
        let class = class(scene, "nginx.org/ingress-controller").await?;
        let mut spec = door(&json!({"className": class}));
        spec["timeouts"] = json!({"requestSeconds": 30, "backendSeconds": 20});
        let services = [paths("get", &["/store"]), paths("post", &["/store/", "/post"])];
        scene.create(with_door("store", &services, &spec)).await?;
        let message = front_door(scene, "store", "FrontDoor=False SamePath").await?;
        ensure!(message.contains("spec.services[1].paths[0]: /store/"), "{message}");
        ensure!(message.contains("spec.frontDoor.timeouts.requestSeconds has no effect"), "{message}");
        let served = served_by(scene, "store").await?;
        ensure!(served == ["/store store-get", "/post store-post"], "{served:?}");
        let ingress = object(scene, INGRESS, "store", |_| true).await?;
        ensure!(ingress["metadata"]["annotations"]["nginx.org/proxy-read-timeout"] == "20s", "{ingress}");

        replace(scene, "store", &[services[0].clone(), paths("post", &["/post"])]).await?;
        edit(&groups(scene), "store", json!({"spec": {"frontDoor": {"timeouts": {"requestSeconds": null}}}}))
            .await?;
        front_door(scene, "store", "FrontDoor=True Accepted").await?;

        // Where no path is left that works, the last ones that did stay.
        replace(scene, "store", &[paths("get", &["/a%2Fb"])]).await?;
        let message = front_door(scene, "store", "FrontDoor=False NoPaths").await?;
        ensure!(message.contains("spec.services[0].paths[0].path"), "{message}");
        ensure!(served_by(scene, "store").await? == served, "{:?}", served_by(scene, "store").await?);

        // Another's Ingress is not taken over.
        let theirs = json!({"apiVersion": INGRESS.0, "kind": INGRESS.1, "metadata": {"name": "bank"},
            "spec": {"defaultBackend": {"service": {"name": "theirs", "port": {"number": 80}}}}});
        scene.create(theirs).await?;
        scene
            .create(with_door("bank", &[paths("pay", &["/pay"])], &door(&json!({"className": class}))))
            .await?;
        let message = front_door(scene, "bank", "FrontDoor=False NameTaken").await?;
        ensure!(message.contains("Ingress bank"), "{message}");
        scene.api(INGRESS.0, INGRESS.1).delete("bank", &DeleteParams::default()).await?;
        front_door(scene, "bank", "FrontDoor=True Accepted").await.map(drop)
    })
    .await
}

/// Of two groups, in whatever namespaces, the older one keeps a path. The younger one is told of it and serves the rest,
/// and all when the older one is gone.
#[tokio::test]
async fn of_two_groups_the_older_one_keeps_a_path() -> Result<()> {
    stage::story("older", async |scene| {
        let class = class(scene, "traefik.io/ingress-controller").await?;
        let mut spec = door(&json!({"className": class}));
        spec["hosts"] = json!(["*.example.com"]);
        scene.create(with_door("older", &[paths("web", &["/", "/old"])], &spec)).await?;
        front_door(scene, "older", "FrontDoor=True Accepted").await?;
        // A creation is known to the second.
        let older = object(scene, ("plimsoll.dev/v1alpha1", "ServiceGroup"), "older", |_| true).await?;
        let elsewhere = Scene::new(scene.cluster, "younger").await?;
        spec["hosts"] = json!(["shop.example.com"]);
        let younger = with_door("younger", &[paths("web", &["/", "/new"])], &spec);
        eventually("a second later", PATIENCE, async || {
            let tried = elsewhere.dry_run(younger.clone()).await?;
            let created = |group: &Value| group["metadata"]["creationTimestamp"].as_str().map(str::to_owned);
            ensure!(created(&tried) > created(&older), "they would be of one second");
            Ok(())
        })
        .await?;
        elsewhere.create(younger).await?;
        let message = front_door(&elsewhere, "younger", "FrontDoor=False TakenByAnotherGroup").await?;
        let both = [format!("{}/older", scene.namespace), format!("{}/younger", elsewhere.namespace)];
        ensure!(both.iter().all(|name| message.contains(name)), "{message}");
        ensure!(message.contains("spec.services[0].paths[0]: / at shop.example.com"), "{message}");
        let served = served_by(&elsewhere, "younger").await?;
        ensure!(served == ["/new younger-web"], "{served:?}");
        front_door(scene, "older", "FrontDoor=True Accepted").await?;

        // What the older one wants now, it gets.
        replace(scene, "older", &[paths("web", &["/", "/new"])]).await?;
        let kept = |ingress: &Value| ingress["spec"]["rules"][0]["http"]["paths"][0]["path"] == "/new";
        object(scene, INGRESS, "older", kept).await?;
        let message = front_door(&elsewhere, "younger", "FrontDoor=False NoPaths").await?;
        ensure!(message.contains("/new at shop.example.com"), "{message}");

        groups(scene).delete("older", &DeleteParams::default()).await?;
        front_door(&elsewhere, "younger", "FrontDoor=True Accepted").await?;
        let served = served_by(&elsewhere, "younger").await?;
        ensure!(served == ["/new younger-web", "/ younger-web"], "{served:?}");
        Ok(())
    })
    .await
}

/// A certificate that is missing, malformed or not for a host is told; the Ingress is there all the time.
#[tokio::test]
async fn certificates_are_looked_at_where_that_is_allowed() -> Result<()> {
    stage::story("tls", async |scene| {
        let class = class(scene, "haproxy-ingress.github.io/controller").await?;
        let mut spec = door(&json!({"className": class, "tls": {"secretName": "cert"}}));
        spec["hosts"] = json!(["shop.example.com"]);
        scene.create(with_door("store", &[paths("get", &["/"])], &spec)).await?;
        let message = front_door(scene, "store", "FrontDoor=True Accepted").await?;
        ensure!(message.contains("serviceGroups.secretNamespaces"), "{message}");
        let ingress = object(scene, INGRESS, "store", |_| true).await?;
        ensure!(ingress["spec"]["tls"][0]["secretName"] == "cert", "{ingress}");

        allow_secrets(scene).await?;
        // It is looked at again when something of the group changes, or in a minute.
        edit(&groups(scene), "store", json!({"spec": {"frontDoor": {"hosts": ["www.example.com"]}}})).await?;
        let message = front_door(scene, "store", "FrontDoor=False SecretMissing").await?;
        ensure!(message.contains("spec.frontDoor.ingress.tls.secretName") && message.contains("cert"), "{message}");
        let made = |ingress: &Value| ingress["spec"]["rules"][0]["host"] == "www.example.com";
        object(scene, INGRESS, "store", made).await?;

        let secrets = scene.api("v1", "Secret");
        let secret = |certificate: &str, key: &str| {
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert"}, "type": "kubernetes.io/tls",
                "stringData": {"tls.crt": certificate, "tls.key": key}})
        };
        let issued = rcgen::generate_simple_self_signed(vec!["www.example.com".to_owned()])?;
        let other = rcgen::KeyPair::generate()?;
        scene.create(secret(&issued.cert.pem(), &other.serialize_pem())).await?;
        let message = front_door(scene, "store", "FrontDoor=False SecretMalformed").await?;
        ensure!(message.contains("tls.key is not the key of the certificate"), "{message}");

        secrets.delete("cert", &DeleteParams::default()).await?;
        scene.create(secret(&issued.cert.pem(), &issued.signing_key.serialize_pem())).await?;
        let message = front_door(scene, "store", "FrontDoor=True Accepted").await?;
        ensure!(!message.contains("Secret"), "{message}");
        Ok(())
    })
    .await
}

/// What the API server itself refuses of a front door.
#[tokio::test]
async fn a_front_door_is_checked_by_the_api_server() -> Result<()> {
    stage::story("schema", async |scene| {
        let refused = async |door: Value, why: &str| -> Result<()> {
            let mut by_method = paths("get", &["/"]);
            by_method["methods"] = json!(["GET"]);
            let services = [if why.contains("methods") { by_method } else { paths("get", &["/"]) }];
            let said = scene.dry_run(with_door("store", &services, &door)).await;
            let said = said.err().context("it was taken")?.to_string();
            ensure!(said.contains(why), "{said}");
            Ok(())
        };
        refused(door(&json!({})), "methods need a Gateway").await?;
        refused(json!({}), "set exactly one of ingress and gateway").await?;
        refused(json!({"ingress": {}, "hosts": ["192.0.2.7"]}), "a host is a DNS name").await?;
        refused(json!({"ingress": {}, "hosts": ["Shop"]}), "spec.frontDoor.hosts").await?;
        let annotated = json!({"ingress": {"annotations": {
            "alb.ingress.kubernetes.io/certificate-arn": "arn:aws:acm:eu-west-1:1:certificate/x"}}});
        scene.dry_run(with_door("store", &[paths("get", &["/"])], &annotated)).await.map(drop)
    })
    .await
}
