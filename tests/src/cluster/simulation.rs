//! How kwok plays nodes and pods: its own stages, and what a node says about the usage of its pods.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use kube::{
    Api, Client,
    api::{DynamicObject, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};

use super::{
    START_TIMEOUT,
    spec::{ClusterSpec, PodsEnd},
};
use crate::{eventually, operator::RELEASE, tools::Tools};

/// Of kwok's kustomize folders: nodes and pods become ready at once and go at once.
const FOLDERS: [&str; 4] =
    ["stage/node/fast", "stage/node/heartbeat-with-lease", "stage/pod/fast", "metrics/resource"];

pub(super) async fn install(client: &Client, tools: &Tools, spec: &ClusterSpec) -> Result<()> {
    let mut objects = Vec::new();
    for folder in FOLDERS {
        objects.extend(read_objects(&tools.kwok_manifests().join(folder))?);
    }
    for object in &mut objects {
        count_cpu_from_the_start(object);
        leave_jobs_of_the_operator(object);
        if spec.pods_end == PodsEnd::AfterTheirGrace {
            wait_for_the_end_of_the_grace_period(object);
        }
    }
    try_join_all(objects.iter().map(|object| create(client, object))).await?;
    Ok(())
}

fn read_objects(folder: &Path) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for file in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = file?.path();
        let is_manifest = path.extension().is_some_and(|extension| extension == "yaml");
        if is_manifest && path.file_name().is_some_and(|name| name != "kustomization.yaml") {
            let yaml = fs::read_to_string(&path)?;
            objects.push(serde_saphyr::from_str(&yaml).with_context(|| path.display().to_string())?);
        }
    }
    Ok(objects)
}

/// kwok counts the cpu time of a container from the first time it is asked, so it starts at 0.
/// metrics-server drops a container that has used none, as real ones always have: without this, a new
/// pod would be seen one scrape later than on a real node, and an idle one never.
fn count_cpu_from_the_start(object: &mut Value) {
    let metrics = object.pointer_mut("/spec/metrics").and_then(Value::as_array_mut);
    for metric in metrics.into_iter().flatten() {
        if metric["name"] == "container_cpu_usage_seconds_total"
            && let Some(value) = metric["value"].as_str()
        {
            metric["value"] = format!("{value} + 0.001").into();
        }
    }
}

/// kwok ends a pod of a Job as soon as it runs. What the operator's own do, a process does: [`crate::operator`] ends them.
fn leave_jobs_of_the_operator(object: &mut Value) {
    if object["metadata"]["name"] == "pod-complete"
        && let Some(conditions) =
            object.pointer_mut("/spec/selector/matchExpressions").and_then(Value::as_array_mut)
    {
        let key = ".metadata.labels[\"app.kubernetes.io/instance\"]";
        conditions.push(json!({ "key": key, "operator": "NotIn", "values": [RELEASE] }));
    }
}

/// kwok's fast stage takes a pod away as soon as it is to go.
fn wait_for_the_end_of_the_grace_period(object: &mut Value) {
    if object["metadata"]["name"] == "pod-delete" {
        object["spec"]["delay"] =
            json!({ "durationFrom": { "expressionFrom": ".metadata.deletionTimestamp" } });
    }
}

/// Creates an object of a kind that was defined a moment ago, which the API server may not yet serve.
async fn create(client: &Client, object: &Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(object.clone())?;
    let types = object.types.as_ref().context("an object without a kind")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types)?);
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let what = format!("the API server to take kwok's {} {:?}", types.kind, object.metadata.name);
    eventually(&what, START_TIMEOUT, async || {
        match api.create(&PostParams::default(), &object).await {
            // An answer to an earlier request that was lost.
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            created => Ok(created.map(drop)?),
        }
    })
    .await
}
