use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::eventually;

use crate::{
    groups_stage::{
        KINDS, condition, delete, events, group, groups, object, ready, referring, replace, until,
        with_template,
    },
    stage::{self, PATIENCE, Target},
    workload,
};

/// Each mistake is told of its service, with the field; the service beside it runs.
#[tokio::test]
async fn mistakes_are_told_of_their_service_and_the_rest_goes_on() -> Result<()> {
    stage::story("mistakes", async |scene| {
        scene.create(group("bank", &[with_template("pay", 1)])).await?;
        ready(scene, "bank", "1/1").await?;
        let theirs = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "store-taken"},
            "spec": {"ports": [{"port": 1}]}});
        scene.create(theirs).await?;

        let with = |name: &str, change: fn(&mut Value)| {
            let mut service = with_template(name, 1);
            change(&mut service);
            service
        };
        let container = "/template/spec/containers/0";
        let services = [
            with_template("good", 2),
            with("no-image", |service| _ = service["template"]["spec"]["containers"][0]["image"].take()),
            with("misspelt", |service| service["template"]["spec"]["containres"] = json!([])),
            with("nameless", |service| service["template"]["spec"]["containers"][0]["name"] = json!(null)),
            with("odd", |service| {
                service["template"] = json!({"spec": "pods"});
                service["targetPort"] = json!(8080);
            }),
            with("taken", |_| ()),
            with("no-port", |service| service["targetPort"] = json!("grpc")),
            referring("elsewhere", "Deployment", "bank-pay", 1),
            referring("gone", "StatefulSet", "nothing", 1),
        ];
        ensure!(services[1].pointer(container).is_some(), "{}", services[1]);
        scene.create(group("store", &services)).await?;
        let told = async |service: &str, reason: &str| {
            condition(scene, "store", service, &format!("Ready=False {reason}")).await
        };
        let image = told("no-image", "TemplateRefused").await?;
        ensure!(image.contains("spec.template.spec.containers[0].image"), "{image}");
        let misspelt = told("misspelt", "TemplateRefused").await?;
        ensure!(misspelt.contains("containres"), "{misspelt}");
        let nameless = told("nameless", "TemplateRefused").await?;
        ensure!(nameless.contains("name"), "{nameless}");
        told("odd", "TemplateRefused").await?;
        let taken = told("taken", "NameTaken").await?;
        ensure!(taken.contains("spec.services[5].name") && taken.contains("Service store-taken"), "{taken}");
        let port = told("no-port", "PortNotFound").await?;
        ensure!(port.contains("spec.services[6].targetPort") && port.contains("grpc"), "{port}");
        let elsewhere = told("elsewhere", "WorkloadTaken").await?;
        ensure!(elsewhere.contains("ServiceGroup bank"), "{elsewhere}");
        let gone = told("gone", "WorkloadNotFound").await?;
        ensure!(gone.contains("spec.services[8].workloadRef"), "{gone}");
        let store = ready(scene, "store", "1/9").await?;
        let conditions = stage::conditions(&store);
        ensure!(conditions[0].0 == "Ready=False ServicesNotReady", "{conditions:?}");
        let told = events(scene, "store").await?;
        let warned = told.iter().filter(|event| event.starts_with("TemplateRefused: ")).count();
        ensure!(warned == 4, "{told:?}");

        // Nothing of what was refused is there, and what others have is as it was.
        for (api_version, kind) in KINDS {
            for name in ["store-no-image", "store-no-port", "store-elsewhere"] {
                let found = scene.api(api_version, kind).get_opt(name).await?;
                ensure!(found.is_none(), "{kind} {name} was made");
            }
        }
        let theirs = object(scene, ("v1", "Service"), "store-taken", |_| true).await?;
        ensure!(theirs["spec"]["ports"][0]["port"] == 1, "{theirs}");
        ready(scene, "bank", "1/1").await.map(drop)
    })
    .await
}

