//! From a metric of the spec and its reading to an outcome, with HPA's names and texts around it.

use super::Context;
use super::average::{self, Target};
use super::decision::MetricOutcome;
use super::direct::shown;
use super::failure::Failure;
use super::grouping::{is_negative, is_stale};
use super::input::{Reading, ReadingError};
use super::policy::{MetricSpec, PodTarget, ValueTarget};
use super::proposal::{MetricError, Proposal};
use super::selector::in_go_words;
use super::total::{propose_for_value, propose_for_value_per_pod, sum_for_average, sum_for_value};
use super::usage::{Sample, Samples};
use crate::reason::{ConditionReason, EventReason};

/// A failure in three rings: the event says `cause`, the total failure says `outer` + `middle` + `cause`.
struct Trouble {
    cause: String,
    middle: String,
}

impl Trouble {
    fn plain(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), middle: String::new() }
    }
}

/// The outcome of one metric.
pub(super) fn outcome(ctx: &Context<'_>, metric: &MetricSpec, reading: Option<&Reading>) -> MetricOutcome {
    let not_read = Reading::Failed(ReadingError::Fetch("no reading was made".to_owned()));
    let reading = reading.unwrap_or(&not_read);
    let result = match metric {
        MetricSpec::Resource { name, target } => resource(ctx, name, None, *target, reading),
        MetricSpec::ContainerResource { name, container, target } => {
            resource(ctx, name, Some(container), *target, reading)
        }
        MetricSpec::Pods { metric, average, .. } => pods(ctx, metric, *average, reading),
        MetricSpec::Object { target, .. } => object(ctx, metric, *target, reading),
        MetricSpec::External { target, .. } => external(ctx, metric, *target, reading),
        MetricSpec::Prometheus { source, query, target } => {
            direct::prometheus(ctx, source, query, *target, reading)
        }
        MetricSpec::Scrape { scrape, average } => direct::scrape(ctx, scrape, *average, reading),
        MetricSpec::Unknown { kind } => Err(Trouble::plain(format!("unknown metric source type {kind:?}"))),
    };
    let name = display_name(metric);
    match result {
        Ok(Proposal { replicas, basis, ratio, status, pods, total }) => MetricOutcome {
            name,
            status: Some(status),
            proposal: Ok(replicas),
            ratio: ratio.is_finite().then_some(ratio),
            basis: Some(basis),
            pods,
            alias: None,
            total,
            adjustment: None,
        },
        Err(Trouble { cause, middle }) => {
            let (reason, event) = reasons(metric);
            let in_context = format!("{}{middle}{cause}", context(metric));
            let proposal = Err(MetricError { reason, event, message: cause, in_context });
            MetricOutcome {
                name,
                status: None,
                proposal,
                ratio: None,
                basis: None,
                pods: None,
                alias: None,
                total: None,
                adjustment: None,
            }
        }
    }
}

/// The name in conditions and events. HPA calls an Object metric with an average target "external".
pub(super) fn display_name(metric: &MetricSpec) -> String {
    match metric {
        MetricSpec::Resource { name, target: PodTarget::AverageValue(_) }
        | MetricSpec::ContainerResource { name, target: PodTarget::AverageValue(_), .. } => {
            format!("{name} resource")
        }
        MetricSpec::Resource { name, .. } => format!("{name} resource utilization (percentage of request)"),
        MetricSpec::ContainerResource { name, .. } => {
            format!("{name} container resource utilization (percentage of request)")
        }
        MetricSpec::Pods { metric, .. } => format!("pods metric {metric}"),
        MetricSpec::Object { metric, selector, target: ValueTarget::AverageValue(_), .. }
        | MetricSpec::External { metric, selector, .. } => {
            format!("external metric {metric}({})", in_go_words(selector.as_ref()))
        }
        MetricSpec::Object { kind, metric, .. } => format!("{kind} metric {metric}"),
        MetricSpec::Prometheus { query, .. } => format!("prometheus metric {}", shown(query)),
        MetricSpec::Scrape { scrape, .. } => format!("scrape metric {scrape}"),
        MetricSpec::Unknown { kind } => format!("metric of unknown type {kind:?}"),
    }
}

