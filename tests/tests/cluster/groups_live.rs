use std::fs;

use anyhow::{Result, ensure};
use serde_json::json;
use testbed::{eventually, tools::repository};

use crate::{
    groups_stage::{
        KINDS, condition, delete, edit, events, gone, group, object, ready, referring, replace,
        with_template, zones,
    },
    stage::{self, PATIENCE, Target},
    workload,
};

const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");
const SERVICE: (&str, &str) = ("v1", "Service");

/// From three services to none: two with pods of their own, one on a workload that was there before.
#[tokio::test]
async fn a_group_is_kept_from_its_first_service_to_its_last() -> Result<()> {
    stage::story("groups", async |scene| {
        workload::deploy(scene.cluster, &scene.namespace, "legacy", 2, 100).await?;
        let services =
            [with_template("get", 3), with_template("post", 2), referring("old", "Deployment", "legacy", 3)];
        scene.create(group("store", &services)).await?;
        let store = ready(scene, "store", "3/3").await?;
        ensure!(store["status"]["zones"] == "zone-a, zone-b, zone-c", "{}", store["status"]);
        ensure!(
            store["status"]["services"][0]["zones"] == "zone-a 1, zone-b 1, zone-c 1",
            "{}",
            store["status"]
        );
        ensure!(
            zones(scene, "get").await? == ["zone-a", "zone-b", "zone-c"],
            "{:?}",
            zones(scene, "get").await?
        );
        let legacy = Target::deployment("legacy");
        scene.reaches(&legacy, 3).await?;
        let service = object(scene, SERVICE, "store-old", |_| true).await?;
        ensure!(service["spec"]["selector"] == json!({"app": "legacy"}), "{service}");

        let get = ["get", "servicegroups", "store", "--namespace", &scene.namespace];
        let table = scene.cluster.kubectl(get).await?.stdout;
        let cells: Vec<_> =
            table.lines().map(|line| line.split("   ").map(str::trim).collect::<Vec<_>>()).collect();
        let words = |row: &[&str]| {
            row.iter().filter(|cell| !cell.is_empty()).take(4).copied().collect::<Vec<_>>().join("|")
        };
        ensure!(words(&cells[0]).starts_with("NAME|ADDRESS|SERVICES|ZONES"), "{table}");
        ensure!(
            table.contains("3/3") && table.contains("zone-a, zone-b, zone-c") && table.contains("True"),
            "{table}"
        );

        replace(scene, "store", &[with_template("get", 3)]).await?;
        for (kind, name) in KINDS.into_iter().flat_map(|kind| [(kind, "store-post"), (kind, "store-old")]) {
            gone(scene, kind, name).await?;
        }
        ensure!(scene.replicas(&legacy).await? == 3, "a workload that was only referred to was touched");
        ready(scene, "store", "1/1").await?;

        delete(scene, ("plimsoll.dev/v1alpha1", "ServiceGroup"), "store").await?;
        for kind in KINDS {
            gone(scene, kind, "store-get").await?;
        }
        ensure!(
            scene.replicas(&legacy).await? == 3,
            "a workload that was only referred to went with the group"
        );
        eventually("what was done to be told", PATIENCE, async || {
            let told = events(scene, "store").await?;
            let reasons = told.iter().filter_map(|event| event.split_once(':')).map(|(reason, _)| reason);
            // What was amiss for a moment on the way is told too.
            let mut done: Vec<_> =
                reasons.filter(|reason| ["Created", "Released", "Removed"].contains(reason)).collect();
            // What changes in the moment of its deletion goes a moment later.
            let first = done.iter().position(|reason| *reason == "Removed");
            done.truncate(first.map_or(done.len(), |first| first + 1));
            done.dedup();
            ensure!(done == ["Created", "Removed"], "{told:?}");
            Ok(())
        })
        .await
    })
    .await
}