/// A mistake in what runs already leaves it running, and is told again no more once it is put right.
#[tokio::test]
async fn a_mistake_in_what_runs_leaves_it_running() -> Result<()> {
    stage::story("running", async |scene| {
        let service = with_template("get", 2);
        scene.create(group("store", std::slice::from_ref(&service))).await?;
        ready(scene, "store", "1/1").await?;
        let mut broken = service.clone();
        broken["template"]["spec"]["containers"][0]["image"] = json!("");
        broken["port"] = json!(81);
        replace(scene, "store", &[broken]).await?;
        condition(scene, "store", "get", "Ready=False TemplateRefused").await?;
        ensure!(
            scene.replicas(&Target::deployment("store-get")).await? == 2,
            "the pods that serve were touched"
        );
        let reached = object(scene, ("v1", "Service"), "store-get", |_| true).await?;
        ensure!(reached["spec"]["ports"][0]["port"] == 80, "half of a service was changed: {reached}");

        replace(scene, "store", std::slice::from_ref(&service)).await?;
        condition(scene, "store", "get", "Ready=True Ready").await?;
        eventually("the recovery to be told", PATIENCE, async || {
            let told = events(scene, "store").await?;
            let last = told.last().map(String::as_str);
            ensure!(last == Some("ServiceRecovered: service get"), "{told:?}");
            Ok(())
        })
        .await
    })
    .await
}

/// What would be too long or otherwise no name is refused when it is written; the longest that is not works.
#[tokio::test]
async fn names_are_kept_to_what_services_and_labels_can_have() -> Result<()> {
    stage::story("names", async |scene| {
        let (long, short) = ("s".repeat(40), "g".repeat(22));
        for (group_name, service, part) in [
            (format!("{short}g"), long.clone(), "at most 62 characters"),
            ("1store".to_owned(), "get".to_owned(), "begins with a letter"),
            ("my.store".to_owned(), "get".to_owned(), "begins with a letter"),
            ("store".to_owned(), "s".repeat(41), "services[0].name"),
            ("store".to_owned(), "Get".to_owned(), "services[0].name"),
        ] {
            let refused = scene.dry_run(group(&group_name, &[with_template(&service, 1)])).await;
            let why = refused.err().map(|error| error.to_string()).unwrap_or_default();
            ensure!(why.contains(part), "{group_name}/{service}: {why:?}");
        }
        scene.create(group(&short, &[with_template(&long, 1)])).await?;
        ready(scene, &short, "1/1").await.map(drop)
    })
    .await
}

/// Two groups, one name: the first has it, and the second takes it once it is free.
#[tokio::test]
async fn two_groups_do_not_fight_over_a_name() -> Result<()> {
    stage::story("clash", async |scene| {
        scene.create(group("a", &[with_template("b-c", 1)])).await?;
        ready(scene, "a", "1/1").await?;
        scene.create(group("a-b", &[with_template("c", 1)])).await?;
        let taken = condition(scene, "a-b", "c", "Ready=False NameTaken").await?;
        ensure!(taken.contains("belongs to ServiceGroup a"), "{taken}");
        ready(scene, "a", "1/1").await?;
        delete(scene, ("plimsoll.dev/v1alpha1", "ServiceGroup"), "a").await?;
        ready(scene, "a-b", "1/1").await.map(drop)
    })
    .await
}

/// Two autoscalers on one workload: the service says what its PodScaler says.
#[tokio::test]
async fn a_workload_that_somebody_else_scales_is_told() -> Result<()> {
    stage::story("rivals", async |scene| {
        workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
        scene.scale("web", &Target::deployment("web"), json!({"maxReplicas": 9, "minReplicas": 2})).await?;
        scene.create(group("store", &[referring("get", "Deployment", "web", 3)])).await?;
        let why = condition(scene, "store", "get", "Ready=False NotScalable").await?;
        ensure!(why.contains("web"), "{why}");
        scene.scalers().delete("web", &kube::api::DeleteParams::default()).await?;
        ready(scene, "store", "1/1").await?;
        let status = until(scene, "store", |group| group["status"]["services"][0]["replicas"] == 3).await;
        ensure!(status.is_ok() && groups(scene).get("store").await.is_ok(), "{status:?}");
        Ok(())
    })
    .await
}
