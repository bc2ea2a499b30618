//! A PodScaler's spec, as the core wants to know it: with every default filled in.

use k8s_openapi::{
    apimachinery::pkg::api::resource::Quantity as ApiQuantity,
    apimachinery::pkg::apis::meta::v1::LabelSelector as ApiLabelSelector,
};
use plimsoll_api::v1alpha1::{self as api, MetricType, TargetType};
use plimsoll_core::{
    quantity::Quantity,
    replicas::{
        Algorithm, Behavior, LabelRequirement, LabelSelector, MetricSpec, PodTarget, Policy, RateKind,
        RatePolicy, ScalingRules, SelectPolicy, ValueTarget,
    },
};

use crate::direct::{observe_scrape, source_name};
use crate::extension::extend;

/// A field whose value makes no sense, although the API server let it pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidField {
    /// Path of the field, such as `spec.metrics[0].resource.target.averageValue`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl InvalidField {
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// The policy that a PodScaler's spec means.
///
/// # Errors
/// [`InvalidField`] for what the schema should have refused, as happens when an object was stored
/// before its rule existed.
pub fn observe_policy(spec: &api::PodScalerSpec) -> Result<Policy, InvalidField> {
    if spec.max_replicas < 1 {
        return Err(InvalidField::new("spec.maxReplicas", "must be at least 1"));
    }
    if spec.min_replicas < 0 || spec.min_replicas > spec.max_replicas {
        return Err(InvalidField::new("spec.minReplicas", "must be between 0 and maxReplicas"));
    }
    let mut policy = Policy {
        algorithm: match spec.algorithm {
            api::Algorithm::Hpa137 => Algorithm::Hpa137,
            api::Algorithm::Plimsoll1 => Algorithm::Plimsoll1,
        },
        min_replicas: spec.min_replicas,
        max_replicas: spec.max_replicas,
        metrics: spec
            .metrics_or_default()
            .iter()
            .enumerate()
            .map(|(index, metric)| observe_metric(metric, &format!("spec.metrics[{index}]")))
            .collect::<Result<_, _>>()?,
        behavior: spec.behavior.as_ref().map(observe_behavior).transpose()?,
        ..Policy::default()
    };
    extend(&mut policy, spec)?;
    Ok(policy)
}

fn observe_metric(metric: &api::Metric, field: &str) -> Result<MetricSpec, InvalidField> {
    let missing = || {
        let member = metric.r#type.as_str();
        InvalidField::new(field, format!("type is {member}, but the field that describes it is missing"))
    };
    Ok(match metric.r#type {
        MetricType::Resource => {
            let resource = metric.resource.as_ref().ok_or_else(missing)?;
            MetricSpec::Resource {
                name: resource.name.clone(),
                target: pod_target(&resource.target, &format!("{field}.resource.target"))?,
            }
        }
        MetricType::ContainerResource => {
            let resource = metric.container_resource.as_ref().ok_or_else(missing)?;
            MetricSpec::ContainerResource {
                name: resource.name.clone(),
                container: resource.container.clone(),
                target: pod_target(&resource.target, &format!("{field}.containerResource.target"))?,
            }
        }
        MetricType::Pods => {
            let pods = metric.pods.as_ref().ok_or_else(missing)?;
            let field = format!("{field}.pods.target.averageValue");
            let average = pods.target.average_value.as_ref();
            let average = average.ok_or_else(|| InvalidField::new(&field, "is required"))?;
            MetricSpec::Pods {
                metric: pods.metric.name.clone(),
                selector: pods.metric.selector.as_ref().map(label_selector),
                average: positive_milli(average, &field)?,
            }
        }
        MetricType::Object => {
            let object = metric.object.as_ref().ok_or_else(missing)?;
            MetricSpec::Object {
                kind: object.described_object.kind.clone(),
                name: object.described_object.name.clone(),
                metric: object.metric.name.clone(),
                selector: object.metric.selector.as_ref().map(label_selector),
                target: object_target(&object.target, &format!("{field}.object.target"))?,
            }
        }
        MetricType::External => {
            let external = metric.external.as_ref().ok_or_else(missing)?;
            MetricSpec::External {
                metric: external.metric.name.clone(),
                selector: external.metric.selector.as_ref().map(label_selector),
                target: external_target(&external.target, &format!("{field}.external.target"))?,
            }
        }
        MetricType::Prometheus => {
            let prometheus = metric.prometheus.as_ref().ok_or_else(missing)?;
            MetricSpec::Prometheus {
                source: source_name(&prometheus.source),
                query: prometheus.query.clone(),
                target: external_target(&prometheus.target, &format!("{field}.prometheus.target"))?,
            }
        }
        MetricType::Scrape => {
            observe_scrape(metric.scrape.as_ref().ok_or_else(missing)?, &format!("{field}.scrape"))?
        }
    })
}

