//! What a PodScaler's spec says that an HPA's cannot: options of metrics, schedules and the fallback.

use plimsoll_api::v1alpha1 as api;
use plimsoll_core::replicas::{Fallback, FallbackBehavior, MetricOptions, Policy, Schedule, Survive};

use crate::policy::{InvalidField, parse};

/// Fills in what goes beyond an HPA.
pub(crate) fn extend(policy: &mut Policy, spec: &api::PodScalerSpec) -> Result<(), InvalidField> {
    let options = spec.metrics.iter().enumerate();
    let options = options.map(|(index, metric)| metric_options(metric, &format!("spec.metrics[{index}]")));
    policy.metric_options = options.collect::<Result<_, _>>()?;
    if policy.metric_options.iter().all(|options| *options == MetricOptions::default()) {
        policy.metric_options.clear();
    }
    policy.schedules = spec.schedules.iter().map(schedule).collect();
    policy.fallback = spec.fallback.as_ref().map(fallback).transpose()?;
    policy.formula.clone_from(&spec.formula);
    policy.survive = spec.availability.as_ref().and_then(|availability| match availability.survive {
        api::Survive::Zone => Some(Survive::Zone),
        api::Survive::Node => Some(Survive::Node),
        api::Survive::None => None,
    });
    let invalid = policy.check().err();
    invalid.map_or(Ok(()), |invalid| Err(InvalidField { field: invalid.field, problem: invalid.problem }))
}

fn metric_options(metric: &api::Metric, field: &str) -> Result<MetricOptions, InvalidField> {
    if let (Some(min), Some(max)) = (metric.min_replicas, metric.max_replicas)
        && min > max
    {
        let problem = "must not be larger than maxReplicas of the same metric";
        return Err(InvalidField::new(format!("{field}.minReplicas"), problem));
    }
    let activation = metric.activation.as_ref().map(|activation| {
        let field = format!("{field}.activation");
        match parse(activation, &field)?.milli() {
            milli if milli >= 0 => Ok(milli),
            _ => Err(InvalidField::new(field, format!("{} must be at least 0", activation.0))),
        }
    });
    Ok(MetricOptions {
        name: metric.name.clone(),
        min_replicas: metric.min_replicas,
        max_replicas: metric.max_replicas,
        activation: activation.transpose()?,
    })
}

fn schedule(schedule: &api::Schedule) -> Schedule {
    let api::Schedule { name, start, end, time_zone, min_replicas, max_replicas } = schedule;
    Schedule {
        name: name.clone(),
        start: start.clone(),
        end: end.clone(),
        time_zone: time_zone.clone(),
        min_replicas: *min_replicas,
        max_replicas: *max_replicas,
    }
}

fn fallback(fallback: &api::Fallback) -> Result<Fallback, InvalidField> {
    if fallback.after_failures < 1 {
        return Err(InvalidField::new("spec.fallback.afterFailures", "must be at least 1"));
    }
    let replicas = || {
        let missing = || InvalidField::new("spec.fallback.replicas", "is required for this behavior");
        fallback.replicas.ok_or_else(missing)
    };
    let behavior = match fallback.behavior {
        api::FallbackBehavior::Hold => FallbackBehavior::Hold,
        api::FallbackBehavior::Static => FallbackBehavior::Static(replicas()?),
        api::FallbackBehavior::StaticIfHigher => FallbackBehavior::StaticIfHigher(replicas()?),
        api::FallbackBehavior::ScheduledMinimum => FallbackBehavior::ScheduledMinimum,
    };
    Ok(Fallback { after_failures: fallback.after_failures, behavior })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::observe_policy;

    fn policy(yaml: &str) -> Result<Policy, InvalidField> {
        let head = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\nmaxReplicas: 10\n";
        observe_policy(&serde_saphyr::from_str(&format!("{head}{yaml}")).unwrap())
    }

    const QUEUE: &str =
        "type: External, external: {metric: {name: queue}, target: {type: AverageValue, averageValue: 5}}";

    #[test]
    fn what_an_hpa_says_means_nothing_more() {
        let plain = policy(&format!("metrics: [{{{QUEUE}}}]")).unwrap();
        let Policy { metric_options, schedules, fallback, formula, .. } = plain;
        assert_eq!((metric_options, schedules, fallback, formula), (vec![], vec![], None, None));
    }

    #[test]
    fn options_stay_with_their_metric() {
        let second = format!("{{name: jobs, minReplicas: 2, maxReplicas: 6, activation: 500m, {QUEUE}}}");
        let options = policy(&format!("metrics: [{{{QUEUE}}}, {second}]")).unwrap().metric_options;
        assert_eq!(
            options,
            vec![
                MetricOptions::default(),
                MetricOptions {
                    name: Some("jobs".into()),
                    min_replicas: Some(2),
                    max_replicas: Some(6),
                    activation: Some(500),
                },
            ]
        );
    }

    #[test]
    fn a_fallback_has_its_defaults() {
        let of = |yaml: &str| policy(&format!("fallback: {yaml}")).unwrap().fallback.unwrap();
        assert_eq!(of("{}"), Fallback { after_failures: 3, behavior: FallbackBehavior::Hold });
        let two = Fallback { after_failures: 1, behavior: FallbackBehavior::StaticIfHigher(2) };
        assert_eq!(of("{afterFailures: 1, behavior: StaticIfHigher, replicas: 2}"), two);
    }

    #[test]
    fn what_slipped_past_the_schema_is_named_by_its_path() {
        let named = |name: &str| format!("{{name: {name}, {QUEUE}}}");
        let night = |start: &str, zone: &str| {
            format!(
                "schedules: [{{name: night, start: '{start}', end: '0 6 * * *', timeZone: {zone}, maxReplicas: 2}}]"
            )
        };
        for (yaml, field) in [
            (night("61 22 * * *", "UTC"), "spec.schedules[0].start"),
            (night("0 22 * * *", "Europe/Bonn"), "spec.schedules[0].timeZone"),
            ("fallback: {behavior: Static}".to_owned(), "spec.fallback.replicas"),
            ("fallback: {afterFailures: 0}".to_owned(), "spec.fallback.afterFailures"),
            (format!("metrics: [{{activation: lots, {QUEUE}}}]"), "spec.metrics[0].activation"),
            (format!("metrics: [{{activation: -1, {QUEUE}}}]"), "spec.metrics[0].activation"),
            (
                format!("metrics: [{{minReplicas: 3, maxReplicas: 2, {QUEUE}}}]"),
                "spec.metrics[0].minReplicas",
            ),
            (format!("metrics: [{}]\nformula: jobs.pods", named("jobs")), "spec.formula"),
            (format!("metrics: [{}]\nformula: web.replicas", named("jobs")), "spec.formula"),
        ] {
            assert_eq!(policy(&yaml).unwrap_err().field, field, "{yaml}");
        }
    }
}