/// Ours comes back; a user's stays.
#[tokio::test]
async fn what_is_ours_is_restored_and_what_a_user_adds_is_left_alone() -> Result<()> {
    stage::story("restored", async |scene| {
        scene.create(group("store", &[with_template("get", 2)])).await?;
        ready(scene, "store", "1/1").await?;
        let services = scene.api(SERVICE.0, SERVICE.1);
        let mine = json!({"example.com/team": "platform"});
        let change = json!({
            "metadata": {"annotations": mine, "labels": {"plimsoll.dev/servicegroup": null}},
            "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 1}], "type": "NodePort"},
        });
        edit(&services, "store-get", change).await?;
        let service = object(scene, SERVICE, "store-get", |service| {
            service["spec"]["ports"][0]["targetPort"] == "http"
                && service["metadata"]["labels"]["plimsoll.dev/servicegroup"] == "store"
        })
        .await?;
        ensure!(service["metadata"]["annotations"] == mine, "{service}");
        ensure!(service["spec"]["type"] == "NodePort", "{service}");

        let deployments = scene.api(DEPLOYMENT.0, DEPLOYMENT.1);
        let change =
            json!({"spec": {"minReadySeconds": 1, "strategy": {"rollingUpdate": {"maxUnavailable": 1}}}});
        edit(&deployments, "store-get", change).await?;
        let restored = |deployment: &serde_json::Value| {
            deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        };
        let deployment = object(scene, DEPLOYMENT, "store-get", restored).await?;
        ensure!(deployment["spec"]["minReadySeconds"] == 1, "{deployment}");

        let before = scene.api("policy/v1", "PodDisruptionBudget").get("store-get").await?.metadata.uid;
        scene
            .api("policy/v1", "PodDisruptionBudget")
            .delete("store-get", &kube::api::DeleteParams::default())
            .await?;
        object(scene, ("policy/v1", "PodDisruptionBudget"), "store-get", |budget| {
            budget["metadata"]["uid"] != json!(before)
        })
        .await?;
        ready(scene, "store", "1/1").await.map(drop)
    })
    .await
}

/// A Deployment that was ours and is only referred to from now on stays, also when its group goes.
#[tokio::test]
async fn a_deployment_that_is_handed_over_is_let_go_of() -> Result<()> {
    stage::story("released", async |scene| {
        scene.create(group("store", &[with_template("get", 2)])).await?;
        ready(scene, "store", "1/1").await?;
        let uid = scene.api(DEPLOYMENT.0, DEPLOYMENT.1).get("store-get").await?.metadata.uid;

        replace(scene, "store", &[referring("get", "Deployment", "store-get", 2)]).await?;
        let is_free = |deployment: &serde_json::Value| deployment["metadata"]["ownerReferences"].is_null();
        object(scene, DEPLOYMENT, "store-get", is_free).await?;
        ready(scene, "store", "1/1").await?;
        delete(scene, ("plimsoll.dev/v1alpha1", "ServiceGroup"), "store").await?;
        gone(scene, SERVICE, "store-get").await?;
        let deployment = scene.api(DEPLOYMENT.0, DEPLOYMENT.1).get("store-get").await?;
        ensure!(
            deployment.metadata.uid == uid && deployment.metadata.deletion_timestamp.is_none(),
            "it went too"
        );
        Ok(())
    })
    .await
}

/// A reference that leads nowhere takes nothing away; once it leads somewhere, what it replaces goes.
#[tokio::test]
async fn a_template_is_replaced_only_once_its_replacement_is_there() -> Result<()> {
    stage::story("replaced", async |scene| {
        scene.create(group("store", &[with_template("get", 2)])).await?;
        ready(scene, "store", "1/1").await?;
        replace(scene, "store", &[referring("get", "Deployment", "later", 2)]).await?;
        condition(scene, "store", "get", "Ready=False WorkloadNotFound").await?;
        let own = Target::deployment("store-get");
        ensure!(scene.replicas(&own).await? == 2, "the pods that serve were taken away");

        workload::deploy(scene.cluster, &scene.namespace, "later", 2, 100).await?;
        gone(scene, DEPLOYMENT, "store-get").await?;
        ready(scene, "store", "1/1").await?;
        let scaler = object(scene, ("plimsoll.dev/v1alpha1", "PodScaler"), "store-get", |_| true).await?;
        ensure!(scaler["spec"]["scaleTargetRef"]["name"] == "later", "{scaler}");
        Ok(())
    })
    .await
}

/// What people copy.
#[tokio::test]
async fn the_sample_runs() -> Result<()> {
    stage::story("sample", async |scene| {
        let sample = fs::read_to_string(repository().join("manifests/samples/service-group.yaml"))?;
        let here = sample.replace("namespace: shop", &format!("namespace: {}", scene.namespace));
        scene.cluster.kubectl_with(["apply", "-f", "-"], &here).await?;
        ready(scene, "store", "3/3").await.map(drop)
    })
    .await
}
