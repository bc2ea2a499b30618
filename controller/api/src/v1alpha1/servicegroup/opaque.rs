//! Parts of a group that are handed on as they were written: a pod's template, the spec of a `PodScaler`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::v1alpha1::{ObjectReference, PodScalerSpec};

/// The `template` of a Deployment, as it was written.
///
/// Its schema allows anything, since that of a pod is larger than what `kubectl apply` can note on an object. The API
/// server's own check of the Deployment, in a dry run, says what is wrong with it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(transparent)]
pub struct PodTemplate(pub Map<String, Value>);

impl JsonSchema for PodTemplate {
    fn schema_name() -> Cow<'static, str> {
        "PodTemplate".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
    }
}

/// The spec of a `PodScaler` without its target.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(transparent)]
pub struct Scaling(pub Map<String, Value>);

impl Scaling {
    /// The spec of the `PodScaler` of this target.
    ///
    /// # Errors
    /// When a field has a form that the schema does not allow.
    pub fn of(&self, target: &ObjectReference) -> Result<PodScalerSpec, serde_json::Error> {
        let mut spec = self.0.clone();
        spec.insert(TARGET.to_owned(), serde_json::to_value(target)?);
        serde_json::from_value(Value::Object(spec))
    }
}

const TARGET: &str = "scaleTargetRef";

impl JsonSchema for Scaling {
    fn schema_name() -> Cow<'static, str> {
        "Scaling".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = PodScalerSpec::json_schema(generator);
        let fields = schema.ensure_object();
        if let Some(Value::Object(properties)) = fields.get_mut("properties") {
            properties.remove(TARGET);
        }
        if let Some(Value::Array(required)) = fields.get_mut("required") {
            required.retain(|field| field != TARGET);
        }
        // Whoever asks for the kind of the target would ask for what is not there.
        if let Some(Value::Array(rules)) = fields.get_mut("x-kubernetes-validations") {
            rules.retain(|rule| !rule["rule"].as_str().is_some_and(|rule| rule.contains(TARGET)));
        }
        schema
    }
}
