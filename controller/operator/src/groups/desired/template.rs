//! The pods of a service: the template as it was written, and what it leaves out of how pods are spread and leave.

use std::collections::BTreeMap;

use plimsoll_api::v1alpha1::{Availability, PodTemplate};
use serde_json::{Map, Value, json};

use super::spread;

/// Seconds that a container has to end after its hook, where the template does not say: what Kubernetes gives it.
const TO_END: i64 = 30;

/// The template with its labels, spread and preStop hooks. What it says itself stays as it is, also where that makes no
/// sense: the API server is the one to say so.
pub(super) fn template(
    given: &PodTemplate,
    pods: &BTreeMap<String, String>,
    availability: &Availability,
) -> Value {
    let mut template = given.0.clone();
    if let Some(labels) = object(&mut template, "metadata").and_then(|metadata| object(metadata, "labels")) {
        for (key, value) in pods {
            labels.entry(key).or_insert_with(|| json!(value));
        }
    }
    if let Some(spec) = object(&mut template, "spec") {
        spread_out(spec, pods, availability);
        leave_slowly(spec, availability.pre_stop_seconds.into());
    }
    Value::Object(template)
}

/// Adds the constraints over topologies that the template says nothing of.
fn spread_out(spec: &mut Map<String, Value>, pods: &BTreeMap<String, String>, availability: &Availability) {
    let Some(given) = array(spec, "topologySpreadConstraints") else { return };
    for (key, constraint) in spread::constraints(pods, availability) {
        if !given.iter().any(|given| given["topologyKey"] == key) {
            given.push(constraint);
        }
    }
}

/// Lets each container go on serving for a while after it was told to end. A grace period that the template sets stays,
/// and at least half of it is left for what the container does when it ends.
fn leave_slowly(spec: &mut Map<String, Value>, wanted: i64) {
    const GRACE: &str = "terminationGracePeriodSeconds";
    let given = spec.get(GRACE).filter(|grace| !grace.is_null()).map(|grace| grace.as_i64().unwrap_or(0));
    let seconds = given.map_or(wanted, |grace| wanted.min(grace / 2));
    if seconds <= 0 {
        return;
    }
    let mut added = false;
    for container in array(spec, "containers").into_iter().flatten().filter_map(Value::as_object_mut) {
        let Some(lifecycle) = object(container, "lifecycle") else { continue };
        if lifecycle.get("preStop").is_none_or(Value::is_null) {
            lifecycle.insert("preStop".to_owned(), json!({ "sleep": { "seconds": seconds } }));
            added = true;
        }
    }
    if added && given.is_none() {
        spec.insert(GRACE.to_owned(), json!(wanted + TO_END));
    }
}

/// An object within an object, made where it is missing. None where there is something else.
fn object<'a>(within: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    fill(within, field, json!({})).as_object_mut()
}

/// An array within an object, made where it is missing. None where there is something else.
fn array<'a>(within: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Vec<Value>> {
    fill(within, field, json!([])).as_array_mut()
}

fn fill<'a>(within: &'a mut Map<String, Value>, field: &str, with: Value) -> &'a mut Value {
    let value = within.entry(field).or_insert(Value::Null);
    if value.is_null() {
        *value = with;
    }
    value
}
