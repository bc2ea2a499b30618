//! Metrics that are read directly, with HPA's formulas for External and Pods metrics and texts of our own.

use super::super::Context;
use super::super::average::{self, Target};
use super::super::direct::{Scrape, SourceName, shown};
use super::super::failure::Failure;
use super::super::input::Reading;
use super::super::policy::ValueTarget;
use super::super::proposal::Proposal;
use super::super::total::{propose_for_value, propose_for_value_per_pod};
use super::{Trouble, count_failure, doubt};

pub(super) fn prometheus(
    ctx: &Context<'_>,
    source: &SourceName,
    query: &str,
    target: ValueTarget,
    reading: &Reading,
) -> Result<Proposal, Trouble> {
    let value = value(ctx, reading)
        .map_err(|cause| Trouble::plain(format!("unable to get {} from {source}: {cause}", shown(query))));
    match target {
        ValueTarget::Value(target) => {
            propose_for_value(ctx, value?, target).map_err(|failure| Trouble::plain(count_failure(&failure)))
        }
        ValueTarget::AverageValue(target) => Ok(propose_for_value_per_pod(ctx, value?, target)),
        ValueTarget::Unset => Err(Trouble::plain(
            "invalid prometheus metric source: neither a value target nor an average value target was set",
        )),
    }
}

fn value(ctx: &Context<'_>, reading: &Reading) -> Result<i64, String> {
    match reading {
        Reading::Value(value) => Ok(*value),
        Reading::Timed(series) => match (doubt(ctx, series), series.as_slice()) {
            (Some(doubt), _) => Err(doubt.to_string()),
            (None, [sample]) => Ok(sample.value),
            (None, _) => Err(Failure::WrongReading.to_string()),
        },
        Reading::Failed(error) => Err(error.to_string()),
        Reading::Pods(_) | Reading::Series(_) => Err(Failure::WrongReading.to_string()),
    }
}

pub(super) fn scrape(
    ctx: &Context<'_>,
    scrape: &Scrape,
    average: i64,
    reading: &Reading,
) -> Result<Proposal, Trouble> {
    let target = Target::Average { milli: average, resource: None };
    let samples = match reading {
        Reading::Pods(samples) => Ok(samples),
        Reading::Failed(error) => Err(error.to_string()),
        Reading::Value(_) | Reading::Timed(_) | Reading::Series(_) => Err(Failure::WrongReading.to_string()),
    };
    samples
        .and_then(|samples| average::propose(ctx, samples, target).map_err(|failure| failure.to_string()))
        .map_err(|cause| Trouble::plain(format!("unable to get {scrape} of the pods: {cause}")))
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{BOTH, ago, input, load, only_outcome, web};
    use super::super::super::{
        Algorithm, Basis, MetricOutcome, MetricSpec, PodPort, ReadingError, Sample, ScrapeValue,
    };
    use super::*;
    use crate::reason::ConditionReason;
    use crate::time::Span;

    fn query(target: ValueTarget) -> MetricSpec {
        let source = SourceName::Namespaced("prom".to_owned());
        MetricSpec::Prometheus { source, query: "sum(queue)".to_owned(), target }
    }

    fn hits(average: i64) -> MetricSpec {
        let (port, path, metric) = (PodPort::Number(80), "/metrics".to_owned(), "hits".to_owned());
        let value = ScrapeValue::Rate;
        MetricSpec::Scrape {
            scrape: Scrape { port, path, tls: false, metric, selector: None, value },
            average,
        }
    }

    fn answered(value: i64, age: i64) -> Reading {
        Reading::Timed(vec![Sample { value, timestamp: ago(age), window: Span::ZERO }])
    }

    fn outcome(algorithm: Algorithm, metric: MetricSpec, reading: Reading) -> MetricOutcome {
        only_outcome(&input(algorithm, 3).pods(web(3)).metric(metric, reading))
    }

    #[test]
    fn an_answer_is_scaled_on_like_an_external_metric() {
        for algorithm in BOTH {
            let by_value = outcome(algorithm, query(ValueTarget::Value(100)), answered(200, 1));
            assert_eq!((by_value.proposal, by_value.basis), (Ok(6), Some(Basis::Ratio)));
            let per_pod = outcome(algorithm, query(ValueTarget::AverageValue(100)), answered(450, 1));
            assert_eq!((per_pod.proposal, per_pod.basis), (Ok(5), Some(Basis::Value)));
            assert_eq!(per_pod.name, "prometheus metric sum(queue)");
        }
    }

    #[test]
    fn what_the_pods_serve_is_scaled_on_like_a_pods_metric() {
        for algorithm in BOTH {
            let scraped = outcome(algorithm, hits(100), Reading::Pods(load([200, 200, 200])));
            assert_eq!((scraped.proposal, scraped.name.as_str()), (Ok(6), "scrape metric rate of hits"));
        }
    }

    /// A Prometheus whose answers are old no longer sees the load.
    #[test]
    fn an_old_answer_is_not_believed_unless_hpa_decides() {
        let stale = || (query(ValueTarget::Value(100)), answered(1, 150));
        let (metric, reading) = stale();
        assert_eq!(outcome(Algorithm::Hpa137, metric, reading).proposal, Ok(1));
        let (metric, reading) = stale();
        let error = outcome(Algorithm::Plimsoll1, metric, reading).proposal.unwrap_err();
        assert_eq!(error.reason, ConditionReason::FailedGetPrometheusMetric);
        let expected = "unable to get sum(queue) from Source/prom: the value is 2m30s old, too old";
        assert!(error.message.starts_with(expected), "{}", error.message);
    }

    #[test]
    fn failures_name_the_metric_and_the_source() {
        let refused = || Reading::Failed(ReadingError::Fetch("connection refused".to_owned()));
        let unset =
            "invalid prometheus metric source: neither a value target nor an average value target was set";
        let table = [
            (
                query(ValueTarget::Value(1)),
                ConditionReason::FailedGetPrometheusMetric,
                "unable to get sum(queue) from Source/prom: connection refused",
                "failed to get prometheus metric value: ",
            ),
            (
                query(ValueTarget::Unset),
                ConditionReason::FailedGetPrometheusMetric,
                unset,
                "failed to get prometheus metric value: ",
            ),
            (
                hits(1),
                ConditionReason::FailedGetScrapeMetric,
                "unable to get rate of hits of the pods: connection refused",
                "failed to get scrape metric value: ",
            ),
        ];
        for algorithm in BOTH {
            for (metric, reason, message, before) in &table {
                let error = outcome(algorithm, metric.clone(), refused()).proposal.unwrap_err();
                assert_eq!((error.reason, error.message.as_str()), (*reason, *message));
                assert_eq!(error.in_context, format!("{before}{message}"));
            }
        }
    }
}
