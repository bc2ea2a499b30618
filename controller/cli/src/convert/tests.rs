use std::fs;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use plimsoll_core::replicas::{Algorithm, MetricSpec, PodTarget, RatePolicy, ValueTarget};
use plimsoll_observe::podscaler_spec_of_hpa;
use pretty_assertions::assert_eq;
use serde_json::json;

use super::*;
use crate::{fixtures::golden, output::tests::Kept as Written};

fn converted(text: &str) -> (End, Written) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hpa.yaml");
    fs::write(&path, text).unwrap();
    let mut output = Written::default();
    let mut work = Work { output: &mut output, failed: 0, converted: 0, passed_on: 0 };
    work.file(&path).unwrap();
    let end = if work.failed == 0 { End::Well } else { End::Amiss };
    output.stderr = output.stderr.replace(&format!("{}/", folder.path().display()), "");
    (end, output)
}

const HPA: &str = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: web
  namespace: shop
  uid: 6a0b
  resourceVersion: '7'
  creationTimestamp: '2026-01-01T00:00:00Z'
  labels: {app: web}
  annotations:
    example.com/team: front
    kubectl.kubernetes.io/last-applied-configuration: '{}'
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2  # one is none
  maxReplicas: 10
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}
  - type: External
    external: {metric: {name: queue}, target: {type: AverageValue, averageValue: '30'}}
status:
  currentReplicas: 3
  desiredReplicas: 3
";

#[test]
fn an_hpa_is_a_podscaler_and_a_list_of_differences() {
    let (end, output) = converted(HPA);
    assert_eq!(end, End::Well);
    golden("convert", &output.stdout);
    golden("convert_differences", &output.stderr);
}

/// Through text and back, and read by the operator's own eyes.
#[test]
fn the_policy_is_that_of_the_hpa() {
    let (_, output) = converted(HPA);
    let ours = policies("converted", &output.stdout).unwrap();
    let hpa: HorizontalPodAutoscaler = serde_saphyr::from_str(HPA).unwrap();
    let theirs = observe_policy(&podscaler_spec_of_hpa(&hpa.spec).unwrap()).unwrap();
    assert_eq!(ours, [theirs]);
    assert_eq!(ours[0].algorithm, Algorithm::Hpa137);
}

#[test]
fn one_that_is_wrong_is_named_by_file_document_and_field_and_the_others_go_on() {
    let wrong = |from: &str, to: &str| {
        assert!(HPA.contains(from));
        HPA.replace(from, to)
    };
    let text = [
        HPA.to_owned(),
        wrong("maxReplicas: 10", "maxReplicas: ten"),
        wrong("maxReplicas: 10", "maxReplica: 10"),
        wrong("averageUtilization: 60", "averageUtilization: 0"),
        wrong("averageValue: '30'", "averageValue: many"),
        wrong("type: External\n", "type: Internal\n"),
        wrong("autoscaling/v2", "autoscaling/v2beta1"),
        wrong("kind: Deployment, ", ""),
        "a: [\n".to_owned(),
        "# the end\napiVersion: v1\nkind: Service\nmetadata: {name: web} # kept\n".to_owned(),
    ]
    .join("---\n");
    let (end, output) = converted(&text);
    assert_eq!(end, End::Amiss);
    let errors: Vec<_> = output.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    let begins = [
        "error: hpa.yaml, document 2: spec.maxReplicas: ",
        "error: hpa.yaml, document 3: spec.maxReplica: there is no such field",
        "error: hpa.yaml, document 4: spec.metrics[0].resource.target.averageUtilization: must be at least 1",
        "error: hpa.yaml, document 5: spec.metrics[1].external.target.averageValue: \"many\" is not a quantity",
        "error: hpa.yaml, document 6: spec.metrics[1]: ",
        "error: hpa.yaml, document 7: apiVersion: \"autoscaling/v2beta1\" is no longer served",
        "error: hpa.yaml, document 8: spec.scaleTargetRef.kind: is missing",
        "error: hpa.yaml, document 9: not YAML: ",
    ];
    assert_eq!(errors.len(), begins.len(), "{errors:#?}");
    for (error, begin) in errors.iter().zip(begins) {
        assert!(error.starts_with(begin), "{error}\nshould begin with\n{begin}");
    }
    assert_eq!(output.stdout.matches("kind: PodScaler").count(), 1);
    assert!(
        output
            .stdout
            .ends_with("---\n# the end\napiVersion: v1\nkind: Service\nmetadata: {name: web} # kept\n")
    );
    assert!(
        output.stderr.contains("hpa.yaml, document 10: Service is passed on as it is"),
        "{}",
        output.stderr
    );
}

