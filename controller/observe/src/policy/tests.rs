use pretty_assertions::assert_eq;

use super::*;

fn policy(yaml: &str) -> Result<Policy, InvalidField> {
    let head = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\nmaxReplicas: 10\n";
    observe_policy(&serde_saphyr::from_str(&format!("{head}{yaml}")).unwrap())
}

#[test]
fn a_bare_spec_means_one_pod_at_least_and_80_percent_cpu() {
    for yaml in ["", "metrics: []"] {
        let policy = policy(yaml).unwrap();
        assert_eq!(policy.min_replicas, 1);
        assert_eq!(
            policy.metrics,
            vec![MetricSpec::Resource { name: "cpu".into(), target: PodTarget::Utilization(80) }]
        );
        assert_eq!(policy.behavior, None);
        assert_eq!(policy.algorithm, Algorithm::Plimsoll1);
    }
}

#[test]
fn behavior_is_filled_field_by_field() {
    let behavior =
        policy("behavior: {scaleDown: {stabilizationWindowSeconds: 60, tolerance: 50m}}").unwrap().behavior;
    assert_eq!(
        behavior,
        Some(Behavior {
            scale_up: ScalingRules::default_up(),
            scale_down: ScalingRules {
                stabilization_window_seconds: Some(60),
                tolerance: Some(0.05),
                ..ScalingRules::default_down()
            },
        })
    );
}

#[test]
fn the_field_that_is_set_decides_the_target_of_a_pod_metric() {
    let policy = policy(
        "metrics: [{type: Resource, resource: {name: memory, target: {type: Utilization, averageValue: 1Gi}}}]",
    );
    assert_eq!(
        policy.unwrap().metrics,
        vec![MetricSpec::Resource {
            name: "memory".into(),
            target: PodTarget::AverageValue(1024 * 1024 * 1024 * 1000)
        }]
    );
}

#[test]
fn the_type_decides_the_target_of_an_object_metric() {
    let yaml = |r#type| {
        format!(
            "metrics: [{{type: Object, object: {{metric: {{name: rps}}, describedObject: {{kind: Ingress, name: front}}, target: {{type: {type}, value: 5, averageValue: '2'}}}}}}]"
        )
    };
    let target = |r#type| match policy(&yaml(r#type)).unwrap().metrics.remove(0) {
        MetricSpec::Object { target, .. } => target,
        other => panic!("{other:?}"),
    };
    assert_eq!(target("Value"), ValueTarget::Value(5000));
    assert_eq!(target("AverageValue"), ValueTarget::AverageValue(2000));
    assert_eq!(target("Utilization"), ValueTarget::Unset);
}

#[test]
fn what_slipped_past_the_schema_is_named_by_its_path() {
    for (yaml, field) in [
        ("minReplicas: 11", "spec.minReplicas"),
        ("minReplicas: -1", "spec.minReplicas"),
        ("metrics: [{type: Pods}]", "spec.metrics[0]"),
        (
            "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 0}}}]",
            "spec.metrics[0].resource.target.averageUtilization",
        ),
        (
            "metrics: [{type: Resource, resource: {name: cpu, target: {type: AverageValue, averageValue: lots}}}]",
            "spec.metrics[0].resource.target.averageValue",
        ),
        ("behavior: {scaleUp: {tolerance: some}}", "spec.behavior.scaleUp.tolerance"),
    ] {
        assert_eq!(policy(yaml).unwrap_err().field, field, "{yaml}");
    }
}
