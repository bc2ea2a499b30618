//! HorizontalPodAutoscaler objects: known always, computed beside the built-in controller in its shadow, or scaled in
//! its place.

pub mod controller;
pub mod shadow;
pub(crate) mod status;
mod takeover;

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec};
use kube::{
    Resource, ResourceExt as _,
    api::ObjectMeta,
    runtime::{controller::Action, reflector::ObjectRef},
};
use plimsoll_api::v1alpha1::{Algorithm, Mode, PodScalerSpec, PodScalerStatus};
use plimsoll_observe::{InvalidField, podscaler_spec_of_hpa};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::{args::HpaMode, context::Context, podscaler::Error};

/// The annotation of an HPA that names another algorithm than `HPA-1.37`.
pub const ALGORITHM: &str = "plimsoll.dev/algorithm";

/// An HPA, of which only the metadata has a form. What a later version of Kubernetes puts into it is kept, and one
/// that does not decode holds nobody else up.
#[derive(Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "HorizontalPodAutoscaler")]
pub struct Hpa {
    /// Name, namespace, and who wrote what.
    pub metadata: ObjectMeta,
    /// As it was read.
    #[serde(default)]
    pub spec: Value,
    /// As it was read.
    #[serde(default)]
    pub status: Value,
}

impl Hpa {
    /// The PodScaler that scales as this HPA asks for.
    ///
    /// # Errors
    /// [`InvalidField`] for a field or an annotation that this version does not know.
    pub fn podscaler_spec(&self) -> Result<PodScalerSpec, InvalidField> {
        let invalid = |field: &str, problem: String| InvalidField { field: field.to_owned(), problem };
        let spec: HorizontalPodAutoscalerSpec = serde_json::from_value(self.spec.clone())
            .map_err(|error| invalid("spec", format!("{error}; use what this version knows")))?;
        let spec = podscaler_spec_of_hpa(&spec)?;
        let algorithm = match self.annotations().get(ALGORITHM).map(String::as_str) {
            None | Some("HPA-1.37") => Algorithm::Hpa137,
            Some("Plimsoll-1") => Algorithm::Plimsoll1,
            Some(other) => {
                let field = format!("metadata.annotations[{ALGORITHM}]");
                return Err(invalid(&field, format!("{other:?} is neither HPA-1.37 nor Plimsoll-1")));
            }
        };
        Ok(PodScalerSpec { algorithm, ..spec })
    }

    /// Its status, as that of a PodScaler. What does not decode counts as not set.
    pub fn podscaler_status(&self) -> PodScalerStatus {
        fn read<T: serde::de::DeserializeOwned + Default>(status: &Value, field: &str) -> T {
            status.get(field).and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
        }
        let conditions = self.status.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let conditions = conditions.filter_map(|condition| {
            let mut condition = condition.clone();
            // Optional in an HPA, required in the conditions of everybody else.
            if let Some(fields) = condition.as_object_mut() {
                fields.entry("lastTransitionTime").or_insert_with(|| "1970-01-01T00:00:00Z".into());
            }
            serde_json::from_value(condition).ok()
        });
        PodScalerStatus {
            observed_generation: read(&self.status, "observedGeneration"),
            last_scale_time: read(&self.status, "lastScaleTime"),
            current_replicas: read(&self.status, "currentReplicas"),
            desired_replicas: read(&self.status, "desiredReplicas"),
            current_metrics: read(&self.status, "currentMetrics"),
            conditions: conditions.collect(),
            ..PodScalerStatus::default()
        }
    }
}

/// One look at an HPA.
///
/// # Errors
/// [`Error`] when what was decided could not be told.
pub async fn reconcile(hpa: Arc<Hpa>, context: Arc<Context>) -> Result<Action, Error> {
    if !context.may_decide() {
        return Ok(Action::await_change());
    }
    let started = Instant::now();
    let result = match context.options.hpa {
        HpaMode::Ignore => return Ok(Action::await_change()),
        HpaMode::Shadow => Ok(shadow::look(&context, &hpa).await),
        HpaMode::Takeover => takeover::look(&context, &hpa).await,
    };
    let label = if result.is_ok() { "ok" } else { "error" };
    context.metrics.reconcile_seconds.with_label_values(&[label]).observe(started.elapsed().as_secs_f64());
    result
}

/// What to do after a look that failed.
#[allow(clippy::needless_pass_by_value)] // the signature that kube asks for
pub fn after_error(hpa: Arc<Hpa>, error: &Error, context: Arc<Context>) -> Action {
    let object = ObjectRef::from_obj(hpa.as_ref());
    tracing::warn!(hpa = %object, step = error.step(), %error, "a look failed");
    context.metrics.errors.with_label_values(&[error.step()]).inc();
    Action::requeue(context.options.sync_period)
}

/// The spec for a look that must not write.
fn without_writing(spec: PodScalerSpec) -> PodScalerSpec {
    PodScalerSpec { mode: Mode::Recommend, ..spec }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn hpa(annotations: &Value, status: &Value) -> Hpa {
        serde_json::from_value(json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": "web", "namespace": "shop", "annotations": annotations },
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
                "maxReplicas": 10,
            },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn an_annotation_may_choose_the_algorithm() {
        let algorithm =
            |annotations| hpa(&annotations, &json!({})).podscaler_spec().map(|spec| spec.algorithm);
        assert_eq!(algorithm(json!({})), Ok(Algorithm::Hpa137));
        assert_eq!(algorithm(json!({ ALGORITHM: "Plimsoll-1" })), Ok(Algorithm::Plimsoll1));
        let error = algorithm(json!({ ALGORITHM: "best" })).unwrap_err().to_string();
        assert!(error.contains("metadata.annotations[plimsoll.dev/algorithm]"), "{error}");
    }

    #[test]
    fn a_status_is_read_also_where_a_part_of_it_has_another_form() {
        let status = hpa(
            &json!({}),
            &json!({
                "desiredReplicas": 3,
                "currentMetrics": [{ "type": "" }, { "type": "Resource", "resource": {
                    "name": "cpu", "current": { "averageValue": "85m", "averageUtilization": 85 } } }],
                "conditions": [{ "type": "ScaledToZero", "status": "True" }, { "type": 7 }],
                "lastScaleTime": "yesterday",
            }),
        )
        .podscaler_status();
        assert_eq!((status.desired_replicas, status.last_scale_time), (3, None));
        assert_eq!(status.conditions.len(), 1);
        assert_eq!(status.conditions[0].type_, "ScaledToZero");
        assert_eq!(status.current_metrics.unwrap().len(), 2);
    }
}
