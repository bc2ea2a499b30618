//! The spec of a HorizontalPodAutoscaler, as the spec of a PodScaler that decides as it does.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricSpec,
};
use plimsoll_api::v1alpha1::{Algorithm, Behavior, Metric, Mode, ObjectReference, PodScalerSpec};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::InvalidField;

/// The PodScaler that decides as the built-in controller does for this HPA: the same fields, algorithm `HPA-1.37`,
/// mode `Active`.
///
/// The fields of both have the same names and types, so one is read as the other, part by part.
///
/// # Errors
/// [`InvalidField`] for a value that a later version of Kubernetes may know and this one does not, such as a new type
/// of metric.
pub fn podscaler_spec_of_hpa(spec: &HorizontalPodAutoscalerSpec) -> Result<PodScalerSpec, InvalidField> {
    let HorizontalPodAutoscalerSpec { behavior, max_replicas, metrics, min_replicas, scale_target_ref } =
        spec;
    let metrics: Vec<Metric> = metrics
        .iter()
        .flatten()
        .enumerate()
        .map(|(index, metric)| read_as::<MetricSpec, _>(metric, || format!("spec.metrics[{index}]")))
        .collect::<Result<_, _>>()?;
    let behavior: Option<Behavior> = behavior
        .as_ref()
        .map(|behavior| {
            read_as::<HorizontalPodAutoscalerBehavior, _>(behavior, || "spec.behavior".to_owned())
        })
        .transpose()?;
    let target: ObjectReference =
        read_as::<CrossVersionObjectReference, _>(scale_target_ref, || "spec.scaleTargetRef".to_owned())?;
    // The rest is what the schema fills in where a PodScaler does not say it.
    let filled: PodScalerSpec =
        read_as::<Value, _>(&json!({ "scaleTargetRef": target, "maxReplicas": max_replicas }), || {
            "spec".to_owned()
        })?;
    Ok(PodScalerSpec {
        min_replicas: min_replicas.unwrap_or(1),
        metrics,
        behavior,
        algorithm: Algorithm::Hpa137,
        mode: Mode::Active,
        ..filled
    })
}

fn read_as<T: Serialize, U: DeserializeOwned>(
    value: &T,
    field: impl Fn() -> String,
) -> Result<U, InvalidField> {
    serde_json::to_value(value)
        .and_then(serde_json::from_value)
        .map_err(|error| InvalidField::new(field(), format!("{error}; use a value that this version knows")))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn hpa(yaml: &str) -> HorizontalPodAutoscalerSpec {
        let head = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\nmaxReplicas: 10\n";
        serde_saphyr::from_str(&format!("{head}{yaml}")).unwrap()
    }

    /// Every field that an HPA has.
    const ALL: &str = "
minReplicas: 0
metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}
  - type: ContainerResource
    containerResource: {name: memory, container: app, target: {type: AverageValue, averageValue: 1Gi}}
  - type: Pods
    pods: {metric: {name: rps, selector: {matchLabels: {path: a}}}, target: {type: AverageValue, averageValue: '5'}}
  - type: Object
    object:
      describedObject: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: front}
      metric: {name: rps, selector: {matchExpressions: [{key: a, operator: In, values: [b]}]}}
      target: {type: Value, value: 2k}
  - type: External
    external: {metric: {name: queue}, target: {type: AverageValue, averageValue: '30'}}
behavior:
  scaleUp:
    stabilizationWindowSeconds: 5
    selectPolicy: Min
    tolerance: 50m
    policies: [{type: Pods, value: 4, periodSeconds: 15}, {type: Percent, value: 50, periodSeconds: 60}]
  scaleDown: {selectPolicy: Disabled}
";

    #[test]
    fn every_field_of_an_hpa_is_kept() {
        let hpa = hpa(ALL);
        let ours = podscaler_spec_of_hpa(&hpa).unwrap();
        let mut expected = serde_json::to_value(&hpa).unwrap();
        expected["algorithm"] = json!("HPA-1.37");
        expected["mode"] = json!("Active");
        assert_eq!(serde_json::to_value(&ours).unwrap(), expected);
        crate::observe_policy(&ours).unwrap();
    }

    #[test]
    fn what_an_hpa_leaves_out_is_what_its_api_server_fills_in() {
        let ours = podscaler_spec_of_hpa(&hpa("")).unwrap();
        assert_eq!((ours.min_replicas, ours.behavior.is_none()), (1, true));
        assert_eq!(
            ours.metrics_or_default()[0].resource.as_ref().unwrap().target.average_utilization,
            Some(80)
        );
    }

    #[test]
    fn a_value_of_a_later_version_is_named_by_its_field() {
        for (yaml, field) in [
            (
                "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 1}}}, {type: Horoscope}]",
                "spec.metrics[1]",
            ),
            ("behavior: {scaleUp: {selectPolicy: Median}}", "spec.behavior"),
        ] {
            let error = podscaler_spec_of_hpa(&hpa(yaml)).unwrap_err();
            assert_eq!(error.field, field);
            assert!(error.problem.contains("unknown variant"), "{error}");
        }
    }
}
