//! A HorizontalPodAutoscaler as a PodScaler.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerSpec;
use kube::api::ObjectMeta;
use plimsoll_api::PodScaler;
use plimsoll_observe::podscaler_spec_of_hpa;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::v1;

/// What kubectl and the API server keep for themselves.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Whether HorizontalPodAutoscalers of this apiVersion can be converted.
pub(super) fn knows(api_version: &str) -> bool {
    ["autoscaling/v1", "autoscaling/v2"].contains(&api_version)
}

/// The PodScaler that decides as this HorizontalPodAutoscaler.
///
/// # Errors
/// A text that names the field.
pub(super) fn convert(object: &Value) -> Result<PodScaler, String> {
    let annotations = &object["metadata"]["annotations"];
    let spec = match object["apiVersion"].as_str().unwrap_or_default() {
        "autoscaling/v2" => object["spec"].clone(),
        "autoscaling/v1" => v1::spec(&object["spec"], annotations)?,
        other => {
            return Err(format!(
                "apiVersion: {other:?} is no longer served by Kubernetes; write the object as autoscaling/v2 first, for \
                 example with `kubectl get hpa NAME -o yaml` on a cluster that has it"
            ));
        }
    };
    let hpa: HorizontalPodAutoscalerSpec = strictly(&spec)?;
    let target = &hpa.scale_target_ref;
    for (field, value) in [("kind", &target.kind), ("name", &target.name)] {
        if value.is_empty() {
            return Err(format!("spec.scaleTargetRef.{field}: is missing"));
        }
    }
    let spec = podscaler_spec_of_hpa(&hpa).map_err(|invalid| invalid.to_string())?;
    Ok(PodScaler { metadata: metadata(&object["metadata"])?, spec, status: None })
}

/// A spec, every field of which is known.
///
/// # Errors
/// A text that names the field.
pub(super) fn strictly<T: Serialize + DeserializeOwned>(value: &Value) -> Result<T, String> {
    if !value.is_object() {
        return Err("spec: is missing".to_owned());
    }
    let spec: T = serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { "spec".to_owned() } else { format!("spec.{path}") };
        format!("{path}: {}", error.inner())
    })?;
    let known = serde_json::to_value(&spec).map_err(|error| error.to_string())?;
    match unknown(value, &known) {
        Some(path) => Err(format!("spec{path}: there is no such field")),
        None => Ok(spec),
    }
}

/// The path of a field that was read over.
fn unknown(value: &Value, known: &Value) -> Option<String> {
    match (value, known) {
        (Value::Object(value), Value::Object(known)) => {
            value.iter().find_map(|(key, value)| match known.get(key) {
                Some(known) => unknown(value, known).map(|path| format!(".{key}{path}")),
                None if is_empty(value) => None,
                None => Some(format!(".{key}")),
            })
        }
        (Value::Array(value), Value::Array(known)) => {
            let mut pairs = value.iter().zip(known).enumerate();
            pairs.find_map(|(index, (value, known))| {
                unknown(value, known).map(|path| format!("[{index}]{path}"))
            })
        }
        _ => None,
    }
}

/// Nothing is said by it.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Name, namespace, labels and annotations; not what a server or a tool keeps there for itself.
fn metadata(metadata: &Value) -> Result<ObjectMeta, String> {
    let Some(name) = metadata["name"].as_str().filter(|name| !name.is_empty()) else {
        return Err("metadata.name: is missing".to_owned());
    };
    let mut kept = Map::new();
    for field in ["namespace", "labels", "annotations"] {
        if !is_empty(&metadata[field]) {
            kept.insert(field.to_owned(), metadata[field].clone());
        }
    }
    kept.insert("name".to_owned(), name.into());
    if let Some(annotations) = kept.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| key != LAST_APPLIED && !key.starts_with(v1::ANNOTATIONS));
        if annotations.is_empty() {
            kept.remove("annotations");
        }
    }
    serde_path_to_error::deserialize(Value::Object(kept))
        .map_err(|error| format!("metadata.{}: {}", error.path(), error.inner()))
}