fn reasons(metric: &MetricSpec) -> (ConditionReason, EventReason) {
    match metric {
        MetricSpec::Resource { .. } => {
            (ConditionReason::FailedGetResourceMetric, EventReason::FailedGetResourceMetric)
        }
        MetricSpec::ContainerResource { .. } => {
            (ConditionReason::FailedGetContainerResourceMetric, EventReason::FailedGetContainerResourceMetric)
        }
        MetricSpec::Pods { .. } => (ConditionReason::FailedGetPodsMetric, EventReason::FailedGetPodsMetric),
        MetricSpec::Object { .. } => {
            (ConditionReason::FailedGetObjectMetric, EventReason::FailedGetObjectMetric)
        }
        MetricSpec::External { .. } => {
            (ConditionReason::FailedGetExternalMetric, EventReason::FailedGetExternalMetric)
        }
        MetricSpec::Prometheus { .. } => {
            (ConditionReason::FailedGetPrometheusMetric, EventReason::FailedGetPrometheusMetric)
        }
        MetricSpec::Scrape { .. } => {
            (ConditionReason::FailedGetScrapeMetric, EventReason::FailedGetScrapeMetric)
        }
        MetricSpec::Unknown { .. } => {
            (ConditionReason::InvalidMetricSourceType, EventReason::InvalidMetricSourceType)
        }
    }
}

/// What stands before a failure where all metrics are reported together.
fn context(metric: &MetricSpec) -> String {
    match metric {
        MetricSpec::Resource { name, .. } => format!("failed to get {name} resource metric value: "),
        MetricSpec::ContainerResource { container, .. } => {
            format!("failed to get {container} container metric value: ")
        }
        MetricSpec::Pods { .. } => "failed to get pods metric value: ".to_owned(),
        MetricSpec::Object { .. } => "failed to get object metric value: ".to_owned(),
        MetricSpec::External { metric, .. } => format!("failed to get {metric} external metric value: "),
        MetricSpec::Prometheus { .. } => "failed to get prometheus metric value: ".to_owned(),
        MetricSpec::Scrape { .. } => "failed to get scrape metric value: ".to_owned(),
        MetricSpec::Unknown { .. } => String::new(),
    }
}

fn resource(
    ctx: &Context<'_>,
    name: &str,
    container: Option<&str>,
    target: PodTarget,
    reading: &Reading,
) -> Result<Proposal, Trouble> {
    let (target, what) = match target {
        PodTarget::Utilization(percent) => {
            (Target::Utilization { percent, resource: name, container }, "utilization")
        }
        PodTarget::AverageValue(milli) => (Target::Average { milli, resource: Some(name) }, "usage"),
        PodTarget::Unset => {
            return Err(Trouble::plain(
                "invalid resource metric source: neither an average utilization target nor an average value (usage) \
                 target was set",
            ));
        }
    };
    per_pod(ctx, reading, "resource", &format!("unable to get metrics for resource {name}: "))
        .and_then(|samples| average::propose(ctx, samples, target).map_err(|failure| failure.to_string()))
        .map_err(|cause| Trouble::plain(format!("failed to get {name} {what}: {cause}")))
}

fn pods(ctx: &Context<'_>, metric: &str, average: i64, reading: &Reading) -> Result<Proposal, Trouble> {
    let target = Target::Average { milli: average, resource: None };
    per_pod(ctx, reading, "custom", &format!("unable to get metric {metric}: "))
        .and_then(|samples| average::propose(ctx, samples, target).map_err(|failure| failure.to_string()))
        .map_err(Trouble::plain)
}

fn object(
    ctx: &Context<'_>,
    metric: &MetricSpec,
    target: ValueTarget,
    reading: &Reading,
) -> Result<Proposal, Trouble> {
    let MetricSpec::Object { kind, name, metric, .. } = metric else {
        return Err(Trouble::plain(Failure::WrongReading.to_string()));
    };
    if let Reading::Failed(error @ ReadingError::InvalidSelector(_)) = reading {
        return Err(Trouble::plain(error.to_string()));
    }
    let value = || match reading {
        Reading::Value(value) if !is_negative(ctx, *value) => Ok(*value),
        Reading::Timed(series) if series.len() == 1 && doubt(ctx, series).is_none() => Ok(series[0].value),
        other => {
            let namespace = &ctx.input.namespace;
            let cause = unread(ctx, other, "custom");
            Err(format!("unable to get metric {metric} on {kind} {namespace}/{name}: {cause}"))
        }
    };
    match target {
        ValueTarget::Value(target) => value()
            .and_then(|value| {
                propose_for_value(ctx, value, target).map_err(|failure| count_failure(&failure))
            })
            .map_err(Trouble::plain),
        ValueTarget::AverageValue(target) => value()
            .map(|value| propose_for_value_per_pod(ctx, value, target))
            .map_err(|cause| Trouble { cause, middle: format!("failed to get {metric} object metric: ") }),
        ValueTarget::Unset => Err(Trouble::plain(
            "invalid object metric source: neither a value target nor an average value target was set",
        )),
    }
}