/// The average value counts when it is set, whatever `type` says, as for the HPA.
fn pod_target(target: &api::MetricTarget, field: &str) -> Result<PodTarget, InvalidField> {
    Ok(match (&target.average_value, target.average_utilization) {
        (Some(average), _) => {
            PodTarget::AverageValue(positive_milli(average, &format!("{field}.averageValue"))?)
        }
        (None, Some(percent)) if percent >= 1 => PodTarget::Utilization(percent),
        (None, Some(_)) => {
            return Err(InvalidField::new(format!("{field}.averageUtilization"), "must be at least 1"));
        }
        (None, None) => PodTarget::Unset,
    })
}

/// For an Object metric `type` says which field counts, as for the HPA.
fn object_target(target: &api::MetricTarget, field: &str) -> Result<ValueTarget, InvalidField> {
    Ok(match (target.r#type, &target.value, &target.average_value) {
        (TargetType::Value, Some(value), _) => {
            ValueTarget::Value(positive_milli(value, &format!("{field}.value"))?)
        }
        (TargetType::AverageValue, _, Some(average)) => {
            ValueTarget::AverageValue(positive_milli(average, &format!("{field}.averageValue"))?)
        }
        _ => ValueTarget::Unset,
    })
}

fn external_target(target: &api::MetricTarget, field: &str) -> Result<ValueTarget, InvalidField> {
    Ok(match (&target.average_value, &target.value) {
        (Some(average), _) => {
            ValueTarget::AverageValue(positive_milli(average, &format!("{field}.averageValue"))?)
        }
        (None, Some(value)) => ValueTarget::Value(positive_milli(value, &format!("{field}.value"))?),
        (None, None) => ValueTarget::Unset,
    })
}

/// What `autoscaling/v2` fills in is filled in here too: the schema's defaults do not reach an
/// object that was stored before them.
fn observe_behavior(behavior: &api::Behavior) -> Result<Behavior, InvalidField> {
    Ok(Behavior {
        scale_up: observe_rules(
            behavior.scale_up.as_ref(),
            ScalingRules::default_up(),
            "spec.behavior.scaleUp",
        )?,
        scale_down: observe_rules(
            behavior.scale_down.as_ref(),
            ScalingRules::default_down(),
            "spec.behavior.scaleDown",
        )?,
    })
}

fn observe_rules(
    rules: Option<&api::ScalingRules>,
    defaults: ScalingRules,
    field: &str,
) -> Result<ScalingRules, InvalidField> {
    let Some(rules) = rules else { return Ok(defaults) };
    let tolerance = match &rules.tolerance {
        Some(text) => Some(parse(text, &format!("{field}.tolerance"))?.approximate()),
        None => defaults.tolerance,
    };
    Ok(ScalingRules {
        stabilization_window_seconds: rules
            .stabilization_window_seconds
            .or(defaults.stabilization_window_seconds),
        select_policy: match rules.select_policy {
            Some(api::SelectPolicy::Max) => SelectPolicy::Max,
            Some(api::SelectPolicy::Min) => SelectPolicy::Min,
            Some(api::SelectPolicy::Disabled) => SelectPolicy::Disabled,
            None => defaults.select_policy,
        },
        policies: match &rules.policies {
            Some(policies) => policies.iter().map(rate_policy).collect(),
            None => defaults.policies,
        },
        tolerance,
    })
}

fn rate_policy(policy: &api::RatePolicy) -> RatePolicy {
    RatePolicy {
        kind: match policy.r#type {
            api::PolicyType::Pods => RateKind::Pods,
            api::PolicyType::Percent => RateKind::Percent,
        },
        value: policy.value,
        period_seconds: policy.period_seconds,
    }
}

pub(crate) fn label_selector(selector: &ApiLabelSelector) -> LabelSelector {
    LabelSelector {
        match_labels: selector.match_labels.clone().unwrap_or_default(),
        match_expressions: selector
            .match_expressions
            .iter()
            .flatten()
            .map(|requirement| LabelRequirement {
                key: requirement.key.clone(),
                operator: requirement.operator.clone(),
                values: requirement.values.clone().unwrap_or_default(),
            })
            .collect(),
    }
}

pub(crate) fn positive_milli(quantity: &ApiQuantity, field: &str) -> Result<i64, InvalidField> {
    match parse(quantity, field)?.milli() {
        milli if milli > 0 => Ok(milli),
        _ => Err(InvalidField::new(field, format!("{} must be greater than 0", quantity.0))),
    }
}

pub(crate) fn parse(quantity: &ApiQuantity, field: &str) -> Result<Quantity, InvalidField> {
    Quantity::parse(&quantity.0)
        .map_err(|error| InvalidField::new(field, format!("{:?} is not a quantity: {error}", quantity.0)))
}

#[cfg(test)]
mod tests;
