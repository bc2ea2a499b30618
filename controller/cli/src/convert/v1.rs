//! autoscaling/v1: what its fields do not have is in annotations, as JSON of two different makes.

use serde::Deserialize;
use serde_json::{Value, json};

/// The beginning of the annotations' names.
pub(super) const ANNOTATIONS: &str = "autoscaling.alpha.kubernetes.io/";

/// The spec of autoscaling/v2 for one of autoscaling/v1.
///
/// # Errors
/// A text that names the field, or the annotation.
pub(super) fn spec(spec: &Value, annotations: &Value) -> Result<Value, String> {
    let Some(fields) = spec.as_object() else { return Err("spec: is missing".to_owned()) };
    let mut spec = Value::Object(fields.clone());
    let percent = spec.as_object_mut().and_then(|spec| spec.remove("targetCPUUtilizationPercentage"));
    let mut metrics: Vec<Value> = Vec::new();
    if let Some(others) = annotation::<Vec<Metric>>(annotations, "metrics")? {
        metrics.extend(others.into_iter().map(Metric::v2));
    }
    // The API server puts cpu last too.
    if let Some(percent) = percent.filter(|percent| !percent.is_null()) {
        let target = json!({ "type": "Utilization", "averageUtilization": percent });
        metrics.push(json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } }));
    }
    if !metrics.is_empty() {
        spec["metrics"] = metrics.into();
    }
    if let Some(behavior) = annotation::<Value>(annotations, "behavior")? {
        spec["behavior"] = lower(behavior);
    }
    Ok(spec)
}

fn annotation<T: for<'de> Deserialize<'de>>(annotations: &Value, name: &str) -> Result<Option<T>, String> {
    let name = format!("{ANNOTATIONS}{name}");
    let Some(json) = annotations[&name].as_str() else { return Ok(None) };
    let mut json = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut json).map(Some).map_err(|error| {
        let path = error.path();
        format!("metadata.annotations[{name}], {path}: {}", error.inner())
    })
}

/// The annotation holds a type of Go without names for JSON: `ScaleUp`, `PeriodSeconds`.
fn lower(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(key, value): (String, Value)| {
                let mut letters = key.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                (first.into_iter().chain(letters).collect::<String>(), lower(value))
            };
            Value::Object(fields.into_iter().filter(|(_, value)| !value.is_null()).map(field).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(lower).collect()),
        other => other,
    }
}

/// A metric as autoscaling/v1 has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metric {
    r#type: String,
    resource: Option<Resource>,
    container_resource: Option<Resource>,
    pods: Option<Pods>,
    object: Option<Object>,
    external: Option<External>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Resource {
    name: String,
    container: Option<String>,
    target_average_utilization: Option<Value>,
    target_average_value: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pods {
    metric_name: String,
    target_average_value: Value,
    selector: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Object {
    target: Value,
    metric_name: String,
    /// Zero when only the average is meant: the field cannot be left out.
    target_value: Option<Value>,
    selector: Option<Value>,
    average_value: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct External {
    metric_name: String,
    metric_selector: Option<Value>,
    target_value: Option<Value>,
    target_average_value: Option<Value>,
}

impl Metric {
    fn v2(self) -> Value {
        let mut metric = json!({ "type": self.r#type });
        if let Some(of) = self.resource {
            metric["resource"] = of.v2();
        }
        if let Some(of) = self.container_resource {
            metric["containerResource"] = of.v2();
        }
        if let Some(of) = self.pods {
            let target = target("AverageValue", &[("averageValue", Some(of.target_average_value))]);
            metric["pods"] = json!({ "metric": named(&of.metric_name, of.selector), "target": target });
        }
        if let Some(of) = self.object {
            let zero = |value: &Value| value.as_str() == Some("0") || value.as_f64() == Some(0.0);
            let value = of.target_value.filter(|value| of.average_value.is_none() || !zero(value));
            let kind = if of.average_value.is_some() { "AverageValue" } else { "Value" };
            let target = target(kind, &[("value", value), ("averageValue", of.average_value)]);
            metric["object"] = json!({
                "describedObject": of.target, "metric": named(&of.metric_name, of.selector), "target": target,
            });
        }
        if let Some(of) = self.external {
            let kind = if of.target_average_value.is_some() { "AverageValue" } else { "Value" };
            let target =
                target(kind, &[("value", of.target_value), ("averageValue", of.target_average_value)]);
            metric["external"] =
                json!({ "metric": named(&of.metric_name, of.metric_selector), "target": target });
        }
        metric
    }
}

impl Resource {
    fn v2(self) -> Value {
        let kind = if self.target_average_value.is_some() { "AverageValue" } else { "Utilization" };
        let values = [
            ("averageUtilization", self.target_average_utilization),
            ("averageValue", self.target_average_value),
        ];
        let mut resource = json!({ "name": self.name, "target": target(kind, &values) });
        if let Some(container) = self.container {
            resource["container"] = container.into();
        }
        resource
    }
}

fn target(kind: &str, values: &[(&str, Option<Value>)]) -> Value {
    let mut target = json!({ "type": kind });
    for (field, value) in values {
        if let Some(value) = value {
            target[*field] = value.clone();
        }
    }
    target
}

fn named(name: &str, selector: Option<Value>) -> Value {
    let mut metric = json!({ "name": name });
    if let Some(selector) = selector.filter(|selector| !selector.is_null()) {
        metric["selector"] = selector;
    }
    metric
}