fn external(
    ctx: &Context<'_>,
    metric: &MetricSpec,
    target: ValueTarget,
    reading: &Reading,
) -> Result<Proposal, Trouble> {
    let MetricSpec::External { metric, selector, .. } = metric else {
        return Err(Trouble::plain(Failure::WrongReading.to_string()));
    };
    let series = || match reading {
        Reading::Value(value) if !is_negative(ctx, *value) => Ok(vec![*value]),
        Reading::Series(series) if !series.iter().any(|value| is_negative(ctx, *value)) => Ok(series.clone()),
        Reading::Timed(series) if doubt(ctx, series).is_none() => {
            Ok(series.iter().map(|sample| sample.value).collect())
        }
        Reading::Failed(error @ ReadingError::InvalidSelector(_)) => Err(error.to_string()),
        other => {
            let (namespace, selector) = (&ctx.input.namespace, in_go_words(selector.as_ref()));
            let cause = unread(ctx, other, "external");
            Err(format!("unable to get external metric {namespace}/{metric}/{selector}: {cause}"))
        }
    };
    match target {
        ValueTarget::Value(target) => series()
            .and_then(|series| {
                propose_for_value(ctx, sum_for_value(ctx.rules, &series), target)
                    .map_err(|failure| count_failure(&failure))
            })
            .map_err(|cause| Trouble { cause, middle: format!("failed to get external metric {metric}: ") }),
        ValueTarget::AverageValue(target) => series()
            .map(|series| propose_for_value_per_pod(ctx, sum_for_average(ctx.rules, &series), target))
            .map_err(|cause| Trouble { cause, middle: format!("failed to get {metric} external metric: ") }),
        ValueTarget::Unset => Err(Trouble::plain(
            "invalid external metric source: neither a value target nor an average value target was set",
        )),
    }
}

fn count_failure(failure: &Failure) -> String {
    format!("unable to calculate ready pods: {failure}")
}

fn per_pod<'a>(
    ctx: &Context<'_>,
    reading: &'a Reading,
    api: &str,
    prefix: &str,
) -> Result<&'a Samples, String> {
    match reading {
        Reading::Pods(samples) => Ok(samples),
        Reading::Failed(error @ ReadingError::InvalidSelector(_)) => Err(error.to_string()),
        other => Err(format!("{prefix}{}", unread(ctx, other, api))),
    }
}

/// Why the series are not believed: the age of the oldest one that is too old, or that one is negative.
fn doubt(ctx: &Context<'_>, series: &[Sample]) -> Option<Failure> {
    let old = series.iter().filter(|sample| is_stale(ctx, sample));
    let oldest = old.map(|sample| ctx.input.now.since(sample.timestamp)).max();
    let negative = || series.iter().any(|sample| is_negative(ctx, sample.value));
    oldest.map(|age| Failure::StaleValue { age }).or_else(|| negative().then_some(Failure::NegativeValue))
}

/// Why there is no value, as HPA's client for the named metrics API words it.
fn unread(ctx: &Context<'_>, reading: &Reading, api: &str) -> String {
    match reading {
        Reading::Failed(ReadingError::Fetch(text)) => {
            format!("unable to fetch metrics from {api} metrics API: {text}")
        }
        Reading::Failed(ReadingError::Empty) => format!("no metrics returned from {api} metrics API"),
        Reading::Failed(error) => error.to_string(),
        Reading::Timed(series) => doubt(ctx, series).unwrap_or(Failure::WrongReading).to_string(),
        Reading::Value(value) if is_negative(ctx, *value) => Failure::NegativeValue.to_string(),
        Reading::Series(series) if series.iter().any(|value| is_negative(ctx, *value)) => {
            Failure::NegativeValue.to_string()
        }
        Reading::Pods(_) | Reading::Value(_) | Reading::Series(_) => Failure::WrongReading.to_string(),
    }
}

mod direct;
#[cfg(test)]
mod tests;