#[test]
fn the_objects_of_a_list_are_converted_one_by_one() {
    let hpa: Value = serde_saphyr::from_str(HPA).unwrap();
    let mut bad = hpa.clone();
    bad["metadata"] = json!({});
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [hpa, bad, { "kind": "ConfigMap" }] });
    let (end, output) = converted(&list.to_string());
    assert_eq!(end, End::Amiss);
    assert!(output.stderr.contains("document 1, items[1]: metadata.name: is missing"), "{}", output.stderr);
    let kinds: Vec<_> = output.stdout.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    assert_eq!(kinds, ["PodScaler", "ConfigMap"]);
}

/// As `kubectl get hpa.v1.autoscaling -o json` of Kubernetes 1.37 has it.
#[test]
fn what_autoscaling_v1_keeps_in_annotations_is_read() {
    let metrics = json!([
        { "type": "Resource", "resource": { "name": "memory", "targetAverageValue": "1Gi" } },
        { "type": "ContainerResource", "containerResource": {
            "name": "cpu", "container": "app", "targetAverageUtilization": 70 } },
        { "type": "Pods", "pods": { "metricName": "rps", "targetAverageValue": "5" } },
        { "type": "Object", "object": {
            "target": { "kind": "Ingress", "name": "front", "apiVersion": "networking.k8s.io/v1" },
            "metricName": "hits", "targetValue": "0", "averageValue": "2k" } },
        { "type": "External", "external": {
            "metricName": "queue", "metricSelector": { "matchLabels": { "q": "a" } }, "targetValue": "30" } },
    ]);
    let behavior = json!({
        "ScaleUp": {
            "StabilizationWindowSeconds": 5, "SelectPolicy": "Max", "Tolerance": null,
            "Policies": [{ "Type": "Pods", "Value": 2, "PeriodSeconds": 30 }] },
        "ScaleDown": null,
    });
    let hpa = json!({
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "web", "annotations": {
            "autoscaling.alpha.kubernetes.io/metrics": metrics.to_string(),
            "autoscaling.alpha.kubernetes.io/behavior": behavior.to_string(),
            "autoscaling.alpha.kubernetes.io/conditions": "[]",
        } },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "maxReplicas": 10, "targetCPUUtilizationPercentage": 60,
        },
    });
    let scaler = hpa::convert(&hpa).unwrap();
    assert_eq!(scaler.metadata.annotations, None);
    let policy = observe_policy(&scaler.spec).unwrap();
    let [memory, container, pods, object, external, cpu] = policy.metrics.as_slice() else {
        panic!("{policy:?}")
    };
    assert!(matches!(memory, MetricSpec::Resource { target: PodTarget::AverageValue(_), .. }));
    assert!(matches!(container, MetricSpec::ContainerResource { target: PodTarget::Utilization(70), .. }));
    assert!(matches!(pods, MetricSpec::Pods { average: 5000, .. }));
    assert!(matches!(object, MetricSpec::Object { target: ValueTarget::AverageValue(2_000_000), .. }));
    assert!(matches!(
        external,
        MetricSpec::External { target: ValueTarget::Value(30_000), selector: Some(_), .. }
    ));
    assert!(matches!(cpu, MetricSpec::Resource { target: PodTarget::Utilization(60), .. }), "cpu comes last");
    let behavior = policy.behavior.unwrap();
    assert_eq!(behavior.scale_up.policies, [RatePolicy::pods(2, 30)]);
    assert_eq!(behavior.scale_up.stabilization_window_seconds, Some(5));

    let mut bad = hpa;
    bad["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"] = json!("[{\"type\": 1}]");
    let error = hpa::convert(&bad).unwrap_err();
    let begin = "metadata.annotations[autoscaling.alpha.kubernetes.io/metrics], [0].type: ";
    assert!(error.starts_with(begin), "{error}");
}
