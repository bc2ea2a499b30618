//! How fast a `PodScaler` may scale, field for field as in `autoscaling/v2`.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::quantity::quantity;

/// How fast to scale in each direction. What is left out of one direction has its default.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// Scaling up. Default: no stabilization; the larger of 4 pods and 100 % per 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = scale_up_defaults)]
    pub scale_up: Option<ScalingRules>,
    /// Scaling down. Default: stabilized over 300 s (an operator flag); 100 % per 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = scale_down_defaults)]
    pub scale_down: Option<ScalingRules>,
}

/// How fast to scale in one direction.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.tolerance) || (isQuantity(string(self.tolerance)) && quantity(string(self.tolerance)).compareTo(quantity('0')) >= 0)")
    .message("tolerance must be a quantity of at least 0, such as 0.05 for 5 %")
    .field_path(".tolerance"))]
#[serde(rename_all = "camelCase")]
pub struct ScalingRules {
    /// Seconds to look back: scaling up takes the lowest, scaling down the highest
    /// recommendation of that time. 0 to 3600. Default: 0 for up, 300 for down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: Option<i32>,
    /// Which policy counts when there are several. Default `Max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<SelectPolicy>,
    /// How much may change in how long. At least one, at most 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub policies: Option<Vec<RatePolicy>>,
    /// How far a metric may be off its target without a change, as a ratio: 0.05 is 5 %.
    /// At least 0. Default: 0.1 (an operator flag).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub tolerance: Option<Quantity>,
}

// The description of the enum is that of the field in the CRD, since the field is optional.
/// Which policy counts when there are several. `Max`: the one that allows the largest change. `Min`: the one that allows
/// the smallest. `Disabled`: no change in this direction. Default `Max`.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    #[default]
    Max,
    /// The one that allows the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// How much may change in how long.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RatePolicy {
    /// Whether `value` counts pods or percent of the pods there were.
    pub r#type: PolicyType,
    /// How much may change: pods, or percent. At least 1.
    #[schemars(range(min = 1))]
    pub value: i32,
    /// In how many seconds. 1 to 1800.
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: i32,
}

/// What the value of a rate policy counts.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyType {
    /// Pods.
    Pods,
    /// Percent of the pods there were at the start of the period.
    Percent,
}

/// What the API server fills in for scaling up, field by field, as it does for an HPA.
fn scale_up_defaults(schema: &mut Schema) {
    set_defaults(
        schema,
        &[
            ("stabilizationWindowSeconds", json!(0)),
            ("selectPolicy", json!("Max")),
            (
                "policies",
                json!([
                    { "type": "Pods", "value": 4, "periodSeconds": 15 },
                    { "type": "Percent", "value": 100, "periodSeconds": 15 },
                ]),
            ),
        ],
    );
}

/// What the API server fills in for scaling down. The window stays open: the operator's flag fills it.
fn scale_down_defaults(schema: &mut Schema) {
    set_defaults(
        schema,
        &[
            ("selectPolicy", json!("Max")),
            ("policies", json!([{ "type": "Percent", "value": 100, "periodSeconds": 15 }])),
        ],
    );
}

fn set_defaults(schema: &mut Schema, defaults: &[(&str, Value)]) {
    let object = schema.ensure_object();
    object.insert("default".to_owned(), json!({}));
    // An optional field is `anyOf: [T, null]` until the structural rewrite, which runs later.
    let rules = match object.get_mut("anyOf").and_then(Value::as_array_mut).and_then(|any| any.first_mut()) {
        Some(Value::Object(inner)) => inner,
        _ => object,
    };
    if let Some(Value::Object(properties)) = rules.get_mut("properties") {
        for (name, default) in defaults {
            if let Some(Value::Object(property)) = properties.get_mut(*name) {
                property.insert("default".to_owned(), default.clone());
            }
        }
    }
}
