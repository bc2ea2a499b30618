//! Sources and ClusterSources, as a person has them, and metrics that are asked of them.

use anyhow::{Result, anyhow};
use kube::{
    Api,
    api::DynamicObject,
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use testbed::eventually;

use crate::stage::{PATIENCE, Scene, conditions};

/// A metric: what `query` makes of a source, for each pod.
pub(crate) fn query(source: &Value, query: &str, average: u32) -> Value {
    let target = json!({"type": "AverageValue", "averageValue": average});
    json!({"type": "Prometheus", "prometheus": {"source": source, "query": query, "target": target}})
}

/// The rest of a PodScaler's spec: 10 of the metric `load` of a source for each pod.
pub(crate) fn scaled_by(source: &Value) -> Value {
    json!({"maxReplicas": 9, "metrics": [query(source, "load", 10)]})
}

/// A Source that is given long to answer.
pub(crate) fn source(name: &str, prometheus: &Value) -> Value {
    json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Source", "metadata": {"name": name},
        "spec": {"prometheus": prometheus, "timeoutSeconds": 10},
    })
}

/// A Source and a ClusterSource that are called like the namespace, and where nothing answers.
pub(crate) fn sources_that_nobody_asks(namespace: &str) -> String {
    let prometheus = json!({"address": "http://127.0.0.1:9"});
    let object = |kind: &str, metadata: Value, spec: Value| json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
    let (here, everywhere) = (json!({"name": namespace, "namespace": namespace}), json!({"name": namespace}));
    json!({"apiVersion": "v1", "kind": "List", "items": [
        object("Source", here, json!({"prometheus": prometheus})),
        object("ClusterSource", everywhere, json!({"prometheus": prometheus, "namespaces": ["none"]})),
    ]})
    .to_string()
}

/// Waits until a Source has this condition, as in `Ready=True Answered`, and returns its message.
pub(crate) async fn told(scene: &Scene<'_>, name: &str, wanted: &str) -> Result<String> {
    told_by(&scene.api("plimsoll.dev/v1alpha1", "Source"), name, wanted, "").await
}

/// Waits until a Source has this condition, and these words in its message.
pub(crate) async fn says(scene: &Scene<'_>, name: &str, wanted: &str, words: &str) -> Result<()> {
    told_by(&scene.api("plimsoll.dev/v1alpha1", "Source"), name, wanted, words).await.map(drop)
}

/// Waits until a ClusterSource has this condition, and returns its message.
pub(crate) async fn told_of_all(scene: &Scene<'_>, name: &str, wanted: &str) -> Result<String> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("plimsoll.dev", "v1alpha1", "ClusterSource"));
    told_by(&Api::all_with(scene.client.clone(), &resource), name, wanted, "").await
}

async fn told_by(api: &Api<DynamicObject>, name: &str, wanted: &str, words: &str) -> Result<String> {
    eventually(&format!("{wanted} {words:?} of the source {name}"), PATIENCE, async || {
        let conditions = conditions(&serde_json::to_value(api.get(name).await?)?);
        let found = conditions.iter().find(|(told, message)| told == wanted && message.contains(words));
        found.map(|(_, message)| message.clone()).ok_or_else(|| anyhow!("{conditions:?}"))
    })
    .await
}
